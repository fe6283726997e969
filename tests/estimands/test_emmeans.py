"""Means, differences and slopes against R's emmeans on the same models.

Posteriors whose draws have the file's coefficients as mean and their covariance, to rounding, give
emmeans' estimates and standard errors to rounding; fits give them to Monte Carlo error and what
priors and the uncertainty of the variances add.
"""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.estimands.means import comparisons, means, slopes


def compare(found, expected, tolerance, sign=1, se="se"):
    """Means within a share of the standard error, and sds within 8 %, plus Monte Carlo error."""
    error = np.array(expected[se])
    mcse = found["mcse"].to_numpy() / error
    away = (found["mean"].to_numpy() - sign * np.array(expected["estimate"])) / error
    assert np.all(np.abs(away) <= tolerance + 4 * mcse), away
    np.testing.assert_allclose(found["sd"] / error, 1, atol=0.08 + 4 * mcse.max())


CAKE = {
    "emm_recipe": lambda p: means(p, "recipe"),
    "contrast_trt": lambda p: comparisons(p, "recipe"),
    "contrast_eff": lambda p: comparisons(p, {"recipe": "mean"}),
    "emm_temperature": lambda p: means(p, {"temp": [175, 200, 225]}, over="balanced"),
    "trends": lambda p: slopes(p, "temp", by="recipe"),
}
CAKE_PAIRS = {  # emmeans has a - b where this package has b - a
    "pairs_recipe": lambda p: comparisons(p, {"recipe": "pairwise"}),
    "pairs_recipe_by_temperature": lambda p: comparisons(
        p, {"recipe": "pairwise"}, at={"temp": [175, 200, 225]}
    ).table.sort_values("temp", kind="stable"),
    "pairs_trends": lambda p: slopes(p, "temp", by="recipe").contrast("pairwise"),
}


@pytest.mark.parametrize("name", [*CAKE, *CAKE_PAIRS])
def test_a_gaussian_model_with_an_interaction(cake, reference, name):
    expected = reference("emmeans_cake")["results"][name]
    ask = CAKE.get(name) or CAKE_PAIRS[name]
    compare(ask(cake), expected, 0.05, sign=1 if name in CAKE else -1)


def test_differences_of_differences(cake, reference):
    """Crossed comparisons, contrasts of comparisons, and slopes times a range are one number."""
    expected = reference("emmeans_cake")["results"]["interaction_contrasts"]
    by = comparisons(cake, {"temp": (175, 225)}, by="recipe")
    found = by.contrast("pairwise")
    compare(found, expected, 0.05)  # (b - a) of (225 - 175) is (a - b) of (175 - 225)
    slope = slopes(cake, "temp", by="recipe").contrast("pairwise")
    np.testing.assert_allclose(found.sampled, 50 * slope.sampled, rtol=1e-6, atol=1e-6)


def test_odds_of_a_typical_group(cbpp, reference):
    results = reference("emmeans_cbpp")["results"]
    compare(means(cbpp, "period", kind="linear"), results["emm"], 0.3)
    compare(means(cbpp, "period", groups="typical"), results["emm"]["response"], 0.3, se="se_delta")
    log_odds = comparisons(cbpp, {"period": "pairwise"}, how="log_odds_ratio", groups="typical")
    compare(log_odds, results["odds_ratios"], 0.3, sign=-1)
    ratio = comparisons(cbpp, {"period": "pairwise"}, how="odds_ratio", groups="typical")
    np.testing.assert_allclose(np.log(ratio.sampled), log_odds.sampled, atol=1e-9)
    consec = comparisons(cbpp, {"period": "sequential"}, kind="linear")
    compare(consec, results["consec"], 0.3)


SLOW = pytest.mark.slow

# ---- draws with the mean and covariance of R's coefficients --------------------------------------

MODELS = {
    "machines": ("score ~ Machine + (Machine | Worker)", "gaussian"),
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
    "verbagg": ("r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli"),
    "grouseticks": (
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "poisson",
    ),
}  # fmt: skip
ANGER = 20.003164556962027  # mean
ASKED = {  # emmeans has a - b where this package has b - a: sign
    "machines": {
        "emm": (1, lambda p: means(p, "Machine")),
        "pairs": (-1, lambda p: comparisons(p, {"Machine": "pairwise"})),
        "consec": (1, lambda p: comparisons(p, {"Machine": "sequential"})),
        "poly": (1, lambda p: polynomials(means(p, "Machine"))),
    },
    "sleepstudy": {
        "trend": (1, lambda p: slopes(p, "Days")),
        "at_days": (1, lambda p: means(p, {"Days": [0, 4.5, 9]})),
        "change": (1, lambda p: means(p, {"Days": [0, 4.5, 9]}).contrast("pairwise")),
    },
    "verbagg": {
        "emm_btype": (1, lambda p: linear(means, p, "btype", over="balanced")),
        "pairs_btype": (-1, lambda p: linear(comparisons, p, {"btype": "pairwise"})),
        "emm_gender": (1, lambda p: linear(means, p, "Gender", over="balanced")),
        "pairs_gender": (-1, lambda p: linear(comparisons, p, "Gender")),
        "cells": (
            1, lambda p: linear(means, p, ["btype", "situ"], over="balanced")
            .table.sort_values("situ", kind="stable"),
        ),
        "anger": (1, lambda p: linear(slopes, p, "Anger")),
    },
    "grouseticks": {
        "emm": (1, lambda p: linear(means, p, "YEAR", over="balanced")),
        "rate_ratios": (
            -1, lambda p: comparisons(
                p, {"YEAR": "pairwise"}, how="log_ratio", over="balanced", groups="typical"
            ),
        ),
        "height": (1, lambda p: linear(slopes, p, "cHEIGHT")),
    },
}  # fmt: skip


