"""Rows' log densities where parameters are so large that differences of functions are lost."""

import math

import numpy as np
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.joint.data import compiled_of
from mixedbayes.joint.loop import loop_of

LARGE = [2e3, 0.99e5, 1.01e5, 1e8, 1e12, 1e16, 1e25]


def at(family, y, eta, parameters):
    """Value without size and extra, slope (n,), and derivatives of the parameters."""
    y, eta, ones = np.array(y, float), np.array(eta, float), np.ones(len(y))
    slope, derivatives = np.empty(len(y)), np.zeros(len(parameters))
    loop = loop_of(*compiled_of(family), len(family.parameters))
    value = loop(0, eta, y, ones, ones, np.array(parameters, float), slope, derivatives)
    return value, slope, derivatives


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize(("y", "eta"), [(0, -2.0), (1, 0.3), (17, 3.0), (380, 6.0), (2, 40.0)])
def test_negative_binomial_of_large_shapes_by_products(shape, y, eta):
    """Gamma(y + a) / Gamma(a) = a^y prod (1 + k / a); nothing large is subtracted."""
    mu = math.exp(eta)
    value, slope, _ = at(mb.NegativeBinomial(), [y], [eta], [shape])
    ways = math.fsum(math.log1p(k / shape) for k in range(y))
    expected = ways + y * eta - (shape + y) * math.log1p(mu / shape)
    assert value == pytest.approx(expected, rel=1e-13, abs=1e-7)
    assert slope[0] == pytest.approx(shape * (y - mu) / (shape + mu))


@pytest.mark.parametrize("shape", [1e4, 0.99e5, 1.01e5, 1e7, 1e12, 1e20])
@pytest.mark.parametrize(("y", "eta"), [(0, -2.0), (1, 0.3), (17, 3.0), (15, 2.0)])
def test_its_derivative_in_the_shape_goes_on_as_its_square_falls(shape, y, eta):
    """log p = Poisson's + ((y - mu)^2 - y) / 2 a + O(1 / a^2)."""
    derivative = at(mb.NegativeBinomial(), [y], [eta], [shape])[2][0]
    expected = -((y - math.exp(eta)) ** 2 - y) / 2
    assert derivative * shape**2 == pytest.approx(expected, rel=0.01, abs=1e-3)


@pytest.mark.parametrize("nu", [3.0, 0.99e5, 1.01e5, 1e9, 1e14])
def test_student_t_up_to_the_normal(nu):
    z = np.array([-1.5, 0.2, 0.8, 2.5])
    value, _, derivatives = at(mb.StudentTFamily(), 1.3 * z, np.zeros(4), [1.3, nu])
    exact = stats.t.logpdf(z, nu) if nu < 1e5 else stats.norm.logpdf(z) + _beyond(z) / nu
    constant = 0.5 * math.log(math.pi) - math.log(1.3)
    assert value == pytest.approx(exact.sum() + 4 * constant, abs=1e-8)
    if nu > 1e5:
        assert derivatives[1] * nu**2 == pytest.approx(-_beyond(z).sum(), rel=0.01)


def _beyond(z):
    """log t_nu(z) = log N(z) + (z^4 - 2 z^2 - 1) / 4 nu + O(1 / nu^2)."""
    return (z**4 - 2 * z**2 - 1) / 4
