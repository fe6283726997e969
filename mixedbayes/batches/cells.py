"""Sums of the rows of each cell, and tables that rows are added to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.numerics.double import (
    Double,
    Floats,
    Ints,
    add,
    add_rows,
    add_sums,
    add_weighted,
    least,
    normal,
    number,
)

CHUNK = 2**16  # rows whose cells are numbered together


@dataclass(eq=False)
class Cells:
    """Sums of the rows of each cell of a table; they can be pickled.

    Attributes
    ----------
    keys
        (C,) the cell's levels as one number, increasing.
    first
        (C,) the least number that the levels of all columns have in a row of the cell.
    counts
        (C,)
    sums, rests
        (C, m) see `numerics.double.add_rows`.
    weighted, weighted_rests
        (C, 1 + m) see `numerics.double.add_weighted`; of no columns where rows have no weights.
    """

    keys: Ints
    first: Ints
    counts: Ints
    sums: Floats
    rests: Floats
    weighted: Floats
    weighted_rests: Floats

    @property
    def all_sums(self) -> Double:
        return self.sums, self.rests

    @property
    def all_weighted(self) -> Double:
        return self.weighted, self.weighted_rests

    @classmethod
    def none(cls) -> Cells:
        """Of no rows."""
        no, zero = np.zeros(0, np.int64), np.zeros((0, 0))
        return cls(no, no, no, zero, zero, zero, zero)

    def combine(self, other: Cells) -> Cells:
        """Of the rows of both; neither is changed."""
        keys = np.union1d(self.keys, other.keys)
        at, bt = np.searchsorted(keys, self.keys), np.searchsorted(keys, other.keys)
        counts = np.zeros(len(keys), np.int64)
        counts[at] += self.counts
        counts[bt] += other.counts
        first = np.full(len(keys), np.iinfo(np.int64).max)
        first[at] = self.first
        first[bt] = np.minimum(first[bt], other.first)

        def both(one: Double, two: Double) -> Double:
            shape = (len(keys), max(one[0].shape[1], two[0].shape[1]))
            x, y = (np.zeros(shape), np.zeros(shape)), (np.zeros(shape), np.zeros(shape))
            for whole, places, part in ((x, at, one), (y, bt, two)):
                if len(places):
                    whole[0][places], whole[1][places] = part
            return add(x, y)

        sums = both(self.all_sums, other.all_sums)
        weighted = both(self.all_weighted, other.all_weighted)
        return Cells(keys, first, counts, *sums, *weighted)

    def within(self, size: int) -> Cells:
        """Of all rows whose keys // size are equal, which become the keys."""
        keys, place = np.unique(self.keys // size, return_inverse=True)
        place = np.ascontiguousarray(place, np.int64)
        counts = np.bincount(place, self.counts, len(keys)).astype(np.int64)
        first = np.full(len(keys), np.iinfo(np.int64).max)
        least(place, self.first, first)

        def together(x: Double) -> Double:
            out = np.zeros((2, len(keys), x[0].shape[1]))
            add_sums(place, *map(np.ascontiguousarray, x), *out)
            return normal(*out)

        return Cells(keys, first, counts, *together(self.all_sums), *together(self.all_weighted))

    def only(self, numbers: Ints, d: int) -> Cells:
        """With the sums of some of the d columns alone, and of their products."""
        numbers = np.sort(np.asarray(numbers, np.int64))
        at = [*numbers.tolist()]
        at += [d + j * (j + 1) // 2 + k for n, j in enumerate(numbers) for k in numbers[: n + 1]]
        own = np.asarray(at, np.int64)
        weighted = np.concatenate([[0], 1 + own]) if self.weighted.size else own[:0]
        return Cells(
            self.keys, self.first, self.counts, self.sums[:, own], self.rests[:, own],
            self.weighted[:, weighted], self.weighted_rests[:, weighted],
        )  # fmt: skip


class Adding:
    """Sums of cells that rows are added to.

    Parameters
    ----------
    pivots
        (d,) what is subtracted from each column.
    dense
        How many cells there are, where each has a place of its own, its key; None: where they come.
    weighted
        Whether rows have weights.
    whole
        Whether the key has the levels of all columns.
    """

    def __init__(self, pivots: Floats, dense: int | None, *, weighted: bool, whole: bool) -> None:
        self.pivots, self.dense, self.whole = pivots, dense is not None, whole
        self.n = 0  # cells so far
        d = len(pivots)
        width = d + d * (d + 1) // 2
        cells = CHUNK if dense is None else dense
        self._counts = np.zeros(cells, np.int64)
        self._first = np.full(0 if whole else cells, np.iinfo(np.int64).max)
        self._sums, self._rests = np.zeros((2, cells, width))
        self._weighted, self._weighted_rests = np.zeros((2, cells, 1 + width if weighted else 0))
        self._table, self._places = np.full(2**17, -1, np.int64), np.zeros(2**17, np.int64)
        self._keys = np.zeros(0, np.int64)

    def add(self, keys: Ints, columns: Floats, weights: Floats | None, every: Ints) -> None:
        """Rows with these cells (n,), columns (d, n), weights, and numbers of all levels (n,)."""
        for start in range(0, len(keys), CHUNK):
            own = slice(start, start + CHUNK)
            cells = self._cells(keys[own])
            part = np.ascontiguousarray(columns[:, own])
            add_rows(cells, part, self.pivots, self._counts, self._sums, self._rests)
            if not self.whole:
                least(cells, np.ascontiguousarray(every[own]), self._first)
            if weights is not None:
                add_weighted(
                    cells, part, self.pivots, np.ascontiguousarray(weights[own]),
                    self._weighted, self._weighted_rests,
                )  # fmt: skip

    def _cells(self, wide: Ints) -> Ints:
        """(m,) the number of each row's cell, with room for its sums."""
        wide = np.ascontiguousarray(wide)
        if self.dense:
            return wide
        self._reserve(self.n + len(wide))
        out = np.empty(len(wide), np.int64)
        self.n = int(number(wide, self._table, self._places, self._keys, out, self.n))
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

            def longer(x: Any, fill: int = 0) -> Any:
                out = np.full((more, *x.shape[1:]), fill, x.dtype)
                out[: len(x)] = x
                return out

            self._counts = longer(self._counts)
            if not self.whole:
                self._first = longer(self._first, np.iinfo(np.int64).max)
            self._sums, self._rests = longer(self._sums), longer(self._rests)
            self._weighted = longer(self._weighted)
            self._weighted_rests = longer(self._weighted_rests)

    def cells(self) -> Cells:
        """The sums so far."""
        if self.dense:
            keys = own = np.flatnonzero(self._counts)
        else:
            own = np.argsort(self._keys[: self.n])
            keys = self._keys[: self.n][own]
        return Cells(
            keys, keys if self.whole else self._first[own], self._counts[own],
            *normal(self._sums[own], self._rests[own]),
            *normal(self._weighted[own], self._weighted_rests[own]),
        )  # fmt: skip
