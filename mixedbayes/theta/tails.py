"""Coordinates in which a posterior with long tails, or sharp ends, is nearly normal.

A log standard deviation tau may have a long left tail where the data cannot tell it from zero: the
density decays like exp(tau). Of a factor with two or three levels it hardly falls on the right
either, until the prior ends it, sharply: like exp(-lambda exp(tau)). The shape of counts which vary
hardly more than Poisson's has a long right tail, and a partial correlation's inverse hyperbolic
tangent may have one on either side. Such a coordinate is written as

    tau = F^-1(Phi(z)),    z = (t - m) / s,

with F the distribution whose density is proportional to that of the posterior along a line through
its mode, so that t is nearly normal. The function is a cubic spline from z = -5 to 5; beyond, its
slope goes on growing like a straight line, or falling like the inverse of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes import jit

__all__ = ["TailTransform", "apply_tails", "fit_tails", "tail_map"]

Floats = NDArray[np.float64]

_END = 5.0  # of the spline
_GAP = 0.5
_KNOTS = 21
_AT = np.linspace(-_END, _END, _KNOTS)
WIDTH = 3 + 2 * _KNOTS  # numbers of a row: coordinate, m, s, tau and its second derivative by knot

_DEEP = 18.0  # fall of the log density up to which it is followed; that of N(0, 1) at 6
_WORTH = 0.05  # least change that is made, of 3 standard deviations
_FARTHEST = 12.0  # from the mode on the left; a standard deviation is zero there, for all data
# of a standard deviation
_MULTIPLES = (1.0, 2.0, 3.5, 6.5, 11.0, 18.0, 30.0, 50.0)
_HALVINGS = 6  # of a step that fell too far
_FINE = 40  # points of the distribution between two where the density is known
_FLATTEST = 1e-3  # fall of the log density by unit of a tail that is followed
_KNOWN = 4.5  # least fall before a density ends, of a normal one at 3 standard deviations


@dataclass(frozen=True, eq=False)
class TailTransform:
    """tau as a function of t: of each coordinate that is no identity a row of numbers."""

    table: Floats  # (bent, WIDTH), as compiled functions read it

    @classmethod
    def identity(cls) -> TailTransform:
        return cls(np.zeros((0, WIDTH)))

    @property
    def bent(self) -> tuple[int, ...]:
        """The coordinates that are no identity."""
        return tuple(int(i) for i in self.table[:, 0])

    def phi(self, t: Floats) -> Floats:
        """phi (..., d) at t (..., d)."""
        out = np.array(t, float)
        for i, row in zip(self.bent, self.table, strict=True):
            out[..., i] = _spline(row, out[..., i])[0]
        return out

    def log_slope(self, t: Floats) -> Floats:
        """Sum of log d tau / d t, (...)."""
        t = np.asarray(t, float)
        out = np.zeros(t.shape[:-1])
        for i, row in zip(self.bent, self.table, strict=True):
            out = out + np.log(_spline(row, t[..., i])[1])
        return out

    def t(self, phi: Floats) -> Floats:
        """t (d,) at phi (d,), by Newton's method from the knots or the nearest end."""
        out = np.array(phi, float)
        for i, row in zip(self.bent, self.table, strict=True):
            m, s, values = row[1], row[2], row[3 : 3 + _KNOTS]
            t = m + s * np.interp(phi[i], values, _AT)
            for _ in range(100):
                there, slope = _spline(row, t)
                step = float((there - phi[i]) / slope)
                t = t - step
                if abs(step) < 1e-12 * (1 + abs(t)):
                    break
            out[i] = t
        return out


