"""numpyro's NUTS on a pm.Model, an extra."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm

from mixedbayes.errors import SamplingError
from mixedbayes.sample.labels import labelled, statistics
from mixedbayes.sample.result import SamplingResult, Timings
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.with_pymc import arrays_of, pm_sample


def sample_numpyro(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> SamplingResult:
    """Sample with numpyro, all chains as one vectorised computation, whatever `cores` is.

    It runs inside one compiled loop, so there is no progress display, a Ctrl-C keeps nothing, and
    compiling cannot be told from sampling.
    """
    import numpyro

    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=FutureWarning)
            nuts = {"max_tree_depth": settings.max_treedepth, "chain_method": "vectorized"}
            tree = pm_sample(model, settings, keep, initial_points, nuts)
    except KeyboardInterrupt as error:
        raise SamplingError(
            "Sampling was interrupted, and numpyro keeps no draws of an unfinished run. Use "
            'sampler="nutpie" or sampler="pymc" where you may want to stop early.'
        ) from error
    seconds = time.perf_counter() - began
    draws, stats = arrays_of(tree, keep)
    stats["lp"] = -stats["lp"]  # numpyro's potential energy is minus the log density
    stats["reached_max_treedepth"] = stats["n_steps"] >= 2**settings.max_treedepth - 1
    return SamplingResult(
        posterior=labelled({name: np.asarray(x, float) for name, x in draws.items()}, model),
        sample_stats=statistics(stats),
        settings=settings,
        version=str(numpyro.__version__),
        timings=Timings(compile=0.0, tune=0.0, sample=seconds),
    )