def linear(ask, post, focal, **how):
    return ask(post, focal, kind="linear", groups="typical", **how)


def polynomials(found):
    parts = [{"A": -1, "C": 1}, {"A": 1, "B": -2, "C": 1}]
    return pd.concat([found.contrast(weights).table for weights in parts])


def with_coefficients(name, expected, draws):
    """Draws (S, k) of the coefficients; a file's sds of the groups where it has them."""
    formula, family = MODELS[name]
    averaged = expected.get("population_averaged", {}).get("sd", [1.0] * 3)
    factors = [bar.split("|")[1].strip(" )+") for bar in formula.split("(")[1:]]
    given = {f"sd_{g}": np.array([sd]) for g, sd in zip(factors, averaged, strict=False)}
    given |= {"Intercept": draws[None, :, 0], "fixef": draws[None, :, 1:]}
    data = mb.load_data(name)
    return hand_made(formula, data, family, len(draws), np.random.default_rng(1), given)


@pytest.fixture(scope="module")
def exact(reference):
    """Posteriors by name, made once."""
    made = {}

    def posterior(name):
        if name not in made:
            fixed = reference(f"emmeans_{name}")["fixed"]
            b, root = np.array(fixed["estimate"]), np.linalg.cholesky(fixed["vcov"])
            z = np.random.default_rng(2).normal(size=(50, len(b)))
            q = np.linalg.qr(np.column_stack([np.ones(50), z]))[0][:, 1:] * np.sqrt(49)
            made[name] = with_coefficients(name, reference(f"emmeans_{name}"), b + q @ root.T)
        return made[name]

    return posterior


@pytest.mark.parametrize(("name", "what"), [(n, w) for n in ASKED for w in ASKED[n]])
def test_linear_functions_of_the_coefficients_are_those_of_emmeans(exact, reference, name, what):
    expected = reference(f"emmeans_{name}")["results"][what]
    sign, ask = ASKED[name][what]
    found = ask(exact(name))
    np.testing.assert_allclose(found["mean"], sign * np.array(expected["estimate"]), rtol=1e-6)
    np.testing.assert_allclose(found["sd"], expected["se"], rtol=1e-6)


@pytest.mark.parametrize("name", ["verbagg", "grouseticks"])
def test_population_averages_are_the_quadrature_of_the_file(reference, name):
    """At R's estimates, each effect and sd a single number."""
    expected = reference(f"emmeans_{name}")
    whole = expected["population_averaged"]
    post = with_coefficients(name, expected, np.array([expected["fixed"]["estimate"]] * 2))
    if name == "grouseticks":
        found = means(post, "YEAR", over="balanced")
        np.testing.assert_allclose(found["mean"], whole["mean"], rtol=1e-6)
        return
    found = means(post, ["situ", "Gender", "btype"], over="balanced")
    np.testing.assert_allclose(found["mean"], whole["probability"], atol=1e-6)
    typical = means(post, ["situ", "Gender", "btype"], over="balanced", groups="typical")
    np.testing.assert_allclose(typical["mean"], whole["probability_at_zero_effects"], atol=1e-9)
    ratio = comparisons(post, {"btype": "pairwise"}, how="odds_ratio", over="balanced",
                        groups="typical", at={"Gender": "F", "situ": "other"})  # fmt: skip
    odds = expected["results"]["pairs_btype"]["ratio"]["estimate"]
    np.testing.assert_allclose(1 / ratio["mean"], odds, rtol=1e-9)


# ---- fits ----------------------------------------------------------------------------------------


# How much wider than R's standard errors posteriors are: these take variances as known.
WIDER = {"machines": 1.6, "sleepstudy": 1.25, "verbagg": 1.25, "grouseticks": 1.15}


@pytest.mark.parametrize(
    "name",
    ["machines", "sleepstudy", *(pytest.param(n, marks=SLOW) for n in ("verbagg", "grouseticks"))],
)
def test_fits_agree_with_emmeans(reference, name):
    formula, family = MODELS[name]
    post = mb.fit(formula, mb.load_data(name), family=family, seed=1, progress=False).posterior
    tolerance = 0.05 if family == "gaussian" else 0.3
    for what, (sign, ask) in ASKED[name].items():
        expected, found = reference(f"emmeans_{name}")["results"][what], ask(post)
        se = np.array(expected["se"])
        away = np.abs(found["mean"] - sign * np.array(expected["estimate"])) / se
        assert (away <= tolerance + 4 * found["mcse"] / se).all(), (what, away)
        assert (found["sd"] / se).between(0.92, WIDER[name]).all(), (what, found["sd"] / se)
