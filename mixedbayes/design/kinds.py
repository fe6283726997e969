"""What bars say of their levels besides the columns: memberships, relations, arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import numpy as np
import pandas as pd

from mixedbayes.design.encode import Encoding
from mixedbayes.design.encoded import EncodedGroup, EncodedTerm
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.grouping import Grouping, group
from mixedbayes.design.known import matched, places
from mixedbayes.design.membership import EncodedMembership, members
from mixedbayes.design.types import Floats, GroupDesign, Ints, NewTerm
from mixedbayes.design.values import encode, listed, lookup, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula.types import RandomTerm
from mixedbayes.terms.arms import Arms
from mixedbayes.terms.bars import Grouper
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.membership import Membership
from mixedbayes.terms.relation import Related


@dataclass(frozen=True, eq=False)
class Coded:
    """The levels of a term, and the rows in them."""

    encoded: EncodedTerm
    levels: pd.Index  # (J,)
    parts: pd.DataFrame  # (J, factors)
    refs: Ints  # (n,), or (n, k) of a membership
    weights: Floats | None = None  # (n, k)
    relation: Related | None = None
    arms: Arms | None = None

    def finished(self, g: GroupDesign) -> GroupDesign:
        """The factor with what is said of its levels."""
        if self.arms is not None:
            g = cast(GroupDesign, self.arms.split(g))
        g = replace(g, relation=self.relation)
        if self.weights is None:
            return g
        own = {field.name: getattr(g, field.name) for field in fields(g)}
        return Membership(**own, weights=self.weights)


def coded(
    name: str,
    bars: Sequence[RandomTerm],
    encodings: tuple[Encoding, ...],
    inside: tuple[str, ...],
    covariance: Covariance,
    rows: Rows,
) -> Coded:
    """Levels and codes of one term, with how they are found again."""
    said = one_grouper(name, bars)
    factors = bars[0].factors
    if said.members:
        return _membership(name, said, factors, encodings, inside, rows)
    grouping, codes = group(rows.table, factors)
    refs: Ints = codes
    if said.relation:
        found = rows.memory.relations[said.relation]
        relation = matched(said.relation, found, grouping.levels, factors[0])
        if found.precision:  # all its levels are effects
            at = places(said.relation, found, grouping.levels, factors[0])
            grouping, refs = _all_levels(grouping, found.levels), at[refs]
    else:
        relation = None
    arms = None
    encoded: EncodedTerm
    if said.by:
        arms = _arms(said.by, name, grouping, refs, rows)
        if covariance.of or (not covariance.closed and covariance.correlated):
            raise DataError(
                f"{bars[0].text} has a covariance for each level of {said.by}, and a structure: "
                f"{covariance.name}; write (... | {name}) with by=, or the structure without it"
            )
        encoded = EncodedArms(name, inside, factors, encodings, grouping, covariance, arms)
    else:
        encoded = EncodedGroup(name, inside, factors, encodings, grouping, covariance)
    return Coded(encoded, grouping.levels, grouping.parts, refs, None, relation, arms)


def one_grouper(name: str, bars: Sequence[RandomTerm]) -> Grouper:
    """What all bars on one factor say of its levels, which has to be the same."""
    first = replace(bars[0].grouper, law="", numbers=())
    for bar in bars[1:]:
        if replace(bar.grouper, law="", numbers=()) != first:
            raise DataError(
                f"{bars[0].text} and {bar.text} say different things of the levels of {name}: "
                "write the same in all bars on one factor"
            )
    return bars[0].grouper


def _membership(
    name: str,
    said: Grouper,
    factors: tuple[str, ...],
    encodings: tuple[Encoding, ...],
    inside: tuple[str, ...],
    rows: Rows,
) -> Coded:
    _, levels = members(rows.table, factors, name)
    relation, shown = None, levels
    encoded = EncodedMembership(name, inside, factors, encodings, levels, said.weights, said.scale)
    refs, weights = encoded.coded(rows)
    if said.relation:
        found = rows.memory.relations[said.relation]
        relation = matched(said.relation, found, levels, name)
        if found.precision:
            refs = places(said.relation, found, levels, name)[refs]
            shown = pd.Index(found.levels.tolist())
            encoded = replace(encoded, levels=shown)
    parts = pd.DataFrame({name: shown})
    if len(factors) == 1 and (weights == 1).all():
        return Coded(encoded, shown, parts, refs[:, 0], None, relation)
    return Coded(encoded, shown, parts, refs, weights, relation)


def _all_levels(grouping: Grouping, levels: pd.Index) -> Grouping:
    levels = pd.Index(levels.tolist())
    parts = pd.DataFrame({grouping.factors[0]: levels})
    return Grouping(grouping.factors, (levels,), (), levels, parts)


# ---- variances by arm ----------------------------------------------------------------------------


def _arms(by: str, name: str, grouping: Grouping, refs: Ints, rows: Rows) -> Arms:
    """The arm of each level, which is the same in all of its rows."""
    codes, labels = encode(rows.table.columns[by], by)
    of_level = np.full(len(grouping.levels), -1)
    of_level[refs] = codes
    strange = np.flatnonzero(of_level[refs] != codes)
    if len(strange):
        level = refs[strange[0]]
        mine = np.unique(codes[refs == level])
        raise DataError(
            f"gr({name}, by={by}): {len(np.unique(refs[strange])):,} of the "
            f"{len(grouping.levels):,} levels of {name} are in several levels of {by}, such as "
            f"{grouping.levels.tolist()[level]!r}, which is in {listed(labels[mine].tolist())} "
            f"(row {row_name(rows.table.index, int(strange[0]))} among others); each is in one. "
            f"Effects that differ within a level are slopes: (0 + {by} | {name})"
        )
    return Arms(by, labels, of_level)


_NONE = Arms("", pd.Index([]), np.zeros(0, int))


@dataclass(frozen=True, eq=False)
class EncodedArms(EncodedGroup):
    """A grouping factor whose effects have a covariance for each arm."""

    arms: Arms = _NONE

    def columns(self, rows: Rows) -> tuple[Floats, Floats | None]:
        Z, weights = super().columns(rows)
        return self.arms.spread(Z, self._codes(rows)), weights

    def _codes(self, rows: Rows) -> Ints:
        arms = self.arms
        codes = lookup(rows.table.columns[arms.by], arms.levels, arms.by)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            value = rows.table.columns[arms.by].iloc[row]
            raise DataError(
                f"{arms.by} is {value!r} in {int((codes < 0).sum()):,} of {len(codes):,} rows "
                f"(first in row {row_name(rows.table.index, row)}), and the fit has "
                f"{listed(arms.levels.tolist())}: nothing is known of the variances there"
            )
        return codes

    def alone(self, rows: Rows) -> tuple[Floats, Floats | None]:
        return self.columns(rows)

    def extended(self, rows: Rows) -> tuple[Floats, Floats | None, tuple[float, ...]]:
        return *self.columns(rows), ()

    def new(self, rows: Rows) -> NewTerm:
        return self._checked(super().new(rows), rows)

    def new_extended(self, rows: Rows) -> NewTerm:
        return self._checked(super().new_extended(rows), rows)

    def _checked(self, found: NewTerm, rows: Rows) -> NewTerm:
        codes = self._codes(rows)
        refs = found.refs
        other = (refs >= 0) & (self.arms.of_level[refs] != codes) & (self.arms.of_level[refs] >= 0)
        if other.any():
            row = int(np.argmax(other))
            own = self.arms.levels[self.arms.of_level[refs[row]]]
            raise DataError(
                f"{self.name} {listed([self.grouping.levels[refs[row]]])} is in {self.arms.by} "
                f"{listed([own])} in the fit, and in {listed([self.arms.levels[codes[row]]])} in "
                f"{int(other.sum()):,} of {len(other):,} rows (first in row "
                f"{row_name(rows.table.index, row)}); correct them, or give the level a new label"
            )
        return replace(found, arms=codes)
