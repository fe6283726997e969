"""Correlations of residuals in tables, draws, hypotheses, files."""

import numpy as np
import pytest
from correlated import posterior, visits

import mixedbayes as mb
from mixedbayes.api.keep import Asked, arguments, drawn, saved
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.choose import choose_engine
from mixedbayes.formula import parse, with_residual
from mixedbayes.model.coords import model_coords
from mixedbayes.predict.hypothesis import hypothesis
from mixedbayes.results import cache, store
from mixedbayes.results.described import describe_model
from mixedbayes.results.draws import draws
from mixedbayes.results.fixef import parameters
from mixedbayes.results.icc import icc
from mixedbayes.results.own_priors import quantities
from mixedbayes.results.r2 import r2
from mixedbayes.results.summary import summary
from mixedbayes.results.varcorr import varcorr

NAMES = {
    "ar1(visit | id)": ["rho"],
    "ar1(visit | id, by=arm)": ["rho[drug]", "rho[placebo]"],
    "toep(visit | id)": ["rho[lag 1]", "rho[lag 2]", "rho[lag 3]"],
    "ou(time | id)": ["range"],
    "arma11(visit | id)": ["rho", "theta"],
    "cosy(id)": ["rho"],
    "unstr(visit | id)": [f"rho[{i}, {j}]" for i in range(1, 5) for j in range(i + 1, 5)],
}


@pytest.fixture(params=NAMES)
def post(request):
    return posterior(request.param, draws=120)


def test_every_number_has_a_name(post):
    expected = NAMES[post.design.residual.text]
    found = [q.name for q in quantities(post) if q.kind == "residual"]
    assert found == expected
    table = parameters(post)
    own = table[table.parameter.isin(post.design.residual.symbols)]
    elements = own.element.fillna("")
    assert [
        f"{p}[{e}]" if e else p for p, e in zip(own.parameter, elements, strict=False)
    ] == expected
    spread = varcorr(post)
    assert (spread[spread.kind != "sd"].group == "Residual").all()
    assert len(spread[spread.kind != "sd"]) == len(expected)
    long = draws(post, "parameters")
    assert set(expected) <= set(long.quantity)


def test_numbers_are_those_of_the_draws(post):
    name = NAMES[post.design.residual.text][0]
    symbol = name.split("[")[0]
    x = post.stacked(symbol)
    x = x[:, 0, 1] if x.ndim == 3 else x.reshape(len(x), -1)[:, 0]
    np.testing.assert_allclose(draws(post, [name], wide=True)[name], x)
    found = hypothesis(post, f"{name} > 0.2")
    np.testing.assert_allclose(found["probability"], np.mean(x > 0.2))


def test_the_summary_has_them(post):
    text = str(summary(post))
    assert post.design.residual.text in text
    kind = {"ou": "range", "arma11": "theta"}.get(post.design.residual.structure.name, "cor")
    assert kind in text


def test_many_correlations_are_in_varcorr():
    d = visits(T=7)
    text = str(summary(posterior("unstr(visit | id)", d=d)))
    assert "21 correlations, see varcorr()" in text


def test_varcorr_says_which_rows():
    table = varcorr(posterior("toep(visit | id, by=arm)"))
    row = table[table.kind == "cor"].iloc[0]
    assert (row.group, row.term, row.term2) == ("Residual", "visit:arm[drug]", "lag 1")
    row = varcorr(posterior("unstr(visit | id)")).query("kind == 'cor'").iloc[0]
    assert (row.term, row.term2) == ("visit[1]", "visit[2]")
    row = varcorr(posterior("ou(time | id)")).query("kind == 'range'").iloc[0]
    assert row.term == "time"


def test_shares_of_variance_have_the_residual_of_sigma():
    post = posterior("cosy(id)", "y ~ x + (1 | id)", draws=100)
    share = icc(post).query("kind == 'adjusted'")["mean"].iloc[0]
    sd, sigma = post.sd("id")[:, 0], post.stacked("sigma")
    np.testing.assert_allclose(share, np.mean(sd**2 / (sd**2 + sigma**2)))
    assert 0 < r2(post)["mean"].iloc[0] < 1


def test_a_model_is_described():
    model = mb.Model("y ~ x", visits(), residual="ar1(visit | id)")
    text = str(describe_model(model.spec, choose_engine("auto", model.spec)))
    assert "rho of residuals, ar1(visit | id)" in text


# ---- files ---------------------------------------------------------------------------------------


def test_files_keep_the_structure(tmp_path):
    model = Model("y ~ x", visits(), residual="unstr(visit | id, by=arm)")
    fit = Fit(model, posterior("unstr(visit | id, by=arm)"))
    path = store.write(tmp_path / "fit.nc", saved(fit.posterior, Asked()))
    read = store.read(path)
    again = Model(**arguments(read))
    assert again.design.residual.text == "unstr(visit | id, by=arm)"
    assert again.design.formula.texts == model.design.formula.texts == ("y ~ x",)
    np.testing.assert_array_equal(
        drawn(read, again.spec).stacked("rho"), fit.posterior.stacked("rho")
    )
    assert list(model_coords(again.spec)["position"]) == ["1", "2", "3", "4"]


def test_the_cache_tells_structures_apart():
    def said(text):
        return cache.canonical(with_residual(parse("y ~ x"), text))

    assert said("ar1(visit | id)") == said("ar1( visit|id )")
    different = [None, "ar1(visit | id)", "ou(visit | id)", "ar1(visit | id, by=arm)"]
    assert len({str(said(text)) for text in different}) == 4


def test_no_intraclass_correlation_says_where_that_of_rows_is():
    with pytest.raises(mb.ModelError, match=r"of residuals cosy\(id\) it is their correlation rho"):
        icc(posterior("cosy(id)"))
    with pytest.raises(
        mb.ModelError, match=r"rows of one id are, arma11.*, is rho and theta, in p"
    ):
        icc(posterior("arma11(visit | id)"))
