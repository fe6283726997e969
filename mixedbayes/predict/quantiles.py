"""Quantiles by a distribution function of arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError

_ITERATIONS = 200


def _bracket(
    below: Callable[[Floats], Floats], start: Floats, p: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """low and high with P(low) < p <= P(high), and these probabilities."""
    step = np.maximum(1.0, np.abs(start) / 8)
    low, high = start - step, start + step
    at_low, at_high = below(low), below(high)
    for _ in range(_ITERATIONS):
        left, right = at_low >= p, at_high < p
        if not (left.any() or right.any()):
            return low, high, at_low, at_high
        step = 2 * step
        low, high = np.where(left, low - step, low), np.where(right, high + step, high)
        at_low, at_high = below(low), below(high)
    raise ModelError(f"the {p:g} quantile of an observation is beyond all numbers in some draws")


def whole_quantile(below: Callable[[Floats], Floats], start: Floats, p: float) -> Floats:
    """Smallest whole k with P(y <= k) >= p, by bisection."""
    low, high, _, _ = _bracket(below, start, p)
    low, high = np.floor(low), np.ceil(high)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        left = below(middle) < p
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return high


def quantile(below: Callable[[Floats], Floats], start: Floats, p: float) -> Floats:
    """Root of P(y <= q) = p by false position, Illinois's, with bisection where it is slow."""
    low, high, f_low, f_high = _bracket(below, start, p)
    f_low, f_high = f_low - p, f_high - p
    for k in range(_ITERATIONS):
        wide = high - low
        if np.all(wide <= 1e-9 * np.maximum(1e-300, np.maximum(np.abs(low), np.abs(high)))):
            break
        with np.errstate(all="ignore"):
            middle = high - f_high * wide / (f_high - f_low)
        dull = (k % 3 == 2) | ~np.isfinite(middle) | (middle <= low) | (middle >= high)
        middle = np.where(dull, low + wide / 2, middle)
        f = below(middle) - p
        left = f < 0
        f_high = np.where(left, f_high / 2, f)
        f_low = np.where(left, f, f_low / 2)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
        done = np.abs(f) < 1e-12
        low, high = np.where(done, middle, low), np.where(done, middle, high)
    return (low + high) / 2
