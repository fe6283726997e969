"""Fisher information of laws that have no formula for it, as a function of one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats

_STEP = 1e-4


@dataclass(frozen=True, eq=False)
class Information:
    """Of each parameter given the others, at values of a shape number between which it is linear.

    Beyond the ends it is that at the ends.
    """

    at: Floats  # (m,) increasing
    values: Floats  # (m, k)

    @classmethod
    def of(
        cls,
        log_density: Callable[[Floats, float, Floats], Floats],
        places: Sequence[float],
        grid: Callable[[float], Floats],
        k: int,
    ) -> Information:
        """By the trapezoid rule and differences.

        log_density(y (r,), place, moved) is that of the law at a place, its k parameters moved
        by `moved` (k,); `grid` has the y (r,) of a place, over which the law is spread.
        """
        found = np.empty((len(places), k))
        for i, place in enumerate(places):
            y = grid(place)
            weight = np.exp(log_density(y, place, np.zeros(k)))
            for j, e in enumerate(_STEP * np.eye(k)):
                score = (log_density(y, place, e) - log_density(y, place, -e)) / (2 * _STEP)
                found[i, j] = np.trapezoid(weight * score**2, y)
        return cls(np.asarray(places, float), found)

    def __call__(self, place: Floats, which: int) -> Floats:
        """Of one parameter, at places of any shape."""
        return np.interp(place, self.at, self.values[:, which])
