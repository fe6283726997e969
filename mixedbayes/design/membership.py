"""Rows that lie in several levels of one factor: `mm(a, b, weights=(wa, wb))`.

A place without a level (a missing value) counts nothing; a row needs one level at least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.table import Table
from mixedbayes.design.types import Floats, Ints, NewTerm
from mixedbayes.design.used import columns_of, used_columns
from mixedbayes.design.values import encode, kind_of_levels, labels, lookup, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import Name
from mixedbayes.formula.types import RandomTerm

Masks = Mapping[str, NDArray[np.bool_]]


def _bars(formula: Formula) -> Iterator[RandomTerm]:
    for f in (formula, *formula.others):
        yield from (bar for bar in f.random if bar.grouper.members)


def _elsewhere(formula: Formula) -> set[str]:
    """Columns that the formulas read outside the places and weights of memberships."""
    found: set[str] = set()
    for f in (formula, *formula.others):
        used = used_columns(replace(f, others=()))
        left = (used.response, used.trials, used.weights, used.cens, used.trunc, used.fixed)
        found |= {name for names in left for name in names}
        for bar in f.random:
            found |= {*columns_of(bar.effects), *(bar.factors if not bar.grouper.members else ())}
            found |= {bar.grouper.by} - {""}
    return found


def absent(formula: Formula, masks: Masks) -> dict[str, NDArray[np.bool_]]:
    """Missing values, those of places aside in rows that have a level in another place."""
    found, elsewhere = dict(masks), _elsewhere(formula)
    for bar in _bars(formula):
        if not any(name in masks for name in bar.factors):
            continue
        places = [masks.get(name, np.zeros(1, bool)) for name in bar.factors]
        none = np.logical_and.reduce(np.broadcast_arrays(*places))
        for name in bar.factors:
            if name in found and name not in elsewhere:
                found[name] = found[name] & none
    return {name: mask for name, mask in found.items() if mask.any()}


def filled(formula: Formula, table: Table) -> Table:
    """The table with weight 0 where a place has neither a level nor a weight."""
    columns, elsewhere = dict(table.columns), _elsewhere(formula)
    for bar in _bars(formula):
        for factor, text in zip(bar.factors, bar.grouper.weights, strict=False):
            node = parse_expression(text)
            if not isinstance(node, Name) or node.name in elsewhere:
                continue
            if factor not in columns or node.name not in columns:
                continue
            column = columns[node.name]
            nothing = columns[factor].isna() & column.isna()
            if nothing.any():
                columns[node.name] = column.where(~nothing, 0)
    return replace(table, columns=columns)


def members(table: Table, factors: tuple[str, ...], name: str) -> tuple[Ints, pd.Index]:
    """(n, k) code of each row's level in each place, -1 for none, and the levels of all places."""
    columns = [table.columns[factor] for factor in factors]
    present = [labels(column.dropna()) for column in columns if column.notna().any()]
    kinds = dict.fromkeys(kind_of_levels(pd.Index(values.unique())) for values in present)
    if len(kinds) > 1:
        said = " and ".join(kinds)
        raise DataError(f"{name}: its places have levels of several kinds, {said}; make all of one")
    together = _together(columns)
    present = together.notna().to_numpy()
    codes = np.full(len(together), -1, np.int32)
    found, levels = encode(together[present], name)
    codes[present] = found
    return codes.reshape(len(factors), -1).T, levels


def _together(columns: list[pd.Series]) -> pd.Series:
    """All places one below the other; whole numbers stay whole beside missing ones."""
    alike = {str(column.dtype) for column in columns}
    if len(alike) == 1:
        return pd.concat(columns, ignore_index=True)
    plain = pd.concat([labels(column) for column in columns], ignore_index=True)
    whole = any(pd.api.types.is_integer_dtype(column.dtype) for column in columns)
    if whole and pd.api.types.is_float_dtype(plain.dtype) and (plain.dropna() % 1 == 0).all():
        return plain.astype("Int64")
    return plain


@dataclass(frozen=True, eq=False)
class EncodedMembership(EncodedTerm):
    """A membership as fitted."""

    levels: pd.Index
    weights: tuple[str, ...]
    scale: bool

    def columns(self, rows: Rows) -> tuple[Floats, Floats | None]:
        Z, _ = super().columns(rows)
        return Z, self.shares(rows, None)

    def shares(self, rows: Rows, codes: Ints | None) -> Floats:
        """(m, k) weights; where codes are -1 there is no level."""
        n, k = rows.table.n, len(self.factors)
        there = np.ones((n, k), bool) if codes is None else codes >= 0
        if not self.weights:
            return there / there.sum(axis=1, keepdims=True)
        w = np.stack([self._weight(text, rows) for text in self.weights], axis=1)
        self._check(w, there, rows.table.index)
        return w / w.sum(axis=1, keepdims=True) if self.scale else w

    def _weight(self, text: str, rows: Rows) -> Floats:
        return np.asarray(rows.array(parse_expression(text)), float)

    def _check(self, w: Floats, there: NDArray[np.bool_], index: pd.Index) -> None:
        def refuse(bad: NDArray[np.bool_], fact: str, remedy: str) -> None:
            if bad.any():
                row = int(np.argmax(bad))
                shown = ", ".join(f"{value:g}" for value in w[row])
                raise DataError(
                    f"{self.name}: {fact} in {int(bad.sum()):,} of {len(bad):,} rows (first in row "
                    f"{row_name(index, row)}: {shown}); {remedy}"
                )

        refuse(
            ((w != 0) & ~there).any(axis=1),
            "a place without a level has a weight",
            "set it to 0, or name the level",
        )
        if self.scale:
            refuse(
                (w < 0).any(axis=1),
                "weights are below 0",
                "correct them, or write scale=False to keep them as they are",
            )
            refuse(
                w.sum(axis=1) == 0,
                "all weights are 0",
                "they are divided by their sum; correct them, or write scale=False",
            )

    def coded(self, rows: Rows) -> tuple[Ints, Floats]:
        """Codes (n, k) and weights (n, k) of the rows of the fit; no level has code 0, weight 0."""
        codes, _ = members(rows.table, self.factors, self.name)
        w = self.shares(rows, codes)
        return np.where(codes < 0, 0, codes), w

    def new(self, rows: Rows) -> NewTerm:
        Z, _ = super().columns(rows)
        columns = [rows.table.columns[factor] for factor in self.factors]
        together = pd.concat([labels(column) for column in columns], ignore_index=True)
        there = together.notna().to_numpy()
        codes = np.full(len(together), -1, np.int32)
        codes[there] = lookup(together[there], self.levels, self.name)
        shape = len(self.factors), -1
        present = there.reshape(shape).T
        w = self.shares(rows, np.where(present, 0, -1))
        refs = codes.reshape(shape).T
        refs = np.where((refs < 0) & (w == 0), 0, refs)
        every = together.to_numpy().reshape(shape).T.ravel()
        names = pd.Index(every, dtype=together.dtype if together.dtype != object else None)
        return NewTerm(self.name, Z, refs, w, names, pd.DataFrame({self.name: names}))
