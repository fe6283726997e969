"""Intervals of every family over simulated data: how often they hold what was simulated.

A hundred small data sets for each family: 15 groups of 8 rows, an intercept, a slope and group
intercepts. 90 % intervals should hold the truth about 90 times; between 80 and 98 allows for the
binomial error of a hundred (sd 3) and for what weakly informative priors do in small data. They do
more where the data say little: of a t with nu = 4, the default prior of nu (mean 20) moves sigma so
far that its interval holds it 75 times; hence nu = 8 here.
"""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.families.registry import as_family

GROUPS, ROWS, SETS = 15, 8, 100
BETA, SD = 0.5, 0.7
CASES = {
    "gaussian": {"sigma": 0.8},
    "student_t": {"sigma": 0.8, "nu": 8.0},
    "lognormal": {"sigma": 0.8},
    "gamma": {"shape": 2.0},
    "beta": {"phi": 6.0},
    "bernoulli": {},
    "binomial": {},
    "poisson": {},
    "negative_binomial": {"shape": 2.0},
}


def simulated(family, own, rng):
    g = np.repeat(np.arange(GROUPS), ROWS)
    x = rng.normal(size=g.size)
    eta = 0.3 + BETA * x + SD * rng.normal(size=GROUPS)[g]
    trials = rng.integers(3, 10, g.size)
    parameters = {k: np.array([v]) for k, v in own.items()}
    mu = family.inverse(eta[None], np)
    y = family.simulate(mu, parameters, rng, trials=trials)[0]
    return pd.DataFrame({"y": y, "x": x, "g": g, "n": trials})


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_intervals_cover(name):
    truth = {"Intercept": 0.3, "x": BETA, "sd": SD, **CASES[name]}
    held = dict.fromkeys(truth, 0)
    family, rng = as_family(name), np.random.default_rng(11)
    left = "y | trials(n)" if name == "binomial" else "y"
    for k in range(SETS):
        data = simulated(family, CASES[name], rng)
        fit = mb.fit(
            f"{left} ~ x + (1 | g)", data, family=family, seed=k, draws=250, progress=False
        )
        draws = fit.idata["posterior"].to_dataset()
        found = {p: draws[p] for p in CASES[name]}
        found |= {"Intercept": draws["Intercept"], "x": draws["fixef"][..., 0]}
        found["sd"] = draws["sd_g"][..., 0]
        for label, values in found.items():
            low, high = np.quantile(values, [0.05, 0.95])
            held[label] += bool(low <= truth[label] <= high)
    share = {label: count / SETS for label, count in held.items()}
    assert all(0.80 <= s <= 0.98 for s in share.values()), share
