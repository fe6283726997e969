"""Elementary functions of compiled loops, against the standard library's."""

import math

import numpy as np
from numba import njit

from mixedbayes.numerics.elementary import exp, log1p_share


@njit
def exp_of(x):
    return exp(x)


@njit
def log1p_of(x):
    return log1p_share(x)


def test_exp_has_the_digits_of_numpy():
    x = np.concatenate([np.random.default_rng(0).uniform(-708, 709, 20_000), [0, 1, -1, 1e-300]])
    np.testing.assert_allclose([exp_of(a) for a in x], np.exp(x), rtol=1e-15)
    assert (exp_of(0.0), exp_of(1e4), math.isnan(exp_of(math.nan))) == (1.0, exp_of(709.0), True)
    assert 0 < exp_of(-math.inf) < 1e-307


def test_log1p_of_shares():
    x = np.concatenate([np.random.default_rng(0).uniform(0, 1, 20_000), 10.0 ** np.arange(-300, 1)])
    np.testing.assert_allclose([log1p_of(a) for a in x], np.log1p(x), rtol=1e-15)
    assert (log1p_of(0.0), math.isnan(log1p_of(math.nan))) == (0.0, True)
