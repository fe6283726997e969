"""Averaged comparisons: seconds and memory of ours and of bambi's, on the same fit.

    python -m benchmarks.estimands --rows 10000 --draws 1000
    python -m benchmarks.estimands
    python -m benchmarks.estimands ours/bernoulli/average --again

The effect of an arm, averaged over the observed rows, in a gaussian and a logistic model of
y ~ arm * x + z + (1 | g) with 2,000 groups; 100,000 rows x 4,000 draws unless told otherwise.
groups="auto" keeps the groups of the rows, which is what bambi.interpret's comparisons(...,
average_by="all") does, though its interval is the average of the rows' intervals; "typical" is
without group effects, and "average" is over the population of groups, for which bambi has no word.
The draws are made up, of plausible size, in the form of bambi's, and ours are the same by
`from_bambi`. Every measurement is a fresh process; seconds are those of the comparison, the first
of its process; peak_gb is the largest memory of the whole process, and peak_before_gb what it was
before the comparison, with bambi and PyMC loaded. bambi holds all draws of all rows: sizes that the
machine's memory would not hold are left out, and said to be. Results are kept in
results/estimands.json.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from typing import Any

from benchmarks.machine import RESULTS, describe
from benchmarks.run import worker

FILE = RESULTS / "estimands.json"
FAMILIES, GROUPS = ("gaussian", "bernoulli"), ("auto", "typical", "average")
COPIES = 13  # of two versions of all rows x draws: what bambi takes, measured


def cases() -> Iterator[str]:
    """Names of all measurements: tool, family, groups."""
    for family in FAMILIES:
        for groups in GROUPS:
            yield f"ours/{family}/{groups}"
        yield f"bambi/{family}/auto"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimands", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="or the beginning of names")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--draws", type=int, default=4_000, help="of all four chains")
    parser.add_argument("--again", action="store_true", help="also what was measured")
    parser.add_argument("--limit", type=float, default=590.0, help="seconds for one measurement")
    given = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in cases():
        key = f"{name}/{given.rows}x{given.draws}"
        chosen = not given.cases or any(name.startswith(c) for c in given.cases)
        done = key in kept and "failed" not in kept[key]
        if not chosen or (done and not given.again):
            continue
        machine = describe()
        result = _measure(name, given.rows, given.draws, given.limit)
        print(f"{key:40s} {result}", flush=True)
        kept[key] = result | {"machine": machine}
        FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _measure(name: str, rows: int, draws: int, limit: float) -> dict[str, Any]:
    tool, family, groups = name.split("/")
    need = COPIES * 2 * 8 * rows * draws
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if tool == "bambi" and need > has:
        return {
            "failed": f"left out: bambi would take about {need / 1e9:.0f} GB, more than the "
            f"machine's {has / 1e9:.0f} GB"
        }
    found = worker("estimands", [tool, family, groups, str(rows), str(draws), "OUT"], limit)
    return found | {"load_at_end": round(os.getloadavg()[0], 2)}


if __name__ == "__main__":
    main()
