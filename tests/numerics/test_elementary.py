"""Elementary functions of compiled loops, against the standard library's."""

import math

import numpy as np
from numba import njit
from scipy import special

from mixedbayes.numerics.elementary import erfcx, exp, log, log1p_share, log_to_four


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


@njit
def logs_of(x, out):
    for i in range(x.size):
        out[0, i], out[1, i], out[2, i] = log(x[i]), log_to_four(x[i]), erfcx(x[i])


def test_logs_and_the_scaled_error_function():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(1e-3, 10, 20_000), 10.0 ** np.arange(-300, 300)])
    found = np.empty((3, len(x)))
    logs_of(x, found)
    np.testing.assert_allclose(found[0], np.log(x), rtol=1e-15, atol=4e-16)
    few = (x >= 1) & (x <= 4)
    np.testing.assert_allclose(found[1, few], np.log(x[few]), rtol=1e-15, atol=4e-16)
    np.testing.assert_allclose(found[2], special.erfcx(x), rtol=5e-15)
    none = np.empty((3, 3))
    logs_of(np.array([0.0, 1e-310, 1.0]), none)
    np.testing.assert_array_equal(none[0], [-np.inf, -np.inf, 0.0])
