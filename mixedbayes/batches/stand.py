"""Rows that have together the sums of all tables.

Of one table they have each cell's sums (`points.py`). Of tables of single parts of the grouping
columns and of each two, C and D: all rows of a cell of C count 1 there, and take no part in levels
of others; of a cell of C and D they have the numbers that vary over these, and others are constant.
Both have what the other has, too, in the sums over C alone, so that rows with the opposite number
take it out again: with w_CD = 1 for the products that a cell of C and D has, w_C = 1 - sum of w_CD
over D, and w = 1 - sum of w_C - sum of w_CD. That makes each product of two columns the one of all
rows. Levels in which a row takes no part are those of a row of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes.batches.cells import Cells
from mixedbayes.batches.margins import Margin
from mixedbayes.batches.points import points
from mixedbayes.batches.second import SecondPass, Sums
from mixedbayes.numerics.double import Double, Floats, Ints


@dataclass(frozen=True, eq=False)
class Stand:
    """Rows that stand for others.

    Attributes
    ----------
    first
        (n,) the number of all their levels.
    counts
        (n,) by which they count in products of columns; negative ones where there are parts.
    columns
        (n, d)
    active
        (n, parts) in which parts of the grouping columns they take part; None: in all.
    single
        (n,) of which part's own cells they are, -1 of none; None where there are no parts.
    """

    first: Ints
    counts: Floats
    columns: Floats
    active: NDArray[np.bool_] | None = None
    single: Ints | None = None

    @property
    def n(self) -> int:
        return len(self.first)


def counted(second: SecondPass, sums: Sums) -> Stand:
    """Rows with the number, means and products of all rows."""
    return _stand(second, sums, weighted=False)


def weighing(second: SecondPass, sums: Sums) -> Stand:
    """The same of rows that are multiplied by their weights."""
    return _stand(second, sums, weighted=True)


def joined(a: Stand, b: Stand) -> Stand:
    """Both, one below the other."""
    active = single = None
    if a.active is not None and b.active is not None:
        active = np.concatenate([a.active, b.active])
    if a.single is not None and b.single is not None:
        single = np.concatenate([a.single, b.single])
    first, counts = np.concatenate([a.first, b.first]), np.concatenate([a.counts, b.counts])
    return Stand(first, counts, np.concatenate([a.columns, b.columns]), active, single)


def _stand(second: SecondPass, sums: Sums, *, weighted: bool) -> Stand:
    names = sums.names
    pivots = np.array([second.pivots.get(name, 0.0) for name in names])
    if len(second.margins) == 1:
        (cells,) = sums.tables
        return Stand(*_points(cells, pivots, np.arange(len(names)), weighted=weighted))
    single = [(m, c) for m, c in zip(second.margins, sums.tables, strict=True) if m.numbers is None]
    K = len(single)
    found: list[tuple[tuple[Ints, Floats, Floats], float, tuple[int, ...], int]] = []
    every = np.arange(len(names))

    def add(cells: Cells, numbers: Ints, times: float, parts: tuple[int, ...], own: int) -> None:
        """Rows of cells, of which some columns are known."""
        if times:
            there = _points(cells, pivots, numbers, weighted=weighted)
            found.append((there, times, parts, own))

    pairs = [
        (m, c) for m, c in zip(second.margins, sums.tables, strict=True) if m.numbers is not None
    ]
    known = {m.parts: _places(m, names) for m, _ in pairs}
    first, of_first = single[0]
    common = of_first.within(second.own_combinations(first))
    for (k,), cells in ((m.parts, c) for m, c in single):
        add(cells, every, 1.0, (k,), k)
        for numbers, times in _together(own for both, own in known.items() if k in both):
            add(cells.only(numbers, len(names)), numbers, -times, (k,), -1)
    for margin, cells in pairs:
        add(cells, known[margin.parts], 1.0, margin.parts, -1)
    add(common, every, 1.0 - K, (), -1)
    for numbers, times in _together(known.values()):
        add(common.only(numbers, len(names)), numbers, times, (), -1)
    sizes = [len(there[0]) for there, *_ in found]
    active = np.zeros((len(found), K), bool)
    for row, (_, _, parts, _) in zip(active, found, strict=True):
        row[list(parts)] = True
    return Stand(
        np.concatenate([there[0] for there, *_ in found]),
        np.concatenate([times * there[1] for there, times, *_ in found]),
        np.concatenate([there[2] for there, *_ in found]),
        np.repeat(active, sizes, axis=0),
        np.repeat([own for *_, own in found], sizes),
    )


def _points(
    cells: Cells, pivots: Floats, numbers: Ints, *, weighted: bool
) -> tuple[Ints, Floats, Floats]:
    """Rows of cells that have the sums of some of the columns; others are at their pivots."""
    total: Double = (cells.counts.astype(np.float64), np.zeros(len(cells.keys)))
    sums: Double = cells.all_sums
    if weighted:
        first, rest = cells.all_weighted
        total, sums = (first[:, 0], rest[:, 0]), (first[:, 1:], rest[:, 1:])
    own = points(total, sums, pivots[numbers])
    columns = np.broadcast_to(pivots, (len(own.cells), len(pivots))).copy()
    columns[:, numbers] = own.columns
    return cells.first[own.cells], own.counts, columns


def _places(margin: Margin, names: Sequence[str]) -> Ints:
    """Which columns a table has the sums of."""
    own = margin.numbers or frozenset()
    return np.array([k for k, name in enumerate(names) if name in own], np.int64)


def _together(sets: Iterable[Ints]) -> list[tuple[Ints, float]]:
    """Equal sets of columns once, with their number."""
    found: dict[tuple[int, ...], float] = {}
    for own in sets:
        key = tuple(own.tolist())
        found[key] = found.get(key, 0.0) + 1.0
    return [(np.array(key, np.int64), n) for key, n in found.items()]
