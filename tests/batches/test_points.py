"""Rows that stand for those of a cell have their number, means and products."""

import numpy as np
import pytest

from mixedbayes.batches.points import helmert, points
from mixedbayes.numerics.double import add_weighted, normal

D = 3


def stand(rows, weights=None, pivots=1e3):
    """Of one cell."""
    n, pivots = len(rows), np.full(D, pivots)
    weights = np.ones(n) if weights is None else weights
    found = np.zeros((2, 1, 1 + D + D * (D + 1) // 2))
    add_weighted(np.zeros(n, int), np.ascontiguousarray(rows.T), pivots, weights, *found)
    sums, rests = normal(*found)
    return points((sums[:, 0], rests[:, 0]), (sums[:, 1:], rests[:, 1:]), pivots)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 50])
@pytest.mark.parametrize("weighted", [False, True])
def test_number_means_and_products_are_those_of_the_rows(n, weighted):
    rng = np.random.default_rng(n)
    rows = 1e3 + rng.normal(size=(n, D))
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    found = stand(rows, w)
    assert len(found.counts) == min(n, D + 1)
    assert found.counts.sum() == pytest.approx(w.sum(), rel=1e-14)
    before, after = rows - 1e3, found.columns - 1e3
    np.testing.assert_allclose(found.counts @ after, w @ before, atol=1e-9)
    products = (after * found.counts[:, None]).T @ after
    np.testing.assert_allclose(products, (before * w[:, None]).T @ before, atol=1e-9)


def test_one_and_two_rows_are_themselves():
    for n in (1, 2):
        rows = 1e3 + np.random.default_rng(n).normal(size=(n, D))
        found = stand(rows)
        assert found.counts.tolist() == [1.0] * n
        own = found.columns[np.argsort(found.columns[:, 0])]
        np.testing.assert_allclose(own, rows[np.argsort(rows[:, 0])], atol=1e-9)


def test_columns_that_do_not_vary_need_no_rows():
    rows = np.full((40, D), [2.0, 0.0, 7.0])
    rows[:, 1] = np.arange(40)
    found = stand(rows, pivots=0.0)
    assert len(found.counts) == 2
    assert found.columns[:, [0, 2]].tolist() == [[2.0, 7.0]] * 2


def test_helmert_columns_are_orthonormal_and_add_up_to_zero():
    H = helmert(5)
    np.testing.assert_allclose(H.T @ H, np.eye(5), atol=1e-15)
    np.testing.assert_allclose(H.sum(axis=0), 0.0, atol=1e-15)
