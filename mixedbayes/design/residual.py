"""Where the rows of a design are in a structure of residuals, and the rows of new data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedbayes.design.axis import MOST, beyond_words, of_categories, of_numbers
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.grouping import Grouping, find, group
from mixedbayes.design.moments import Moments, is_moments, moments
from mixedbayes.design.types import Floats, Ints, Residual
from mixedbayes.design.values import Categorical, encode, label, listed, lookup, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, parse, parse_expression
from mixedbayes.formula.nodes import Call, Name, column, unparse
from mixedbayes.formula.types import ResidualTerm
from mixedbayes.names import SIGMA
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.given_rows import joined
from mixedbayes.terms.registry import RESIDUALS

_FEW = 2  # rows in a group of which anything is correlated


@dataclass(frozen=True, eq=False)
class EncodedResidual:
    """What the fitted data teach of a structure of residuals, for new data to be read alike."""

    term: ResidualTerm
    residual: Residual  # of the fit
    grouping: Grouping
    levels: pd.Index | None  # of categorical positions
    arms: pd.Index | None
    arm_of_level: Ints | None  # (J,)
    note: str = ""
    numbers: Floats | None = None  # (T,) positions that are no categories
    moments: Moments | None = None  # how these are numbers, where they are dates

    def new(self, rows: Rows, *, once: bool = True) -> Residual:
        """The same structure with the places of new rows, whose groups are numbered anew.

        Positions that the fit has not are added where the structure says what holds there.

        Raises
        ------
        DataError
            It does not; or two rows of one group have the same position; or a group is in another
            arm than in the fit.
        """
        codes, _, _ = find(self.grouping, rows.table)
        refs, levels = pd.factorize(self.labels(rows))
        arms = None if self.arms is None else self._arms(rows, codes, refs)
        structure, positions, places = self._places(rows, np.asarray(refs))
        new = replace(
            self.residual,
            structure=structure,
            positions=positions,
            refs=np.asarray(refs),
            places=places,
            levels=pd.Index(levels),
            arms=arms,
        )
        if once:
            _check_once(new, self.term, rows)
        return new

    def labels(self, rows: Rows) -> pd.Index:
        """(m,) of the groups of new rows; those that the fit has as they are there."""
        codes, found, _ = find(self.grouping, rows.table)
        known, fitted = codes >= 0, np.asarray(self.grouping.levels, object)
        return pd.Index(np.where(known, fitted[np.maximum(codes, 0)], np.asarray(found, object)))

    def _places(self, rows: Rows, refs: Ints) -> tuple[Covariance, tuple[object, ...], Ints]:
        own = self.residual
        if not self.term.of:
            places = _numbered(refs)
            T = max(int(places.max(initial=0)) + 1, own.n_positions)
            return own.structure.placed(range(T), ""), tuple(range(1, T + 1)), places
        node = parse_expression(self.term.of)
        if self.levels is not None:
            value = rows.value(node)
            assert isinstance(value, Categorical)
            return own.structure, own.positions, value.codes.astype(np.int64)
        assert self.numbers is not None
        values = rows.array(node) if self.moments is None else self.moments.numbers(rows)
        known = self.numbers
        others, where = np.unique(values[~np.isin(values, known)], return_index=True)
        if not len(others):
            return own.structure, own.positions, np.searchsorted(known, values)
        if not own.structure.exchangeable:
            self._check_beyond(others)
        labels: list[object] = list(others.tolist())
        if self.moments is not None:
            column = rows.table.columns[self.moments.name]
            labels = [*self.moments.texts(column[~np.isin(values, known)].iloc[where])]
        every = np.concatenate([known, others])
        order = np.argsort(every)
        said = [*own.positions, *labels]
        at = range(len(every)) if own.structure.exchangeable else every[order].tolist()
        placed = own.structure.placed(at, own.structure.of)
        return placed, tuple(said[k] for k in order), np.searchsorted(every[order], values)

    def _check_beyond(self, others: Floats) -> None:
        said, own = [float(v) for v in others], self.moments
        name = self.residual.structure.of
        if reason := self.residual.structure.beyond(said):
            listed_as = beyond_words(own, said)
            raise DataError(
                f"{name} has {len(said)} value(s) that the fitted data do not have: {listed_as}. "
                f"Residuals are {self.residual.text}: {reason}"
            )

    def _arms(self, rows: Rows, codes: Ints, refs: Ints) -> Ints:
        assert self.arms is not None
        assert self.arm_of_level is not None
        by = self.term.by
        arms = lookup(rows.table.columns[by], self.arms, by)
        if (arms < 0).any():
            row = int(np.argmax(arms < 0))
            raise DataError(
                f"{by} is {rows.table.columns[by].iloc[row]!r} in {int((arms < 0).sum()):,} of "
                f"{len(arms):,} rows (first in row {row_name(rows.table.index, row)}), and the fit "
                f"has {listed(self.arms.tolist())}: nothing is known of the residuals there"
            )
        own = np.where(codes >= 0, self.arm_of_level[codes], arms)
        _check_one_arm(self.term, refs, np.asarray(arms), rows, own)
        return np.asarray(arms)


def fit_residual(term: ResidualTerm, rows: Rows) -> EncodedResidual:
    """The structure of residuals in the rows of the fit.

    Raises
    ------
    DataError
        Positions are not what the structure needs, a group has two rows at one of them, every
        group has one row, or a group lies in several arms.
    """
    grouping, refs = group(rows.table, term.factors)
    where = _fitted_places(term, rows, refs)
    arms, arm_levels, of_level = None, None, None
    if term.by:
        arms, arm_levels = encode(rows.table.columns[term.by], term.by)
        of_level = np.full(len(grouping.levels), -1)
        of_level[refs] = arms
        _check_one_arm(term, refs, arms, rows, of_level[refs])
    residual = Residual(
        text=term.text,
        name=term.group,
        structure=where.structure,
        positions=where.positions,
        refs=np.asarray(refs, np.int64),
        places=where.places,
        levels=grouping.levels,
        arms=None if arms is None else np.asarray(arms, np.int64),
        by=term.by,
        arm_levels=() if arm_levels is None else tuple(arm_levels.tolist()),
    )
    _check_once(residual, term, rows)
    _check_several(residual)
    _check_pairs(residual)
    return EncodedResidual(
        term, residual, grouping, where.levels, arm_levels, of_level, where.note, where.numbers,
        where.moments,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the rows of the fit are; see `EncodedResidual`."""

    structure: Covariance  # placed
    positions: tuple[object, ...]  # (T,) their labels
    places: Ints  # (n,)
    levels: pd.Index | None = None
    note: str = ""
    numbers: Floats | None = None
    moments: Moments | None = None


