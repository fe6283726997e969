"""Bends: coordinates in which long tails end as those of a normal density."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import find_mode, transform_tails
from mixedbayes.marginal.setup import set_up
from mixedbayes.theta.tails import TailTransform, fit_tails, tail_map
from mixedbayes.theta.whitening import non_normality

SIDES = TailTransform(np.array([0.0, 0.7, 2.0, -1.5]), np.array([0.0, -0.5, 1.0, 0.3]),
             np.array([1.0, 0.2, 0.4, -0.6]))  # fmt: skip


@pytest.mark.parametrize("at", [-3.0, -0.4, 0.0, 0.9, 4.0])
def test_transforms_go_back_and_have_the_slope_of_differences(at):
    t, h = np.full(4, at), 1e-6
    np.testing.assert_allclose(SIDES.t(SIDES.phi(t)), t, atol=1e-9)
    slopes = (SIDES.phi(t + h) - SIDES.phi(t - h)) / (2 * h)
    assert SIDES.log_slope(t) == pytest.approx(np.log(slopes).sum(), rel=1e-6)
    for i, row in enumerate(SIDES.table):
        tau, slope, change = tail_map(at, *row)
        assert (tau, slope) == pytest.approx((SIDES.phi(t)[i], slopes[i]), rel=1e-6)
        ends = [np.log(tail_map(at + e, *row)[1]) for e in (-h, h)]
        assert change == pytest.approx(np.diff(ends)[0] / (2 * h), abs=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("rate", [0.4, 1.0, 2.0])
def test_an_exponential_tail_becomes_like_a_normal_one(side, rate):
    """log x of a gamma x of shape `rate`: exp(rate tau) on the left, sharp on the right."""
    sign = 1.0 if side == "left" else -1.0

    def value(t):
        return float(rate * sign * t[0] - np.exp(sign * t[0]) - special.gammaln(rate))

    mode = np.array([sign * np.log(rate)])
    tails = fit_tails(value, mode, np.array([[1 / rate]]), np.array([True]))

    def density(t):
        at = np.array([t])
        return np.exp(value(tails.phi(at)) + tails.log_slope(at))

    assert integrate.quad(density, -40, 40, limit=500)[0] == pytest.approx(1, abs=1e-6)
    grid = np.linspace(-30, 30, 20_001)
    p = np.array([density(t) for t in grid])
    p /= p.sum()
    mean = p @ grid
    sd = np.sqrt(p @ (grid - mean) ** 2)
    kurtosis = p @ ((grid - mean) / sd) ** 4 - 3
    assert np.sign(tails.a[0]) == sign
    assert abs(p @ ((grid - mean) / sd) ** 3) < 0.5
    plain = float(stats.loggamma(rate).stats("k"))
    assert kurtosis < 0.5 < plain


def test_a_normal_density_is_left_straight():
    tails = fit_tails(lambda t: -0.5 * float(t @ t), np.zeros(2), np.eye(2), np.ones(2, bool))
    assert not tails.a.any()


@pytest.fixture(scope="module")
def dyestuff2():
    spec = mb.Model("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff2")).spec
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    return density, find_mode(density)


def test_the_density_of_transformed_coordinates_is_the_same_with_its_jacobian(dyestuff2):
    plain, mode = dyestuff2
    density, at = transform_tails(plain, mode)
    assert density.tails.a[0] > 0.5  # the standard deviation may be 0
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
    assert away(*transform_tails(plain, mode)) < 0.5 * away(plain, mode)
