"""How often checks want a look at data that the model made: a study, of minutes.

Shares of data sets in percent, of fits of 200 draws; before residuals were binned by what their own
responses have not moved, single outcomes had 5 and 18 along fitted values.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb

SETS = 60
LIMIT = 0.05
JUDGED = (
    "Residuals against fitted",
    "Scale against fitted",
    "Quantiles of residuals",
    "Zeros",
    "Dispersion",
    "Largest count",
    "Autocorrelation",
    "Effects of g: Intercept",
    "Within and between groups",
)


def made(family, seed):
    """24 to 60 groups of 10 rows, one or two predictors, sds from 0.3 to 1.5."""
    rng = np.random.default_rng(seed)
    levels, sd = int(rng.integers(24, 61)), rng.uniform(0.3, 1.5)
    g = np.repeat(np.arange(levels), 10)
    data = pd.DataFrame(rng.normal(size=(len(g), 2)), columns=["x", "z"]).assign(g=g)
    right = "x + z" if rng.integers(2) else "x"
    eta = 0.2 + 0.6 * data["x"] - 0.4 * data["z"] * ("z" in right) + sd * rng.normal(size=levels)[g]
    eta, left, n = eta.to_numpy(), "y", len(g)
    p = special.expit(eta)
    if family == "binomial":
        data["t"], left = rng.integers(1, 5, n), "y | trials(t)"
        data["y"] = rng.binomial(data["t"], p)
    elif family == "cumulative":
        latent = eta[:, None] + rng.logistic(size=(n, 1))
        data["y"] = 1 + np.sum(latent > [-1, 0.3, 1.2], axis=1)
    else:
        draw = {
            "gaussian": lambda: eta + rng.normal(size=n),
            "student_t": lambda: eta + rng.standard_t(4, n),
            "lognormal": lambda: np.exp(eta + 0.7 * rng.normal(size=n)),
            "gamma": lambda: rng.gamma(2, np.exp(eta) / 2),
            "beta": lambda: np.clip(rng.beta(8 * p, 8 - 8 * p), 1e-6, 1 - 1e-6),
            "bernoulli": lambda: rng.binomial(1, p),
            "poisson": lambda: rng.poisson(np.exp(eta - 1.2)),
            "negative_binomial": lambda: rng.poisson(
                np.exp(eta - 0.5) * rng.gamma(1.5, 1 / 1.5, n)
            ),
        }
        data["y"] = draw[family]()
    return f"{left} ~ {right} + (1 | g)", data


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        "bernoulli", "binomial", "cumulative", "poisson", "negative_binomial", "gaussian",
        "student_t", "lognormal", "gamma", "beta",
    ],
)  # fmt: skip
def test_right_models_are_seldom_looked_at(family):
    looks = dict.fromkeys(JUDGED, 0)
    for seed in range(SETS):
        formula, data = made(family, seed)
        fit = mb.fit(formula, data, family=family, draws=100, chains=2, seed=seed, progress=False)
        for found in fit.check(progress=False).findings:
            if found.title in looks:
                looks[found.title] += found.look
    most = stats.binom.ppf(0.99, SETS, LIMIT)  # by chance, where the rate is at its limit
    assert max(looks.values()) <= most, looks
