"""The map from a term's effects to the rows, and its transpose: compiled.

`how` says which columns a row has: `ONES` in all levels that it lies in, `COLUMNS` Z (m, k, q) of
k levels, or `DENSE` ones, Z (m, J), of all levels. The m rows begin with `low`; all others have
none.
"""

from __future__ import annotations

import numpy as np

from mixedbayes import jit
from mixedbayes.theta.record import copy

COLUMNS, ONES, DENSE = range(3)


@jit.inner
def add_to_rows(eta, b, low, high, how, k, q, refs, Z):
    """eta += A b, for b (J q)."""
    if how == ONES and k == 1:
        for i in range(low, high):
            eta[i] += b[refs[i - low]]
    elif how == DENSE:
        J = b.size
        for i in range(high - low):
            value = 0.0
            for j in range(J):
                value += Z[i * J + j] * b[j]
            eta[low + i] += value
    elif how == ONES:
        for i in range(high - low):
            for j in range(i * k, (i + 1) * k):
                eta[low + i] += b[refs[j]]
    else:
        for i in range(high - low):
            for j in range(i * k, (i + 1) * k):
                for t in range(q):
                    eta[low + i] += Z[j * q + t] * b[refs[j] * q + t]


@jit.inner
def add_from_rows(slope, db, low, high, how, k, q, refs, Z):
    """db += A' slope."""
    if how == ONES and k == 1:
        for i in range(low, high):
            db[refs[i - low]] += slope[i]
    elif how == DENSE:
        J = db.size
        for i in range(high - low):
            for j in range(J):
                db[j] += Z[i * J + j] * slope[low + i]
    elif how == ONES:
        for i in range(high - low):
            for j in range(i * k, (i + 1) * k):
                db[refs[j]] += slope[low + i]
    else:
        for i in range(high - low):
            for j in range(i * k, (i + 1) * k):
                for t in range(q):
                    db[refs[j] * q + t] += Z[j * q + t] * slope[low + i]


@jit.inner
def mix(R, b, J, q, transposed):
    """b (J, q) = R b, or R' b, in place; R (J, J)."""
    found = np.zeros(J * q)
    for i in range(J):
        own = R[i * J : (i + 1) * J]
        for t in range(q):
            if transposed:
                x = b[i * q + t]
                for j in range(J):
                    found[j * q + t] += own[j] * x
            else:
                value = 0.0
                for j in range(J):
                    value += own[j] * b[j * q + t]
                found[i * q + t] = value
    copy(found, b)
