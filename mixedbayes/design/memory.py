"""How columns entered the fit, and what the fitted data teach, for new data to be read alike."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixedbayes.design.functions import State
from mixedbayes.design.values import Kind
from mixedbayes.errors import ModelError
from mixedbayes.formula import Formula, parse_terms
from mixedbayes.formula.nodes import column, unparse
from mixedbayes.formula.terms import Terms
from mixedbayes.formula.types import RandomTerm
from mixedbayes.terms.bars import BARS
from mixedbayes.terms.relation import Relation


@dataclass
class Coding:
    """Names of columns that are predictors by themselves, by what they hold."""

    logical: set[str] = field(default_factory=set)  # True and False, here 1 and 0
    ordered: dict[str, object] = field(default_factory=dict)  # categories, to their first level
    numeric: set[str] = field(default_factory=set)  # categories of numbers


def coding_notes(formula: Formula, coding: Coding) -> list[str]:
    """What a user of R should know about the coding of this formula's predictors."""
    parts = list(_parts(formula))
    notes = [
        f"{name} holds True and False, which count as 1 and 0 in {where}; R has an effect for "
        f"each of the two there, and C({column(name)}) gives those"
        for where, terms in parts
        for name in sorted(coding.logical)
        if _both_in_r(name, terms)
    ]
    # a structure has an effect for each level, in R as well
    bars = {bar.text for f in (formula, *formula.others) for bar in f.random if is_named(bar)}
    used = {
        unparse(f)
        for where, terms in parts
        if where not in bars
        for term in terms.terms
        for f in term.factors
    }
    return notes + [
        f"{name} is ordered: each of its levels is compared with {first!r}, where R fits "
        f"polynomials over the levels; C({column(name)}, contr.poly) gives those"
        for name, first in coding.ordered.items()
        if column(name) in used
    ]


def is_named(bar: RandomTerm) -> bool:
    """Whether a bar has the name of a structure of covariances, ar1(visit | g)."""
    return bar.structure not in BARS.values()


def _parts(formula: Formula) -> Iterator[tuple[str, Terms]]:
    """Every sum of terms, and what it is called."""
    seen = set()
    for k, one in enumerate((formula, *formula.others)):
        if k and (one.fixed, one.random) in seen:  # of the next category or threshold
            continue
        seen.add((one.fixed, one.random))
        of = "" if k == 0 else f" of {one.of}"
        yield f"the population part{of}", parse_terms(one.fixed)
        yield from ((bar.text, parse_terms(bar.effects)) for bar in one.random)


def _both_in_r(name: str, terms: Terms) -> bool:
    """Whether R would give a logical column an indicator of each value in some term.

    It does wherever the term without that column is not in the sum itself.
    """
    sums = {frozenset(map(unparse, term.factors)) for term in terms.terms}
    if terms.intercept:
        sums.add(frozenset())
    text = column(name)
    return any(text in term and term - {text} not in sums for term in sums)


@dataclass
class Memory:
    """Learned by the evaluation in the fitted data, obeyed by later ones."""

    functions: Mapping[str, Any]
    formula: str  # the user's text, for messages
    columns: frozenset[str]  # names that are columns; others are constants
    own: frozenset[str] = frozenset()  # of the functions, those that the caller passed
    kinds: dict[str, Kind] = field(default_factory=dict)  # of columns
    levels: dict[str, pd.Index] = field(default_factory=dict)  # of factors, by canonical text
    states: dict[str, State] = field(default_factory=dict)  # of stateful calls, likewise
    coding: Coding = field(default_factory=Coding)  # of columns that are predictors
    numbers: dict[str, Any] = field(default_factory=dict)  # calls that gave one for all rows
    relations: Mapping[str, Relation] = field(default_factory=dict)  # known ones, by name

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, which finds functions by their names; ModelError where it cannot."""
        for name in sorted(self.own):
            try:
                pickle.dumps(self.functions[name])
            except Exception as e:
                raise ModelError(
                    f"functions: {name} cannot be pickled ({e}), nor can a model that uses it; "
                    "define it with def at the top level of a module, or put its result into a "
                    "column"
                ) from e
        return vars(self)
