import numpy as np
import pytest
from scipy import stats

from mixedbayes.checks.evidence import bridge


def draws(rng, size=4000):
    """log q_1 / q_2 of a normal and a wider one, 7 times as high, at draws of both."""
    a, b = stats.norm(0, 1), stats.norm(0.5, 1.7)
    first = a.rvs((4, size // 4), random_state=rng)
    second = b.rvs((1, size), random_state=rng)
    return [np.log(7) + a.logpdf(x) - b.logpdf(x) for x in (first, second)]


def test_the_ratio_of_normalising_constants():
    found = bridge(*draws(np.random.default_rng(1)))
    assert found.log == pytest.approx(np.log(7), abs=4 * found.error)
    assert 0 < found.error < 0.02


def test_the_error_is_the_spread_over_replications():
    found = [bridge(*draws(np.random.default_rng(seed), 400)) for seed in range(200)]
    spread = np.std([f.log for f in found])
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.15)
    assert np.mean([f.log for f in found]) == pytest.approx(np.log(7), abs=4 * spread / 200**0.5)


def test_swapping_the_densities_turns_the_ratio_over():
    first, second = draws(np.random.default_rng(2))
    there, back = bridge(first, second), bridge(-second, -first)
    assert there.log == pytest.approx(-back.log, abs=0.02)
