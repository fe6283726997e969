"""Coordinates in which long tails and sharp ends are those of a normal density."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import find_mode, transform_tails
from mixedbayes.marginal.setup import set_up
from mixedbayes.theta.tails import apply_tails, fit_tails, tail_map
from mixedbayes.theta.whitening import non_normality
from tests.support.bends import bends

SIDES = bends(left=[1, 2], right=[3])


@pytest.mark.parametrize("at", [-40.0, -7.0, -3.0, -0.4, 0.0, 0.9, 4.0, 6.0, 30.0])
def test_transforms_go_back_and_have_the_slope_of_differences(at):
    t, h = np.full(4, at), 1e-6
    np.testing.assert_allclose(SIDES.t(SIDES.phi(t)), t, rtol=1e-7, atol=1e-9)
    slopes = (SIDES.phi(t + h) - SIDES.phi(t - h)) / (2 * h)
    assert slopes[0] == pytest.approx(1, rel=1e-6)
    assert SIDES.log_slope(t) == pytest.approx(np.log(slopes).sum(), rel=1e-5, abs=1e-6)
    for row in SIDES.table:
        i = int(row[0])
        tau, slope, change = tail_map(at, row)
        assert (tau, slope) == pytest.approx((SIDES.phi(t)[i], slopes[i]), rel=1e-5)
        ends = [np.log(tail_map(at + e, row)[1]) for e in (-h, h)]
        assert change == pytest.approx(np.diff(ends)[0] / (2 * h), abs=1e-5)
    theta, each = t.copy(), np.empty((4, 2))
    total = apply_tails(theta, SIDES.table.ravel(), theta, each)
    np.testing.assert_allclose(theta, SIDES.phi(t))
    assert total == pytest.approx(SIDES.log_slope(t))
    assert each[0].tolist() == [1.0, 0.0]


def test_slopes_and_their_changes_have_no_jumps():
    for row in SIDES.table:
        for knot in row[1] + row[2] * np.arange(-5.0, 5.5, 0.5):
            below, above = (tail_map(knot + e, row) for e in (-1e-9, 1e-9))
            assert below == pytest.approx(above, rel=1e-6, abs=1e-6)


def moments(value, tails, limit=40.0):
    """Mass, skewness and excess kurtosis of the density of t, whose log is value(phi) + slope."""

    def density(t):
        at = np.array([t])
        return float(np.exp(value(tails.phi(at)) + tails.log_slope(at)))

    grid = np.linspace(-limit, limit, 4_001)
    p = np.array([density(t) for t in grid])
    mass = integrate.trapezoid(p, grid)
    p /= p.sum()
    mean = p @ grid
    z = (grid - mean) / np.sqrt(p @ (grid - mean) ** 2)
    return mass, p @ z**3, p @ z**4 - 3


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("rate", [0.4, 1.0, 2.0])
def test_an_exponential_tail_becomes_like_a_normal_one(side, rate):
    """log x of a gamma x of shape `rate`: exp(rate tau) on the left, sharp on the right."""
    sign = 1.0 if side == "left" else -1.0

    def value(t):
        return float(rate * sign * t[0] - np.exp(sign * t[0]) - special.gammaln(rate))

    mode = np.array([sign * np.log(rate)])
    tails = fit_tails(value, mode, np.array([[1 / rate]]), np.array([True]))
    mass, skew, kurtosis = moments(value, tails)
    assert mass == pytest.approx(1, abs=1e-6)
    assert abs(skew) < 0.05
    assert abs(kurtosis) < 0.05 < float(stats.loggamma(rate).stats("k"))


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_an_sd_of_few_levels_has_no_tails_and_no_wall(levels):
    """Flat towards 0, falling like sd^-(levels - 1) until an exponential prior ends it."""

    def value(t):
        x = np.exp(np.minimum(t[0], 600.0))
        return float(t[0] - (levels - 1) / 2 * np.log(0.1 + x**2) - 0.05 / (0.1 + x**2) - x / 3)

    grid = np.linspace(-8, 5, 4001)
    mode = grid[[np.argmax([value([x]) for x in grid])]]
    plain = [value(mode + e) for e in (-0.1, 0.0, 0.1)]
    spread = np.array([[0.01 / -np.diff(plain, 2)[0]]])
    tails = fit_tails(value, mode, spread, np.array([True]))
    assert tails.bent == (0,)
    _, skew, kurtosis = moments(value, tails, 30.0)
    assert abs(skew) < 0.05
    assert abs(kurtosis) < 0.1

    def bent(z):
        t = tails.table[0, 1] + z * tails.table[0, 2]
        return value(tails.phi(np.array([t]))) + tails.log_slope(np.array([t]))

    for z in (-8, 8):  # 32 of a normal density
        assert 15 < bent(0) - bent(z) < 64


def test_a_normal_density_is_left_straight():
    tails = fit_tails(lambda t: -0.5 * float(t @ t), np.zeros(2), np.eye(2), np.ones(2, bool))
    assert tails.bent == ()


def test_a_density_that_is_not_known_on_one_side_is_left_straight():
    def value(t):
        return -np.inf if t[0] > 0.01 else float(t[0] - np.exp(t[0]))

    assert fit_tails(value, np.zeros(1), np.eye(1), np.ones(1, bool)).bent == ()


@pytest.fixture(scope="module")
def dyestuff2():
    spec = mb.Model("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff2")).spec
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    return density, find_mode(density)


def test_the_density_of_transformed_coordinates_is_the_same_with_its_jacobian(dyestuff2):
    plain, mode = dyestuff2
    density, at = transform_tails(plain, mode)
    assert 0 in density.tails.bent  # the standard deviation may be 0
    white = replace(density, units=at.units)
    rng, h = np.random.default_rng(0), 1e-5
    for eta in rng.standard_normal((10, plain.ndim)):
        t = at.to_theta(eta)
        theta = density.tails.phi(t)
        expected = plain.logp(theta) + density.tails.log_slope(t)
        assert density.logp(t) == pytest.approx(expected, abs=1e-9)
        value, gradient = white.logp_grad(eta)
        assert value == pytest.approx(expected + at.units.log_det, abs=1e-9)
        sides = [[white.logp(eta + s * e) for s in (-h, h)] for e in np.eye(plain.ndim)]
        np.testing.assert_allclose(gradient, np.diff(sides)[:, 0] / (2 * h), atol=1e-5)
        found, same = white.constrained(eta), plain.constrained(theta)
        assert found.sigma == pytest.approx(same.sigma, rel=1e-12)
        np.testing.assert_allclose(found.sd["Batch"], same.sd["Batch"])


def test_it_is_closer_to_normal(dyestuff2):
    points = np.random.default_rng(0).standard_normal((200, 2))

    def away(density, mode):
        white = replace(density, units=mode.units)
        return non_normality(points, np.array([white.logp_grad(e)[1] for e in points]))

    plain, mode = dyestuff2
    assert away(*transform_tails(plain, mode)) < 0.3 * away(plain, mode)
