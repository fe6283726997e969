"""mixedbayes on one case: python -m benchmarks.workers.ours CASE OUT FITS SEED, a fresh process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

BEGIN = time.perf_counter()

import mixedbayes as mb  # noqa: E402

IMPORT_PACKAGE = time.perf_counter() - BEGIN

import numpy as np  # noqa: E402

import mixedbayes.api.model  # noqa: E402
import mixedbayes.marginal.mode as mode_of  # noqa: E402
import mixedbayes.marginal.setup as setup_of  # noqa: E402
import mixedbayes.results.summary  # noqa: E402
import mixedbayes.sample.density as nuts_of  # noqa: E402
import mixedbayes.sample.transitions as proposals_of  # noqa: E402
from mixedbayes.marginal.density import MarginalDensity  # noqa: E402
from mixedbayes.marginal.mode import Mode  # noqa: E402
from mixedbayes.marginal.setup import Setup  # noqa: E402
from mixedbayes.numerics.threads import one_blas_thread  # noqa: E402

IMPORT_ALL = time.perf_counter() - BEGIN

from benchmarks.cases import CASES, Case, other_data  # noqa: E402
from benchmarks.effective import quality  # noqa: E402
from benchmarks.workers.common import CHAINS, DRAWS, hand_over, peak_mb  # noqa: E402


class Stages:
    """Seconds of each stage of a fit, taken around the functions that the engine imports.

    The density's first value, before the search for the mode, is what compiles or loads it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.returned: dict[str, Any] = {}
        for stage, owner, name in (
            ("setup", setup_of, "set_up"),
            ("chains", proposals_of, "sample_transitions"),
            ("chains", nuts_of, "sample_density"),
            ("effects", Setup, "parameters"),
            ("effects", Setup, "summaries"),
        ):
            setattr(owner, name, self.timed(stage, getattr(owner, name)))
        compiled, search = (
            self.timed("compile", _first_value),
            self.timed("mode", mode_of.find_mode),
        )

        def find_mode(density: Any, *start: Any) -> Mode:
            if not start:  # else a second search, after a transformation of the same density
                compiled(density)
            mode: Mode = search(density, *start)
            return mode

        setattr(mode_of, "find_mode", find_mode)  # noqa: B010

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            self.returned[stage] = function(*args, **kwargs)
            self.seconds[stage] = time.perf_counter() - begin
            return self.returned[stage]

        return call


def _first_value(density: MarginalDensity) -> float:
    return density.logp(np.zeros(density.ndim))


def main(name: str, out: str, fits: str, seed: str) -> None:
    """Fit the case, then other data, in the same process, `fits` times in all."""
    case, stages = CASES[name], Stages()
    data = case.make()
    result: dict[str, Any] = {
        "import_package": IMPORT_PACKAGE,
        "import_all": IMPORT_ALL,
        "rows": len(data),
        "peak_mb_before": peak_mb(),
    }
    for k in range(int(fits)):
        if k == 1:
            data = other_data(case, data)
        result["fit" if k == 0 else "second_fit"] = _fit(case, data, stages, int(seed))
    result["gradient_us"] = _gradient(stages.returned["setup"], stages.returned["mode"]) * 1e6
    hand_over(out, result)


def _fit(case: Case, data: Any, stages: Stages, seed: int) -> dict[str, Any]:
    """One model and its fit: seconds, effective sample sizes, sampler health, memory."""
    stages.seconds.clear()
    begin = time.perf_counter()
    model = mb.Model(case.formulas, data, **case.arguments())
    built = time.perf_counter()
    settings = {"draws": DRAWS, "chains": CHAINS, **case.settings}
    fit = model.fit(seed=seed, progress=False, **settings)
    end = time.perf_counter()
    str(fit.summary())
    seconds = {"model": built - begin, **stages.seconds, "total": end - begin}
    result = stages.returned["chains"]
    chains = seconds.pop("chains")
    seconds |= {"tune": result.timings.tune, "sample": result.timings.sample}
    seconds["start"] = chains - result.timings.tune - result.timings.sample
    seconds["other"] = seconds["total"] - sum(v for k, v in seconds.items() if k != "total")
    seconds["summary"] = time.perf_counter() - end
    peak, posterior = peak_mb(), fit.idata["posterior"].to_dataset()
    effects = [str(n) for n in posterior.data_vars if str(n).startswith(("ranef_", "u_ranef_"))]
    return {"seconds": seconds, "peak_mb": peak, "levels": _levels(model)} | quality(
        posterior, fit.idata["sample_stats"].to_dataset(), effects, seconds["total"]
    )


def _levels(model: mb.Model) -> dict[str, int]:
    return {g.name: g.n_levels for g in model.design.mu.groups}


def _gradient(setup: Setup, mode: Mode) -> float:
    """Seconds per log density with gradient, as called from Python: best of batches."""
    density = MarginalDensity(setup.layout, setup.problem, mode.units)
    eta = np.random.default_rng(0).standard_normal((16, density.ndim))
    begin = time.perf_counter()
    density.logp_grad(eta[0])
    times = max(1, int(0.1 / max(time.perf_counter() - begin, 1e-6)) // 16)
    best = np.inf
    for _ in range(5):
        with one_blas_thread():  # as in the sampler
            begin = time.perf_counter()
            for k in range(16 * times):
                density.logp_grad(eta[k % 16])
            best = min(best, (time.perf_counter() - begin) / (16 * times))
    return best


if __name__ == "__main__":
    main(*sys.argv[1:])
