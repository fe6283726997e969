"""Sums and products of twice the digits, against rational numbers."""

from fractions import Fraction

import numpy as np
import pytest

from mixedbayes.numerics.double import add, add_rows, add_weighted, divide, multiply, root, scan

RNG = np.random.default_rng(1)
N, D, CELLS = 200, 2, 3
COLUMNS = 1e6 + RNG.normal(size=(D, N))
PIVOTS = np.array([1e6, 1e6 - 0.5])
REFS = RNG.integers(0, CELLS, N)
WEIGHTS = RNG.uniform(0.5, 3, N)
CLOSE = Fraction(1, 2**95)  # of the sum of all sizes


def exact(c, weights):
    """Sums of weights, columns and products of a cell, and of their sizes."""
    sums, sizes = [Fraction(0)] * 6, [Fraction(0)] * 6
    for i in np.flatnonzero(c == REFS):
        u = [Fraction(float(COLUMNS[j, i] - PIVOTS[j])) for j in range(D)]
        w = Fraction(float(weights[i]))
        for k, v in enumerate((1, *u, u[0] ** 2, u[1] * u[0], u[1] ** 2)):
            sums[k] += w * v
            sizes[k] += abs(w * v)
    return sums, sizes


def whole(hi, lo):
    return Fraction(float(hi)) + Fraction(float(lo))


@pytest.mark.parametrize("turned", [False, True])
def test_sums_of_cells_have_the_digits_of_rational_numbers(turned):
    rows = slice(None, None, -1 if turned else 1)
    columns, refs = np.ascontiguousarray(COLUMNS[:, rows]), np.ascontiguousarray(REFS[rows])
    counts, plain = np.zeros(CELLS, np.int64), np.zeros((2, CELLS, 5))
    weighted = np.zeros((2, CELLS, 6))
    add_rows(refs, columns, PIVOTS, counts, *plain)
    add_weighted(refs, columns, PIVOTS, np.ascontiguousarray(WEIGHTS[rows]), *weighted)
    assert counts.tolist() == np.bincount(REFS).tolist()
    for c in range(CELLS):
        for found, weights, first in ((plain, np.ones(N), 1), (weighted, WEIGHTS, 0)):
            wanted, sizes = exact(c, weights)
            for k in range(first, 6):
                error = whole(*found[:, c, k - first]) - wanted[k]
                assert abs(error) <= CLOSE * sizes[k]


def test_a_column_is_summarised_to_the_digits_of_rational_numbers():
    out = np.array([np.inf, -np.inf, 0, 0, 0, 0, 0, np.nan, np.nan])
    scan(COLUMNS[0].copy(), out)
    values = [Fraction(float(v)) for v in COLUMNS[0]]
    assert out[:3].tolist() == [COLUMNS[0].min(), COLUMNS[0].max(), 3]
    assert out[7:].tolist() == COLUMNS[0, :2].tolist()
    for k, wanted in ((3, sum(values)), (5, sum(v * v for v in values))):
        assert abs(whole(*out[k : k + 2]) - wanted) <= CLOSE * wanted


def test_arithmetic_of_two_doubles():
    x = (RNG.normal(size=50) ** 2 + 0.1, 1e-17 * RNG.normal(size=50))
    y = (RNG.normal(size=50), 1e-17 * RNG.normal(size=50))
    for i in range(50):
        a, b = whole(x[0][i], x[1][i]), whole(y[0][i], y[1][i])
        for found, wanted in (
            (add(x, y), a + b),
            (multiply(x, y), a * b),
            (divide(y, x), b / a),
            (multiply(root(x), root(x)), a),
        ):
            assert abs(whole(found[0][i], found[1][i]) - wanted) <= CLOSE * (abs(a) + abs(b) + 1)
