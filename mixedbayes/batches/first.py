"""The first pass: levels that occur, missing values, sums of numbers, what functions learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixedbayes.batches.columns import Levels, Scan, complete, numbers
from mixedbayes.batches.evaluate import Evaluation, columns_of
from mixedbayes.batches.reading import Reading
from mixedbayes.design.used import names_in
from mixedbayes.errors import DataError


@dataclass(eq=False)
class Seen:
    """What the first pass knows of the rows that it has seen.

    Attributes
    ----------
    total, used
        How many there were, and how many of them lack nothing.
    dropped
        Column -> rows with a missing value there.
    levels
        Of the columns that say a row's cell, and of numbers that may have two values.
    scans
        Of numbers, of expressions of them, and of what functions learn from, by the call's text; in
        rows that lack nothing.
    """

    total: int = 0
    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    levels: dict[str, Levels] = field(default_factory=dict)
    scans: dict[str, Scan] = field(default_factory=dict)


@dataclass(frozen=True)
class FirstPass:
    """Two pure functions; their results can be pickled.

    Attributes
    ----------
    read
        What is read of each row.
    most
        How many distinct values a number may have where all columns are levels.
    """

    read: Reading
    most: int

    def partial(self, batches: Iterable[Any]) -> Seen:
        """What some record batches say."""
        seen = Seen()
        for batch in batches:
            self.add(seen, batch)
        return seen

    def add(self, seen: Seen, batch: Any) -> None:
        """See one more batch."""
        read = self.read
        kept, dropped = complete(batch, read.columns)
        seen.total += batch.num_rows
        seen.used += batch.num_rows if kept is None else int(kept.sum())
        for name, n in dropped.items():
            seen.dropped[name] = seen.dropped.get(name, 0) + n
        if kept is not None and not kept.any():
            return
        for name in read.levels:
            levels = seen.levels.setdefault(name, Levels(name))
            levels.add(batch.column(name), kept)
            if levels.n > self.most:
                levels.settle()
                self._check(name, levels)
        columns = {name: numbers(batch.column(name), kept) for name in read.numbers}
        for name, values in columns.items():
            seen.scans.setdefault(name, Scan()).add(values)
        if looked_at := read.looked_at:
            names = {name for node in looked_at.values() for name in names_in(node)}
            rows = Evaluation(read, {}, {}).rows(batch, kept, names & set(read.numbers))
            for text, node in looked_at.items():
                own, _ = columns_of(rows.value(node), rows.table.n)
                if own.shape[1] == 1:
                    seen.scans.setdefault(text, Scan()).add(own[:, 0])
        if read.learned:
            rows = Evaluation(read, {}, {}).rows(batch, kept, read.inside)
            for text, call in read.learned.items():
                seen.scans.setdefault(text, Scan()).add(rows.array(call.arguments[0]))

    def combine(self, a: Seen, b: Seen) -> Seen:
        """What both say; neither is changed."""
        dropped = {n: a.dropped.get(n, 0) + b.dropped.get(n, 0) for n in {**a.dropped, **b.dropped}}
        found = Seen(
            a.total + b.total,
            a.used + b.used,
            dropped,
            _both(a.levels, b.levels),
            _both(a.scans, b.scans),
        )
        for name, levels in found.levels.items():
            self._check(name, levels)
        return found

    def _check(self, name: str, levels: Levels) -> None:
        if levels.n > self.most:
            what = "levels" if self.read.moments else "distinct values"
            raise DataError(
                f"{name} has more than {self.most:,} {what}: {_too_many(self.read, self.most)}"
            )


def _both[T](a: Mapping[str, T], b: Mapping[str, T]) -> dict[str, T]:
    """Those of both under their names, combined where both have one."""
    out = dict(a)
    for name, other in b.items():
        out[name] = out[name].combine(other) if name in out else other  # type: ignore[attr-defined]
    return out


def _too_many(read: Reading, most: int) -> str:
    """What to do where rows make too many cells."""
    if read.moments:
        return (
            "a fit in batches keeps sums for each cell, a combination of levels (of three and more "
            f"crossed factors of each two), and at most {most:,} of them. Raise cells= of "
            "mixedbayes.source(data, cells=...), leave levels "
            f"out, or read {', '.join(read.columns)} into a data frame"
        )
    return (
        "this family needs every distinct row with its number, and at most "
        f"{most:,} of them. Round numbers to fewer distinct values, raise cells= of "
        f"mixedbayes.source(data, cells=...), or read {', '.join(read.columns)} into a data frame"
    )


def too_many(read: Reading, most: int) -> DataError:
    """That there are too many cells, and what to do."""
    return DataError(f"the rows fall into more than {most:,} cells: {_too_many(read, most)}")
