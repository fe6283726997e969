"""Responses of every kind of family in one frame, and formulas for them."""

import math

import numpy as np
import pandas as pd

import mixedbayes as mb

RESPONSES = ("weight", "rating", "step", "mode", "hits", "time", "cbind(a, b, c)", "angle", "own")
FORMULAS = [
    f"mv({', '.join(RESPONSES)}, rescor=False) ~ age + (1 | p | child)",
    "weight | trunc(lower=5) ~ age + (1 | p | child)",
    "step ~ age + cs(sex)",
    "mode ~ age + (1 | p | child) + (1 | school)",
    "mu_bus_mode ~ sex + (1 | p | child)",
    "hits | trials(tried) ~ age",
    "time | cens(lost) + weights(times) ~ sex",
    "cbind(a, b, c) ~ age",
    "own ~ age + offset(o)",
    "disc_rating ~ sex",
    "spread_own ~ sex",
]


def laplace():
    def logp(y, mu, spread):
        return -math.log(2 * spread) - abs(y - mu) / spread

    return mb.custom(
        "laplace", logp=logp, mean="mu", location="median",
        links={"mu": "identity", "spread": "log"},
        priors={"spread": mb.Gamma(2, 1)},
        simulate=lambda mu, spread, rng: rng.laplace(mu, spread),
    )  # fmt: skip


def families(own=None):
    return {
        "weight": "gaussian",
        "rating": mb.families.Cumulative(link=mb.Probit()),
        "step": "sratio",
        "mode": mb.families.Categorical(reference="car"),
        "hits": "binomial",
        "time": "weibull",
        "cbind(a,b,c)": "multinomial",
        "angle": "von_mises",
        "own": own or laplace(),
    }


def frame(n=60, missing=True):
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"child": np.arange(n) % 8, "school": np.arange(n) % 5})
    d["age"], d["o"] = rng.uniform(0, 3, n), rng.normal(size=n)
    d["sex"], d["lost"] = rng.choice(["f", "m"], n), rng.integers(0, 2, n)
    d["times"], d["tried"] = rng.integers(1, 4, n), rng.integers(2, 9, n)
    d["weight"] = 8 + d["age"] + rng.normal(size=n)
    d["rating"] = pd.Categorical(
        rng.choice(["low", "mid", "high"], n), ["never", "low", "mid", "high"], ordered=True
    )
    d["step"], d["mode"] = (
        rng.integers(1, 5, n).astype(float),
        rng.choice(["car", "bus", "foot"], n),
    )
    d["hits"] = rng.binomial(d["tried"], 0.4).astype(float)
    d["time"], d["angle"] = rng.gamma(2, 1, n), rng.vonmises(0, 2, n)
    d[["a", "b", "c"]] = rng.multinomial(6, [0.2, 0.3, 0.5], n).astype(float)
    d["own"] = d["o"] + rng.laplace(size=n)
    if missing:
        d.loc[[2, 9], "weight"] = np.nan
        d.loc[[4], "rating"] = None
        d.loc[[2, 3], "mode"] = None
        d.loc[[5], ["hits", "tried"]] = np.nan
        d.loc[[6, 7], "b"] = np.nan
    return d


THRESHOLDS = {"thresholds_rating": [-0.6, 0.4], "thresholds_step": [0.2, -0.3, 0.5]}
