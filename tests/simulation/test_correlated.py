"""Data with correlated residuals, simulated from nothing and from a posterior."""

import numpy as np
import pytest
from correlated import posterior

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.simulation.replicate import simulate_from_posterior, simulate_from_prior


def simulated(residual="ar1(visit | id)", groups=4000, **how):
    laid_out = {"visit": range(3), "arm": {"id": ["drug", "placebo"]}}
    laid_out = {k: v for k, v in laid_out.items() if k in residual}
    how = {"covariates": laid_out, "seed": 1, "sigma": 2.0, **how}
    return mb.simulate("y ~ x", {"id": groups}, 3, fixef={"x": 1}, residual=residual, **how)


def wide(d):
    d = d.assign(e=d.y - d.x, place=d.groupby("id").cumcount())
    return d.pivot(index="id", columns="place", values="e")


@pytest.mark.parametrize(
    ("residual", "given", "R"),
    [
        ("ar1(visit | id)", {"rho": -0.6}, [[1, -0.6, 0.36], [-0.6, 1, -0.6], [0.36, -0.6, 1]]),
        ("cosy(id)", {"rho": 0.4}, [[1, 0.4, 0.4], [0.4, 1, 0.4], [0.4, 0.4, 1]]),
        ("unstr(visit | id)", {"rho": 0.4}, [[1, 0.4, 0.4], [0.4, 1, 0.4], [0.4, 0.4, 1]]),
        ("toep(visit | id)", {"rho": [0.5, 0.1]}, [[1, 0.5, 0.1], [0.5, 1, 0.5], [0.1, 0.5, 1]]),
    ],
)
def test_residuals_have_the_correlations_and_one_sd(residual, given, R):
    d = wide(simulated(residual, **given))
    np.testing.assert_allclose(np.corrcoef(d.T), R, atol=0.05)
    np.testing.assert_allclose(d.std(), 2.0, rtol=0.05)


def test_arms_have_their_own():
    d = simulated("ar1(visit | id, by=arm)", rho={"drug": 0.8, "placebo": 0.0})
    for arm, rho in (("drug", 0.8), ("placebo", 0.0)):
        assert abs(np.corrcoef(wide(d[d.arm == arm]).T)[0, 1] - rho) < 0.06


def test_sds_by_visit():
    logs = {f"C(visit)[{k}]": np.log(k + 1) for k in range(3)}
    d = simulated("unstr(visit | id)", rho=0.3, sigma={"fixef": logs})
    np.testing.assert_allclose(wide(d).std(), [1, 2, 3], rtol=0.06)


def test_the_truth_is_kept():
    truth = mb.truth(simulated(groups=5, rho=0.5))
    assert truth.parameters["rho"] == 0.5
    truth = mb.truth(simulated("unstr(visit | id)", groups=5, rho=0.3))
    assert truth.parameters["rho"]["0, 1"] == 0.3
    truth = mb.truth(simulated("toep(visit | id, by=arm)", groups=6, rho=[0.4, 0.1]))
    assert truth.parameters["rho"]["drug, lag 1"] == 0.4


@pytest.mark.parametrize(
    ("residual", "given", "said"),
    [
        ("ar1(visit | id)", {}, r"rho is not given: rho=0.5"),
        ("ar1(visit | id)", {"rho": 1.2}, "no 3 residuals of one group have these"),
        ("ar1(visit | id)", {"rho": [1, 2]}, "is one number"),
        ("cosy(id)", {"rho": -0.7}, "no 3 residuals"),
        ("unstr(visit | id)", {"rho": np.ones((2, 2))}, "is 3 x 3"),
        ("ar1(visit | id, by=arm)", {"rho": {"drug": 0.1}}, "each arm, drug, placebo"),
        ("ar1(visit | patient)", {"rho": 0.1}, "number of levels is not given"),
    ],
)
def test_what_is_lacking_or_impossible_is_said(residual, given, said):
    with pytest.raises((ModelError, DataError), match=said):
        simulated(residual, groups=4, **given)


def test_models_and_posteriors_simulate_too():
    post = posterior("unstr(visit | id, by=arm)", "y ~ x + (1 | id)")
    for d in (simulate_from_posterior(post, seed=1), simulate_from_prior(post.spec, seed=1)):
        assert len(d) == post.design.n
        assert "drug, 1, 2" in mb.truth(d).parameters["rho"]
