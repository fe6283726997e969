"""mixedbayes on counts, shares or outcomes: python -m benchmarks.workers.glmm CASE OUT FITS SEED.

In a fresh process, by the joint sampler, with its defaults. FITS is 1: there is no second fit.
"""

from __future__ import annotations

import sys
import time
from typing import Any

BEGIN = time.perf_counter()

import mixedbayes as mb  # noqa: E402
import mixedbayes.api.model  # noqa: E402
import mixedbayes.engines.joint  # noqa: E402

IMPORT_ALL = time.perf_counter() - BEGIN

from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.effective import quality  # noqa: E402
from benchmarks.workers.common import CHAINS, DRAWS, hand_over, peak_mb  # noqa: E402


def main(name: str, out: str, fits: str, seed: str) -> None:
    """Fit the case once and hand over seconds, effective sample sizes and health."""
    if fits != "1":
        raise SystemExit(f"one fit of {name} can be measured, not {fits}")
    case = CASES[name]
    data = case.make()
    result = {"import_all": IMPORT_ALL, "rows": len(data), "peak_mb_before": peak_mb()}
    hand_over(out, result | {"fit": _fit(case, data, int(seed))})


def _fit(case: Case, data: Any, seed: int) -> dict[str, Any]:
    begin = time.perf_counter()
    model = mb.Model(case.formulas, data, family=case.family, priors=dict(case.priors))
    built = time.perf_counter()
    fit = model.fit(
        seed=seed, progress=False, **{"draws": DRAWS, "chains": CHAINS, **case.settings}
    )
    end = time.perf_counter()
    peak, posterior = peak_mb(), fit.idata["posterior"].to_dataset()
    effects = [str(n) for n in posterior.data_vars if str(n).startswith(("ranef_", "u_ranef_"))]
    seconds = {"model": built - begin, "total": end - begin}
    return {"seconds": seconds, "peak_mb": peak} | quality(
        posterior, fit.idata["sample_stats"].to_dataset(), effects, seconds["total"]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
