"""Compiled log densities of categories without an order; see `RowDensity`.

The predictors are 0, t and numbers (m, n), K = m + 2. Rows have `extra` (n K) responses of each
category, size of them together.
"""

from __future__ import annotations

import math

import numpy as np

from mixedbayes.families.rows import compiled
from mixedbayes.numerics.elementary import exp

_u = np.uint64  # of indices, which negative ones would keep from running on vectors


@compiled
def loop(t, y, size, extra, none, numbers, slope, d_none, d):
    """The sum over all rows.

    log p_k = (eta_k - top) - log1p(others), with others the sum of exp(eta_j - top) over all but
    the largest, so that neither a p near 0 nor a 1 - p near 0 loses digits.
    """
    m, total = numbers.shape[0], 0.0
    K = m + 2
    h = np.empty(K)
    for i in range(t.size):
        h[0], h[1] = 0.0, t[i]
        for k in range(m):
            h[2 + k] = numbers[k, i]
        first = 0
        for k in range(1, K):
            if h[k] > h[first]:
                first = k
        top, others = h[first], 0.0
        for k in range(K):
            h[k] -= top
            if k != first:
                others += math.exp(h[k])
        rest = math.log1p(others)
        for k in range(K):
            count = extra[i * K + k]
            if count > 0.0:
                total += count * (h[k] - rest)
            if k > 0:
                p = math.exp(h[k]) / (1.0 + others)
                left = others / (1.0 + others) if k == first else 1.0 - p
                own = count * left - (size[i] - count) * p
                if k == 1:
                    slope[i] = own
                else:
                    d[k - 2, i] = own
    return total


@compiled
def each(t, y, size, extra, none, numbers, value, slope, d_none, d):
    """Row by row: the sum of the responses' predictors, less size times the log of the total."""
    n, K = t.size, numbers.size // t.size + 2
    top, total = np.empty(n), np.empty(n)
    for i in range(n):
        top[_u(i)] = max(t[_u(i)], 0.0)
    for k in range(2, K):
        first = (k - 2) * n
        for i in range(n):
            top[_u(i)] = max(top[_u(i)], numbers[_u(first + i)])
    for i in range(n):
        total[_u(i)] = exp(-top[_u(i)]) + exp(t[_u(i)] - top[_u(i)])
        value[_u(i)] = extra[_u(i * K + 1)] * t[_u(i)] - size[_u(i)] * top[_u(i)]
    for k in range(2, K):
        first = (k - 2) * n
        for i in range(n):
            h = numbers[_u(first + i)]
            total[_u(i)] += exp(h - top[_u(i)])
            value[_u(i)] += extra[_u(i * K + k)] * h
    for i in range(n):
        value[_u(i)] -= size[_u(i)] * math.log(total[_u(i)])
    if slope.size == 0:
        return
    for i in range(n):
        total[_u(i)] = size[_u(i)] / total[_u(i)]
        slope[_u(i)] = extra[_u(i * K + 1)] - exp(t[_u(i)] - top[_u(i)]) * total[_u(i)]
    for k in range(2, K):
        first = (k - 2) * n
        for i in range(n):
            p = exp(numbers[_u(first + i)] - top[_u(i)]) * total[_u(i)]
            d[_u(first + i)] = extra[_u(i * K + k)] - p
