"""A few rows beyond the fit, with levels that it has not seen, in every posterior draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.base import Family

_BLOCK = 2**22  # numbers handled at a time, to bound memory


@dataclass(frozen=True, eq=False)
class NewLevels:
    """Levels of one grouping factor that the rows bring along."""

    Z: Floats  # (m, q)
    codes: Ints  # (m,) 0..k-1, or -1 for a row of a level of the fit
    count: int  # k
    root: Floats  # (q, q, S), R R' = Sigma

    @property
    def q(self) -> int:
        return self.Z.shape[1]

    @property
    def size(self) -> int:
        """Number of effects, level by level."""
        return self.count * self.q


@dataclass(frozen=True, eq=False)
class Few:
    """The rows: y, and in every draw what is known of their linear predictor."""

    family: Family
    y: Floats  # (m,)
    eta: Floats  # (m, S) without the effects of new levels
    parameters: Mapping[str, Floats]  # (S, ...) the family's own; (S, m) where it has a formula
    weights: Floats | None  # (m,)
    trials: Ints | None  # (m,)
    levels: tuple[NewLevels, ...]

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def n_draws(self) -> int:
        return self.eta.shape[1]

    @property
    def size(self) -> int:
        """D, the number of effects of all new levels."""
        return sum(level.size for level in self.levels)

    def density(self, draws: Ints) -> Callable[[Floats], Floats]:
        """log p(y_i | eta_i) as a function of eta (s, m) in some draws."""
        parameters = {name: values[draws] for name, values in self.parameters.items()}

        def density(eta: Floats) -> Floats:
            mu = self.family.inverse(eta, np)
            return self.family.log_density(
                self.y, mu, parameters, weights=self.weights, trials=self.trials
            )

        return density

    def root(self, draws: Ints) -> Floats:
        """(s, D, D) block-diagonal R, b = R u."""
        out = np.zeros((len(draws), self.size, self.size))
        at = 0
        for level in self.levels:
            root = level.root[:, :, draws].transpose(2, 0, 1)
            for _ in range(level.count):
                out[:, at : at + level.q, at : at + level.q] = root
                at += level.q
        return out

    def design(self, draws: Ints) -> Floats:
        """(s, m, D) B, what a unit of each u adds to the linear predictor."""
        out = np.zeros((len(draws), self.n, self.size))
        at = 0
        for level in self.levels:
            ZR = level.Z @ level.root[:, :, draws].transpose(2, 0, 1)  # (s, m, q)
            for k in range(level.count):
                rows = level.codes == k
                out[:, rows, at : at + level.q] = ZR[:, rows]
                at += level.q
        return out

    def blocks(self, count: int) -> Iterator[Ints]:
        """Positions of `count` things, some at a time, such that memory is bounded."""
        step = max(1, _BLOCK // max(1, self.size * max(self.size, self.n)))
        for start in range(0, count, step):
            yield np.arange(start, min(start + step, count))
