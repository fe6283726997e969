"""Shares of responses above each value, of data known within limits."""

import numpy as np

from mixedbayes.checks.survival import above, survival
from mixedbayes.design.limits import INTERVAL, LEFT, NONE, RIGHT, Limits


def test_without_censoring_it_is_the_share_above():
    values, share = survival(np.array([3.0, 1.0, 2.0, 2.0]))
    np.testing.assert_array_equal(values, [1, 2, 3])
    np.testing.assert_allclose(share, [0.75, 0.25, 0.0])


def test_of_right_censored_responses_it_is_the_product_limit():
    """Times of remission of Freireich et al. (1963), as in Kalbfleisch & Prentice, table 1.1."""
    y = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35.0])
    censored = np.isin(np.arange(21), [3, 5, 7, 8, 11, 12, 13, 16, 17, 18, 19, 20])
    values, share = survival(y, Limits(np.where(censored, RIGHT, NONE)))
    np.testing.assert_array_equal(values, [6, 7, 10, 13, 16, 22, 23])
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    np.testing.assert_allclose(share, expected, atol=5e-5)


def test_turnbulls_estimate_of_right_censored_responses_is_the_product_limit():
    rng = np.random.default_rng(1)
    y, ends = rng.exponential(size=60), rng.exponential(1.5, 60)
    kind = np.where(y > ends, RIGHT, NONE)
    y = np.minimum(y, ends)
    values, share = survival(y, Limits(kind))
    some = np.append(kind, LEFT)  # one that is known to be below all others says nothing new
    own, found = survival(np.append(y, y.max() + 9), Limits(some))
    at = np.searchsorted(own, values)
    np.testing.assert_allclose(found[at], share, atol=0.02)
    assert (np.diff(found) <= 1e-12).all()


def test_intervals_share_the_likelihood_of_the_largest():
    """Two of three intervals overlap in (2, 3], where all of their mass is."""
    kind = np.array([INTERVAL, INTERVAL, INTERVAL])
    limits = Limits(kind, upper=np.array([3.0, 5.0, 9.0]))
    values, share = survival(np.array([1.0, 2.0, 7.0]), limits)
    np.testing.assert_array_equal(values, [3, 5, 9])
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0], atol=1e-6)


def test_shares_above_values_by_draw():
    found = above(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 0.0]]), np.array([0.0, 2.0, 5.0]))
    np.testing.assert_allclose(found, [[1, 1 / 3, 0], [2 / 3, 2 / 3, 0]])
