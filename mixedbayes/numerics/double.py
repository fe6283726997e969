"""Sums over rows that come out the same in whatever order and batches the rows come.

Each sum is two doubles, the sum and what rounding left of it, which is twice the digits: rounded to
one double at the end it depends on the order no more. Products are exact in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FACTOR = 134217729.0  # 2^27 + 1: halves a double's digits (Dekker)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as it is rounded, and what rounding left of it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _split(a: Any) -> tuple[Any, Any]:
    """Two numbers of half the digits whose sum is a."""
    t = a * _FACTOR
    top = t - (t - a)
    return top, a - top


def _product_error(a1: Any, a2: Any, b1: Any, b2: Any, p: Any) -> Any:
    """What rounding left of p, the product of two numbers with these halves (Dekker)."""
    return ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


two_sum, split = jit.inner(_two_sum), jit.inner(_split)
product_error = jit.inner(_product_error)


@jit.njit("void(f8[::1], f8[::1])", nogil=True, error_model="numpy")
def scan(x, out):
    """Add a column x (n,) to its summary, `out` (9,).

    That has the smallest and largest value, how many distinct ones there are (3: more than two),
    sum and what rounding left of it, sum of squares and what rounding left of it, and the first two
    distinct values.
    """
    low, high, more = out[0], out[1], out[2]
    s1, r1, s2, r2 = out[3], out[4], out[5], out[6]
    first, second = out[7], out[8]
    for i in range(x.size):
        v = x[i]
        low = min(low, v)
        high = max(high, v)
        if more < 3.0 and v != first and v != second:
            more += 1.0
            if more == 1.0:
                first = second = v
            elif more == 2.0:
                second = v
        s1, rest = two_sum(s1, v)
        r1 += rest
        p = v * v
        a, b = split(v)
        s2, rest = two_sum(s2, p)
        r2 += rest + product_error(a, b, a, b, p)
    out[0], out[1], out[2] = low, high, more
    out[3], out[4], out[5], out[6] = s1, r1, s2, r2
    out[7], out[8] = first, second


@jit.njit(
    "void(i8[::1], f8[:, ::1], f8[::1], i8[::1], f8[:, ::1], f8[:, ::1])",
    nogil=True,
    error_model="numpy",
)
def add_rows(cells, columns, pivots, counts, sums, rests):
    """Add columns (d, n), less their pivots, and their products to the sums of the rows' cells.

    sums and rests are (C, d + d (d + 1) / 2): the columns, then the lower triangle of products.
    """
    d = pivots.size
    u, top, low = np.empty(d), np.empty(d), np.empty(d)
    for i in range(cells.size):
        c = cells[i]
        counts[c] += 1
        for j in range(d):
            v = columns[j, i] - pivots[j]
            u[j] = v
            top[j], low[j] = split(v)
            sums[c, j], rest = two_sum(sums[c, j], v)
            rests[c, j] += rest
        at = d
        for j in range(d):
            for k in range(j + 1):
                p = u[j] * u[k]
                sums[c, at], rest = two_sum(sums[c, at], p)
                rests[c, at] += rest + product_error(top[j], low[j], top[k], low[k], p)
                at += 1


@jit.njit(
    "void(i8[::1], f8[:, ::1], f8[::1], f8[::1], f8[:, ::1], f8[:, ::1])",
    nogil=True,
    error_model="numpy",
)
def add_weighted(cells, columns, pivots, weights, sums, rests):
    """The same of rows that are multiplied by weights, without the counts.

    sums and rests are (C, 1 + d + d (d + 1) / 2): the weights come first.
    """
    d = pivots.size
    m = 1 + d + d * (d + 1) // 2
    u, product, left = np.empty(d), np.empty(m), np.empty(m)
    for i in range(cells.size):
        c, w = cells[i], weights[i]
        product[0], left[0] = 1.0, 0.0
        at = 1 + d
        for j in range(d):
            u[j] = columns[j, i] - pivots[j]
            product[1 + j], left[1 + j] = u[j], 0.0
            for k in range(j + 1):
                p = u[j] * u[k]
                a, b = split(u[j])
                f, g = split(u[k])
                product[at], left[at] = p, product_error(a, b, f, g, p)
                at += 1
        a, b = split(w)
        for k in range(m):
            p = product[k] * w
            f, g = split(product[k])
            sums[c, k], rest = two_sum(sums[c, k], p)
            rests[c, k] += rest + (product_error(a, b, f, g, p) + w * left[k])


@jit.njit("i8(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8)", nogil=True)
def number(wide, table, places, keys, out, n):
    """out[i] = the number of the cell with code wide[i]; new cells get the next ones.

    `table` (2^k,) holds codes, -1 where there is none, at their hash or behind it; `places` their
    numbers; `keys` the codes in the order of the numbers. Returns how many there are.
    """
    mask = table.size - 1
    for i in range(wide.size):
        code = wide[i]
        mixed = code * -7046029254386353131
        at = (mixed ^ (mixed >> 32)) & mask
        while table[at] != code:
            if table[at] == -1:
                table[at], places[at], keys[n] = code, n, code
                n += 1
                break
            at = (at + 1) & mask
        out[i] = places[at]
    return n


@jit.njit("void(i8[::1], i8[::1], i8[::1])", nogil=True)
def least(cells, values, out):
    """out[c] = the least of the values of the rows of cell c and what it was."""
    for i in range(cells.size):
        out[cells[i]] = min(out[cells[i]], values[i])


@jit.njit(
    "void(i8[::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1])",
    nogil=True,
    error_model="numpy",
)
def add_sums(cells, sums, rests, out, out_rests):
    """Add sums and rests (n, m) of finer cells to those, (C, m), of the cells that they are in."""
    for i in range(cells.size):
        c = cells[i]
        for k in range(sums.shape[1]):
            out[c, k], rest = two_sum(out[c, k], sums[i, k])
            out_rests[c, k] += rest + rests[i, k]


# ---- numbers of two doubles, as arrays ---------------------------------------------------------

type Double = tuple[Floats, Floats]


def normal(hi: Any, lo: Any) -> Double:
    """The same number, `hi` rounded from all of it."""
    total = hi + lo
    return total, (hi - total) + lo


@np.errstate(invalid="ignore", over="ignore")  # infinite columns are refused with their rows
def add(a: Double, b: Double) -> Double:
    total, rest = _two_sum(a[0], b[0])
    return normal(total, rest + (a[1] + b[1]))


def negative(a: Double) -> Double:
    return -a[0], -a[1]


def subtract(a: Double, b: Double) -> Double:
    return add(a, negative(b))


def multiply(a: Double, b: Double) -> Double:
    p = a[0] * b[0]
    e = _product_error(*_split(a[0]), *_split(b[0]), p)
    return normal(p, e + (a[0] * b[1] + a[1] * b[0]))


def divide(a: Double, b: Double) -> Double:
    q = a[0] / b[0]
    left = subtract(a, multiply(b, (q, np.zeros_like(q))))
    return normal(q, left[0] / b[0])


def root(a: Double) -> Double:
    """Square root of positive numbers."""
    r = np.sqrt(a[0])
    left = subtract(a, multiply((r, np.zeros_like(r)), (r, np.zeros_like(r))))
    return normal(r, left[0] / (2.0 * r))
