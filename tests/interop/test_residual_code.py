"""Correlated residuals in other packages: brms where it is the same model, refused elsewhere."""

import numpy as np
import pandas as pd
import pytest
from correlated import visits

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.interop.code import code
from mixedbayes.terms.registry import RESIDUALS


def spec(residual, **how):
    d = visits()
    weeks = pd.Categorical("w" + d.visit.astype(str), ordered=True)
    return mb.Model("y ~ x", d.assign(week=weeks), residual=residual, **how).spec


def test_brms_has_correlations_without_structure():
    text = code(spec("unstr(week | id)", priors={"rho": mb.LKJ(3)}), "brms")
    assert "y ~ 1 + x + unstr(time = week, gr = id)" in text
    assert 'set_prior("lkj(3)", class = "cortime")' in text
    assert "sigma ~ 0 + week" in text


def complete(residual, **how):
    return mb.Model("y ~ x", visits(drop=0), residual=residual, **how).spec


def test_brms_has_autoregressions_whose_sigma_is_that_of_innovations():
    text = code(complete("ar1(visit | id)", priors={"sigma": mb.HalfNormal(2)}), "brms")
    assert "y ~ 1 + x + ar(time = visit, gr = id, p = 1, cov = TRUE)," in text
    assert 'set_prior("", class = "sigma")' in text
    assert "target += beta_lpdf((ar[1] + 1) / 2 | 2, 2);" in text
    f = "sqrt(1 / (1 - square(ar[1])))"
    assert f"target += normal_lpdf(sigma * {f} | 0, 2) + log({f});" in text
    assert text.count("(") == text.count(")")
    assert ",\n)" not in text  # no argument comes after the last one


def test_the_sd_of_innovations_is_that_of_the_structure():
    """Of e_t = rho e_(t - 1) + a_t + theta a_(t - 1) with sd 1 of a, whose variances add up."""
    rho, theta = 0.7, 0.4
    weights = [1.0, *((rho + theta) * rho ** np.arange(400))]
    sd = np.sqrt(np.sum(np.square(weights)))
    for name, own in (("ar1", np.sqrt(1 / (1 - rho**2))), ("arma11", sd)):
        written = RESIDUALS[name].residuals_elsewhere["brms"].sd
        plain = written.replace("ar[1]", "rho").replace("ma[1]", "theta")
        found = eval(plain, {"sqrt": np.sqrt, "square": np.square, "rho": rho, "theta": theta})
        np.testing.assert_allclose(found, own)


def test_brms_has_arma_and_equal_correlations_from_0():
    text = code(complete("arma11(visit | id)", priors={"theta": mb.Uniform(0, 1)}), "brms")
    assert "+ arma(time = visit, gr = id, p = 1, q = 1, cov = TRUE)" in text
    assert "beta_lpdf((ar[1] + 1) / 2 | 2, 2)" in text
    assert "uniform_lpdf(ma[1] | 0, 1)" in text
    text = code(spec("cosy(id)", priors={"rho": mb.Uniform(0, 1)}), "brms")
    assert "y ~ 1 + x + cosy(gr = id)" in text
    assert 'set_prior("uniform(0, 1)", class = "cosy")' in text
    assert "stanvar" not in text


@pytest.mark.parametrize(
    ("residual", "target", "said"),
    [
        ("ar1(visit | id)", "brms", r"consecutive visits, and \d of 8 have gaps"),
        ("ou(time | id)", "brms", "ar1, arma11, cosy and unstr"),
        ("cosy(id)", "brms", r"from 0 to 1, and rho .*mb.Uniform\(0, 1\)"),
        ("unstr(visit | id, by=arm)", "brms", "none by arm"),
        ("unstr(C(visit) | id)", "brms", "make it a column"),
        ("unstr(visit | id)", "lme4", "nlme::gls"),
        ("ar1(visit | id)", "bambi", "Bambi has none"),
        ("ar1(visit | id)", "pymc", "model in PyMC"),
    ],
)
def test_what_is_another_model_there_is_refused(residual, target, said):
    with pytest.raises(ModelError, match=said):
        code(spec(residual), target)


def test_a_formula_of_sigma_and_missing_responses_are_other_models_in_brms():
    d = visits(drop=0)
    with pytest.raises(ModelError, match="formula of sigma beside"):
        code(mb.Model(["y ~ x", "sigma ~ x"], d, residual="ar1(visit | id)").spec, "brms")
    d.loc[0, "y"] = None
    with pytest.raises(ModelError, match=r"mi\(\) beside residuals"):
        code(mb.Model("y | mi() ~ x", d, residual="ar1(visit | id)").spec, "brms")