@jit.inner
def tail_map(t, row):
    """tau, d tau / dt, and the derivative of its logarithm."""
    z = (t - row[1]) / row[2]
    if -_END < z < _END:
        k = min(int((z + _END) / _GAP), _KNOTS - 2)
        w = (z + _END) / _GAP - k
    else:
        k, w = (_KNOTS - 2, 1.0) if z > 0.0 else (0, 0.0)
    v = 1.0 - w
    low, high = row[3 + k], row[4 + k]
    a, b = row[3 + _KNOTS + k], row[4 + _KNOTS + k]
    value = v * low + w * high
    value += _GAP * _GAP / 6.0 * (v * (v * v - 1.0) * a + w * (w * w - 1.0) * b)
    slope = (high - low) / _GAP
    slope += _GAP / 6.0 * ((1.0 - 3.0 * v * v) * a + (3.0 * w * w - 1.0) * b)
    change = (v * a + w * b) / slope
    beyond = abs(z) - _END
    if not beyond <= 0.0:
        side = 1.0 if z > 0.0 else -1.0
        rate = side * change
        grown = 1.0 + abs(rate) * beyond
        if rate >= 0.0:
            value += side * slope * beyond * (1.0 + 0.5 * rate * beyond)
            slope *= grown
        else:
            value -= side * slope / rate * math.log(grown)
            slope /= grown
        change /= grown
    return value, slope / row[2], change / row[2]


@jit.inner
def apply_tails(t, tails, theta, slopes):
    """Fill theta (d,), which may be t, and d theta / dt with the derivative of its log; its sum.

    tails is the table, row after row.
    """
    log_slope = 0.0
    for i in range(len(slopes)):
        theta[i], slopes[i, 0], slopes[i, 1] = t[i], 1.0, 0.0
    for k in range(tails.size // WIDTH):
        row = tails[k * WIDTH : (k + 1) * WIDTH]
        i = int(row[0])
        theta[i], slopes[i, 0], slopes[i, 1] = tail_map(t[i], row)
        log_slope += math.log(slopes[i, 0])
    return log_slope


def fit_tails(
    value: Callable[[Floats], float], t: Floats, spread: Floats, eligible: NDArray[np.bool_]
) -> TailTransform:
    """Those of the coordinates whose posterior is far from normal.

    On the way along one coordinate the others move with it by regression.

    Parameters
    ----------
    value
        Log density at t (d,).
    t
        Its highest point.
    spread
        (m, m) covariance of the first m coordinates there, from the curvature.
    eligible
        (d,) which coordinates may be written otherwise; none after the first m.
    """
    rows, here = [], value(t)
    for i in map(int, np.flatnonzero(eligible)):
        sd = float(np.sqrt(spread[i, i]))
        along = np.zeros(len(t))
        along[: len(spread)] = spread[:, i] / spread[i, i]

        def fallen(move: float, i: int = i, along: Floats = along, sd: float = sd) -> float:
            others = along * np.clip(move, -2 * sd, 2 * sd)
            others[i] = move
            return max(here - value(t + others), 0.0)

        left, right = _falls(fallen, -sd), _falls(fallen, sd)
        if len(left) and len(right):  # none where the density is not known beside t
            known = np.array([*reversed(left), (0.0, 0.0), *right])
            row = _normal(float(t[i]), known[:, 0], known[:, 1])
            if row is not None:
                rows.append(np.concatenate([[i], row]))
    return TailTransform(np.array(rows).reshape(-1, WIDTH))


def _falls(fallen: Callable[[float], float], sd: float) -> list[tuple[float, float]]:
    """Moves of a coordinate and falls of the log density, up to `_DEEP`; sd has the direction.

    None where the density is not known beside the mode, or does not fall.
    """
    found = [(0.0, 0.0)]
    for multiple in _MULTIPLES:
        move = max(multiple * sd, -_FARTHEST)
        fall = fallen(move)
        for _ in range(_HALVINGS):
            if fall < 2 * _DEEP:
                break
            move = 0.5 * (found[-1][0] + move)
            fall = fallen(move)
        if not np.isfinite(fall):
            if found[-1][1] < _KNOWN:
                return []
            break
        found.append((move, fall))
        if fall >= _DEEP or move == -_FARTHEST:
            break
    (before, less), (move, fall) = found[-2:]
    rate = (fall - less) / abs(move - before)
    if fall < _DEEP:
        if rate < _FLATTEST:
            return []
        found.append((move + math.copysign((_DEEP - fall) / rate, sd), _DEEP))
    return found[1:]


def _normal(mode: float, x: Floats, fall: Floats) -> Floats | None:
    """m, s and the spline, for falls of a log density at x beside its mode; None: as it is.

    The signed root r of twice the fall is that of N(0, 1) at x in standard deviations, and hardly
    bends between two points.
    """
    r = np.copysign(np.sqrt(2 * fall), x)
    each = [np.linspace(low, high, _FINE, endpoint=False) for low, high in pairwise(x)]
    grid = np.concatenate([*each, x[-1:]])
    p = np.exp(-0.5 * _between(x, r, grid) ** 2)
    pieces = 0.5 * np.diff(grid) * (p[:-1] + p[1:])
    slopes = np.abs(np.diff(fall)[[0, -1]] / np.diff(x)[[0, -1]])
    beyond = p[[0, -1]] / np.maximum(slopes, _FLATTEST)
    below = beyond[0] + np.concatenate([[0.0], np.cumsum(pieces)])
    above = beyond[1] + np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])
    total = below[-1] + beyond[1]
    z = np.where(below < above, special.ndtri(below / total), -special.ndtri(above / total))
    if z[0] > -_END - _GAP / 5 or z[-1] < _END + _GAP / 5:
        return None
    values = mode + np.interp(_AT, z, grid)
    ends = np.interp([-_END - 0.1, -_END + 0.1, _END - 0.1, _END + 0.1], z, grid)
    seconds = _seconds(values, (ends[1] - ends[0]) / 0.2, (ends[3] - ends[2]) / 0.2)
    middle, at = values[_KNOTS // 2], np.linspace(-_END, _END, 10 * _KNOTS)
    row = np.concatenate([[0.0, 0.0, 1.0], values, seconds])
    slope = float(_spline(row, np.zeros(1))[1][0])
    away = np.abs(values - middle - slope * _AT)[np.abs(_AT) <= 3].max() / (3 * slope)
    if not away > _WORTH or not (_spline(row, at)[1] > 0).all():
        return None
    row[1:3] = middle, min(slope, 1.0)
    return row[1:]


def _between(x: Floats, y: Floats, at: Floats) -> Floats:
    """y at points, by cubic pieces that do not leave it (Fritsch & Carlson 1980)."""
    h, rise = np.diff(x), np.diff(y) / np.diff(x)
    slopes = np.concatenate([rise[:1], np.zeros(len(x) - 2), rise[-1:]])
    same = rise[:-1] * rise[1:] > 0
    w, v = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    inner = (w + v)[same] / (w[same] / rise[:-1][same] + v[same] / rise[1:][same])
    slopes[1:-1][same] = inner
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(h) - 1)
    u = (at - x[k]) / h[k]
    out = y[k] * (1 + 2 * u) * (1 - u) ** 2 + y[k + 1] * u**2 * (3 - 2 * u)
    return np.asarray(out + h[k] * u * (1 - u) * (slopes[k] * (1 - u) - slopes[k + 1] * u))


