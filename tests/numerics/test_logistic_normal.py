"""Means of a probability over a normal predictor, against quadrature and the sum itself."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from mixedbayes.numerics.logistic_normal import expit_mean, mixture


def summed(eta, variance):
    parts = zip(*mixture(), strict=True)
    return sum(c * special.ndtr(eta / np.sqrt(s**2 + variance)) for s, c in parts)


@pytest.mark.parametrize("sd", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("eta", [-4.0, -0.3, 0.0, 2.0, 9.0])
def test_it_is_the_integral(eta, sd):
    density = stats.norm(eta, sd).pdf
    exact, _ = integrate.quad(
        lambda h: special.expit(h) * density(h),
        eta - 12 * sd, eta + 12 * sd, epsabs=1e-12, limit=500, points=[eta, 0.0],
    )  # fmt: skip
    assert expit_mean(eta, sd**2) == pytest.approx(exact, abs=1e-9)


def test_the_table_is_the_sum_in_the_middle_and_in_the_tails():
    rng = np.random.default_rng(1)
    eta, variance = 6 * rng.normal(size=50_000), np.exp(4 * rng.normal(size=50_000))
    variance[:500], variance[500:1000] = 0.0, 1e9
    found, expected = expit_mean(eta, variance), summed(eta, variance)
    np.testing.assert_allclose(found, expected, atol=1e-9, rtol=0)
    np.testing.assert_allclose(found, expected, atol=1e-15, rtol=1e-6)
    np.testing.assert_allclose(found + expit_mean(-eta, variance), 1, atol=1e-14)


def test_shapes_orders_and_ends():
    eta, variance = np.linspace(-3, 3, 12).reshape(3, 4), np.array([[1.0], [2.0], [3.0]])
    expected = summed(eta, variance)
    np.testing.assert_allclose(expit_mean(eta, variance), expected, atol=1e-9)
    np.testing.assert_allclose(expit_mean(eta.T, variance.T), expected.T, atol=1e-9)
    fortran = np.asfortranarray(eta)
    wide = np.broadcast_to(variance, (3, 4))
    np.testing.assert_allclose(expit_mean(fortran, wide), expected, atol=1e-9)
    assert expit_mean(np.zeros((0, 3)), np.ones((0, 3))).shape == (0, 3)
    ends = expit_mean(np.array([0.0, np.inf, -np.inf, np.nan, 1.0]), np.array([0, 1, 1, 1, np.inf]))
    np.testing.assert_allclose(ends, [0.5, 1.0, 0.0, np.nan, 0.5], atol=1e-15)
