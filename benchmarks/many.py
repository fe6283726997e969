"""Many fits: a model of each of a thousand regions, and of a thousand simulated studies.

    python -m benchmarks.many [--regions 1000] [--studies 1000] [--workers 2]

Beside a loop of bambi and, where R has it, of lme4 over some of the regions. Kept in
`results/many.json`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import pandas as pd

import mixedbayes as mb
from benchmarks.machine import RESULTS, describe

ROWS, GROUPS = 500, 25  # of a region
SOME = 5  # regions of bambi's loop
_LME4 = """
library(lme4)
d <- read.csv(commandArgs(TRUE)[1])
each <- split(d, d$region)
start <- proc.time()[3]
for (own in each) lmer(y ~ x + (x | g), own)
cat(proc.time()[3] - start)
"""


def _processor() -> float:
    """Seconds of processors so far, of this process and of workers that ended."""
    every = (getrusage(of) for of in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in every)


def regions(n: int, seed: int = 1) -> pd.DataFrame:
    """A region's slopes and groups are its own."""
    rng = np.random.default_rng(seed)
    size = n * ROWS
    region = np.repeat(np.arange(n), ROWS)
    g = np.tile(np.arange(ROWS) % GROUPS, n)
    at = region * GROUPS + g
    x = rng.normal(size=size)
    effects = rng.normal(size=(n * GROUPS, 2)) * [1.0, 0.3]
    y = 2 + effects[at, 0] + (0.5 + effects[at, 1]) * x + rng.normal(size=size)
    return pd.DataFrame({"region": region, "g": g, "x": x, "y": y})


def ours(data: pd.DataFrame, workers: int) -> dict[str, Any]:
    start, before = time.perf_counter(), _processor()
    fits = mb.fit_many(
        "y ~ x + (x | g)", data, by="region", seed=1, workers=workers, keep=False, progress=False
    )
    seconds = time.perf_counter() - start
    units = fits.units()
    return {
        "fits": len(fits),
        "seconds": seconds,
        "processor": _processor() - before,
        "converged": int(units["converged"].sum()),
        "lowest_ess": float(np.minimum(units["ess_bulk"], units["ess_tail"]).median()),
    }


def bambis(data: pd.DataFrame, some: int) -> dict[str, Any]:
    """bambi with nutpie, one region after the other; `(x || g)`, as it has no correlations."""
    import bambi as bmb

    start = time.perf_counter()
    for region in range(some):
        own = data[data["region"] == region]
        model = bmb.Model("y ~ x + (x | g)", own)
        model.fit(inference_method="nutpie", progressbar=False, random_seed=1)
    return {"fits": some, "seconds": time.perf_counter() - start}


def lme4(data: pd.DataFrame) -> dict[str, Any] | None:
    """lme4's point estimates of all regions, one after the other; None without R."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file, script = Path(folder, "d.csv"), Path(folder, "loop.R")
        data.to_csv(file, index=False)
        script.write_text(_LME4, encoding="utf-8")
        done = subprocess.run(["Rscript", script, file], capture_output=True, text=True)
    if done.returncode:
        return None
    return {"fits": int(data["region"].nunique()), "seconds": float(done.stdout)}


def studies(n: int, workers: int) -> dict[str, Any]:
    """Power of the sleep study's design, at draws of its posterior."""
    pilot = mb.fit(
        "Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"), seed=1, progress=False
    )
    start, before = time.perf_counter(), _processor()
    found = mb.study(fit=pilot).power(
        "Days > 0", simulations=n, seed=1, workers=workers, progress=False
    )
    row = found.table.iloc[0]
    return {
        "fits": n,
        "seconds": time.perf_counter() - start,
        "processor": _processor() - before,
        "coverage": float(row["coverage"]),
        "not_converged": int(row["not_converged"]),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    parser.add_argument("--regions", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    data = regions(given.regions)
    found = {
        "mixedbayes": ours(data, given.workers),
        "bambi": bambis(data, min(SOME, given.regions)),
        "lme4": lme4(data),
        "studies": studies(given.studies, given.workers),
        "machine": describe(),
    }
    (RESULTS / "many.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, own in found.items():
        if own and name != "machine":
            each = own["seconds"] / own["fits"]
            cpu = f"  {own['processor']:8.1f} s of processors" if "processor" in own else ""
            print(
                f"{name:12} {own['fits']:5} fits  {own['seconds']:8.1f} s  {each:7.3f} s each{cpu}"
            )


if __name__ == "__main__":
    main()
