"""The smallest number with a power, where the power is known."""

import numpy as np
import pytest
from scipy.stats import norm

from mixedbayes.lab.run import proportion
from mixedbayes.lab.search import smallest


def study_of(effect, seed):
    """Whether a z test of n values shows an effect of this many standard deviations."""
    rng = np.random.default_rng(seed)
    return lambda n, studies: list(effect * np.sqrt(n) + rng.normal(size=len(studies)) > 1.96)


def found(effect, bounds, seed=1, **given):
    how = {"power": 0.8, "simulations": 1500, "tolerance": 0.03, **given}
    return smallest(study_of(effect, seed), bounds, varies="g", asked="x > 0", note="", **how)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_interval_holds_the_number(power):
    effect = 0.4
    truth = ((norm.isf(0.025) + norm.ppf(power)) / effect) ** 2
    every = [found(effect, (5, 400), seed, power=power) for seed in range(12)]
    inside = np.mean([r.lower <= truth <= r.upper for r in every])
    assert inside >= 0.75
    assert np.mean([r.n for r in every]) == pytest.approx(truth, rel=0.1)


def test_it_ends_when_the_number_is_known():
    rough, fine = (found(0.4, (5, 400), tolerance=t) for t in (0.2, 0.03))
    assert rough.table["simulations"].sum() < fine.table["simulations"].sum() <= 1500
    assert (rough.upper - rough.lower) / 2 <= 0.2 * rough.n + 1


def test_too_small_bounds_are_said():
    r = found(0.05, (5, 50), simulations=500)
    assert r.n is None
    assert "even g = 50 has less power than 0.8" in repr(r)


def test_a_power_that_does_not_rise_is_said():
    rng = np.random.default_rng(3)
    r = smallest(
        lambda n, studies: list(rng.random(len(studies)) < 0.8), (5, 100), power=0.8,
        simulations=500, tolerance=0.05, varies="g", asked="x > 0", note="",
    )  # fmt: skip
    assert not np.isfinite(r.upper)
    assert r.n is None or "hardly rises" in repr(r) or "least number" in repr(r)


def test_enough_from_the_start():
    r = found(2.0, (5, 50), simulations=500)
    assert r.n == 5
    assert "the least number that was allowed, g = 5, has more power than 0.8" in repr(r)


@pytest.mark.parametrize(("share", "n"), [(0.95, 5), (0.5, None)])
@pytest.mark.parametrize("seed", range(4))
def test_a_power_that_does_not_rise_is_enough_or_is_not(share, n, seed):
    """As of rows within groups that differ in arm: a noisy curve may even fall."""
    rng = np.random.default_rng(seed)
    r = smallest(
        lambda _, studies: list(rng.random(len(studies)) < share), (5, 50), power=0.8,
        simulations=300, tolerance=0.05, varies="rows", asked="x > 0", note="",
    )  # fmt: skip
    assert r.n == n


@pytest.mark.parametrize(("hits", "of"), [(0, 20), (20, 20), (13, 40)])
def test_intervals_of_shares_are_wilsons(hits, of):
    """The ends solve (p - hits / of)^2 = z^2 p (1 - p) / of."""
    for end in proportion(hits, of):
        left = (end - hits / of) ** 2
        assert left == pytest.approx(norm.isf(0.025) ** 2 * end * (1 - end) / of, abs=1e-12)
