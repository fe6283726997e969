"""Effects of which each depends on the one before it alone, given which it is independent of all
others: roots of their correlations, from those r (k - 1,) of neighbours.

    w_ij = s_j r_(j + 1) ... r_i,    s_0 = 1,    s_j = sqrt(1 - r_j^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DIGITS = 1e-12  # of the distance of the first position and the last, in which two are the same
SMALLEST = 1e-16  # of 1 - r^2: what rounding leaves of it next to r = 1


def distinct_steps(positions: Floats) -> tuple[Floats, Ints]:
    """Distinct distances (D,) of neighbours, and which of them each two have, (T - 1,)."""
    gap = np.diff(positions)
    key = np.rint(gap / (DIGITS * max(float(positions[-1] - positions[0]), 1e-300)))
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return gap[first], number.astype(np.int64)


def chain_rows(r: Sequence[Any], left: Sequence[Any], one: Any) -> list[list[Any]]:
    """Row i of W up to its diagonal, of arrays or graphs of r and s."""
    rows = [[one]]
    for own, rest in zip(r, left, strict=True):
        rows.append([*(value * own for value in rows[-1]), rest])
    return rows


@jit.inner
def fill_chain(r, s, W):
    """W (k, k) from r and s (k,), whose first are not read."""
    for j in range(len(W)):
        value = s[j] if j else 1.0
        W[j, j] = value
        for i in range(j + 1, len(W)):
            value *= r[i]
            W[i, j] = value


@jit.inner
def chain_slopes(r, s, W, dW):
    """(k,) derivatives in r from those in W; the first is 0."""
    k = len(W)
    out = np.zeros(k)
    for j in range(k):
        value = 0.0
        for i in range(k - 1, j, -1):
            value = dW[i, j] + (value * r[i + 1] if i + 1 < k else 0.0)
            out[i] += value * W[i - 1, j]
        if j:
            value = dW[j, j] + (value * r[j + 1] if j + 1 < k else 0.0)
            out[j] -= value * r[j] / s[j]
    return out
