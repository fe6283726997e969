"""One averaged comparison, in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

LEVELS, CHAINS = 2000, 4
SAMPLED = ("chain", "draw")


def data(family: str, rows: int) -> pd.DataFrame:
    """Two arms in 2,000 groups, with two covariates."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "z": rng.normal(size=rows),
            "arm": rng.choice(["a", "b"], rows),
            "g": [f"g{k}" for k in rng.permutation(np.arange(rows) % LEVELS)],
        }
    )
    eta = 0.3 * (frame["arm"] == "b") + 0.4 * frame["x"] - 0.2 * frame["z"]
    noise = rng.normal(size=rows) if family == "gaussian" else rng.logistic(size=rows)
    frame["y"] = eta + noise if family == "gaussian" else (eta + noise > 0).astype(int)
    return frame


def fitted(family: str, rows: int, draws: int) -> tuple[Any, xr.DataTree]:
    """A model of Bambi's, and draws for it of plausible size, which are made up.

    What is measured takes the same time whatever the draws are, and no sampler has to be waited
    for.
    """
    import bambi as bmb
    import pymc as pm

    model = bmb.Model(
        "y ~ arm * x + z + (1 | g)", data(family, rows), family=family, noncentered=False
    )
    model.build()
    with model.backend.model:
        names = [v.name for v in model.backend.model.free_RVs]
        some = pm.sample_prior_predictive(1, var_names=names, random_seed=1)
    rng, found = np.random.default_rng(2), {}
    for name, values in some["prior"].to_dataset().data_vars.items():
        size = (CHAINS, draws // CHAINS, *values.shape[2:])
        spread = rng.normal(size=size)
        effects = str(name) == "1|g"
        made = spread if effects else 0.3 + 0.05 * spread
        scale = "sigma" in str(name)
        found[name] = (values.dims, np.abs(made) + 0.7 if scale else made)
    coords = {name: c for name, c in some["prior"].coords.items() if name not in SAMPLED}
    coords |= {"chain": np.arange(CHAINS), "draw": np.arange(draws // CHAINS)}
    posterior = xr.Dataset(found, coords)
    observed = xr.Dataset({"y": ("__obs__", model.data["y"].to_numpy())}, {"__obs__": range(rows)})
    return model, xr.DataTree.from_dict({"posterior": posterior, "observed_data": observed})


def compare(tool: str, family: str, groups: str, rows: int, draws: int) -> dict[str, Any]:
    """Seconds of the comparison alone, and what it says."""
    model, idata = fitted(family, rows, draws)
    if tool == "bambi":
        from bambi.interpret import comparisons

        before, started = peak(), time.perf_counter()
        table = comparisons(model, idata, "arm", average_by="all", prob=0.95).summary
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "before": before, "estimate": float(table["estimate"].iloc[0])}
    import mixedbayes as mb

    fit = mb.from_bambi(model, idata)
    before, started = peak(), time.perf_counter()
    table = fit.comparisons("arm", groups=groups, progress=False)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "before": before, "estimate": float(table["mean"].iloc[0])}


def peak() -> float:
    """The largest memory of this process so far, GB."""
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """TOOL FAMILY GROUPS ROWS DRAWS OUT."""
    tool, family, groups, rows, draws, out = sys.argv[1:]
    result = compare(tool, family, groups, int(rows), int(draws))
    result = {
        "rows": int(rows),
        "draws": int(draws),
        "seconds": round(result["seconds"], 2),
        "estimate": round(result["estimate"], 5),
        "peak_gb": round(peak(), 3),
        "peak_before_gb": round(result["before"], 3),
    }
    Path(out).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
