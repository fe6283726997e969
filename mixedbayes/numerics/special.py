"""Special functions that compiled likelihoods need and the standard library lacks."""

from __future__ import annotations

import math

from numba import njit

_SQRT_HALF = math.sqrt(0.5)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@njit(error_model="numpy", nogil=True, inline="never")
def digamma(x):
    """d log Gamma(x) / dx for x > 0: recurrence up to 10, then the asymptotic series."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    w = 1.0 / (x * x)
    series = w * (
        1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132 - w * 691 / 32760))))
    )
    return total + math.log(x) - 0.5 / x - series


@njit(error_model="numpy", nogil=True, inline="never")
def log_ndtr(x):
    """log Phi(x) and its derivative phi(x) / Phi(x); by a continued fraction far to the left."""
    if x > -6.0:
        p = 0.5 * math.erfc(-x * _SQRT_HALF)
        return math.log(p), math.exp(-0.5 * x * x - _LOG_SQRT_2PI) / p
    t = 0.0
    for k in range(40, 0, -1):
        t = k / (-x + t)
    hazard = -x + t  # phi(x) / Phi(x) = -x + 1/(-x + 2/(-x + ...))
    return -0.5 * x * x - _LOG_SQRT_2PI - math.log(hazard), hazard
