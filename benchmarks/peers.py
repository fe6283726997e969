"""The tools that are measured beside ours, where they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

import mixedbayes as mb
from benchmarks.cases import Case
from benchmarks.machine import run_within

_WORKERS = Path(__file__).resolve().parent / "workers"


@cache
def has_tool(tool: str) -> bool:
    """Whether bambi, or R with the package of this name, is installed."""
    if tool.startswith("bambi"):
        return find_spec("bambi") is not None
    if shutil.which("Rscript") is None:
        return False
    test = f'quit(status = !requireNamespace("{tool}", quietly = TRUE))'
    return subprocess.run(["Rscript", "-e", test], capture_output=True, check=False).returncode == 0


def run_r(tool: str, case: Case, limit: float, seed: int) -> dict[str, Any]:
    """Fit a case in R, in a fresh process."""
    data = case.make()
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder, "data.csv"), Path(folder, "out.json")
        data.to_csv(table, index=False)
        factors, end = ",".join(_factors(case, data)), [str(out), str(seed)]
        if case.script is None:
            script, own = "peers.R", [case.formula_of(tool), case.family]
        else:
            script, own = case.script[0], [case.script[1]]
            end.append(str(case.iterations))
        command = ["Rscript", str(_WORKERS / script), tool, str(table), *own, factors, *end]
        run = run_within(command, limit)
        if run is None:
            return {"failed": f"took more than {limit:.0f} s"}
        if run.returncode:
            reason = (run.stderr.strip().splitlines() or ["no message"])[-1][:300]
            return {"failed": f"error: {reason}"}
        result = dict(json.loads(out.read_text(encoding="utf-8")))
    fit = result["fit"]
    if "ess" in fit:
        lowest = min(fit["ess"]["bulk"], fit["ess"]["tail"])
        fit["ess_per_second"] = lowest / fit["seconds"]["total"]
    return result


def _factors(case: Case, data: pd.DataFrame) -> list[str]:
    """Columns that are labels: grouping factors and whatever is not a number."""
    more = dict(case.arguments())
    groups = mb.Model(case.formula, data, family=case.family, **more).design.mu.groups
    names = {f for g in groups for f in g.factors}
    labels = {c for c in data.columns if not pd.api.types.is_numeric_dtype(data[c])}
    return sorted(names | labels)
