"""The second pass: how many rows each cell has, and the sums of their numbers and products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.batches.columns import Coder, Levels, Mask, Scan, complete, numbers
from mixedbayes.batches.evaluate import Evaluation, columns_of
from mixedbayes.batches.first import Seen, too_many
from mixedbayes.batches.reading import Reading, settled
from mixedbayes.design.functions import State
from mixedbayes.design.standing import product_name
from mixedbayes.design.used import names_in
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_expression
from mixedbayes.numerics.double import (
    Double,
    Floats,
    Ints,
    add,
    add_rows,
    add_weighted,
    normal,
    number,
)
from mixedbayes.sources.libraries import arrow

type Pair = tuple[float, float]

_CHUNK = 2**16  # rows whose cells are numbered together
_DENSE = 2**18  # combinations of levels for each of which sums are kept, whether it occurs or not


@dataclass(eq=False)
class Sums:
    """Sums of the rows of each cell; they can be pickled.

    Attributes
    ----------
    keys
        (C,) the cell's levels as one number, increasing.
    counts
        (C,)
    sums, rests
        (C, m) see `numerics.double.add_rows`.
    weighted, weighted_rests
        (C, 1 + m) see `numerics.double.add_weighted`; of no columns where rows have no weights.
    log_weights, inverse_weights
        Sums of the logarithms of weights, and of their inverses, as two doubles.
    names
        (d,) of which number, expression or product each column is.
    fields
        Of expressions with several columns what these are called.
    """

    keys: Ints
    counts: Ints
    sums: Floats
    rests: Floats
    weighted: Floats
    weighted_rests: Floats
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
        How many cells there may be.
    """

    read: Reading
    levels: Mapping[str, Any]
    series: Mapping[str, pd.Series]
    pivots: Mapping[str, float]
    states: Mapping[str, State]
    two: Mapping[str, Floats]
    most: int

    @classmethod
    def of(cls, read: Reading, seen: Seen, schema: Any, most: int) -> SecondPass:
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
        states = {}
        for text, call in read.learned.items():
            scan = seen.scans[text]
            states[text] = {"mean": scan.mean(seen.used)}
            if call.function == "scale":
                states[text]["sd"] = scan.sd(seen.used)
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
        )

    # ---- cells ----------------------------------------------------------------------------------

    @cached_property
    def _coders(self) -> dict[str, Coder]:
        return {name: Coder(name, values) for name, values in self.levels.items()}

    @cached_property
    def strides(self) -> dict[str, int]:
        """What a level's code is multiplied by in the cell's number.

        Raises DataError where there are more combinations of levels than numbers.
        """
        out, stride = {}, 1
        for name in reversed((*self.read.levels, *self.two)):
            out[name] = stride
            stride *= self._size(name)
        if stride >= 2**62:
            raise DataError(
                f"{', '.join(self.read.levels)} have {stride:.1e} combinations of levels, more "
                f"than the {2**62:.1e} that can be numbered; join levels, or read these columns "
                "into a data frame"
            )
        return out

    @property
    def combinations(self) -> int:
        first = (*self.read.levels, *self.two)[:1]
        return self.strides[first[0]] * self._size(first[0]) if first else 1

    def _size(self, name: str) -> int:
        return len(self.two[name]) if name in self.two else max(len(self.levels[name]), 1)

    def codes(self, keys: Ints) -> dict[str, Ints]:
        """(C,) the codes of each column's levels in these cells."""
        return {
            name: keys // stride % self._size(name)
            for name, stride in self.strides.items()
            if name not in self.two
        }

    def _wide(self, batch: Any, kept: Mask | None, computed: Mapping[str, Floats]) -> Ints:
        n = batch.num_rows if kept is None else int(kept.sum())
        if not self.strides:
            return np.zeros(n, np.int64)
        out: Ints | None = None
        for name, stride in self.strides.items():
            if name in self.two:
                codes = (computed[name] != self.two[name][0]).astype(np.int64)
            else:
                codes = self._coders[name].codes(batch.column(name), kept)
            codes = codes if stride == 1 else codes * stride
            out = codes if out is None else out + codes
        assert out is not None
        return out

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
        adding = Adding(self)
        for batch in batches:
            adding.add(batch)
        return adding.sums()

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Sums of both; neither is changed."""
        keys = np.union1d(a.keys, b.keys)
        if len(keys) > self.most:
            raise too_many(self.read, self.most)
        at, bt = np.searchsorted(keys, a.keys), np.searchsorted(keys, b.keys)
        counts = np.zeros(len(keys), np.int64)
        counts[at] += a.counts
        counts[bt] += b.counts

        def both(first: Double, second: Double) -> Double:
            shape = (len(keys), max(first[0].shape[1], second[0].shape[1]))
            x, y = (np.zeros(shape), np.zeros(shape)), (np.zeros(shape), np.zeros(shape))
            for whole, places, part in ((x, at, first), (y, bt, second)):
                if len(places):
                    whole[0][places], whole[1][places] = part
            return add(x, y)

        sums, rests = both((a.sums, a.rests), (b.sums, b.rests))
        weighted = both((a.weighted, a.weighted_rests), (b.weighted, b.weighted_rests))
        log, inverse = (
            _added(a.log_weights, b.log_weights),
            _added(a.inverse_weights, b.inverse_weights),
        )
        said = a if a.names else b
        return Sums(keys, counts, sums, rests, *weighted, log, inverse, said.names, said.fields)


@dataclass(eq=False)
class Adding:
    """Sums that batches are added to, one after the other."""

    of: SecondPass
    n: int = 0  # cells so far
    width: int | None = None  # numbers of each cell
    _table: Ints = field(default_factory=lambda: np.full(2**17, -1, np.int64))
    _places: Ints = field(default_factory=lambda: np.zeros(2**17, np.int64))
    _keys: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _log: Pair = (0.0, 0.0)
    _inverse: Pair = (0.0, 0.0)
    _names: tuple[str, ...] = ()
    _fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._dense = self.of.combinations <= min(_DENSE, self.of.most)

    def add(self, batch: Any) -> None:
        read = self.of.read
        kept, _ = complete(batch, read.columns)
        if kept is not None and not kept.any():
            return
        columns, names, weights = self.of.columns(batch, kept)
        wide = self.of._wide(batch, kept, dict(zip(names, columns, strict=True)))
        if self.width is None:
            self._start(names, weights is not None)
            self._fields = self.of.fields(batch)
        matrix = np.stack(columns) if columns else np.zeros((0, len(wide)))
        for start in range(0, len(wide), _CHUNK):
            own = slice(start, start + _CHUNK)
            cells = self._cells(wide[own])
            part = np.ascontiguousarray(matrix[:, own])
            add_rows(cells, part, self._pivots, self._counts, self._sums, self._rests)
            if weights is not None:
                add_weighted(
                    cells, part, self._pivots, np.ascontiguousarray(weights[own]),
                    self._weighted, self._weighted_rests,
                )  # fmt: skip
        if weights is not None:
            self._log = _added(self._log, _summed(np.log(weights)))
            self._inverse = _added(self._inverse, _summed(1.0 / weights))

    def _start(self, names: list[str], weighted: bool) -> None:
        """Room for the sums of a first few cells, or of all."""
        d, self._names = len(names), tuple(names)
        self.width = d + d * (d + 1) // 2
        self._pivots = np.array([self.of.pivots.get(name, 0.0) for name in names])
        cells = self.of.combinations if self._dense else _CHUNK
        self._counts = np.zeros(cells, np.int64)
        self._sums, self._rests = np.zeros((2, cells, self.width))
        own = 1 + self.width if weighted else 0
        self._weighted, self._weighted_rests = np.zeros((2, cells, own))

    def _cells(self, wide: Ints) -> Ints:
        """(m,) the number of each row's cell, with room for its sums."""
        if self._dense:
            return np.ascontiguousarray(wide)
        self._reserve(self.n + len(wide))
        out = np.empty(len(wide), np.int64)
        wide = np.ascontiguousarray(wide)
        self.n = int(number(wide, self._table, self._places, self._keys, out, self.n))
        if self.n > self.of.most:
            raise too_many(self.of.read, self.of.most)
        return out

    def _reserve(self, n: int) -> None:
        if len(self._keys) < n:
            self._keys = np.concatenate([self._keys, np.zeros(n, np.int64)])
        if 2 * n > len(self._table):
            size = 1 << (4 * n - 1).bit_length()
            self._table, self._places = np.full(size, -1, np.int64), np.zeros(size, np.int64)
            keys, again = self._keys[: self.n].copy(), np.empty(self.n, np.int64)
            number(keys, self._table, self._places, self._keys, again, 0)
        if len(self._counts) < n:
            more = len(self._counts) + n

            def longer(x: Any) -> Any:
                out = np.zeros((more, *x.shape[1:]), x.dtype)
                out[: len(x)] = x
                return out

            self._counts = longer(self._counts)
            self._sums, self._rests = longer(self._sums), longer(self._rests)
            self._weighted = longer(self._weighted)
            self._weighted_rests = longer(self._weighted_rests)

    def sums(self) -> Sums:
        if self.width is None:
            none = np.zeros((0, 0))
            empty = np.zeros(0, np.int64)
            return Sums(empty, empty, none, none, none, none)
        if self._dense:
            own = np.flatnonzero(self._counts)
            keys = own
        else:
            order = np.argsort(self._keys[: self.n])
            own, keys = order, self._keys[: self.n][order]
        sums, rests = normal(self._sums[own], self._rests[own])
        weighted = normal(self._weighted[own], self._weighted_rests[own])
        counts = self._counts[own]
        return Sums(
            keys, counts, sums, rests, *weighted, self._log, self._inverse, self._names,
            self._fields,
        )  # fmt: skip


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
