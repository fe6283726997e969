"""Parameters, linear predictors and simulated designs for every family and link."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials, values_of

from mixedbayes.design import build_design
from mixedbayes.families.registry import FAMILIES, family_from_names

S, N = 3, 40

PARAMETERS = {
    "gaussian": {"sigma": [0.7, 1.0, 2.0]},
    "student_t": {"sigma": [0.7, 1.0, 2.0], "nu": [3.0, 5.0, 30.0]},
    "lognormal": {"sigma": [0.3, 0.5, 0.8]},
    "shifted_lognormal": {"sigma": [0.3, 0.5, 0.8], "ndt": [0.5, 1.0, 2.0]},
    "hurdle_lognormal": {"sigma": [0.3, 0.5, 0.8], "hu": [0.2, 0.4, 0.6]},
    "gamma": {"shape": [0.8, 2.0, 9.0]},
    "beta": {"phi": [1.5, 5.0, 30.0]},
    "bernoulli": {},
    "binomial": {},
    "poisson": {},
    "negative_binomial": {"shape": [0.8, 2.0, 9.0]},
}


def parameters(name):
    """(S,) or (S, k) values of a family's parameters: those above, else derived from it."""
    given = PARAMETERS.get(name) or values_of(FAMILIES[name]())
    return {k: np.array(v) for k, v in given.items()}


def predictors(link, rng, size=(S, N)):
    """Linear predictors that the link can take."""
    eta = rng.normal(0.1, 0.4, size)
    return np.abs(eta) + 0.4 if link in ("inverse", "identity") else eta


def simulated(name, link, rng, weighted=False):
    """A family, a design whose response the family simulated, and predictors (S, N)."""
    family = family_from_names(name, link)
    eta, trials = predictors(link, rng), rng.integers(1, 12, N)
    first = {k: v[:1] for k, v in parameters(name).items()}
    y = family.simulate(family.inverse(eta[:1], np), first, rng, trials=trials)[0]
    y = y + family.first_code
    weights = rng.integers(1, 4, N).astype(float)
    data = pd.DataFrame({"y": y, "x": rng.normal(size=N), "n": trials, "w": weights})
    response = "y | trials(n)" if needs_trials(family) else "y"
    if weighted:
        response += " + weights(w)" if needs_trials(family) else " | weights(w)"
    design = build_design(f"{response} ~ x", data)
    family = family.of_design(design)
    return family, family.prepare(design), eta


@pytest.fixture
def make():
    """The helpers of this folder, and a generator of their own."""
    return SimpleNamespace(
        parameters=parameters,
        predictors=predictors,
        simulated=simulated,
        rng=np.random.default_rng(8),
    )
