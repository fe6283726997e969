"""Rows that stand for the rows of a source, which was read in batches and is not in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
type State = dict[str, object]


@dataclass(frozen=True, eq=False)
class Apart:
    """Rows of which each takes part in the levels of some grouping columns, as in `batches.stand`.

    Attributes
    ----------
    parts
        Grouping column -> its part.
    active
        (n, parts) in which each row takes part.
    single
        (n,) of which part's own cells each is, -1 of none. Those of one part have all rows.
    counts
        (n,) by which rows count in products of columns, some of them negative: together these are
        right for all columns.
    """

    parts: Mapping[str, int]
    active: NDArray[np.bool_]
    single: NDArray[np.int64]
    counts: Floats

    def rows_of(self, part: int) -> Floats:
        """(n,) how many rows stand for the data's in one part alone."""
        return np.where(self.single == part, self.counts, 0.0)

    def part_of(self, columns: Iterable[str]) -> int | None:
        """The part of a grouping factor of these columns; None where all rows take part."""
        return next((self.parts[name] for name in columns if name in self.parts), None)


@dataclass(frozen=True, eq=False)
class Again:
    """A source whose rows can be read again, while it is at hand: files and pickles have none."""

    source: Any = None
    size: int | None = None  # rows of a batch; None: the source's own

    def __reduce__(self) -> Any:
        return Again, ()


@dataclass(frozen=True, eq=False)
class Standing:
    """For what n rows of a table stand.

    Either each is a row that occurs `counts` times, or (`moments`) the rows of a cell, which have
    the same levels, have together the number, the means and the products of columns of all rows of
    the cell, and are by themselves no rows of the data.

    Attributes
    ----------
    counts
        (n,) how many rows each stands for.
    weights
        (n,) of rows that the user weighted, their sum in the place of their number. A cell has
        then rows with counts and weight zero, and others with weights and count zero.
    log_weights
        Sum of the logarithms of all rows' weights.
    inverse_weights
        Sum of the inverse of all rows' weights; their number where none is weighted.
    total, used
        How many rows were read, and how many of them lack nothing.
    dropped
        Column -> rows with a missing value there.
    source
        What was read, in words.
    computed
        (n, k) what the expressions of the formula are, and products of several of them, which are
        joined by a tab, as these are no functions of the columns any more.
    fields
        Of an expression with several columns what these are called.
    numbers
        Columns of which only means and products are known.
    states
        What stateful functions learned of all rows, by the call's text.
    ranges
        Smallest and largest value of numeric columns.
    apart
        Where three and more grouping factors have sums of each two only; None elsewhere. `counts`
        are then those of the rows of one part, the others' are 0, and `weights` are those by which
        all rows count together.
    again
        What was read.
    """

    counts: Floats
    weights: Floats | None
    log_weights: float
    inverse_weights: float
    total: int
    used: int
    dropped: Mapping[str, int]
    moments: bool
    source: str
    computed: Mapping[str, Floats] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    states: Mapping[str, State] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    apart: Apart | None = None
    again: Again = field(default_factory=Again)

    def of_factor(self, columns: Iterable[str]) -> tuple[Floats, NDArray[np.bool_] | None]:
        """(n,) for how many rows each stands in the levels of a grouping factor, and whether it
        takes part there; None: all do.
        """
        part = None if self.apart is None else self.apart.part_of(columns)
        if self.apart is None or part is None:
            return self.counts, None
        return self.apart.rows_of(part), self.apart.active[:, part]

    @property
    def harmonic(self) -> float:
        """Harmonic mean of the rows' weights."""
        return self.used / self.inverse_weights

    def refusal(self, what: str, columns: Iterable[str]) -> str:
        """Why something that reads single rows cannot be had, and what to do."""
        named = tuple(columns)
        size = in_memory(8 * self.used * len(named))
        left = "sums" if self.moments else "the distinct ones"
        return (
            f"{what} reads rows of the data, and those of {self.source} were read in batches: of "
            f"{self.used:,} rows {left} are left. by_batch() reads them again, for fitted values, "
            "residuals, predictions and loo, predict(new) takes rows of yours; for the rest fit a "
            f"sample of the rows as a data frame, or all of them, {', '.join(named)} in {size} of "
            "memory"
        )

    @property
    def note(self) -> str:
        """Of which rows a table of the rows is; empty where none is of them."""
        if self.moments:
            return ""
        return (
            f"Of the {len(self.counts):,} distinct rows, which stand for the {self.used:,} rows of "
            f"{self.source}; by_batch() has all of these."
        )

    @property
    def read(self) -> str:
        """How the rows were read, in a sentence."""
        kept = "their sums in each cell were used" if self.moments else "equal rows became one"
        return f"The rows were read in batches, from {self.source}, and {kept}"

    def of_the_data(self, said: str) -> str:
        """An error's message, and of which rows it speaks where these are not the data's own."""
        n = len(self.counts)
        if not re.search(rf"\b(?:{n}|{n:,}) (?:rows|values|responses)\b|\bin row \d", said):
            return said
        what = "rows that have the sums of" if self.moments else "distinct rows among"
        return f"{said}. Rows are counted here as they were read in batches: {n:,} {what} the " + (
            f"{self.used:,} of {self.source}"
        )

    def joint(self, texts: tuple[str, ...]) -> Floats:
        """(n, k) the product of several expressions, the first one's columns running fastest."""
        return self.computed[product_name(texts)]


def in_memory(size: float) -> str:
    """Bytes in words, with a unit in which the number has some digits: "7.2 kB", "48 GB"."""
    power = min(max(int(np.log10(max(size, 1.0) * 1.0005)) // 3, 0), 4)
    size, unit = size / 1000**power, ("bytes", "kB", "MB", "GB", "TB")[power]
    return f"{size:.2g} {unit}" if size < 99.5 else f"{size:,.0f} {unit}"


def product_name(texts: tuple[str, ...]) -> str:
    """Under which name `computed` has a product."""
    return "\t".join(texts)
