"""rhat, effective sizes and Monte Carlo errors are ArviZ's, for many quantities at once."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from mixedbayes.sample import health


@pytest.fixture(params=["smooth", "odd", "ties", "one chain"])
def draws(request, rng):
    chains, n = (1, 500) if request.param == "one chain" else (4, 500)
    n -= request.param == "odd"
    walk = 0.05 * rng.normal(size=(5, chains, n)).cumsum(axis=2)
    x = walk + rng.normal(size=(5, chains, n))
    return np.round(x) if request.param == "ties" else x


def test_bulk_size_and_rhat(draws):
    bulk, rhat = health.health(draws)
    np.testing.assert_allclose(bulk, array_stats.ess(draws, method="bulk"), rtol=1e-10)
    if draws.shape[1] > 1:
        np.testing.assert_allclose(rhat, array_stats.rhat(draws), rtol=1e-10)
    else:
        assert np.isnan(rhat).all()


def test_tail_size(draws):
    expected = array_stats.ess(draws, method="tail", prob=(0.05, 0.95))
    np.testing.assert_allclose(health.tail_size(draws), expected, rtol=1e-10)


def test_monte_carlo_error(draws):
    expected = array_stats.mcse(draws, method="mean")
    np.testing.assert_allclose(health.mcse_mean(draws), expected, rtol=1e-10)


def test_blocks_do_not_change_the_numbers(draws, monkeypatch):
    whole = health.tail_size(draws), *health.health(draws)
    monkeypatch.setattr(health, "_BLOCK", 1)
    np.testing.assert_array_equal(whole, (health.tail_size(draws), *health.health(draws)))


def test_not_finite_or_too_short_is_nan(rng):
    x = rng.normal(size=(2, 4, 100))
    x[0, 0, 0] = np.inf
    every = health.Health.of(x)
    for value in (*health.health(x), health.tail_size(x), *vars(every).values()):
        assert np.isnan(value).tolist() == [True, False]
    assert np.isnan(health.mcse_mean(x[:, :, :3])).all()


def test_plain_rhat_is_that_of_the_values_of_all_halves(draws):
    halves = health.split(draws)
    expected = [array_stats.rhat(x, method="identity", chain_axis=0, draw_axis=1) for x in halves]
    np.testing.assert_allclose(health.plain_rhat(np.moveaxis(draws, 0, -1)), expected)


def test_all_numbers_at_once_are_those_by_themselves(draws):
    found = health.Health.of(draws)
    bulk, rhat = health.health(draws)
    np.testing.assert_array_equal(found.ess_bulk, bulk)
    np.testing.assert_array_equal(found.rhat, rhat)
    np.testing.assert_array_equal(found.ess_tail, health.tail_size(draws))
    np.testing.assert_array_equal(found.mcse_mean, health.mcse_mean(draws))
