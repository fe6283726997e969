"""What cross-validation scores: which response, which rows, and what is left out at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedbayes.checks.log_likelihood import copies
from mixedbayes.checks.rows_of_several import first_rows
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family

OBSERVATION = "observation"
GROUP = "group"


@dataclass(frozen=True, eq=False)
class Data:
    """The response of the rows used, as two models must share it to be compared."""

    response: str
    index: pd.Index  # (n,) the user's row labels
    y: Floats  # (n,)
    discrete: bool  # probabilities, not densities
    trials: Ints | None
    counts: Floats | None  # (n,) how often rows count, where weights mean that

    @classmethod
    def of(cls, design: Design, family: Family) -> Data:
        counts = design.weights if family.repeats_rows else None
        return cls(design.response, design.index, design.y, family.discrete, design.trials, counts)

    def difference(self, other: Data) -> str | None:
        """Why densities of these responses cannot be compared, in words; None if they can."""
        if self.response != other.response:
            return (
                f"the responses differ: {self.response} and {other.response}; densities of a "
                "transformed response are on another scale"
            )
        if len(self.y) != len(other.y) or not self.index.equals(other.index):
            return f"the rows differ: {_rows(self.index, other.index)}"
        if self.discrete != other.discrete:
            return "one has probabilities of counts or classes, the other densities"
        if not np.array_equal(self.y, other.y):
            k = int(np.sum(self.y != other.y))
            return f"the values of {self.response} differ in {k:,} of {len(self.y):,} rows"
        for what in ("trials", "counts"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if not (mine is theirs or np.array_equal(mine, theirs)):
                return f"the {'weights' if what == 'counts' else what} of the rows differ"
        return None


def _rows(a: pd.Index, b: pd.Index) -> str:
    only = len(a.difference(b)), len(b.difference(a))
    text = f"{len(a):,} and {len(b):,} rows"
    if any(only):
        return f"{text}, of which {only[0]:,} and {only[1]:,} are in one alone (missing values?)"
    return f"{text}, in another order"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The units that are left out one at a time, or some at a time.

    target
        "observation", or the grouping factor whose levels are left out.
    """

    data: Data
    target: str
    labels: pd.Index  # (units,)
    refs: Ints | None  # (n,) the unit of each row; None where each row is one
    groups: tuple[GroupDesign, ...]
    copies: Floats | None = None  # (n,) how many observations each row stands for; None for one
    several: Ints | None = None  # (n,) of several responses the row of the frame of each

    @classmethod
    def of(cls, design: Design, family: Family, target: str) -> HeldOut:
        """The units of one target; "group" is the model's only or coarsest grouping factor."""
        groups, data = design.factors, Data.of(design, family)
        if target == OBSERVATION and design.several is not None:
            first = first_rows(design)
            there = tuple(g.take(first) for g in groups)
            every = design.several
            return cls(data, target, every.index, None, there, several=every.units)
        if target == OBSERVATION:
            return cls(data, target, design.index, None, groups, copies(design, family))
        own = design.residual
        alone = own is not None and own.name not in {g.name for g in groups}
        if own is not None and alone and target in (own.name, *([] if groups else [GROUP])):
            return cls(data, own.name, own.levels, own.refs, groups)
        g = chosen_group(groups, target, grouped_by(design))
        if len(g.pieces) > 1:
            raise ModelError(f"target={g.name!r}: {g.entangled}; use target='observation'")
        return cls(data, g.name, g.levels, g.refs, groups)

    @property
    def by_observation(self) -> bool:
        return self.refs is None

    @property
    def n_units(self) -> int:
        return len(self.labels)

    def count(self, units: Ints | None = None) -> int:
        """How many are left out one at a time in some units, or in all."""
        if self.copies is None:
            return self.n_units if units is None else len(units)
        return int(np.sum(self.copies if units is None else self.copies[units]))

    @property
    def note(self) -> str:
        """What an observation is where rows are not simply that, in words."""
        if not self.by_observation:
            return ""
        data = self.data
        if self.n_units < len(data.y):
            return f"An observation is a row with its known responses, {len(data.y):,} in all."
        if self.copies is not None:
            n = len(data.y)
            same = self.count() == n
            return "" if same else f"The {n:,} rows stand for {self.count():,} observations."
        if data.counts is not None:
            return "Weights are not whole numbers: a row is left out with all its weight."
        if data.trials is not None and np.any(data.trials != 1):
            return (
                "An observation is a row with all its trials; written out, as rows of 0 and 1, it "
                "would be a single trial."
            )
        return ""

    @property
    def what(self) -> str:
        """A unit, in words."""
        return OBSERVATION if self.by_observation else f"level of {self.target}"

    @property
    def whats(self) -> str:
        return "observations" if self.by_observation else f"levels of {self.target}"

    def unit_of_row(self) -> Ints:
        every = np.arange(len(self.data.y)) if self.several is None else self.several
        return every if self.refs is None else self.refs

    @property
    def _one_level_each(self) -> list[GroupDesign]:
        """The factors of which each row has one level."""
        return [g for g in self.groups if len(g.pieces) == 1]

    def named(self) -> pd.DataFrame:
        """One row per unit: its label and, of an observation, its levels."""
        if self.refs is not None:
            return pd.DataFrame({self.target: self.labels})
        levels = {g.name: g.levels.take(g.refs) for g in self._one_level_each}
        return pd.DataFrame({OBSERVATION: self.labels} | levels)

    def names(self, units: Ints, most: int = 8) -> str:
        """Some units by the user's labels, in words."""
        texts = [self._name(row) for _, row in self.named().iloc[units[:most]].iterrows()]
        left = len(units) - len(texts)
        return ", ".join(texts) + (f" and {left:,} more" if left else "")

    def _name(self, row: pd.Series) -> str:
        if not self.by_observation:
            return str(row[self.target])
        levels = ", ".join(f"{g.name} {row[g.name]}" for g in self._one_level_each)
        return f"row {row[OBSERVATION]}" + (f" ({levels})" if levels else "")

    def difference(self, other: HeldOut) -> str | None:
        """Why two scores cannot be compared, in words; None if they can."""
        if self.target != other.target:
            return f"the targets differ: {self.target} and {other.target}"
        found = self.data.difference(other.data)
        if found is None and not np.array_equal(self.unit_of_row(), other.unit_of_row()):
            found = f"the levels of {self.target} have other rows"
        return found


