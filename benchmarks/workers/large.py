"""One pass over Parquet files, in a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np

from benchmarks.workers.common import hand_over, peak_mb

GROUPS = 10_000
COLUMNS = ["y", "x", "g"]


@numba.njit(cache=True)
def add(sums, g, x, y):
    """Rows, and sums of x, y, x^2, xy, y^2 and x^2 y, of each group."""
    for i in range(len(g)):
        k, a, b = g[i], x[i], y[i]
        sums[k, 0] += 1.0
        sums[k, 1] += a
        sums[k, 2] += b
        sums[k, 3] += a * a
        sums[k, 4] += a * b
        sums[k, 5] += b * b
        sums[k, 6] += a * a * b


def added(batches: Iterator[Any]) -> np.ndarray:
    sums = np.zeros((GROUPS, 7))
    for batch in batches:
        y, x, g = (batch.column(name).to_numpy() for name in COLUMNS)
        add(sums, g, x, y)
    return sums


def floor(paths: list[str]) -> Callable[[], Any]:
    """Arrow's own scan."""
    import pyarrow.dataset as ds

    dataset = ds.dataset(paths)
    return lambda: added(dataset.to_batches(columns=COLUMNS))


def duckdb(paths: list[str]) -> Callable[[], Any]:
    import duckdb as library

    connection = library.connect()
    query = (
        "select g, count(*), sum(x), sum(y), sum(x * x), sum(x * y), sum(y * y), sum(x * x * y) "
        "from read_parquet(?) group by g"
    )
    return lambda: connection.execute(query, [paths]).fetchnumpy()


def ours(paths: list[str]) -> Callable[[], Any]:
    from mixedbayes import sources

    return lambda: added(sources.open(paths).batches(COLUMNS))


def fit(paths: list[str]) -> Callable[[], Any]:
    import mixedbayes as mb

    def run() -> np.ndarray:
        found = mb.fit("y ~ x + (x | g)", paths, seed=1, progress=False)
        if not found.converged:
            raise SystemExit("not converged")
        return np.array([[found.posterior.design.standing.used]])

    return run


TOOLS = {"floor": floor, "duckdb": duckdb, "pass": ours, "fit": fit}


def main() -> None:
    tool, folder, files, out = sys.argv[1:]
    paths = [str(Path(folder, f"{k:04}.parquet")) for k in range(int(files))]
    run = TOOLS[tool](paths)
    if tool != "fit":
        TOOLS[tool](paths[:1])()  # imports everything, compiles the loop, starts threads
    before = peak_mb()
    started, processor = time.perf_counter(), time.process_time()
    found = run()
    seconds, used = time.perf_counter() - started, time.process_time() - processor
    counts = found[:, 0] if isinstance(found, np.ndarray) else next(
        column for name, column in found.items() if "count" in name
    )  # fmt: skip
    result = {
        "seconds": round(seconds, 3),
        "processor_seconds": round(used, 3),
        "peak_mb": peak_mb(),
        "before_mb": before,
        "rows": int(np.sum(counts)),
    }
    hand_over(out, result)


if __name__ == "__main__":
    main()
