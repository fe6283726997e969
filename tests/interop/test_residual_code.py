"""Correlated residuals in other packages: brms where it is the same model, refused elsewhere."""

import pandas as pd
import pytest
from correlated import visits

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.interop.code import code


def spec(residual, **how):
    d = visits()
    weeks = pd.Categorical("w" + d.visit.astype(str), ordered=True)
    return mb.Model("y ~ x", d.assign(week=weeks), residual=residual, **how).spec


def test_brms_has_correlations_without_structure():
    text = code(spec("unstr(week | id)", priors={"rho": mb.LKJ(3)}), "brms")
    assert "y ~ 1 + x + unstr(time = week, gr = id)" in text
    assert 'set_prior("lkj(3)", class = "cortime")' in text
    assert "sigma ~ 0 + week" in text


@pytest.mark.parametrize(
    ("residual", "target", "said"),
    [
        ("ar1(visit | id)", "brms", "sd of innovations"),
        ("cosy(id)", "brms", "no negative"),
        ("unstr(visit | id, by=arm)", "brms", "without by="),
        ("unstr(C(visit) | id)", "brms", "make it a column"),
        ("unstr(visit | id)", "lme4", "nlme::gls"),
        ("ar1(visit | id)", "bambi", "Bambi has none"),
        ("ar1(visit | id)", "pymc", "model in PyMC"),
    ],
)
def test_what_is_another_model_there_is_refused(residual, target, said):
    with pytest.raises(ModelError, match=said):
        code(spec(residual), target)
