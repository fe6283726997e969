"""Ordered categories that are reached one after the other, in steps that may end at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.families.ordinal import Ordinal


@dataclass(frozen=True)
class Sequential(Ordinal):
    """P(y = k) = P(ends at k) prod_{j < k} (1 - P(ends at j)), all categories but the last.

    Thresholds need not increase: each belongs to a step of its own.
    """

    def steps(self, edges: Any, xp: Any) -> tuple[Any, Any]:
        """(..., K - 1) log probabilities that the response ends at a category, and goes on."""
        raise NotImplementedError

    def log_slopes(self, edges: Floats) -> Floats:
        """(..., K - 1) log of the slope of P(ends at k) in edges."""
        raise NotImplementedError

    def log_probabilities(self, edges: Any, xp: Any = np) -> Any:
        ends, goes = self.steps(edges, xp)
        none = xp.zeros_like(ends[..., :1])
        reached = xp.concatenate([none, xp.cumsum(goes, axis=-1)], axis=-1)
        return reached + xp.concatenate([ends, none], axis=-1)

    def about(self, edges: Floats, along: Floats) -> Floats:
        """Of steps that are independent: each counts as often as it is reached."""
        ends, goes = self.steps(edges, np)
        reached = np.cumsum(goes, axis=-1) - goes
        each = np.exp(reached + 2 * self.log_slopes(edges) - ends - goes)
        return np.sum(each * along**2, axis=-1)
