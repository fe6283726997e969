"""Columns of record batches as arrays: what is missing, numbers, codes of levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.table import table
from mixedbayes.errors import DataError
from mixedbayes.numerics.double import Floats, Ints, add, divide, multiply, normal, scan, subtract
from mixedbayes.sources.categories import Categories
from mixedbayes.sources.libraries import arrow

Mask = NDArray[np.bool_]

_WIDEST = 2**22  # range of whole numbers that are found in a table of all between them


def missing(column: Any) -> Mask | None:
    """(n,) where a column has no value; None where it has all."""
    t = arrow().types
    found = None
    if column.null_count:
        found = ~column.is_valid().to_numpy(zero_copy_only=False)
    if t.is_floating(column.type):
        nan = np.isnan(raw(column))
        if nan.any():
            found = nan if found is None else found | nan
    return found


def raw(column: Any) -> NDArray[Any]:
    """A numeric column as an array of its own type, with anything where it is missing.

    It is the batch's memory where nothing is missing.
    """
    if column.null_count:
        column = column.fill_null(0)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def numbers(column: Any, kept: Mask | None) -> Floats:
    """(m,) the kept rows of a numeric column as doubles."""
    values = raw(column)
    values = values if kept is None else values[kept]
    return np.ascontiguousarray(values, np.float64)


def complete(batch: Any, columns: tuple[str, ...]) -> tuple[Mask | None, dict[str, int]]:
    """Which rows of a batch lack nothing, None for all; and how many values each column lacks."""
    absent: Mask | None = None
    counts = {}
    for name in columns:
        mask = missing(batch.column(name))
        if mask is not None:
            counts[name] = int(mask.sum())
            absent = mask if absent is None else absent | mask
    return (None if absent is None else ~absent), counts


# ---- levels --------------------------------------------------------------------------------------


@dataclass(eq=False)
class Levels:
    """The distinct values of a column, as they come.

    Attributes
    ----------
    found
        pyarrow arrays, each without repetitions; not without those of the others.
    n
        How many values they have.
    categories
        Of a dictionary what is known of its order.
    """

    name: str
    found: list[Any] = field(default_factory=list)
    n: int = 0
    settled: int = 0  # how many were left when they were last put together
    categories: Categories | None = None

    def add(self, column: Any, kept: Mask | None) -> None:
        pa = arrow()
        if kept is not None:
            column = column.filter(pa.array(kept))
        if pa.types.is_dictionary(column.type):
            if self.categories is None:
                self.categories = Categories(self.name)
            self.categories.add(column)
            codes = np.bincount(raw(column.indices), minlength=len(column.dictionary))
            column = column.dictionary.take(pa.array(np.flatnonzero(codes)))
        elif pa.types.is_integer(column.type) and len(column):
            column = pa.array(_distinct(raw(column)), column.type)
        else:
            column = _one_zero(column).unique()
        self.found.append(column)
        self.n += len(column)
        if self.n > 2 * self.settled + 4096:
            self.settle()

    def settle(self) -> None:
        """Put together what was found."""
        if len(self.found) > 1:
            self.found = [arrow().concat_arrays(self.found).unique()]
            self.n = self.settled = len(self.found[0])

    def combine(self, other: Levels) -> Levels:
        both = Levels(self.name, [*self.found, *other.found], self.n + other.n)
        if self.categories is None or other.categories is None:
            both.categories = self.categories or other.categories
        else:
            both.categories = self.categories.combine(other.categories)
        both.settle()
        return both

    def values(self) -> Any:
        """All of them as one pyarrow array, in an order that does not depend on that of rows."""
        self.settle()
        pc = arrow("pyarrow.compute")
        found = self.found[0]
        if self.categories is not None:
            place = pc.index_in(
                found, value_set=arrow().array(self.categories.levels(), found.type)
            )
            return found.take(pc.array_sort_indices(place))
        return found.take(pc.array_sort_indices(found))

    def series(self) -> pd.Series:
        """The same as a data frame in memory has them."""
        values = self.values()
        if self.categories is not None:
            levels = self.categories.levels()
            codes = arrow("pyarrow.compute").index_in(
                values, value_set=arrow().array(levels, values.type)
            )
            kind = arrow().DictionaryArray.from_arrays(
                codes, arrow().array(levels, values.type), ordered=self.categories.ordered
            )
            values = kind
        return table(arrow().table({self.name: values}), [self.name]).columns[self.name]


def _one_zero(column: Any) -> Any:
    """The column with 0 in the place of -0, which is equal, and has other bits."""
    pa = arrow()
    return pa.array(raw(column) + 0) if pa.types.is_floating(column.type) else column


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Distinct whole numbers."""
    low, high = int(values.min()), int(values.max())
    if high - low < _WIDEST and high < 2**63:
        values, kind = values.astype(np.int64, copy=False), values.dtype
        seen = np.zeros(high - low + 1, bool)
        seen[values - low] = True
        return (np.flatnonzero(seen) + low).astype(kind)
    return np.asarray(pd.unique(values))


