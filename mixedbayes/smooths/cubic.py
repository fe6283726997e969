"""Cubic regression splines, `bs="cr"`, and cyclic ones, `bs="cc"`.

Their coefficients are the curve's values at the knots; the penalty is the integral of its squared
second derivative. Wood (2017), section 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mixedbayes.errors import DataError
from mixedbayes.smooths.basis import Basis, Floats, Functions, distinct
from mixedbayes.smooths.natural import NaturalSplines, eigenfunctions


@dataclass(frozen=True, eq=False)
class CyclicSplines(Functions):
    """Periodic cubic splines of one variable."""

    unit: float
    knots: Floats  # (K,) around the centre, in units; the ends are one period apart
    values: Floats  # (K, r); the last row is the first

    @cached_property
    def _spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.knots, self.values, bc_type="periodic")

    def penalised(self, x: Floats) -> Floats:
        z, low = (x[:, 0] - self.centre[0]) / self.unit, self.knots[0]
        return np.asarray(self._spline(low + (z - low) % (self.knots[-1] - low)))


class Cubic(Basis):
    """Natural cubic splines with knots at quantiles of the distinct values."""

    name: ClassVar[str] = "cr"
    title: ClassVar[str] = "cubic regression splines"
    least: ClassVar[int] = 3
    placed: ClassVar[str] = "k knots"

    def fit(self, x: Floats, k: int, knots: Sequence[float] = ()) -> Functions:
        if k < self.least or len(knots) not in (0, k):
            raise ValueError("k is 3 or more, for cubic regression splines, and as many as knots")
        at, centre, unit = _placed(x, k, knots, "a cubic regression spline")
        values = eigenfunctions(second_derivatives(at), 2)
        return NaturalSplines(centre, ((0,), (1,)), unit, at, values)


class Cyclic(Basis):
    """Cubic splines whose ends meet, with their first and second derivatives."""

    name: ClassVar[str] = "cc"
    title: ClassVar[str] = "cyclic cubic regression splines"
    least: ClassVar[int] = 4
    placed: ClassVar[str] = "the two ends of the period, or k knots"
    line: ClassVar[bool] = False

    def fit(self, x: Floats, k: int, knots: Sequence[float] = ()) -> Functions:
        if k < self.least or len(knots) not in (0, 2, k):
            raise ValueError("k is 4 or more, for cyclic splines, and knots are two ends or k")
        at, centre, unit = _placed(x, k, knots, "a cyclic spline")
        values = eigenfunctions(cyclic_second_derivatives(at), 1)
        return CyclicSplines(centre, ((0,),), unit, at, np.concatenate([values, values[:1]]))


def second_derivatives(knots: Floats) -> Floats:
    """(K, K) S with v'S v the integral of the squared second derivative of the natural spline."""
    h, K = np.diff(knots), len(knots)
    D, B = np.zeros((K - 2, K)), np.zeros((K - 2, K - 2))
    for i in range(K - 2):
        D[i, i : i + 3] = 1 / h[i], -1 / h[i] - 1 / h[i + 1], 1 / h[i + 1]
        B[i, i] = (h[i] + h[i + 1]) / 3
        if i:
            B[i, i - 1] = B[i - 1, i] = h[i] / 6
    return np.asarray(D.T @ np.linalg.solve(B, D))


def cyclic_second_derivatives(knots: Floats) -> Floats:
    """(K - 1, K - 1) the same of the periodic spline, whose last value is its first."""
    h, K = np.diff(knots), len(knots) - 1
    D, B = np.zeros((K, K)), np.zeros((K, K))
    for i in range(K):
        before, after = (i - 1) % K, (i + 1) % K
        D[i, before] += 1 / h[before]
        D[i, i] -= 1 / h[before] + 1 / h[i]
        D[i, after] += 1 / h[i]
        B[i, before] += h[before] / 6
        B[i, i] += (h[before] + h[i]) / 3
        B[i, after] += h[i] / 6
    return np.asarray(D.T @ np.linalg.solve(B, D))


def _placed(x: Floats, k: int, knots: Sequence[float], of: str) -> tuple[Floats, Floats, float]:
    """Knots around a centre in units of their range; the centre and the unit."""
    if len(knots) == k:
        at = np.sort(np.asarray(knots, float))
    else:
        every = distinct(x, k - len(knots), of)[:, 0]
        if knots:  # the ends of a period
            low, high = sorted(map(float, knots))
            if every[0] < low or every[-1] > high:
                raise DataError(
                    f"the ends of the period are {low:g} and {high:g}, and values lie outside: "
                    f"from {every[0]:g} to {every[-1]:g}; write knots=[low, high] around all values"
                )
            every = np.unique([low, *every, high])
        at = np.quantile(every, np.linspace(0, 1, k))
    if not (np.diff(at) > 0).all():
        raise DataError("knots are equal; write each once")
    centre, unit = x.mean(axis=0), float(np.ptp(at))
    return (at - centre[0]) / unit, centre, unit
