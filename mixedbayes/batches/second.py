"""The second pass: how many rows each cell has, and the sums of their numbers and products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.batches.cells import Adding, Cells
from mixedbayes.batches.columns import Coder, Levels, Mask, Scan, complete, numbers
from mixedbayes.batches.evaluate import Evaluation, columns_of
from mixedbayes.batches.first import Seen, too_many
from mixedbayes.batches.margins import Margin, margins
from mixedbayes.batches.reading import Reading, settled
from mixedbayes.design.functions import State
from mixedbayes.design.standing import product_name
from mixedbayes.design.used import names_in
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_expression
from mixedbayes.numerics.double import Floats, Ints, add
from mixedbayes.sources.libraries import arrow

type Pair = tuple[float, float]

WHOLE = 2**20  # rows, or combinations of all levels, to which one table has all combinations
_DENSE = 2**18  # combinations of levels for each of which sums are kept, whether it occurs or not


@dataclass(eq=False)
class Sums:
    """Sums of the rows of each cell of each table; they can be pickled.

    Attributes
    ----------
    tables
        Of each margin; () of no rows.
    log_weights, inverse_weights
        Sums of the logarithms of weights, and of their inverses, as two doubles.
    names
        (d,) of which number, expression or product each column is.
    fields
        Of expressions with several columns what these are called.
    """

    tables: tuple[Cells, ...] = ()
    log_weights: Pair = (0.0, 0.0)
    inverse_weights: Pair = (0.0, 0.0)
    names: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SecondPass:
    """Two pure functions of what the first pass found; their results can be pickled.

    Attributes
    ----------
    levels
        Values of the columns that say a row's cell, as pyarrow arrays and as a data frame has them.
    pivots
        Of numbers what is subtracted before they are added up: their means.
    states
        What functions learned of all rows.
    two
        Expressions of numbers that have two values, which say a row's cell, too.
    most
        How many cells a table may have.
    used
        How many rows there are.
    """

    read: Reading
    levels: Mapping[str, Any]
    series: Mapping[str, pd.Series]
    pivots: Mapping[str, float]
    states: Mapping[str, State]
    two: Mapping[str, Floats]
    most: int
    used: int

    @classmethod
    def of(
        cls, read: Reading, seen: Seen, schema: Any, most: int, states: Mapping[str, State]
    ) -> SecondPass:
        """After the first pass over a source with this schema.

        `read` is that of the first pass; the second's is `SecondPass.read`.
        """
        few = [name for name in read.numbers if seen.scans[name].few and seen.scans[name].finite]
        own = settled(read, few)
        levels = dict(seen.levels)
        for name in own.levels:
            if name not in levels:
                values = np.unique(seen.scans[name].two)
                levels[name] = Levels(name, [arrow().array(values).cast(schema.field(name).type)])
        scans = {text: seen.scans[text] for text in own.looked_at if text in seen.scans}
        two = {text: np.array([0.0, 1.0]) for text in own.compared}
        two |= {t: np.array([s.low, s.high]) for t, s in scans.items() if s.few and s.finite}
        return cls(
            own,
            {name: levels[name].values() for name in own.levels},
            {name: levels[name].series() for name in own.levels},
            {name: seen.scans[name].mean(seen.used) for name in own.numbers},
            states,
            two,
            most,
            seen.used,
        )

    # ---- cells ----------------------------------------------------------------------------------

    @cached_property
    def _coders(self) -> dict[str, Coder]:
        return {name: Coder(name, values) for name, values in self.levels.items()}

    @property
    def places(self) -> tuple[str, ...]:
        """Columns and expressions that say a row's cell."""
        return (*self.read.levels, *self.two)

    @cached_property
    def strides(self) -> dict[str, int]:
        """What a level's code is multiplied by in the cell's number.

        Raises DataError where there are more combinations of levels than numbers.
        """
        out, stride = {}, 1
        for name in reversed(self.places):
            out[name] = stride
            stride *= self._size(name)
        if stride >= 2**62:
            raise DataError(
                f"{', '.join(self.read.levels)} have {stride:.1e} combinations of levels, more "
                f"than the {2**62:.1e} that can be numbered; join levels, or read these columns "
                "into a data frame"
            )
        return out

    @cached_property
    def margins(self) -> tuple[Margin, ...]:
        """The tables: one of all levels where this has few cells, or there is no other way."""
        whole = (Margin((*self.read.levels, *self.two)),)
        most = min(WHOLE, self.most)
        if not self.read.moments or min(self.combinations(whole[0]), self.used) <= most:
            return whole
        found = margins(self.read, self.two)
        return found if len(found) > 3 else whole  # two parts: their pairs are all there is

    def combinations(self, margin: Margin) -> int:
        """How many cells a table can have."""
        return prod(map(self._size, margin.levels))

    def own_combinations(self, margin: Margin) -> int:
        """How many combinations of levels the parts of a margin can have."""
        return prod(map(self._size, margin.own))

    def _size(self, name: str) -> int:
        return len(self.two[name]) if name in self.two else max(len(self.levels[name]), 1)

    def codes(self, keys: Ints) -> dict[str, Ints]:
        """(C,) the codes of each column's levels in these cells."""
        return {
            name: keys // stride % self._size(name)
            for name, stride in self.strides.items()
            if name not in self.two
        }

    def keys(
        self, batch: Any, kept: Mask | None, computed: Mapping[str, Floats]
    ) -> tuple[Ints, list[Ints]]:
        """(n,) the number of all levels of each row, and the key of its cell in each table."""
        n = batch.num_rows if kept is None else int(kept.sum())
        codes = {}
        for name in self.strides:
            if name in self.two:
                codes[name] = (computed[name] != self.two[name][0]).astype(np.int64)
            else:
                codes[name] = self._coders[name].codes(batch.column(name), kept)

        def joined(names: Iterable[str]) -> Ints:
            out: Ints | None = None
            for name in names:
                out = codes[name] if out is None else out * self._size(name) + codes[name]
            return np.zeros(n, np.int64) if out is None else out

        every = joined(self.places)
        if len(self.margins) == 1:
            return every, [every]
        return every, [joined(margin.levels) for margin in self.margins]

    # ---- columns --------------------------------------------------------------------------------

    @cached_property
    def _evaluation(self) -> Evaluation:
        return Evaluation(self.read, self.series, self.states)

    @cached_property
    def _needed(self) -> tuple[str, ...]:
        nodes = [*self.read.expressions.values()]
        if self.read.weights:
            nodes.append(parse_expression(self.read.formula.response.weights or ""))
        found = dict.fromkeys(name for node in nodes for name in names_in(node))
        return tuple(name for name in found if name in self.read.columns)

    def columns(self, batch: Any, kept: Mask | None) -> tuple[list[Floats], list[str], Any]:
        """Numbers, columns of expressions and of products, (m,) each, with their names; weights.

        A name stands once for each of its columns.
        """
        read = self.read
        parts: dict[str, list[Floats]] = {}
        for name in read.numbers:
            parts[name] = [numbers(batch.column(name), kept)]
        n = batch.num_rows if kept is None else int(kept.sum())
        rows = None
        if not read.plain:
            rows = self._evaluation.rows(batch, kept, self._needed)
        for text, node in read.expressions.items():
            assert rows is not None
            value, _ = columns_of(rows.value(node), n)
            parts[text] = [np.ascontiguousarray(column) for column in value.T]
        for texts in read.products:
            own = [parts[_plain_name(text, read)] for text in texts]
            every = own[0]
            for others in own[1:]:
                every = [a * b for b in others for a in every]
            parts[product_name(texts)] = every
        weights = None
        if read.weights:
            if rows is not None:
                node = parse_expression(read.formula.response.weights or "")
                weights = np.array(rows.array(node))
            else:
                weights = np.array(numbers(batch.column(read.weights), kept))  # writeable
            _check_finite([(weights, read.weights)])
            _check_weights(weights, read.weights)
        flat = [(column, name) for name, columns in parts.items() for column in columns]
        _check_finite(flat)
        return [column for column, _ in flat], [name for _, name in flat], weights

    def fields(self, batch: Any) -> dict[str, tuple[str, ...]]:
        """Names of the columns of expressions that have several, from any batch."""
        if self.read.plain:
            return {}
        kept, _ = complete(batch, self.read.columns)
        n = batch.num_rows if kept is None else int(kept.sum())
        rows = self._evaluation.rows(batch, kept, self._needed)
        found = {
            text: columns_of(rows.value(node), n)[1] for text, node in self.read.expressions.items()
        }
        self._evaluation.check_rowwise(batch, kept, self._needed)
        return {text: names for text, names in found.items() if names}

    # ---- the two functions ----------------------------------------------------------------------

    def partial(self, batches: Iterable[Any]) -> Sums:
        """Sums of some record batches."""
        adding = _Tables(self)
        for batch in batches:
            adding.add(batch)
        return adding.sums()

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Sums of both; neither is changed."""
        if not (a.tables and b.tables):
            return a if a.tables else b
        pairs = zip(a.tables, b.tables, strict=True)
        return Sums(
            tuple(self._checked(one.combine(two)) for one, two in pairs),
            _added(a.log_weights, b.log_weights),
            _added(a.inverse_weights, b.inverse_weights),
            a.names,
            a.fields,
        )

    def _checked(self, cells: Cells) -> Cells:
        """Raise DataError where there are too many."""
        self.check(len(cells.keys))
        return cells

    def check(self, cells: int) -> None:
        """Raise DataError where there are too many cells."""
        if cells > self.most:
            raise too_many(self.read, self.most)

    def table(self, margin: Margin, names: Sequence[str], *, weighted: bool) -> Adding:
        """An empty table of a margin."""
        own = [name for name in names if margin.numbers is None or name in margin.numbers]
        size = self.combinations(margin)
        return Adding(
            np.array([self.pivots.get(name, 0.0) for name in own]),
            size if size <= min(_DENSE, self.most) else None,
            weighted=weighted,
            whole=len(self.margins) == 1,
        )


@dataclass(eq=False)
class _Tables:
    """Tables that batches are added to, one after the other."""

    of: SecondPass
    tables: list[Adding] | None = None
    log: Pair = (0.0, 0.0)
    inverse: Pair = (0.0, 0.0)
    names: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, batch: Any) -> None:
        of = self.of
        kept, _ = complete(batch, of.read.columns)
        if kept is not None and not kept.any():
            return
        columns, names, weights = of.columns(batch, kept)
        every, keys = of.keys(batch, kept, dict(zip(names, columns, strict=True)))
        if self.tables is None:
            self.names, self.fields = tuple(names), of.fields(batch)
            self.tables = [of.table(m, names, weighted=weights is not None) for m in of.margins]
        whole = np.stack(columns) if columns else np.zeros((0, len(every)))
        for margin, table, own in zip(of.margins, self.tables, keys, strict=True):
            chosen = whole
            if margin.numbers is not None:
                chosen = whole[[name in margin.numbers for name in names]]
            table.add(own, chosen, weights, every)
            of.check(table.n)
        if weights is not None:
            self.log = _added(self.log, _summed(np.log(weights)))
            self.inverse = _added(self.inverse, _summed(1.0 / weights))

    def sums(self) -> Sums:
        tables = tuple(table.cells() for table in self.tables or ())
        return Sums(tables, self.log, self.inverse, self.names, self.fields)


def _summed(values: Floats) -> Pair:
    scan = Scan()
    scan.add(values)
    return scan.sum


def _added(a: Pair, b: Pair) -> Pair:
    hi, lo = add(np.array(a)[:, None], np.array(b)[:, None])  # type: ignore[arg-type]
    return float(hi[0]), float(lo[0])


def _plain_name(text: str, read: Reading) -> str:
    """The key of a factor's columns: a column's name without backticks."""
    return text if text in read.expressions else text.strip("`")


def _check_weights(weights: Floats, text: str) -> None:
    wrong = ~(weights > 0)
    if wrong.any():
        raise DataError(
            f"weights({text}): {int(wrong.sum())} of the {len(weights):,} values of a batch are "
            f"not positive (the first is {weights[wrong][0]:g}); a row of weight 0 is to be left "
            "out of the data"
        )


def _check_finite(columns: list[tuple[Floats, str]]) -> None:
    for values, name in columns:
        if not np.isfinite(np.sum(values)):
            bad = ~np.isfinite(values)
            if bad.any():
                raise DataError(
                    f"{name} is not finite in {int(bad.sum())} of the {len(values):,} rows of a "
                    f"batch ({values[bad][0]}); correct these rows or leave them out"
                )
