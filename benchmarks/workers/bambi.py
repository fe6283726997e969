"""bambi on one case: python -m benchmarks.workers.bambi CASE OUT FITS SEED [METHOD].

In a fresh process, with its defaults: 1000 draws of tuning, non-centred effects; by nutpie, or by
PyMC's own NUTS where METHOD is "pymc".
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

BEGIN = time.perf_counter()

import arviz  # noqa: F401, E402
import bambi as bmb  # noqa: E402
import numpy as np  # noqa: E402
import nutpie  # noqa: F401, E402

IMPORT_ALL = time.perf_counter() - BEGIN

from benchmarks.cases import CASES, Case, other_data  # noqa: E402
from benchmarks.effective import quality  # noqa: E402
from benchmarks.workers.common import CHAINS, DRAWS, hand_over, peak_mb  # noqa: E402


def main(name: str, out: str, fits: str, seed: str, method: str = "nutpie") -> None:
    """Fit the case, then other data, in the same process, `fits` times in all."""
    case = CASES[name]
    data = case.make()
    result: dict[str, Any] = {
        "import_all": IMPORT_ALL,
        "rows": len(data),
        "peak_mb_before": peak_mb(),
    }
    for k in range(int(fits)):
        if k == 1:
            data = other_data(case, data)
        result["fit" if k == 0 else "second_fit"] = _fit(case, data, int(seed), method)
    hand_over(out, result)


def _fit(case: Case, data: Any, seed: int, method: str) -> dict[str, Any]:
    begin = time.perf_counter()
    formula = bmb.Formula(*case.formula_of("bambi").split("; "))
    priors = dict(case.bambi_priors(bmb)) or None
    family = {"negative_binomial": "negativebinomial"}.get(case.family, case.family)
    model = bmb.Model(formula, data, family=family, priors=priors, extra_namespace={"np": np})
    idata = model.fit(
        draws=DRAWS,
        chains=CHAINS,
        cores=min(CHAINS, os.cpu_count() or 1),
        random_seed=seed,
        inference_method=method,
        progressbar=False,
    )
    total = time.perf_counter() - begin
    peak, posterior = peak_mb(), idata["posterior"].to_dataset()
    stats = idata["sample_stats"].to_dataset()
    names = [str(n) for n in posterior.data_vars]
    effects = [n for n in names if "|" in n and not n.endswith("_sigma")]
    return {"seconds": {"total": total}, "peak_mb": peak} | quality(
        posterior, stats, effects, total
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
