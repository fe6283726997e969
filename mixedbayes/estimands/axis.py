"""What a picture writes along an axis of estimates: what they are, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mixedbayes.estimands.contrasts import How, how_words
from mixedbayes.predict.target import (
    Linear,
    Mean,
    MeanAboveZero,
    Probability,
    Quantile,
    Target,
)
from mixedbayes.results.posterior import Posterior

_BOUNDED = ("logit", "probit", "cloglog")  # links of means between 0 and 1


@dataclass(frozen=True)
class Axis:
    """The quantity on an axis.

    text
        "expected Reaction".
    column, per
        The columns in whose unit it is, and per whose unit; empty where it has none.
    scale
        "log scale", of what is not on the response's own.
    limits
        What the values cannot leave, such as 0 and 1.
    units
        Units of columns by name.
    """

    text: str = ""
    column: str = ""
    per: str = ""
    scale: str = ""
    limits: tuple[float, float] | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def said(self, units: Mapping[str, str] | None = None) -> str:
        """The text with its unit: "slope of expected Reaction by Days (ms/day)"."""
        known = self.units if units is None else units
        unit = known.get(self.column, "")
        if self.per:
            below = known.get(self.per, "")
            unit = f"{unit}/{below}" if unit and below else ""
        return self.text + (f" ({unit})" if unit else "") + (f", {self.scale}" * bool(self.scale))

    def compared(self, how: How) -> Axis:
        """The axis of differences, or ratios, of what this one is of."""
        words = how_words(how)
        if how == "difference":
            low, high = self.limits or (0.0, float("inf"))
            limits = (low - high, high - low) if self.limits else None
            return replace(self, text=f"difference in {self.text}", limits=limits)
        text = f"{words[:1].lower()}{words[1:]} of {self.text}"
        # A difference's unit and scale say nothing of what has no unit.
        return replace(self, text=text, column="", per="", scale="", limits=None)

    def weighted(self) -> Axis:
        """The axis of weighted sums."""
        return replace(self, text=f"weighted sum of {self.text}", limits=None)

    def slope(self, words: str, along: tuple[str, ...], per: str) -> Axis:
        """The axis of slopes along columns, per unit of one of them or of none."""
        text = f"{words[:1].lower()}{words[1:]} of {self.text} by {' and '.join(along)}"
        column = self.column if per else ""
        return replace(self, text=text, column=column, per=per, limits=None)


def axis_of(post: Posterior, target: Target) -> Axis:
    """The axis of a target's values."""
    design, family, units = post.design, post.family, dict(post.design.units)
    response, link = design.response, family.mean_link
    shown = Axis(target.words(response), units=units)
    if target.between:
        return replace(axis_of(post, target.unbounded), text=target.words(response))
    if isinstance(target, Linear):
        same = link == "identity"
        return replace(
            shown, column=response if same else "", scale="" if same else f"{link} scale"
        )
    if isinstance(target, Probability):
        return replace(shown, limits=(0.0, 1.0))
    if isinstance(target, MeanAboveZero) and design.trials is not None:
        return replace(shown, limits=(0.0, 1.0))
    if isinstance(target, Quantile | MeanAboveZero):
        return replace(shown, column=response)
    if not isinstance(target, Mean):
        return shown
    if target.categories or family.probability or design.trials is not None:
        return replace(shown, limits=(0.0, 1.0))
    limits = (0.0, 1.0) if link in _BOUNDED else None
    scale = "" if link == "identity" else "response scale"
    return replace(shown, column=response, scale=scale, limits=limits)
