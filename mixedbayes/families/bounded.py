"""What a family says of responses that are known within limits, or observed between bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.rows import RowDensity

AT_ZERO = -1.7e308  # a bound above zeros and below everything else


@dataclass(frozen=True, eq=False)
class SizeBiased:
    """The distribution with the density y f(y) / E[y], as that of a family at other parameters.

    shift
        What is taken off y first: 1 of counts.
    moved
        How bounds of y become bounds of that family's response, (low, high) to (low, high).
    """

    family: Any
    mu: Floats
    parameters: Mapping[str, Floats]
    weights: Floats | None = None
    trials: Ints | None = None
    shift: float = 0.0
    moved: Callable[[Floats, Floats], tuple[Floats, Floats]] | None = None

    def bounds(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Bounds of y as the family has them."""
        if self.moved is not None:
            return self.moved(low, high)
        return low - self.shift, high - self.shift


class Bounded:
    """The part of a `Family` that censored and truncated responses need."""

    no_limits: ClassVar[str] = ""  # why its responses are not censored or truncated
    repeats_rows: ClassVar[bool] = True

    @property
    def row_density(self) -> RowDensity | None:
        """The compiled log density of a row; None where PyMC has to evaluate the model."""
        return None

    @property
    def limits_obstacle(self) -> str:
        """Why responses are not censored or truncated; empty where they may be."""
        if self.no_limits or (self.row_density is not None and self.row_density.bounded):
            return self.no_limits
        return "the tails of its distribution are not known here"

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Bounds of the response as `RowDensity.tails` takes them.

        Infinite where no response is beyond: at the ends of the support, and at infinity.
        """
        return y

    def size_biased(
        self, mu: Floats, parameters: Mapping[str, Floats], weights: Floats | None,
        trials: Ints | None,
    ) -> SizeBiased | None:  # fmt: skip
        """That of the family's positive responses; None where `mean_between` has the mean."""
        return None

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats,
        parameters: Mapping[str, Floats], weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """(S, n) E[y | low < y <= high], for log P(low < y <= high) (S, n); see `within`.

        None where it follows from `size_biased`.
        """
        return None

    def tail_size(self, n: int, weights: Floats | None, trials: Ints | None) -> Floats:
        """(n,) what `RowDensity.tails` has as the size of rows.

        The weight where weights divide the variance, the trials where there are any, else 1.
        """
        if trials is not None:
            return np.asarray(trials, float)
        return np.ones(n) if weights is None or self.repeats_rows else weights
