"""Counts, shares and binary responses: ours and bambi with nutpie in the same run.

    python -m benchmarks.glmm
    python -m benchmarks.glmm cbpp grouseticks --repeat 3

Defaults of both, 4 chains of 1000 draws, every measurement a fresh process in which everything is
imported and nothing fitted: compiling is in the time, importing is not. The tools take turns.
Results are kept in results/glmm.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, ROOT, describe

FILE = RESULTS / "glmm.json"


@dataclass(frozen=True)
class Glmm:
    """A model as each tool writes it, on a shipped data set."""

    data: str
    family: str
    ours: str
    bambi: str


CASES: Mapping[str, Glmm] = {
    "cbpp": Glmm(
        "cbpp",
        "binomial",
        "incidence | trials(size) ~ period + (1 | herd)",
        "p(incidence, size) ~ period + (1 | herd)",
    ),
    "grouseticks": Glmm(
        "grouseticks",
        "poisson",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
    ),
    "verbagg": Glmm(
        "verbagg",
        "bernoulli",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        "r2['Y'] ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
    ),
}
TOOLS = ("ours", "bambi")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.glmm", description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE")
    parser.add_argument("--repeat", type=int, default=1, help="measurements of each tool")
    parser.add_argument("--limit", type=float, default=1500.0, help="seconds for one measurement")
    given = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in given.cases:
        case = CASES[name]
        found: dict[str, Any] = {"formula": case.ours, "family": case.family, "measured": {}}
        for seed in range(1, given.repeat + 1):
            for tool in TOOLS:
                load = round(os.getloadavg()[0], 2)
                result = _measure(tool, name, seed, given.limit) | {"load": load}
                found["measured"].setdefault(tool, []).append(result)
                print(f"{name:12s} {tool:6s} {result}", flush=True)
        kept[name] = found | {"machine": describe()}
        FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _measure(tool: str, name: str, seed: int, limit: float) -> dict[str, Any]:
    """One fit in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out.json"))
        command = [sys.executable, "-m", "benchmarks.workers.glmm", tool, name, out, str(seed)]
        try:
            run = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"took more than {limit:.0f} s"}
        if run.returncode:
            return {"failed": (run.stderr.strip().splitlines() or ["no message"])[-1][:300]}
        return dict(json.loads(Path(out).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
