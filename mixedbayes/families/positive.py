"""What families of positive numbers whose mean is mu share: support, and scales of priors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Family
from mixedbayes.families.links import Identity, Link, Log


@dataclass(frozen=True)
class PositiveMean(Family):
    """Positive numbers y with the mean mu = g^-1(eta)."""

    positive: ClassVar[bool] = True
    takes: ClassVar[str] = "positive numbers"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Log, Identity)
    link: Link = field(default_factory=Log)

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        support.refuse_constant(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y > 0)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        return np.where(y <= 0, -np.inf, y)

    def location(self, design: Design) -> float:
        return float(self.link.link(design.mu.average(design.y), np)) - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        """sd(log y) on the log link; elsewhere the sd by the delta method."""
        if isinstance(self.link, Log):
            return sd(np.log(design.y), design.mu.counts)
        eta = np.asarray(self.link.link(design.mu.average(design.y), np))
        return sd(design.y, design.mu.counts) / float(np.abs(self.link.slope(eta, np)))

    def scale_origin(self, design: Design) -> str:
        return {"log": f"sd(log({design.response}))", "identity": f"sd({design.response})"}.get(
            self.link.name, f"sd({design.response}) on the {self.link.name} scale"
        )

    def by_delta_method(self, variance: Floats, mean: Floats) -> Floats:
        """A variance of y at this mean, on the link scale."""
        return variance / self.link.slope(self.link.link(mean, np), np) ** 2
