"""Large predictions: seconds and memory of a million rows x 4,000 draws, and bambi where it can.

    python -m benchmarks.prediction
    python -m benchmarks.prediction gaussian/auto/response poisson/new/mean --again
    python -m benchmarks.prediction bambi

The fit has 1,000 groups of 10 rows, slopes by group, 4 chains of 1000 draws; it is made once and
kept. The new rows are spread evenly over 1,100 groups, of which 100 are new. Every measurement is a
fresh process that loads the fit, makes the rows and predicts them; seconds are those of `predict`,
memory is the largest of the whole process. bambi keeps all draws of all rows, so that it is asked
for 20,000 rows, and we beside it. A case that was measured is not measured again unless asked.
Results are kept in results/prediction.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, ROOT, describe

FILE = RESULTS / "prediction.json"
ROWS, SMALL = 1_000_000, 20_000
FAMILIES, GROUPS, KINDS = (
    ("gaussian", "poisson"),
    ("auto", "typical", "average", "new"),
    ("mean", "response"),
)


def cases() -> Iterator[str]:
    """Names of all measurements: tool or family, groups, kind, and rows where they are few."""
    for family in FAMILIES:
        for groups in GROUPS:
            for kind in KINDS:
                yield f"{family}/{groups}/{kind}"
    yield f"gaussian/auto/response/{SMALL}"
    yield f"bambi/auto/response/{SMALL}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="or the beginning of names")
    parser.add_argument("--again", action="store_true", help="also what was measured")
    parser.add_argument("--limit", type=float, default=590.0, help="seconds for one measurement")
    given = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in cases():
        chosen = not given.cases or any(name.startswith(c) for c in given.cases)
        done = name in kept and "failed" not in kept[name]
        if not chosen or (done and not given.again):
            continue
        machine = describe()
        result = _measure(name, given.limit)
        print(f"{name:32s} {result}", flush=True)
        kept[name] = result | {"machine": machine}
        FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _measure(name: str, limit: float) -> dict[str, Any]:
    """One prediction in a fresh process; the fit is made before, in another."""
    tool, groups, kind, *few = name.split("/")
    rows = int(few[0]) if few else ROWS
    cache = Path(tempfile.gettempdir(), "mixedbayes-benchmarks")
    prepare = ["fit", tool, str(cache)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        predict = ["predict", tool, str(cache), groups, kind, str(rows), str(out)]
        for arguments in (prepare, predict):
            command = [sys.executable, "-m", "benchmarks.workers.prediction", *arguments]
            try:
                run = subprocess.run(
                    command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
                )
            except subprocess.TimeoutExpired:
                return {"failed": f"{arguments[0]} took more than {limit:.0f} s"}
            if run.returncode:
                return {"failed": (run.stderr.strip().splitlines() or ["no message"])[-1][:300]}
        load = round(os.getloadavg()[0], 2)
        return dict(json.loads(out.read_text(encoding="utf-8"))) | {"load_at_end": load}


if __name__ == "__main__":
    main()
