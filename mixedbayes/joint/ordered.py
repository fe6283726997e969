"""Increasing numbers, such as thresholds, as unconstrained ones: the first, and the logs of the
gaps."""

from __future__ import annotations

import math

import numpy as np

from mixedbayes import jit
from mixedbayes.theta.record import Floats


def increasing(t: Floats) -> Floats:
    """Increasing numbers (..., m) at unconstrained t (..., m)."""
    return np.cumsum(np.concatenate([t[..., :1], np.exp(t[..., 1:])], axis=-1), axis=-1)


def unordered(x: Floats) -> Floats:
    """t (m,) of increasing numbers x (m,)."""
    return np.concatenate([x[:1], np.log(np.diff(x))])


@jit.inner
def put_in_order(t, x):
    """Fill x (m,) with `increasing(t)`; the log of the Jacobian's determinant."""
    log_slope = 0.0
    x[0] = t[0]
    for i in range(1, t.size):
        x[i] = x[i - 1] + (math.exp(t[i]) if t[i] < 700.0 else math.inf)
        log_slope += t[i]
    return log_slope


@jit.inner
def order_slopes(t, d):
    """Turn d (m,), derivatives in x, into those in t of the density of t, in place."""
    later = 0.0
    for i in range(t.size - 1, 0, -1):
        later += d[i]
        d[i] = later * math.exp(t[i]) + 1.0
    d[0] += later
