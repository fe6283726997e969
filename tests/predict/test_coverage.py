"""Calibration: how often intervals for groups never seen contain what such groups then do.

With the truth drawn from the model's own priors a 90 % interval covers in exactly 90 % of all data
sets, and what a few draws of the posterior leave out is small.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

SETS = 300
GROUPS, ROWS = 10, 5
NEW = 10  # groups never seen, for each way to ask for them
SD = {"Intercept": 2.0, "fixef": 1.0, "sd": 1.0, "sigma": 1.0}
PRIORS = {
    "Intercept": mb.Normal(0, SD["Intercept"]),
    "fixef": mb.Normal(0, SD["fixef"]),
    "sd": mb.HalfNormal(SD["sd"]),
    "sigma": mb.HalfNormal(SD["sigma"]),
}
SHAPES = {
    "y ~ x + (1 | g)": PRIORS,
    "y ~ x + (x | g)": PRIORS | {"cor": mb.LKJ(2)},
}


def covariance_from_priors(rng: np.random.Generator, terms: int) -> np.ndarray:
    """(terms, terms) of the group effects; LKJ(2) of two is 2 Beta(2, 2) - 1."""
    cor = np.eye(terms)
    cor[cor == 0] = 2 * rng.beta(2, 2) - 1
    sd = np.abs(rng.normal(0, SD["sd"], terms))
    return cor * np.outer(sd, sd)


def world(rng: np.random.Generator, formula: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of groups to fit, and one row of each of 2 NEW other groups of the same population."""
    terms = 2 if "(x" in formula else 1
    g = np.r_[np.repeat(np.arange(GROUPS), ROWS), GROUPS + np.arange(2 * NEW)]
    x = rng.normal(size=g.size)
    columns = np.column_stack([np.ones_like(x), x])
    population = rng.normal(0, [SD["Intercept"], SD["fixef"]])
    effects = rng.multivariate_normal(
        np.zeros(terms), covariance_from_priors(rng, terms), g.max() + 1, method="eigh"
    )
    sigma = abs(rng.normal(0, SD["sigma"]))
    mean = columns @ population + np.sum(columns[:, :terms] * effects[g], axis=1)
    data = pd.DataFrame({"y": rng.normal(mean, sigma), "x": x, "g": g.astype(str)})
    return data.iloc[: GROUPS * ROWS], data.iloc[GROUPS * ROWS :].reset_index(drop=True)


def shares_covered(formula: str, number: int) -> tuple[float, float]:
    """Of the new groups of one data set, by intervals for new and, wrongly, for typical groups."""
    known, new = world(np.random.default_rng([number, len(formula)]), formula)
    quiet = {"seed": number, "progress": False}
    fit = mb.fit(formula, known, priors=SHAPES[formula], chains=2, draws=500, cores=1, **quiet)
    ask = {"prob": 0.9, "progress": False}
    unseen = new.iloc[:NEW]  # by their labels
    seen = new.iloc[NEW:].assign(g=known["g"].unique())  # and whatever the labels
    right = [fit.predict(unseen, **ask), fit.predict(seen, groups="new", **ask)]
    wrong = fit.predict(new, groups="typical", **ask)
    return covered(pd.concat(right, ignore_index=True), new), covered(wrong, new)


def covered(table: pd.DataFrame, new: pd.DataFrame) -> float:
    return float(((table["lower"] < new["y"]) & (new["y"] < table["upper"])).mean())


@pytest.mark.slow
@pytest.mark.parametrize("formula", SHAPES)
def test_intervals_for_new_groups_cover(formula):
    """Groups of one data set share its errors: the unit is the data set, not the group."""
    shares = np.array([shares_covered(formula, number) for number in range(SETS)])
    new, typical = shares.mean(axis=0)
    error = shares[:, 0].std(ddof=1) / np.sqrt(SETS)
    print(f"\n{formula}: new {new:.4f}, standard error {error:.4f}; typical {typical:.4f}")
    assert error < 0.01
    assert 0.87 < new < 0.93
    assert abs(new - 0.9) < 3.5 * error
    assert typical < 0.8  # leaving out the spread of groups is found
