"""Correlated residuals in a methods section, a table for papers, equations, pictures, a report."""

import pytest
from correlated import posterior

from mixedbayes.errors import ModelError
from mixedbayes.plots.priors import plot_priors
from mixedbayes.plots.varcorr import plot_varcorr
from mixedbayes.publish.methods import methods
from mixedbayes.publish.table import table
from mixedbayes.report.equations import model_equations
from mixedbayes.report.sections import session_code
from mixedbayes.report.source import Source
from mixedbayes.teach.context import context


@pytest.fixture(scope="module")
def post():
    return posterior("ar1(visit | id, by=arm)", "y ~ x + (1 | id)", draws=120)


def test_methods_say_it(post):
    text = str(methods(post))
    assert "residuals of the rows of one id are correlated, ar1(visit | id, by=arm)" in text
    assert "falls geometrically with the steps between, of values of visit, for each level" in text
    assert "rho of residuals" in text


def test_equations_have_it(post):
    text = model_equations(post.spec)
    assert r"\mathrm{cor}(y_i,\, y_{i'})" in text
    assert r"\rho^{|s - t|}" in text


def test_tables_for_papers_have_it(post):
    text = str(table(post))
    assert "visit:arm[drug]" in text or "lag 1" in text


def test_tables_for_papers_have_every_number_of_a_structure():
    text = str(table(posterior("arma11(visit | id)", draws=60)))
    assert "rho visit" in text
    assert "theta visit" in text


def test_the_call_of_a_report_has_it(post):
    code = session_code(Source(post, None, 0.95))
    assert "residual='ar1(visit | id, by=arm)'" in code


def test_pictures_have_panels_of_it(post):
    for draw in (plot_varcorr, plot_priors):
        assert draw(post, backend="plotly") is not None


def test_textbook_forms_are_refused(post):
    with pytest.raises(ModelError, match="independent residuals"):
        context(post)
