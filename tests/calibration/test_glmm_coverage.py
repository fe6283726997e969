"""Intervals of every family over simulated data: how often they hold what was simulated.

A hundred small data sets for each family: 15 groups of 8 rows, an intercept, a slope and group
intercepts. 90 % intervals should hold the truth about 90 times; between 80 and 98 allows for the
binomial error of a hundred (sd 3) and for what weakly informative priors do in small data. They do
most where the data say least, which is about nu of a t: its default prior is judged at heavy,
moderate and nearly normal tails.
"""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.families.registry import as_family

GROUPS, ROWS, SETS = 15, 8, 100
INTERCEPT, BETA, SD = 0.3, 0.5, 0.7
CASES = {
    "gaussian": {"sigma": 0.8},
    "student_t": {"sigma": 0.8, "nu": 4.0},
    "student_t, nu 8": {"sigma": 0.8, "nu": 8.0},
    "student_t, nu 30": {"sigma": 0.8, "nu": 30.0},
    "lognormal": {"sigma": 0.8},
    "gamma": {"shape": 2.0},
    "skew_normal": {"sigma": 0.8, "alpha": 4.0},
    "exgaussian": {"sigma": 0.5, "beta": 0.8},
    "asymmetric_laplace": {"sigma": 0.4, "quantile": 0.7},
    "shifted_lognormal": {"sigma": 0.5, "ndt": 0.4},
    "weibull": {"shape": 1.7},
    "exponential": {},
    "inverse_gaussian": {"shape": 2.0},
    "hurdle_gamma": {"shape": 2.0, "hu": 0.3},
    "hurdle_lognormal": {"sigma": 0.8, "hu": 0.3},
    "von_mises": {"kappa": 3.0},
    "beta": {"phi": 6.0},
    "zero_one_inflated_beta": {"phi": 6.0, "zoi": 0.3, "coi": 0.4},
    "ordered_beta": {"phi": 6.0, "cutzero": -1.5, "gap": 3.0},
    "bernoulli": {},
    "binomial": {},
    "poisson": {},
    "negative_binomial": {"shape": 2.0},
    "cumulative": {"thresholds": (-1.3, 0.2, 1.4)},  # in the intercept's place
}


def simulated(family, own, rng):
    g = np.repeat(np.arange(GROUPS), ROWS)
    x = rng.normal(size=g.size)
    level = 0.0 if "thresholds" in own else INTERCEPT
    eta = level + BETA * x + SD * rng.normal(size=GROUPS)[g]
    trials = rng.integers(3, 10, g.size)
    parameters = {k: np.array([v]) for k, v in own.items()}
    mu = family.inverse(eta[None], np)
    y = family.simulate(mu, parameters, rng, trials=trials)[0]
    return pd.DataFrame({"y": y, "x": x, "g": g, "n": trials})


def parameters(own):
    """Every true number by name; of several thresholds each by itself."""
    truth = {"x": BETA, "sd": SD}
    for name, value in own.items():
        several = np.ndim(value) > 0
        truth |= {f"{name} {k}": v for k, v in enumerate(value)} if several else {name: value}
    return truth if "thresholds" in own else {"Intercept": INTERCEPT, **truth}


def drawn(fit, own):
    """Draws of the same."""
    draws = fit.idata["posterior"].to_dataset()
    found = {"x": draws["fixef"][..., 0], "sd": draws["sd_g"][..., 0]}
    for name, value in own.items():
        several = range(np.size(value)) if np.ndim(value) else ()
        found |= {f"{name} {k}": draws[name][..., k] for k in several} or {name: draws[name]}
    return found if "thresholds" in own else {"Intercept": draws["Intercept"], **found}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_intervals_cover(name):
    truth = parameters(CASES[name])
    held = dict.fromkeys(truth, 0)
    family, rng = as_family(name.split(",")[0]), np.random.default_rng(11)
    left = "y | trials(n)" if name == "binomial" else "y"
    for k in range(SETS):
        data = simulated(family, CASES[name], rng)
        fit = mb.fit(
            f"{left} ~ x + (1 | g)", data, family=family, seed=k, draws=250, progress=False
        )
        for label, values in drawn(fit, CASES[name]).items():
            low, high = np.quantile(values, [0.05, 0.95])
            held[label] += bool(low <= truth[label] <= high)
    print(name, held)
    share = {label: count / SETS for label, count in held.items()}
    assert all(0.80 <= s <= 0.98 for s in share.values()), share
