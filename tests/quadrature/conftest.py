"""Models with one factor of a few levels, and their density before and after integrating."""

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials, values_of

import mixedbayes as mb
from mixedbayes.families.registry import as_family
from mixedbayes.joint.density import JointDensity
from mixedbayes.quadrature.density import QuadratureDensity

LEVELS, ROWS = 4, 3
EFFECTS = {"intercepts": "(1 | g)", "slopes": "(x | g)", "separate slopes": "(x || g)"}


def frame(family):
    rng = np.random.default_rng(3)
    n = LEVELS * ROWS
    data = pd.DataFrame({"x": rng.normal(1, 1, n), "g": np.arange(n) % LEVELS, "n": 6})
    data["step"] = np.arange(n) // LEVELS % 3
    kind = as_family(family)
    values = {name: value[:1] for name, value in values_of(kind).items()}
    mu = kind.inverse(0.3 + 0.2 * data["x"].to_numpy()[None], np)
    y = kind.reported(kind.simulate(mu, values, rng, trials=np.full(n, 6))[0])
    return "y | trials(n)" if needs_trials(kind) else "y", data.assign(y=y)


@pytest.fixture
def spec_of():
    def spec(family, effects, *further, **more):
        left, data = frame(family)
        formulas = [f"{left} ~ x + {EFFECTS.get(effects, effects)}", *further]
        return mb.Model(formulas, data, family=family, **more).spec

    return spec


@pytest.fixture
def densities(spec_of):
    def both(family, effects, rule, *further, **more):
        spec = spec_of(family, effects, *further, **more)
        given = spec.design, spec.family, spec.priors
        return JointDensity.of(*given), QuadratureDensity.of(*given, rule)

    return both
