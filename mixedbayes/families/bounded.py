"""What a family says of responses that are known within limits, or observed between bounds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.rows import RowDensity


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

    def tail_size(self, n: int, weights: Floats | None, trials: Ints | None) -> Floats:
        """(n,) what `RowDensity.tails` has as the size of rows.

        The weight where weights divide the variance, the trials where there are any, else 1.
        """
        if trials is not None:
            return np.asarray(trials, float)
        return np.ones(n) if weights is None or self.repeats_rows else weights
