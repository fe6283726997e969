"""Default fits of one data set in other units, origins and codings say the same."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

SETTINGS = {"seed": 1, "progress": False, "draws": 500, "chains": 4}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 200
    d = pd.DataFrame({"g": np.arange(n) % 20, "x": rng.normal(size=n)})
    d["f"] = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    d["arm"] = rng.integers(0, 2, n)
    b = rng.normal(0, 0.6, 20)[d.g]
    eta = 0.4 * d.x + 0.8 * (d.f == "b") + 0.5 * d.arm * d.x + b
    d["y"] = eta + rng.normal(0, 0.5, n)
    d["hit"] = (rng.logistic(size=n) < eta).astype(int)
    return d


# What is one data set, written twice: family, formula, formula and change of the second.
TWICE = {
    "product, far": ("gaussian", "y ~ arm*x + (1 | g)", None, lambda d: d.assign(x=d.x + 2014)),
    "power, far": ("gaussian", "y ~ x + I(x**2)", None, lambda d: d.assign(x=d.x + 170)),
    "power, kelvin": ("bernoulli", "hit ~ x + I(x**2)", None, lambda d: d.assign(x=d.x + 300)),
    "product of numbers": (
        "gaussian", "y ~ x*arm + (x | g)", None, lambda d: d.assign(x=d.x + 50, arm=d.arm + 9)
    ),
    "slopes, far": ("gaussian", "y ~ x + (x | g)", None, lambda d: d.assign(x=d.x + 2000)),
    "slopes, far, bernoulli": (
        "bernoulli", "hit ~ x + (x | g)", None, lambda d: d.assign(x=d.x + 100)
    ),
    "indicators, far": ("bernoulli", "hit ~ 0 + f + x", None, lambda d: d.assign(x=d.x + 2015)),
    "indicators": ("gaussian", "y ~ f + x + (1 | g)", "y ~ 0 + f + x + (1 | g)", lambda d: d),
    "units": (
        "gaussian", "y ~ x + f + (x | g)", None, lambda d: d.assign(x=d.x * 1e3, y=d.y * 1e-2)
    ),
    "reference": (
        "gaussian", "y ~ f*x + (1 | g)", None,
        lambda d: d.assign(f=pd.Categorical(d.f, ["c", "b", "a"])),
    ),
    "groups renamed and rows in another order": (
        "gaussian", "y ~ x + (x | g)", None, lambda d: d.assign(g=[f"k{99 - v}" for v in d.g])
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_every_row_is_fitted_the_same(case, data):
    family, formula, again, change = TWICE[case]
    here = mb.fit(formula, data, family=family, **SETTINGS).fitted()
    there = mb.fit(again or formula, change(data), family=family, **SETTINGS).fitted()
    unit = 1e-2 if case == "units" else 1.0
    error = 6 * here["sd"] / np.sqrt(1000)  # of means of some thousand draws, twice
    np.testing.assert_array_less(abs(there["mean"] / unit - here["mean"]), error)
    np.testing.assert_allclose(there["sd"] / unit, here["sd"], rtol=0.15)


def test_a_group_sd_reaches_a_location_that_nothing_else_carries(data):
    """Without an intercept the groups' effects have the mean of the response in them."""
    found = mb.fit("y ~ 0 + x + (1 | g)", data.assign(y=data.y + 100), **SETTINGS).varcorr()
    assert found["mean"][0] == pytest.approx(100, rel=0.15)
