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

_SPLIT = 134217729.0  # 2^27 + 1: halves a double's digits (Dekker)


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
        total = s1 + v
        part = total - s1
        r1 += (s1 - (total - part)) + (v - part)
        s1 = total
        p = v * v
        t = v * 134217729.0
        a = t - (t - v)
        b = v - a
        e = ((a * a - p) + 2.0 * (a * b)) + b * b
        total = s2 + p
        part = total - s2
        r2 += (s2 - (total - part)) + (p - part) + e
        s2 = total
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
            t = v * 134217729.0
            top[j] = t - (t - v)
            low[j] = v - top[j]
            u[j] = v
            before = sums[c, j]
            total = before + v
            part = total - before
            rests[c, j] += (before - (total - part)) + (v - part)
            sums[c, j] = total
        at = d
        for j in range(d):
            for k in range(j + 1):
                p = u[j] * u[k]
                e = ((top[j] * top[k] - p) + top[j] * low[k] + low[j] * top[k]) + low[j] * low[k]
                before = sums[c, at]
                total = before + p
                part = total - before
                rests[c, at] += (before - (total - part)) + (p - part) + e
                sums[c, at] = total
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
                t = u[j] * 134217729.0
                a = t - (t - u[j])
                b = u[j] - a
                t = u[k] * 134217729.0
                f = t - (t - u[k])
                g = u[k] - f
                product[at], left[at] = p, ((a * f - p) + a * g + b * f) + b * g
                at += 1
        t = w * 134217729.0
        a = t - (t - w)
        b = w - a
        for k in range(m):
            p = product[k] * w
            t = product[k] * 134217729.0
            f = t - (t - product[k])
            g = product[k] - f
            e = ((a * f - p) + a * g + b * f) + b * g + w * left[k]
            before = sums[c, k]
            total = before + p
            part = total - before
            rests[c, k] += (before - (total - part)) + (p - part) + e
            sums[c, k] = total


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


# ---- numbers of two doubles, as arrays ---------------------------------------------------------

type Double = tuple[Floats, Floats]


def normal(hi: Any, lo: Any) -> Double:
    """The same number, `hi` rounded from all of it."""
    total = hi + lo
    return total, (hi - total) + lo


def add(a: Double, b: Double) -> Double:
    total = a[0] + b[0]
    part = total - a[0]
    rest = (a[0] - (total - part)) + (b[0] - part)
    return normal(total, rest + (a[1] + b[1]))


def negative(a: Double) -> Double:
    return -a[0], -a[1]


def subtract(a: Double, b: Double) -> Double:
    return add(a, negative(b))


def multiply(a: Double, b: Double) -> Double:
    p = a[0] * b[0]
    e = _error(a[0], b[0], p)
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


def _error(a: Any, b: Any, p: Any) -> Any:
    a1, a2 = _halves(a)
    b1, b2 = _halves(b)
    return ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: Any) -> tuple[Any, Any]:
    t = a * _SPLIT
    top = t - (t - a)
    return top, a - top
