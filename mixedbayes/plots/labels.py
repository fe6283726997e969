"""Axis and panel texts from the user's own names, with units where they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.printable import printable
from mixedbayes.results.posterior import Posterior

_LEVEL = re.compile(r"^(?P<factor>.+)\[(?P<coded>T\.)?(?P<level>[^\[\]]+)\]$")


_MOST_LINES = 5  # of a text in a picture


def in_picture(text: str, most: int = 90) -> str:
    """A text as pictures have it: without control characters, its lines of `most` letters."""
    lines = printable(text).replace("\t", r"\t").split("\n")
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], "..."]
    half = (most - 5) // 2
    return "\n".join(
        line if len(line) <= most else f"{line[:half]} ... {line[-half:]}" for line in lines
    )


@dataclass(frozen=True)
class Labels:
    """Texts for one model's quantities.

    `units` maps the names of columns to their units, for example {"Reaction": "ms",
    "Days": "day"}; a name without a unit is shown alone.
    """

    response: str
    link: str = "identity"
    units: Mapping[str, str] = field(default_factory=dict)
    arms: tuple[str, ...] = ()  # ":arma", which ends the terms of effects of one arm
    functions: frozenset[str] = frozenset()  # effects of functions scaled to 1, as of smooths

    @classmethod
    def of(
        cls, post: Posterior, units: Mapping[str, str] | None = None, parameter: str = "mu"
    ) -> Labels:
        """Of the effects on one parameter, which stands in the response's place."""
        if units is not None and not isinstance(units, Mapping):
            raise ModelError(
                f"units={units!r} is no mapping of columns to their units, such as "
                f"units={{{post.design.response!r}: 'ms'}}"
            )
        known = dict(post.design.units if units is None else units)
        arms = [g.arms for p in post.predictors for g in p.factors if g.arms is not None]
        ends = tuple(a.term("", k) for a in arms for k in range(len(a.levels)))
        scaled = frozenset(
            t
            for p in post.predictors
            for g in p.groups
            if not g.grouping or g.within
            for t in g.terms
        )
        mean = post.design.mu.parameter
        if parameter == "mu" != mean:
            return cls(mean, post.family.predictor_scale(mean), known, ends, scaled)
        if parameter == "mu":
            return cls(post.design.response, post.family.mean_link, known, ends, scaled)
        return cls(parameter, post.family.predictor_scale(parameter), known, ends, scaled)

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
        term = term.removesuffix(next((end for end in self.arms if term.endswith(end)), ""))
        if term == names.INTERCEPT or term in self.functions:
            return self.predictor
        scale = "" if self.link == "identity" else f"{self.link} scale"
        measured = self.measured(term)
        if not measured:
            return self.difference(coded="[T." in term)
        above, below = self.units.get(self.response), self.units.get(measured)
        unit = scale or (f"{above}/{below}" if above and below else None)
        return _in_brackets(f"{self.response} per unit of {self.term(measured)}", unit)

    def difference(self, *, coded: bool = True) -> str:
        """What a level's coefficient is: "difference in Reaction (ms)"; not coded, its value."""
        unit = self.units.get(self.response)
        what = f"difference in {self.response}" if coded else self.response
        return _in_brackets(what, unit if self.link == "identity" else f"{self.link} scale")

    def measured(self, term: str) -> str:
        """The numbers in a term: "Days" of "Days:sex[female]", nothing of "sex[female]"."""
        return ":".join(part for part in term.split(":") if not _LEVEL.match(part))


def labels_of(post: Posterior, units: Mapping[str, str] | None = None) -> dict[str, Labels]:
    """Those of every parameter that has a predictor, and "mu", that of the mean or the first."""
    every = (names.MU, *(p.parameter for p in post.predictors))
    return {name: Labels.of(post, units, name) for name in every}


def _in_brackets(text: str, unit: str | None) -> str:
    return f"{text} ({unit})" if unit else text
