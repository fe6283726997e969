"""Estimates with two intervals each, and the marks that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.estimands.result import Estimates
from mixedbayes.plots import style
from mixedbayes.plots.scene import Dots, Mark, Segments

_HUGE = 1e300  # in the place of infinite ratios


@dataclass(frozen=True, eq=False)
class Intervals:
    """What is drawn of R estimates, on the axis's scale: where it is logarithmic, logarithms."""

    middle: Floats  # (R,)
    outer: Floats  # (2, R)
    inner: Floats  # (2, R) the 50 % interval
    null: float
    log: bool
    prob: float
    words: str  # what the intervals are

    @classmethod
    def of(cls, estimates: Estimates) -> Intervals:
        """Means with intervals; of ratios that are nowhere negative, logarithms of medians."""
        draws, how = estimates.sampled, estimates.description
        log = estimates.null == 1 and not bool(np.any(draws < 0))
        draws = np.clip(draws, -_HUGE, _HUGE)
        middle = np.median(draws, axis=1) if log else draws.mean(axis=1)
        outer = np.stack(how.ends(draws))
        inner = np.stack(replace(how, prob=0.5).ends(draws))
        words = "interval" if how.interval == "eti" else "HDI"
        found = cls(middle, outer, inner, estimates.null, log, how.prob, words)
        return found._logarithms() if log else found

    def _logarithms(self) -> Intervals:
        parts = [np.log(np.maximum(a, 1 / _HUGE)) for a in (self.middle, self.outer, self.inner)]
        ends = np.concatenate([a.ravel() for a in parts])
        ends = ends[np.abs(ends) < 0.99 * np.log(_HUGE)]
        # What is 0 or infinite runs out of the picture.
        low, high = (ends.min() - 1, ends.max() + 1) if len(ends) else (-1.0, 1.0)
        middle, outer, inner = (np.clip(a, low, high) for a in parts)
        return replace(self, middle=middle, outer=outer, inner=inner, null=0.0)

    def at(self, chosen: Any) -> Intervals:
        """Some of them, in an order."""
        return replace(
            self, middle=self.middle[chosen], outer=self.outer[:, chosen],
            inner=self.inner[:, chosen],
        )  # fmt: skip

    @property
    def clear(self) -> Any:
        """(R,) whether the outer interval excludes the value of no difference."""
        return (self.outer[0] > self.null) | (self.outer[1] < self.null)


def marks_of(
    found: Intervals,
    seat: Floats,
    names: Sequence[str],
    *,
    rows: bool,
    color: str | None,
    signal: bool,
    pitch: float,
) -> list[Mark]:
    """Dots with two intervals at their seats, `pitch` points apart.

    Parameters
    ----------
    rows
        Whether seats run upwards and values to the right.
    color
        Of all; None for blue, or where `signal`, blue for intervals that exclude the value of no
        difference and grey for others.
    """
    thick, thin = np.clip(0.28 * pitch, 0.9, 3.6), np.clip(0.09 * pitch, 0.5, 1.1)
    size = float(np.clip(0.42 * pitch, 1.2, 5.0) ** 2)
    everything = np.ones(len(seat), bool)
    if color is None and signal:
        parts = [(~found.clear, style.MUTED, ""), (found.clear, style.BLUE, " clear")]
    else:
        parts = [(everything, color or style.BLUE, "")]
    marks: list[Mark] = []
    for chosen, hue, said in parts:
        if not chosen.any():
            continue
        at = seat[chosen]
        for ends, width, gid in ((found.outer, thin, "outer"), (found.inner, thick, "inner")):
            start, end = (
                np.column_stack([side[chosen], at] if rows else [at, side[chosen]]) for side in ends
            )
            marks.append(Segments(start, end, hue, float(width), gid=gid + said))
        x, y = (found.middle[chosen], at) if rows else (at, found.middle[chosen])
        own = np.flatnonzero(chosen).tolist()
        marks.append(
            Dots(x, y, "white", size, edge=hue, edge_width=float(thin),
                 names=[names[i] for i in own], gid="mean")
        )  # fmt: skip
    return marks
