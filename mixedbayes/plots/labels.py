"""Axis and panel texts from the user's own names, with units where they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mixedbayes import names
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.results.posterior import Posterior

_LEVEL = re.compile(r"^(?P<factor>.+)\[(?P<coded>T\.)?(?P<level>[^\[\]]+)\]$")


@dataclass(frozen=True)
class Labels:
    """Texts for one model's quantities.

    `units` maps the names of columns to their units, for example {"Reaction": "ms",
    "Days": "day"}; a name without a unit is shown alone.
    """

    response: str
    link: str = "identity"
    units: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, post: Posterior, units: Mapping[str, str] | None = None) -> Labels:
        # a lognormal response is modelled by its logarithm, with an identity link on that
        link = "log" if isinstance(post.family, Lognormal) else post.family.link.name
        return cls(post.design.response, link, dict(units or {}))

    def column(self, name: str) -> str:
        """ "Days (day)"."""
        return _in_brackets(name, self.units.get(name))

    @property
    def observed(self) -> str:
        """The response on its own scale: "Reaction (ms)"."""
        return self.column(self.response)

    @property
    def predictor(self) -> str:
        """The response on the scale of the linear predictor: "TICKS (log scale)"."""
        if self.link == "identity":
            return self.observed
        return f"{self.response} ({self.link} scale)"

    def term(self, term: str) -> str:
        """A term as a heading: "Days", "Machine B" for the coded column "Machine[T.B]"."""
        parts = []
        for part in term.split(":"):
            match = _LEVEL.match(part)
            parts.append(f"{match['factor']} {match['level']}" if match else part)
        return " : ".join(parts)

    def coefficient(self, term: str) -> str:
        """What one unit of a term's coefficient is: "Reaction per unit of Days (ms/day)"."""
        if term == names.INTERCEPT:
            return self.predictor
        match = _LEVEL.match(term)
        scale = "" if self.link == "identity" else f"{self.link} scale"
        if match:
            unit = scale or self.units.get(self.response)
            what = f"difference in {self.response}" if match["coded"] else self.response
            return _in_brackets(what, unit)
        above, below = self.units.get(self.response), self.units.get(term)
        unit = scale or (f"{above}/{below}" if above and below else None)
        return _in_brackets(f"{self.response} per unit of {self.term(term)}", unit)

    def unit_of(self, term: str) -> str:
        """Key under which two coefficients share an axis: equal exactly when the units are."""
        if term == names.INTERCEPT or _LEVEL.match(term):
            return names.INTERCEPT
        return term


def _in_brackets(text: str, unit: str | None) -> str:
    return f"{text} ({unit})" if unit else text
