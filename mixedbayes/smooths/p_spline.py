"""P-splines, `bs="ps"`: cubic B-splines at even knots, whose coefficients' second differences are
penalised.

Eilers & Marx (1996), doi:10.1214/ss/1038425655.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mixedbayes.errors import DataError
from mixedbayes.smooths.basis import Basis, Floats, Functions
from mixedbayes.smooths.natural import eigenfunctions, scaled

_DEGREE = 3
_MARGIN = 0.001  # of the range, beyond the data on both sides


@dataclass(frozen=True, eq=False)
class EvenSplines(Functions):
    """Combinations of cubic B-splines of one variable, straight beyond the data's range."""

    unit: float
    knots: Floats  # (K + 4,) around the centre, in units
    coefficients: Floats  # (K, r)

    @cached_property
    def _spline(self) -> Any:
        from scipy.interpolate import BSpline

        return BSpline(self.knots, self.coefficients, _DEGREE)

    def penalised(self, x: Floats) -> Floats:
        z = (x[:, 0] - self.centre[0]) / self.unit
        inside = np.clip(z, self.knots[_DEGREE], self.knots[-1 - _DEGREE])
        found, beyond = self._spline(inside), z != inside
        if beyond.any():
            slope = self._spline.derivative()(inside[beyond])
            found[beyond] += slope * (z - inside)[beyond, None]
        return np.asarray(found)


class PSpline(Basis):
    """Cubic B-splines with a penalty of second differences, knots as mgcv places them."""

    name: ClassVar[str] = "ps"
    title: ClassVar[str] = "P-splines"
    least: ClassVar[int] = 4

    def fit(self, x: Floats, k: int, knots: Sequence[float] = ()) -> Functions:
        if k < self.least:
            raise ValueError("k is 4 or more, for P-splines")
        if np.ptp(x[:, 0]) == 0:
            raise DataError("a P-spline takes different values, and there is 1 value")
        z, centre, unit = scaled(x)
        low, high = z.min() - _MARGIN, z.max() + _MARGIN
        step = (high - low) / (k - _DEGREE)
        at = low + step * np.arange(-_DEGREE, k + 1)
        differences = np.diff(np.eye(k), 2, axis=0)
        coefficients = eigenfunctions(differences.T @ differences, 2)
        return EvenSplines(centre, ((0,), (1,)), unit, at, coefficients)
