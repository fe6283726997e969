"""Models as calls of glmmTMB: structures of effects and residuals, and what it has not."""

import numpy as np
import pandas as pd
import pytest
from correlated import visits

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.interop.code import code


def frame(**columns):
    d = visits(groups=12, drop=0)
    return d.assign(site=np.tile(["p", "q", "r"], 16), **columns)


def call(formula, residual=None, family="gaussian", **columns):
    model = mb.Model(formula, frame(**columns), residual=residual, family=family)
    return code(model.spec, "glmmTMB").split("\n")


@pytest.mark.parametrize(
    ("bar", "theirs"),
    [
        ("(x | id)", "us(1 + x | id)"),
        ("(x || id)", "diag(1 + x | id)"),
        ("ar1(visit | site)", "ar1(0 + factor(visit) | site)"),
        ("hetar1(visit | site)", "hetar1(0 + factor(visit) | site)"),
        ("toep(visit | site)", "toep(0 + factor(visit) | site)"),
        ("homtoep(visit | site)", "homtoep(0 + factor(visit) | site)"),
        ("ou(time | site)", "ou(0 + numFactor(time) | site)"),
        ("cs(1 + x | id)", "cs(1 + x | id)"),
    ],
)
def test_structures_of_effects(bar, theirs):
    *head, last = call(f"y ~ x + {bar}")
    assert head == ["library(glmmTMB)"]
    assert last == (
        f'glmmTMB(y ~ 1 + x + {theirs}, data = data, family = gaussian(link = "identity"), '
        "REML = TRUE)"
    )


@pytest.mark.parametrize(
    ("residual", "theirs"),
    [
        ("ar1(visit | id)", "ar1(0 + factor(visit) | id)"),
        ("unstr(visit | id)", "us(0 + factor(visit) | id)"),
        ("cosy(visit | id)", "homcs(0 + factor(visit) | id)"),
        ("ou(time | id)", "ou(0 + numFactor(time) | id)"),
    ],
)
def test_residuals_are_effects_beside_a_residual_of_no_variance(residual, theirs):
    last = call("y ~ x", residual)[-1]
    assert last.startswith(f"glmmTMB(y ~ 1 + x + {theirs}, data = data")
    assert "dispformula = ~ 0" in last


@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        ("poisson", 'poisson(link = "log")'),
        ("negative_binomial", 'nbinom2(link = "log")'),
        ("negative_binomial1", 'nbinom1(link = "log")'),
    ],
)
def test_families_of_counts(family, theirs):
    count = np.random.default_rng(1).poisson(3, 48)
    last = call("count ~ x + (1 | id)", family=family, count=count)[-1]
    assert f"family = {theirs})" in last
    assert "REML" not in last


@pytest.mark.parametrize(
    ("formula", "residual", "said"),
    [
        ("y ~ x", "ar1(visit | id, by=arm)", "by arm"),
        ("y ~ x", "cosy(id)", r"cosy\(id\) does not name visits"),
        ("y ~ x", "arma11(visit | id)", "no code for glmmTMB of the covariance arma11"),
        (["y ~ x", "sigma ~ x"], None, "sigma has one here"),
        ("y | weights(w) ~ x", None, "another model"),
        ("y ~ s(x)", None, "mgcv"),
    ],
)
def test_what_it_has_not(formula, residual, said):
    with pytest.raises(ModelError, match=said):
        call(formula, residual)


def test_a_family_of_glm_that_it_has_not():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 8.0, 3.0], "x": [1.0, 2.0, 3.0, 4.0, 6.0]})
    model = mb.Model("y ~ x", data, family="inverse_gaussian")
    assert "inverse.gaussian" in model.code("lme4")
    with pytest.raises(ModelError, match="inverse_gaussian family is not known here"):
        model.code("glmmTMB")


def test_gaps_between_visits_are_another_model():
    d = frame()
    with_gaps = mb.Model("y ~ x", d[d.visit != 3], residual="ar1(visit | id)").spec
    with pytest.raises(ModelError, match="levels one step apart"):
        code(with_gaps, "glmmTMB")
    ou = mb.Model("y ~ x + ou(time | site)", d).spec
    with pytest.raises(ModelError, match=r"covariance ou\(... \| g\), which code\('glmmTMB'\) has"):
        code(ou, "lme4")