def _lies_within(fine: GroupDesign, coarse: GroupDesign) -> bool:
    if fine.entangled or coarse.entangled:
        return fine is coarse
    return fine.parents(coarse) is not None


def grouped_by(design: Design) -> tuple[str, ...]:
    """Factors whose levels may be left out: of group effects, and of correlated residuals."""
    own = [] if design.residual is None else [design.residual.name]
    return tuple(dict.fromkeys([*(g.name for g in design.factors), *own]))


def chosen_group(
    groups: Sequence[GroupDesign], target: str, known: Sequence[str] = ()
) -> GroupDesign:
    """The grouping factor a target names; ModelError where it names none, or several could be."""
    named = {g.name: g for g in groups}
    if target in named:
        return named[target]
    if target != GROUP or not groups:
        every = dict.fromkeys([*named, *known])
        valid = ", ".join(map(repr, [OBSERVATION, *([GROUP] if every else []), *every]))
        raise ModelError(f"target={target!r} is not known: use one of {valid}")
    apart = [g for g in groups if len(g.pieces) == 1] or list(groups)  # which can be left out
    coarsest = [g for g in apart if all(_lies_within(other, g) for other in apart)]
    if not coarsest:
        several = " or ".join(g.name for g in apart)
        plain = next((g for g in apart if not g.entangled), apart[0])
        raise ModelError(
            f"target='group' could mean {several}, which are crossed; name the one "
            f"whose levels are to be left out, such as target={plain.name!r}"
        )
    return coarsest[0]