def _fitted_places(term: ResidualTerm, rows: Rows, refs: Ints) -> _Places:
    structure = RESIDUALS[term.structure]
    if not term.of:
        places = _numbered(refs)
        T = max(int(places.max()) + 1, _FEW)
        return _Places(structure.placed(range(T), ""), tuple(range(1, T + 1)), places)
    node = parse_expression(term.of)
    name = node.name if isinstance(node, Name) else unparse(node)
    said, own, labels = f'residual="{term.text}"', None, None
    if is_moments(rows, node):
        own, numbers, labels = moments(rows, name, axis=structure.axis, text=said, group=term.group)
        note = f"{said}: {name} is in {own.said}" if structure.axis else ""
    else:
        value = rows.value(node)
        if isinstance(value, Categorical):
            return _of_levels(term, structure, value, name)
        numbers, note = rows.array(node), ""
    levels = np.unique(numbers)
    positions = tuple(levels.tolist() if labels is None else labels)
    _check_positions(term, name, structure, pd.Index(positions))
    at = of_numbers(term, structure, levels, name) if structure.axis else range(len(levels))
    placed, places = structure.placed(at, name), np.searchsorted(levels, numbers)
    return _Places(placed, positions, places, None, note, levels, own)


def _of_levels(term: ResidualTerm, structure: Covariance, value: Categorical, name: str) -> _Places:
    _check_positions(term, name, structure, value.levels)
    at, note = of_categories(term, structure, value, name), ""
    if structure.axis and not value.ordered:
        note = (
            f'residual="{term.text}": the levels of {name} are taken in the order of its '
            f"categories, {listed(value.levels.tolist(), 6)}; an ordered category says it"
        )
    placed, places = structure.placed(at, name), value.codes.astype(np.int64)
    return _Places(placed, tuple(value.levels.tolist()), places, value.levels, note)


def _numbered(refs: Ints) -> Ints:
    """(n,) 0, 1, ... of the rows of each group, in the order of the data."""
    return np.asarray(pd.Series(np.zeros(len(refs))).groupby(np.asarray(refs)).cumcount(), np.int64)


# ---- what is wrong -------------------------------------------------------------------------------


def _check_positions(
    term: ResidualTerm, name: str, structure: Covariance, levels: pd.Index
) -> None:
    if len(levels) == 1:
        raise DataError(
            f'residual="{term.text}": {name} is {label(levels[0])} in every row, so that no two '
            f"rows of one {term.group} can be told apart; leave residual= out"
        )
    if len(levels) > MOST and not (structure.chain or structure.equal):
        raise DataError(
            f'residual="{term.text}": {name} has {len(levels):,} values, whose correlations are '
            f"factored at every step; at most {MOST}: round {name} to fewer values, or write "
            f"ou({term.of} | {term.group}), which takes any times"
        )