class Coder:
    """Codes of a column's values among known levels."""

    def __init__(self, name: str, values: Any) -> None:
        pa = arrow()
        self.name, self.values, self.n = name, values, len(values)
        self._low, self._table = 0, None
        if pa.types.is_integer(values.type) and len(values):
            own = raw(values)
            low, high = int(own.min()), int(own.max())
            if high - low < _WIDEST and high < 2**63:
                self._low, own = low, own.astype(np.int64)
                self._table = np.full(high - low + 1, -1, np.int64)
                self._table[own - low] = np.arange(len(own))

    def codes(self, column: Any, kept: Mask | None) -> Ints:
        """(m,) codes of the kept rows.

        Raises
        ------
        DataError
            A value was not there in the first pass.
        """
        pa = arrow()
        if self._table is not None:
            values = raw(column)
            values = values if kept is None else values[kept]
            values = values.astype(np.int64, copy=False) - self._low
            if len(values) and (values.min() < 0 or values.max() >= len(self._table)):
                raise self._changed()
            found = self._table[values]
        else:
            if kept is not None:
                column = column.filter(pa.array(kept))
            if pa.types.is_dictionary(column.type):
                places = self._places(column.dictionary)
                found = places[raw(column.indices)]
            else:
                found = self._places(_one_zero(column))
        if len(found) and found.min() < 0:
            raise self._changed()
        return np.ascontiguousarray(found, np.int64)

    def _places(self, values: Any) -> Ints:
        pc = arrow("pyarrow.compute")
        found = pc.index_in(values, value_set=self.values).fill_null(-1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)

    def _changed(self) -> DataError:
        return DataError(
            f"{self.name} has other values in the second pass over the data than in the first: "
            "they changed in between; read them from a copy"
        )


# ---- numbers -------------------------------------------------------------------------------------


@dataclass(eq=False)
class Scan:
    """Sum, sum of squares, range and the first two distinct values of a column.

    Attributes
    ----------
    state
        (9,) smallest and largest value; how many distinct ones, 3 standing for more; sum and sum of
        squares, two doubles each; the first two distinct values, NaN where there are none.
    """

    state: Floats = field(
        default_factory=lambda: np.array([np.inf, -np.inf, 0, 0, 0, 0, 0, np.nan, np.nan])
    )

    def add(self, values: Floats) -> None:
        scan(np.array(values, np.float64), self.state)  # compiled code takes no read-only memory

    def combine(self, other: Scan) -> Scan:
        a, b = self.state, other.state
        out = np.empty(9)
        out[0], out[1] = min(a[0], b[0]), max(a[1], b[1])
        out[3:5] = add((a[3], a[4]), (b[3], b[4]))
        out[5:7] = add((a[5], a[6]), (b[5], b[6]))
        few = {float(v) for v in (*a[7:9], *b[7:9]) if not np.isnan(v)}
        out[2] = max(a[2], b[2], min(len(few), 3))
        out[7:9] = (sorted(few) * 2)[:2] if few else np.nan
        return Scan(out)

    @property
    def low(self) -> float:
        return float(self.state[0])

    @property
    def high(self) -> float:
        return float(self.state[1])

    @property
    def few(self) -> bool:
        """Whether there are at most two distinct values."""
        return bool(self.state[2] <= 2)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.state[:2]).all())

    @property
    def two(self) -> Floats:
        """(2,) the first two distinct values, one of them twice where it is alone; 0, not -0."""
        return self.state[7:9] + 0.0

    @property
    def sum(self) -> tuple[float, float]:
        """As two doubles."""
        return float(self.state[3]), float(self.state[4])

    @property
    def squares(self) -> tuple[float, float]:
        """Their sum, as two doubles."""
        return float(self.state[5]), float(self.state[6])

    def mean(self, n: int) -> float:
        return float((self.state[3] + self.state[4]) / n)

    def sd(self, n: int) -> float:
        """With n - 1 below."""
        total = normal(self.state[3], self.state[4])
        mean = divide(total, normal(float(n), 0.0))
        left = subtract(normal(self.state[5], self.state[6]), multiply(mean, total))
        return float(np.sqrt(max(float(left[0]), 0.0) / max(n - 1, 1)))
