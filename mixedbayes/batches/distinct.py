"""Distinct values of a column with their numbers, and order statistics of columns that have many.

Doubles are compared by their bits as whole numbers, so that halving ranges of these ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.numerics.double import Floats, Ints

MOST = 2**22  # values that are sorted in memory, 64 MB with their numbers
FEW = 2**16  # to which a column's distinct values are kept beside a histogram
BINS = 2**18  # of a histogram, over all ranges that are looked at

type Keys = NDArray[np.uint64]
_SIGN = np.uint64(1 << 63)


@dataclass(eq=False)
class Distinct:
    """Distinct values and how many rows have each, as they come.

    Attributes
    ----------
    most
        To how many they are kept; with more of them `over` is true, and there are none.
    found
        Sorted values and their numbers, each pair without repetitions.
    """

    most: int
    found: list[tuple[Floats, Ints]] = field(default_factory=list)
    pending: int = 0
    settled: int = 0
    over: bool = False

    def add(self, x: Floats) -> None:
        """More rows."""
        if not self.over:
            self._put([np.unique(x + 0.0, return_counts=True)])

    def combine(self, other: Distinct) -> Distinct:
        """Of the rows of both; neither is changed."""
        both = Distinct(self.most, list(self.found), self.pending, self.settled, self.over)
        both.over |= other.over
        if both.over:
            both.found = []
        else:
            both._put(other.found)
            both.settle()
        return both

    def _put(self, more: Sequence[tuple[Floats, Ints]]) -> None:
        self.found.extend(more)
        self.pending += sum(len(values) for values, _ in more)
        if self.pending > 2 * self.settled + 2**14:
            self.settle()

    def settle(self) -> None:
        """Put together what was found."""
        if len(self.found) > 1:
            values, place = np.unique(
                np.concatenate([v for v, _ in self.found]), return_inverse=True
            )
            counts = np.zeros(len(values), np.int64)
            np.add.at(counts, place, np.concatenate([c for _, c in self.found]))
            self.found = [(values, counts)]
        self.pending = self.settled = sum(len(values) for values, _ in self.found)
        if self.settled > self.most:
            self.over, self.found = True, []

    def values(self) -> tuple[Floats, Ints]:
        """(k,) all of them, increasing, and how many rows have each."""
        self.settle()
        return self.found[0] if self.found else (np.zeros(0), np.zeros(0, np.int64))


def ranked(values: Floats, counts: Ints, ranks: Sequence[int]) -> list[float]:
    """Order statistics, from 0, of values of which each occurs so often."""
    places = np.searchsorted(np.cumsum(counts), np.asarray(ranks, np.int64), side="right")
    return [float(v) for v in values[places]]


# ---- order statistics of many values -------------------------------------------------------------


def keys(x: Floats) -> Keys:
    """Whole numbers in the order of the doubles."""
    bits = np.ascontiguousarray(x + 0.0, np.float64).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def of_keys(found: Sequence[int]) -> Floats:
    """The doubles of these keys."""
    own = np.array(found, np.uint64)
    return np.where(own & _SIGN, own & ~_SIGN, ~own).view(np.float64)


@dataclass(frozen=True)
class Range:
    """Keys from `low` to `high`, both included, with `below` rows below them."""

    low: int
    high: int
    below: int

    def width(self, bins: int) -> int:
        """How many keys each of so many bins has."""
        return (self.high - self.low) // bins + 1


@dataclass(eq=False)
class Counted:
    """Rows in the bins of some ranges, or their values where these are few.

    Attributes
    ----------
    counts
        (ranges, bins)
    distinct
        Of the rows of all ranges.
    """

    counts: Ints
    distinct: Distinct

    def combine(self, other: Counted) -> Counted:
        """Of the rows of both; neither is changed."""
        return Counted(self.counts + other.counts, self.distinct.combine(other.distinct))


@dataclass(frozen=True)
class Search:
    """Ranges of values in which the order statistics are that are looked for.

    Each step needs the rows once; a range is a bin of the step before, until its rows are few.

    Attributes
    ----------
    ranges
        Apart from each other, increasing.
    most
        How many distinct values a step keeps.
    n
        How many rows there are, None before the first step.
    """

    ranges: tuple[Range, ...]
    most: int
    n: int | None = None

    @classmethod
    def between(cls, low: float, high: float) -> Search:
        """Of values from low to high; others do not count."""
        a, b = keys(np.array([low, high]))
        return cls((Range(int(a), int(b), 0),), FEW)

    @property
    def bins(self) -> int:
        return max(BINS // len(self.ranges), 2)

    def none(self) -> Counted:
        return Counted(np.zeros((len(self.ranges), self.bins), np.int64), Distinct(self.most))

    def add(self, into: Counted, x: Floats) -> None:
        """More rows."""
        own = keys(x)
        for k, r in enumerate(self.ranges):
            inside = (own >= np.uint64(r.low)) & (own <= np.uint64(r.high))
            bins = (own[inside] - np.uint64(r.low)) // np.uint64(r.width(self.bins))
            into.counts[k] += np.bincount(bins.astype(np.int64), minlength=self.bins)
            into.distinct.add(x[inside])

    def rows(self, found: Counted) -> int:
        """How many there are, after a step."""
        return int(found.counts.sum()) if self.n is None else self.n

    def after(self, found: Counted, ranks: Any) -> tuple[list[float] | None, Search]:
        """The order statistics, None where they are not isolated yet, and what to look at next.

        `ranks(n)` are those that are wanted of n rows, from 0.
        """
        n = self.rows(found)
        wanted = sorted(set(ranks(n)))
        if not found.distinct.over:
            values, counts = found.distinct.values()
            inside = np.concatenate([[0], np.cumsum(counts)])
            places = [int(inside[self._before(values, r)]) + rank - r.below
                      for rank in wanted for r in [self._range(rank)]]  # fmt: skip
            there = dict(zip(wanted, ranked(values, counts, places), strict=True))
            return [there[rank] for rank in ranks(n)], self
        ranges: dict[Range, int] = {}
        within: dict[int, Range] = {}
        for rank in wanted:
            r = self._range(rank)
            counts, width = found.counts[self.ranges.index(r)], r.width(self.bins)
            above = np.cumsum(counts)
            bin_ = int(np.searchsorted(above, rank - r.below, side="right"))
            low = r.low + bin_ * width
            below = r.below + int(above[bin_] - counts[bin_])
            within[rank] = Range(low, min(low + width - 1, r.high), below)
            ranges[within[rank]] = int(counts[bin_])
        if all(r.low == r.high for r in ranges):
            return [float(v) for v in of_keys([within[rank].low for rank in ranks(n)])], self
        most = MOST if sum(ranges.values()) <= MOST else FEW
        return None, replace(self, ranges=tuple(ranges), most=most, n=n)

    def _range(self, rank: int) -> Range:
        return [r for r in self.ranges if r.below <= rank][-1]

    def _before(self, values: Floats, r: Range) -> int:
        """How many of the distinct values are below a range."""
        return int(np.searchsorted(keys(values), np.uint64(r.low)))
