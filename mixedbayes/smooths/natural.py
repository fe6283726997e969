"""Natural cubic splines through values at knots, straight beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixedbayes.smooths.basis import Floats, Functions


@dataclass(frozen=True, eq=False)
class NaturalSplines(Functions):
    """Functions of one variable that are natural cubic splines."""

    unit: float  # knots and x are divided by it
    knots: Floats  # (K,) around the centre, in units
    values: Floats  # (K, r) of the penalised functions at the knots

    @cached_property
    def _spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.knots, self.values, bc_type="natural")

    def penalised(self, x: Floats) -> Floats:
        z = (x[:, 0] - self.centre[0]) / self.unit
        inside = np.clip(z, self.knots[0], self.knots[-1])
        found = self._spline(inside)
        beyond = z != inside
        if beyond.any():
            slope = self._spline(inside[beyond], 1)
            found[beyond] += slope * (z - inside)[beyond, None]
        return np.asarray(found)


def eigenfunctions(S: Floats, null: int) -> Floats:
    """(K, K - null) coefficients c of unit penalty, c'S c = I, from the eigenvectors of S."""
    values, vectors = np.linalg.eigh(S)
    return np.asarray(vectors[:, null:] / np.sqrt(values[null:]))


def scaled(x: Floats) -> tuple[Floats, Floats, float]:
    """Values of one variable (n, 1) around their mean, in units of their range; mean and unit."""
    centre = x.mean(axis=0)
    unit = float(np.ptp(x[:, 0])) or 1.0
    return (x[:, 0] - centre[0]) / unit, centre, unit
