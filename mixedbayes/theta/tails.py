"""Coordinates in which a posterior with long tails is nearly normal.

A log standard deviation tau may have a long left tail where the data cannot tell it from zero: the
density decays like exp(tau), while it falls like a normal one, or faster, on the right. It is
written as t with

    tau = t - a / 2 softplus((m - t) / s)^2,

which is close to t on the right and falls like a square on the left, so that a density which decays
like exp(tau) decays like a normal one in t. With a and s negative it is the right tail that is
bent: that of the shape of counts which vary hardly more than Poisson's, or of a partial
correlation's inverse hyperbolic tangent, which may have such a tail on either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes import jit

__all__ = ["TailTransform", "apply_tails", "fit_tails", "tail_map"]

Floats = NDArray[np.float64]

_DROP = 4.5  # fall of a normal log density at 3 standard deviations
_WORTH = 0.05  # least correction that is made
_FARTHEST = 12.0  # from the mode on the left; a standard deviation is zero there, for all data
_MULTIPLES = (1.0, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0)  # of a standard deviation


@dataclass(frozen=True, eq=False)
class TailTransform:
    """a, m and s of every coordinate, (d,) each; a = 0 leaves it as it is."""

    a: Floats
    m: Floats
    s: Floats

    @classmethod
    def identity(cls, d: int) -> TailTransform:
        return cls(np.zeros(d), np.zeros(d), np.ones(d))

    @property
    def table(self) -> Floats:
        """(d, 3) a, m, s, as compiled functions read them."""
        return np.column_stack([self.a, self.m, self.s])

    def phi(self, t: Floats) -> Floats:
        """phi (..., d) at t (..., d)."""
        return t - self.a / 2 * _softplus((self.m - t) / self.s) ** 2

    def log_slope(self, t: Floats) -> Floats:
        """Sum of log d tau / d t, (...)."""
        w = (self.m - t) / self.s
        return np.log1p(self.a / self.s * _softplus(w) * special.expit(w)).sum(axis=-1)

    def t(self, phi: Floats) -> Floats:
        """t (d,) at phi (d,), by Newton's method from the side that is nearly straight."""
        t = np.where(self.a < 0, np.minimum(phi, self.m), np.maximum(phi, self.m)) + self.a
        for _ in range(100):
            w = (self.m - t) / self.s
            slope = 1 + self.a / self.s * _softplus(w) * special.expit(w)
            step = (self.phi(t) - phi) / slope
            t = t - step
            if np.all(np.abs(step) < 1e-12 * (1 + np.abs(t))):
                break
        return t


@jit.inner
def tail_map(t, a, m, s):
    """tau, d tau / dt, and the derivative of its logarithm."""
    w = (m - t) / s
    e = math.exp(-abs(w))
    plus = max(w, 0.0) + math.log1p(e)
    p = (1.0 if w > 0 else e) / (1.0 + e)
    slope = 1.0 + a / s * plus * p
    change = -a / (s * s) * p * (p + plus * (1.0 - p))
    return t - 0.5 * a * plus * plus, slope, change / slope


@jit.inner
def apply_tails(t, tails, theta, slopes):
    """Fill theta (d,), which may be t, and d theta / dt with the derivative of its log; its sum."""
    log_slope = 0.0
    for i in range(len(tails)):
        theta[i], slopes[i, 0], slopes[i, 1] = t[i], 1.0, 0.0
        if tails[i, 0] != 0.0:
            theta[i], slopes[i, 0], slopes[i, 1] = tail_map(
                t[i], tails[i, 0], tails[i, 1], tails[i, 2]
            )
            log_slope += math.log(slopes[i, 0])
    return log_slope


def fit_tails(
    value: Callable[[Floats], float], t: Floats, spread: Floats, eligible: NDArray[np.bool_]
) -> TailTransform:
    """Bends of the coordinates whose posterior has a longer tail on one side.

    a and s are such that the points where the density has fallen as far as a normal one at 3 sds
    become symmetric. On the way along one coordinate the others move with it by regression.

    Parameters
    ----------
    value
        Log density at t (d,).
    t
        Its highest point.
    spread
        (m, m) covariance of the first m coordinates there, from the curvature.
    eligible
        (d,) which coordinates may be bent; none after the first m.
    """
    tails = TailTransform.identity(len(t))
    for i in map(int, np.flatnonzero(eligible)):
        sd = float(np.sqrt(spread[i, i]))
        along = np.zeros(len(t))
        along[: len(spread)] = spread[:, i] / spread[i, i]
        left, right = (_reach(value, t, i, along, sign * sd) for sign in (-1, 1))
        excess = (left - right) / (_softplus(3.0) ** 2 / 2)
        if abs(excess) > _WORTH and left > 0 and right > 0:  # 0 where it is not known beside t
            shorter = right if excess > 0 else -left
            tails.a[i], tails.m[i], tails.s[i] = excess, t[i], shorter / 3
    return tails


def _reach(value: Callable[[Floats], float], t: Floats, i: int, along: Floats, sd: float) -> float:
    """How far coordinate i moves until the density has fallen by `_DROP`; sd has the direction."""
    here, before, fallen_before = value(t), 0.0, 0.0
    for multiple in _MULTIPLES:
        move = max(multiple * sd, -_FARTHEST)
        others = along * np.clip(move, -2 * abs(sd), 2 * abs(sd))
        others[i] = move
        fallen = here - value(t + others)
        if fallen >= _DROP:
            share = (_DROP - fallen_before) / (fallen - fallen_before) if np.isfinite(fallen) else 0
            return abs(before + share * (move - before))
        if move == -_FARTHEST:
            break
        before, fallen_before = move, fallen
    return abs(move)


def _softplus(x: Floats | float) -> Floats:
    return np.logaddexp(0.0, x)
