"""Posteriors against exact quadrature and against brms, with the same priors.

Tolerances: 4 Monte Carlo standard errors of the mean, and 1 % of the posterior sd; the sd itself
within 6 %.
"""

import arviz as az
import numpy as np
import pytest
from oracles import ORACLES, oracle_model, quantities

import mixedbayes as mb

# brms has these too, by Monte Carlo; its dyestuff-like others are exact only.
BRMS = [
    "gpa_intercept",
    "penicillin_crossed",
    "sleepstudy_days_subject",
    "sleepstudy_days_subject_uncor",
    "sleepstudy_intercept",
    "sleepstudy_slope",
]


def check(found, name):
    """All quantities of a fit agree with their reference."""
    x = np.stack([q.draws for q in found])  # (K, chain, draw)
    mean = np.array([q.reference["mean"] for q in found])
    sd = np.array([q.reference["sd"] for q in found])
    theirs = np.array([q.reference.get("mcse_mean", 0.0) for q in found])
    sd_error = np.array([q.reference.get("mcse_sd", 0.0) for q in found])
    mcse = np.array([az.mcse(d) for d in x])
    labels = np.array([q.label for q in found])
    off = np.abs(x.mean(axis=(1, 2)) - mean) > 4 * np.hypot(mcse, theirs) + 0.01 * sd
    assert not off.any(), f"{name}: means of {labels[off]}"
    spread = np.abs(x.std(axis=(1, 2)) - sd) > 0.06 * sd + 4 * sd_error
    assert not spread.any(), f"{name}: sds of {labels[spread]}"


@pytest.mark.parametrize("name", ORACLES)
def test_marginal_posterior_is_the_exact_one(name, oracle_fit, reference):
    fit, exact = oracle_fit(name), reference(f"exact_{name}")
    assert fit.formulation.engine.name == "marginal"
    found = quantities(fit, exact)
    assert len(found) == len(exact["parameters"]), "every quantity of the file is compared"
    check(found, name)
    assert fit.converged


@pytest.mark.parametrize("name", ORACLES)
def test_linear_contrasts_have_the_exact_mean_and_sd(name, oracle_fit, reference):
    """Means, a difference and a slope of the population: weights of the coefficients."""
    fit, exact = oracle_fit(name), reference(f"exact_{name}")
    known = {r["variable"]: r["mean"] for r in exact["parameters"]}
    b = np.array([known[n] for n in exact["cov_fixed"]["names"]])
    cov = np.array(exact["cov_fixed"]["matrix"])
    asked = [(fit.means(groups="average"), [[1.0]])]
    if len(b) == 2:
        (x,) = fit.model.design.mu.terms
        low, high = np.quantile(fit.model.design.mu.X, (0, 0.8))
        asked = [
            (fit.means({x: [low, high]}), [[1, low], [1, high]]),
            (fit.comparisons({x: (low, high)}), [[0, high - low]]),
            (fit.slopes(x), [[0, 1]]),
        ]
    for found, weights in asked:
        for row, w in zip(found.sampled, np.array(weights, float), strict=True):
            draws = row.reshape(found.chains, -1)
            mean, sd = w @ b, np.sqrt(w @ cov @ w)
            assert abs(row.mean() - mean) < 4 * az.mcse(draws) + 1e-4 * sd, found.question
            assert abs(row.std(ddof=1) - sd) < 4 * az.mcse(draws, method="sd"), found.question


@pytest.mark.parametrize("name", BRMS)
def test_marginal_posterior_agrees_with_brms(name, oracle_fit, reference):
    found = quantities(oracle_fit(name), reference(f"brms_{name}"))
    assert len(found) > len(oracle_fit(name).model.design.mu.groups[0].levels)
    check(found, name)


@pytest.mark.slow
def test_sampled_effects_give_the_exact_posterior_too(reference):
    name = "sleepstudy_days_subject"  # of intercepts the next test has both formulations
    fit = oracle_model(name, formulation=mb.NonCentered()).fit(
        draws=1000, seed=5, progress=False, target_accept=0.95
    )
    check(quantities(fit, reference(f"exact_{name}")), name)
    assert fit.diagnostics().divergences == 0


@pytest.mark.slow  # tests/model/test_log_density.py has its density
def test_centred_and_non_centred_effects_in_one_model_agree_with_the_exact_posterior(reference):
    mixed = {"batch:cask": mb.NonCentered(), "batch": mb.Centered()}
    model = mb.Model("strength ~ 1 + (1 | batch/cask)", mb.load_data("pastes"))
    sampled = model.fit(draws=800, seed=3, progress=False, formulation=mixed, target_accept=0.95)
    exact = model.fit(draws=2000, seed=4, progress=False)
    for name in ("Intercept", "sd_batch_cask", "sd_batch", "sigma", "ranef_batch_cask"):
        a, b = (f.idata["posterior"][name] for f in (sampled, exact))
        error = np.hypot(az.mcse(a), az.mcse(b))
        difference = np.abs(a.mean(("chain", "draw")) - b.mean(("chain", "draw")))
        assert bool(np.all(difference < 4 * error)), name