def _seconds(values: Floats, first: float, last: float) -> Floats:
    """Second derivatives of the cubic spline through the knots, with these slopes at its ends."""
    n = len(values)
    A = 4 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    A[0, 0] = A[-1, -1] = 2.0
    rises = np.concatenate([[first], np.diff(values) / _GAP, [last]])
    return np.asarray(np.linalg.solve(A, 6 * np.diff(rises) / _GAP))


def _spline(row: Floats, t: Floats) -> tuple[Floats, Floats]:
    """tau and d tau / dt at t (...); see `tail_map`."""
    z = (t - row[1]) / row[2]
    inside = np.clip(z, -_END, _END)
    k = np.minimum(((inside + _END) / _GAP).astype(np.int64), _KNOTS - 2)
    w = (inside + _END) / _GAP - k
    v = 1 - w
    low, high = row[3 + k], row[4 + k]
    a, b = row[3 + _KNOTS + k], row[4 + _KNOTS + k]
    value = v * low + w * high + _GAP**2 / 6 * ((v**3 - v) * a + (w**3 - w) * b)
    slope = (high - low) / _GAP + _GAP / 6 * ((1 - 3 * v**2) * a + (3 * w**2 - 1) * b)
    beyond, side = np.abs(z - inside), np.sign(z)
    rate = side * (v * a + w * b) / slope
    size = np.where(rate == 0, 1.0, np.abs(rate))
    grown = 1 + np.abs(rate) * beyond
    far = np.where(rate >= 0, beyond * (1 + 0.5 * rate * beyond), np.log(grown) / size)
    value = value + side * slope * far
    slope = np.where(rate >= 0, slope * grown, slope / grown)
    return value, slope / row[2]
