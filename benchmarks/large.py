"""Parquet files of up to 100 million rows: a fit, and what reading them costs at least.

    python -m benchmarks.large --folder /tmp/large
    python -m benchmarks.large --folder /tmp/large --millions 2 --tools floor duckdb

Files of a million rows x 8 columns are written once, a file at a time, into the folder; n million
rows are the first n files. y, x and g (10,000 groups) are used. Every measurement is a fresh
process:

* **floor**: one scan by Arrow, with a compiled loop that adds seven sums for each group;
* **duckdb**: the same sums by GROUP BY;
* **pass**: the same loop over the batches of `mixedbayes.sources`;
* **fit**: all of `mb.fit("y ~ x + (x | g)", files)`, two passes and 4 x 1000 draws.

Seconds and processor seconds of a pass are those of the second one in its process, the first being
over one file; those of the fit are of the first, after imports. Memory is the largest of the whole
process. Results are kept in results/large.json. Files that other commands have read are in the
system's memory as far as they fit there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import RESULTS, describe
from benchmarks.run import worker

FILE = RESULTS / "large.json"
MILLION = 1_000_000
GROUPS = 10_000
MILLIONS = (10, 30, 100)
TOOLS = ("floor", "duckdb", "pass", "fit")
_ROW_GROUP = 2**17
_BYTES = 34  # of a row in a file, about


def write(folder: Path, files: int) -> list[Path]:
    """The first files of the data, those written that are not there yet.

    Group k has an intercept and a slope of its own, and every file has rows of all groups.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{k:04}.parquet" for k in range(files)]
    absent = [path for path in paths if not path.exists()]
    free, needed = shutil.disk_usage(folder).free, len(absent) * MILLION * _BYTES
    if needed > 0.9 * free:
        raise SystemExit(
            f"{folder} has {free / 1e9:.1f} GB left, and {len(absent)} files of "
            f"{MILLION * _BYTES / 1e6:.0f} MB are to be written; give another --folder"
        )
    for path in absent:
        _write(path)
    return paths


def _write(path: Path) -> None:
    """A file appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    effects = np.random.default_rng(0).normal(size=(GROUPS, 2)) * [2.0, 0.5]
    number = int(path.stem)
    rng = np.random.default_rng([1, number])
    g = rng.integers(0, GROUPS, MILLION, dtype=np.int32)
    x = rng.normal(size=MILLION)
    y = 1e3 + effects[g, 0] + (1.5 + effects[g, 1]) * x + 3.0 * rng.normal(size=MILLION)
    table = pa.table(
        {
            "id": np.arange(MILLION, dtype=np.int64) + number * MILLION,
            "day": rng.integers(0, 365, MILLION, dtype=np.int32),
            "y": y,
            "region": pa.array(np.array(["north", "east", "south", "west"])[g % 4]),
            "x": x,
            "price": rng.integers(0, 10_000, MILLION) / 100.0,
            "g": g,
            "flag": rng.random(MILLION) < 0.3,
        }
    )
    beside = path.with_suffix(".part")
    pq.write_table(table, beside, row_group_size=_ROW_GROUP)
    beside.rename(path)


def extrapolated(kept: dict[str, Any], tool: str, millions: float) -> str:
    """A straight line through what was measured of a tool, at another number of rows."""
    own = [
        (int(name.partition("/")[2]), result)
        for name, result in kept.items()
        if name.partition("/")[0] == tool and "seconds" in result
    ]
    if len(own) < 2:
        return f"{tool}: two sizes are needed to extrapolate"
    n = [size for size, _ in own]
    fitted = {what: np.polyfit(n, [r[what] for _, r in own], 1) for what in ("seconds", "peak_mb")}
    seconds, memory = (float(np.polyval(line, millions)) for line in fitted.values())
    slope = float(fitted["seconds"][0])
    return (
        f"{tool}: {slope:.4f} s per million rows; at {millions:,.0f} million rows "
        f"{seconds:,.0f} s and {memory:,.0f} MB"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the files are written")
    parser.add_argument("--millions", type=int, nargs="+", default=MILLIONS)
    parser.add_argument("--tools", nargs="+", default=TOOLS, choices=TOOLS)
    parser.add_argument("--limit", type=float, default=590.0, help="seconds for one measurement")
    parser.add_argument("--results", type=Path, default=FILE)
    given = parser.parse_args()
    kept = json.loads(given.results.read_text("utf-8")) if given.results.exists() else {}
    for millions in given.millions:
        write(given.folder, millions)
        for tool in given.tools:
            machine = describe()
            found = worker("large", [tool, str(given.folder), str(millions), "OUT"], given.limit)
            print(f"{tool:8} {millions:5} million rows  {found}", flush=True)
            kept[f"{tool}/{millions}"] = found | {"machine": machine}
            given.results.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for tool in given.tools:
        print(extrapolated(kept, tool, 1000.0))


if __name__ == "__main__":
    main()
