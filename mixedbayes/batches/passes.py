"""Both passes over a source, and the table of the rows that stand for its rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixedbayes.batches.first import FirstPass, Seen
from mixedbayes.batches.learning import learned
from mixedbayes.batches.margins import parts
from mixedbayes.batches.reading import Reading, reading
from mixedbayes.batches.second import SecondPass, Sums
from mixedbayes.batches.stand import Stand, counted, joined, weighing
from mixedbayes.design.complete import check_action
from mixedbayes.design.standing import Again, Apart, Standing
from mixedbayes.design.table import Table
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError, listed
from mixedbayes.formula import Formula
from mixedbayes.numerics.double import Floats, Ints
from mixedbayes.progress import display
from mixedbayes.sources.base import SIZE
from mixedbayes.sources.reduce import reduce

CELLS = 2_000_000  # distinct rows, or combinations of levels, that are kept
THREADS = 2
_SAME, _ROUNDING = 1e-6, 1e-12  # of an sd and of a mean, by which two passes may differ


def collapse(
    formula: Formula,
    source: Any,
    *,
    functions: Mapping[str, Any],
    own: Mapping[str, Any],
    sums: bool,
    cells: int = CELLS,
    size: int | None = None,
    on: Any = None,
    progress: bool = False,
    missing: str = "drop",
) -> Table:
    """Make rows that stand for the rows of a source, which is read twice, and more often where
    functions of the formula learn of it (`learning`).

    Parameters
    ----------
    formula
        Of the model.
    source
        A `mixedbayes.sources.Source`.
    functions, own
        That the formula may call, and the user's own among them.
    sums
        Whether sums of rows are enough, as with a normal response; else rows that are equal become
        one with their number.
    cells
        How many cells, combinations of levels or distinct rows, there may be.
    size
        Rows of a batch; the source's own by default.
    on
        Where; None: in threads of this process.
    progress
        Whether to show how many rows have been read.
    missing
        "error" refuses rows with missing values, "drop" leaves them out.

    Raises
    ------
    ModelError
        Of a formula that needs all rows at once.
    DataError
        If there are too many cells, or no complete row, and whatever the source says.
    """
    check_action(missing)
    there = [name for name in used_columns(formula).columns if name in source.names]
    if not there:
        raise DataError(
            f"the formula {formula.text} reads no column of {source.describe()}; "
            f"there are {listed(source.names, 40)}"
        )
    schema = source.typed(there)
    read = reading(formula, schema, functions, own, sums=sums)
    first = FirstPass(read, cells)
    rows = SIZE if size is None else size
    seen = run(source, read, first, rows, on, progress, "Reading levels")
    dropped = {name: seen.dropped[name] for name in read.columns if name in seen.dropped}
    seen = replace(seen, dropped=dropped)  # in the formula's order, not that of the batches
    check_seen(seen, source, missing)
    again = partial(run, source, read, size=rows, on=on, progress=progress, title="Learning")
    second = SecondPass.of(read, seen, schema, cells, learned(read, seen, again))
    found = run(source, second.read, second, rows, on, progress, "Adding up rows")
    check_same(second, seen, found, source.describe())
    made = finished(second, seen, found, source.describe())
    assert made.standing is not None
    standing = replace(made.standing, again=Again(source, size))
    return replace(made, names=source.names, standing=standing)


class Pass[S](Protocol):
    """What a pass makes of batches."""

    def partial(self, batches: Iterable[Any]) -> S: ...

    def combine(self, a: S, b: S) -> S: ...


def run[S](
    source: Any,
    read: Reading,
    of: Pass[S],
    size: int,
    on: Any,
    progress: bool,
    title: str,
) -> S:
    """One pass, in threads that take batches in turn unless it runs elsewhere."""
    on = source.on if on is None else on
    if on is not None:
        return reduce(source, read.columns, of.partial, of.combine, on=on, size=size)
    lock, stop, done = threading.Lock(), threading.Event(), [0]

    def own() -> Iterator[Any]:
        while not stop.is_set():
            with lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
            done[0] += batch.num_rows

    with (
        display(title, source.rows, "rows", wanted=progress) as shown,
        closing(source.batches(read.columns, size)) as batches,  # what reads ahead ends with it
        ThreadPoolExecutor(THREADS) as pool,
    ):
        futures = [pool.submit(of.partial, own()) for _ in range(THREADS)]
        try:
            while not wait(futures, 0.1, FIRST_EXCEPTION).done.issuperset(futures):
                shown.update(done[0])
                if any(f.done() and f.exception() for f in futures):
                    break
        finally:
            stop.set()  # after an error or Ctrl-C other threads end with their batch
        found = [future.result() for future in futures]
        shown.finish(done[0])
    out = found[0]
    for other in found[1:]:
        out = of.combine(out, other)
    return out


def check_seen(seen: Seen, source: Any, missing: str) -> None:
    """There are complete rows, or DataError."""
    if not seen.dropped and seen.used:
        return
    places = ", ".join(f"{name} in {n:,}" for name, n in seen.dropped.items())
    if not seen.used:
        raise DataError(
            f"none of the {seen.total:,} rows of {source.describe()} is complete: missing values "
            f"of {places}; leave such a column out of the formula, or fill it"
        )
    if missing == "error":
        raise DataError(
            f"{seen.total - seen.used:,} of the {seen.total:,} rows of {source.describe()} have "
            f'missing values: {places}; missing="drop" leaves these rows out'
        )


def check_same(second: SecondPass, seen: Seen, sums: Sums, source: str) -> None:
    """Both passes have read the same numbers, by their means and sds, or DataError."""
    if not second.read.moments:
        return
    of_all = (c for m, c in zip(second.margins, sums.tables, strict=True) if m.numbers is None)
    cells, d = next(of_all), len(sums.names)
    total = cells.sums.sum(axis=0) + cells.rests.sum(axis=0)  # of what is left of the means
    for name in second.read.numbers:
        k, scan = sums.names.index(name), seen.scans[name]
        before, sd = scan.mean(seen.used), scan.sd(seen.used)
        now = before + total[k] / seen.used
        squares = total[d + k * (k + 3) // 2] - total[k] ** 2 / seen.used
        of_now = float(np.sqrt(max(squares, 0.0) / max(seen.used - 1, 1)))
        rounding = _SAME * max(sd, of_now) + _ROUNDING * abs(before)
        if abs(now - before) > rounding or abs(of_now - sd) > rounding:
            raise DataError(
                f"{source} changed while it was read: {name} had the mean {before:.6g} and sd "
                f"{sd:.6g} in the first pass, and {now:.6g} and {of_now:.6g} in the second. Every "
                "pass has to see the same rows: write them to a Parquet file, or a table that "
                "nobody changes, and fit that"
            )


# ---- the table -----------------------------------------------------------------------------------


def finished(second: SecondPass, seen: Seen, sums: Sums, source: str) -> Table:
    """The rows that stand for those that both passes read."""
    read = second.read
    if not read.moments:
        (cells,) = sums.tables
        codes = second.codes(cells.keys)
        columns = {name: _taken(second.series[name], own) for name, own in codes.items()}
        standing = _standing(
            seen, source, cells.counts.astype(float), None, (0.0, seen.used), moments=False
        )
        return _table(read, columns, replace(standing, states=second.states))
    stand, logs = counted(second, sums), (0.0, float(seen.used))
    counts, weights = stand.counts, None
    if read.weights:
        of_weights = weighing(second, sums)
        counts = np.concatenate([stand.counts, np.zeros(of_weights.n)])
        weights = np.concatenate([np.zeros(stand.n), of_weights.counts])
        logs = sum(sums.log_weights), sum(sums.inverse_weights)
        stand = joined(stand, of_weights)
    codes = second.codes(stand.first)
    columns = {name: _taken(second.series[name], own) for name, own in codes.items()}
    values: dict[str, Floats] = {}
    for name in dict.fromkeys(sums.names):
        own_columns = [k for k, other in enumerate(sums.names) if other == name]
        values[name] = stand.columns[:, own_columns]
    for name in read.numbers:
        columns[name] = pd.Series(values.pop(name)[:, 0])
    for name in read.columns:
        if name not in columns:  # of weights alone
            columns[name] = pd.Series(_mean_weights(sums, stand))
    apart = None
    if stand.active is not None and stand.single is not None:
        of = {name: k for k, part in enumerate(parts(read)) for name in part}
        apart = Apart(of, stand.active, stand.single, counts)
        weights = counts if weights is None else weights
        counts = apart.rows_of(0)
    standing = replace(
        _standing(seen, source, counts, weights, logs, moments=True),
        computed=values,
        fields=sums.fields,
        numbers=frozenset(read.numbers),
        states=second.states,
        apart=apart,
    )
    return _table(read, columns, standing)


def _mean_weights(sums: Sums, stand: Stand) -> Floats:
    """(n,) the mean weight of a cell, or of all rows where these are in several tables."""
    cells = sums.tables[0]
    if stand.active is not None:
        return np.full(stand.n, cells.weighted[:, 0].sum() / cells.counts.sum())
    mean = cells.weighted[:, 0] / cells.counts
    return np.asarray(mean[np.searchsorted(cells.first, stand.first)])


def _standing(
    seen: Seen,
    source: str,
    counts: Floats,
    weights: Floats | None,
    logs: tuple[float, float],
    *,
    moments: bool,
) -> Standing:
    ranges = {name: (scan.low, scan.high) for name, scan in seen.scans.items()}
    log_weights, inverse_weights = logs
    return Standing(
        counts, weights, log_weights, inverse_weights, seen.total, seen.used, dict(seen.dropped),
        moments, source, ranges=ranges,
    )  # fmt: skip


def _table(read: Reading, columns: dict[str, pd.Series], standing: Standing) -> Table:
    ordered = {name: columns[name] for name in read.columns}
    n = len(standing.counts)
    return Table(ordered, pd.RangeIndex(n), read.columns, standing=standing)


def _taken(column: pd.Series, codes: Ints) -> pd.Series:
    return column.iloc[codes].reset_index(drop=True)