def _check_once(residual: Residual, term: ResidualTerm, rows: Rows) -> None:
    """One row at each position of a group."""
    wide = residual.refs * residual.n_positions + residual.places
    _, first, counts = np.unique(wide, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(first[np.argmax(counts > 1)])
        where = residual.positions[residual.places[row]]
        groups = np.unique(residual.refs[first[counts > 1]])
        raise DataError(
            f'residual="{term.text}": {term.group} '
            f"{listed([residual.levels[residual.refs[row]]])} has "
            f"{int(counts[np.argmax(counts > 1)])} rows at {residual.structure.of} "
            f"{label(where)} (first in row {row_name(rows.table.index, row)}), and "
            f"{len(groups):,} of the {len(residual.levels):,} groups have such; one row of a group "
            f"stands at each {residual.structure.of}: name in the grouping factor what tells these "
            f"rows apart, a:{column(term.factors[0])}, or average them"
        )


def check_apart(known: Residual, new: Residual, index: pd.Index) -> None:
    """No row of a group of the fit is at a position at which it has a row there.

    Raises
    ------
    DataError
        With the first such row, by the labels of the new rows.
    """
    both = joined(known, new)
    wide = both.refs * both.n_positions + both.places
    n = len(known.refs)
    if not (twice := np.isin(wide[n:], wide[:n])).any():
        return
    row = int(np.argmax(twice))
    raise DataError(
        f'residual="{known.text}": {int(twice.sum()):,} of them are at the {known.structure.of} '
        f"of a row that has one, the first {known.name} "
        f"{listed([both.levels[both.refs[n + row]]])} at "
        f"{label(both.positions[both.places[n + row]])} (row {row_name(index, row)})"
    )


def _check_several(residual: Residual) -> None:
    sizes = np.bincount(residual.refs)
    if sizes.max() < _FEW:
        raise DataError(
            f'residual="{residual.text}": each of the {len(sizes):,} levels of {residual.name} has '
            "one row, so that nothing is correlated; leave residual= out, or name the factor whose "
            "levels have several rows"
        )


def _check_pairs(residual: Residual) -> None:
    """There are more pairs of rows in one group than correlations."""
    T, structure = residual.n_positions, residual.structure
    each = len(structure.parameters(T, structure.default()[0]))
    numbers = each * max(len(residual.arm_levels), 1)
    sizes = np.bincount(residual.refs)
    pairs = int(np.sum(sizes * (sizes - 1) // 2))
    if numbers > 1 and pairs <= numbers:
        raise DataError(
            f"{residual.text} has {numbers:,} correlations, of {T:,} positions, and the data have "
            f"{pairs:,} pairs of rows in one group of {residual.name}: they say next to nothing of "
            "each; write ar1(... | g), or ou(time | g) for times, which have one"
        )


def _check_one_arm(term: ResidualTerm, refs: Ints, arms: Ints, rows: Rows, own: Ints) -> None:
    """Each group is in one arm, new rows in that of the fit."""
    strange = np.flatnonzero(own != arms)
    if len(strange):
        row = int(strange[0])
        of = rows.table.columns
        parts = [of[name].iloc[row] for name in term.factors]
        said = listed(parts if len(parts) == 1 else [":".join(map(label, parts))])
        raise DataError(
            f'residual="{term.text}": {len(np.unique(np.asarray(refs)[strange])):,} level(s) of '
            f"{term.group} are in several levels of {term.by}, such as {said} "
            f"(row {row_name(rows.table.index, row)} among others); each is in one: correct these "
            f"rows, or write {term.group}:{term.by} in the place of {term.group}"
        )


# ---- the sds of rows -----------------------------------------------------------------------------


def with_sds(formula: Formula, encoded: EncodedResidual) -> Formula:
    """The formula with one of sigma where the structure has an sd for each position, or arm.

    What the user wrote of sigma stays as it is.
    """
    term, parts = encoded.term, []
    if any(other.of == SIGMA for other in formula.others):
        return formula
    if not encoded.residual.structure.one_sd:
        node = parse_expression(term.of)
        plain = encoded.levels is not None or (isinstance(node, Call) and node.function == "C")
        parts.append(term.of if plain else f"C({term.of})")
    if term.by:
        parts.append(column(term.by) if _is_category(encoded) else f"C({column(term.by)})")
    if not parts:
        return formula
    sigma = parse(f"{SIGMA} ~ 0 + {':'.join(parts)}")
    return replace(formula, others=(*formula.others, sigma), source=formula.source or formula)


def _is_category(encoded: EncodedResidual) -> bool:
    assert encoded.arms is not None
    return not (
        pd.api.types.is_numeric_dtype(encoded.arms.dtype)
        or pd.api.types.is_bool_dtype(encoded.arms.dtype)
    )
