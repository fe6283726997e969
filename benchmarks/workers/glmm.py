"""One fit of a generalised model: python -m benchmarks.workers.glmm TOOL CASE OUT SEED."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
import xarray as xr

import mixedbayes as mb
from benchmarks.effective import lowest
from benchmarks.glmm import CASES, Glmm
from benchmarks.workers.common import CHAINS, DRAWS, hand_over, peak_mb


def main(tool: str, name: str, out: str, seed: str) -> None:
    """Fit the case and hand over seconds, effective sample sizes and health."""
    case = CASES[name]
    data = mb.load_data(case.data)
    fit = {"ours": _ours, "bambi": _bambi}[tool]
    seconds, tree = fit(case, data, int(seed))
    posterior = tree["posterior"].to_dataset()
    stats = tree["sample_stats"].to_dataset()
    ess = lowest(posterior, [str(n) for n in posterior.data_vars])
    hand_over(
        out,
        {
            "seconds": round(seconds, 2),
            "ess": ess,
            "ess_per_second": round(min(ess["bulk"], ess["tail"]) / seconds, 2),
            "divergences": int(stats["diverging"].sum()),
            "steps_per_draw": round(float(stats["n_steps"].mean()), 1),
            "largest_rhat": round(_rhat(posterior), 4),
            "peak_mb": peak_mb(),
        },
    )


def _ours(case: Glmm, data: Any, seed: int) -> tuple[float, Any]:
    import mixedbayes.api.fit
    import mixedbayes.sample.joint  # noqa: F401

    begin = time.perf_counter()
    fit = mb.fit(case.ours, data, family=case.family, seed=seed, progress=False)
    return time.perf_counter() - begin, fit.idata


def _bambi(case: Glmm, data: Any, seed: int) -> tuple[float, Any]:
    import bambi
    import nutpie  # noqa: F401

    begin = time.perf_counter()
    model = bambi.Model(case.bambi, data, family=case.family)
    tree = model.fit(
        draws=DRAWS,
        chains=CHAINS,
        cores=min(CHAINS, os.cpu_count() or 1),
        random_seed=seed,
        inference_method="nutpie",
        progressbar=False,
    )
    return time.perf_counter() - begin, tree


def _rhat(posterior: xr.Dataset) -> float:
    import arviz_stats as azs

    values = azs.rhat(posterior).data_vars.values()
    return float(np.nanmax([np.nanmax(v.to_numpy()) for v in values]))


if __name__ == "__main__":
    main(*sys.argv[1:])
