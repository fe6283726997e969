"""What tables and paragraphs say of a model in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mixedbayes import names
from mixedbayes.design.build import Fitted
from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.results.summary import prior_rows

_LEVEL = re.compile(r"\[[^\[\]]*\]")
AT_MEANS = "at the predictors' means"


def joined(words: Sequence[str], last: str = "and") -> str:
    """ "a, b and c"."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def likelihood(family: Family) -> str:
    """ "negative binomial family, log link"."""
    return f"{family.name.replace('_', ' ')} family, {family.link.name} link"


def priors_by_prior(spec: Spec) -> dict[str, list[str]]:
    """Parameters in words by their prior, in the order in which they first come.

    Effects of one factor's levels that share a prior are one word, `recipe (2 effects)`.
    """
    found: dict[str, dict[bool, list[str]]] = {}
    for what, prior, _, origin in prior_rows(spec):
        found.setdefault(prior, {}).setdefault(AT_MEANS in origin, []).append(what)
    mark = {True: f" ({AT_MEANS})", False: ""}
    return {
        prior: [word + mark[there] for there, of in parts.items() for word in _sets(of)]
        for prior, parts in found.items()
    }


def _sets(words: list[str]) -> list[str]:
    sets: dict[str, list[str]] = {}
    for word in words:
        sets.setdefault(_LEVEL.sub("", word), []).append(word)
    return [of[0] if len(of) == 1 else f"{name} ({len(of)} effects)" for name, of in sets.items()]


def prior_words(spec: Spec) -> Iterable[str]:
    """ "Normal(0, 10) for Days and for age" of every prior."""
    return (f"{prior} for {' and for '.join(of)}" for prior, of in priors_by_prior(spec).items())


def reference_levels(design: Design) -> Mapping[str, str]:
    """Of every factor with treatment contrasts the level that has no column.

    Nothing is known of a design made by hand.
    """
    if not isinstance(design.columns, Fitted):
        return {}
    out: dict[str, str] = {}
    for factor, levels in design.columns.memory.levels.items():
        first, *others = (str(level) for level in levels)
        for p in design.predictors:
            terms = [f"{factor}[{level}]" for level in others]
            if not others or f"{factor}[{first}]" in p.terms or not {*terms} <= {*p.terms}:
                continue
            columns = p.X[:, [p.terms.index(t) for t in terms]]
            if np.isin(columns, (0.0, 1.0)).all():
                out[factor] = first
    return out


def formulas(design: Design) -> list[str]:
    """The formula, and those of further parameters."""
    return [design.formula.text, *(f.text for f in design.formula.others)]


def effects_of(design: Design) -> list[str]:
    """Names of the population effects of the mean, the intercept first."""
    return [names.INTERCEPT] * design.mu.intercept + list(design.mu.terms)
