"""One fit, or one prediction from it, in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LEVELS, EACH, UNSEEN = 1000, 10, 100


def data(family: str) -> pd.DataFrame:
    """Groups with their own start and slope; in milliseconds and days, or counts."""
    rng = np.random.default_rng(1)
    g, days = np.repeat(np.arange(LEVELS), EACH), np.tile(np.arange(float(EACH)), LEVELS)
    b = rng.normal(size=(LEVELS, 2))[g]
    if family == "poisson":
        y = rng.poisson(np.exp(1 + 0.5 * b[:, 0] + (0.03 + 0.03 * b[:, 1]) * days))
    else:
        y = 250 + 25 * b[:, 0] + (10 + 6 * b[:, 1]) * days + 25 * rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "days": days, "g": [f"s{k}" for k in g]})


def new_rows(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    names = np.array([f"s{k}" for k in range(LEVELS + UNSEEN)])
    return pd.DataFrame(
        {
            "days": rng.integers(0, EACH, count).astype(float),
            "g": names[rng.integers(0, len(names), count)],
        }
    )


def ours(family: str, cache: str) -> Any:
    import mixedbayes as mb

    return mb.fit(
        "y ~ days + (days | g)", data(family), family=family, seed=1, progress=False, cache=cache
    )


def bambi(cache: str) -> tuple[Any, Any]:
    import arviz as az
    import bambi as bmb

    model = bmb.Model("y ~ days + (days | g)", data("gaussian"))
    model.build()
    file = Path(cache, "bambi.nc")
    if not file.exists():
        draws = model.fit(inference_method="nutpie", random_seed=1, progressbar=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        draws.to_netcdf(file)
    return model, az.from_netcdf(file)


def predict(tool: str, cache: str, groups: str, kind: str, rows: int) -> float:
    """Seconds of the prediction alone."""
    new = new_rows(rows)
    if tool == "bambi":
        model, draws = bambi(cache)
        started = time.perf_counter()
        model.predict(draws, kind="response", data=new, sample_new_groups=True)
    else:
        fit = ours(tool, cache)
        started = time.perf_counter()
        table = fit.predict(new, groups=groups, kind=kind)
        assert len(table) == rows
    return time.perf_counter() - started


def main() -> None:
    """fit TOOL CACHE, or predict TOOL CACHE GROUPS KIND ROWS OUT."""
    what, tool, cache, *rest = sys.argv[1:]
    if what == "fit":
        bambi(cache) if tool == "bambi" else ours(tool, cache)
        return
    groups, kind, rows, out = rest
    seconds = predict(tool, cache, groups, kind, int(rows))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "rows": int(rows),
        "draws": 4000,
        "seconds": round(seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6), 3),
    }
    Path(out).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
