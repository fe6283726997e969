"""The test of uniformity against enumeration and against simulation, and Holm's adjustment."""

from itertools import product

import numpy as np
import pytest

from mixedbayes.lab.uniformity import band, counts_below, holm, inside, limits, p_value

MOST = 4  # ranks 0..4


def _all_samples(n: int) -> np.ndarray:
    """(5^n, n) every sample of n ranks; all are equally likely."""
    return np.array(list(product(range(MOST + 1), repeat=n)))


def test_counts_below_count_strictly_smaller_ranks():
    assert counts_below(np.array([0, 0, 3, 4]), MOST).tolist() == [2, 2, 2, 3]


@pytest.mark.parametrize("gamma", [0.01, 0.1, 0.3])
def test_inside_is_the_share_of_samples_inside(gamma):
    low, high = limits(6, MOST, gamma)
    counts = np.array([counts_below(r, MOST) for r in _all_samples(6)])
    share = np.mean(np.all((counts >= low) & (counts <= high), axis=1))
    assert inside(6, low, high) == pytest.approx(share, abs=1e-12)


def test_p_value_is_exact():
    """Of all samples, those with a p-value of at most p make up a share of exactly p."""
    samples = _all_samples(5)
    counts = np.array([counts_below(r, MOST) for r in samples])
    _, first, back = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    p = np.array([p_value(samples[k], MOST) for k in first])[back]
    for value in np.unique(p):
        assert np.mean(p <= value + 1e-9) == pytest.approx(value, abs=1e-9)


def test_band_holds_with_its_probability():
    low, high = band(150, 99, 0.05)
    assert 0.95 <= inside(150, low, high) < 0.97
    assert 1 - inside(150, low + 1, high - 1) > 0.05


def test_departures_are_found_and_uniform_ranks_pass():
    rng = np.random.default_rng(1)
    uniform = rng.random(300)
    assert p_value((100 * uniform).astype(int), 99) > 0.05
    narrow = 0.5 + 0.8 * (uniform - 0.5)  # posteriors that are too wide
    shifted = uniform**1.5
    assert p_value((100 * narrow).astype(int), 99) < 1e-3
    assert p_value((100 * shifted).astype(int), 99) < 1e-3


def test_holm_adjusts_in_order_and_keeps_names():
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9})
    assert adjusted == pytest.approx({"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.9})
