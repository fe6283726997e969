"""nutpie on a pm.Model: compiled once for its structure, then sampled."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pymc as pm

import nutpie
from mixedbayes.sample.nuts import nutpie_version, run_nuts
from mixedbayes.sample.posterior import labelled
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings


def sample_nutpie(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> SamplingResult:
    """Compile with numba and sample; `settings` with nothing left open."""
    begin = time.perf_counter()
    compiled = nutpie.compile_pymc_model(
        model, backend="numba", var_names=list(keep), initial_points=initial_points
    )
    compiling = time.perf_counter() - begin
    run = run_nuts(compiled, settings, keep=keep)
    return SamplingResult(
        posterior=labelled(run.draws, model),
        sample_stats=run.stats,
        settings=settings,
        version=nutpie_version(),
        timings=run.timings(compiling),
        interrupted=run.interrupted,
        note=run.note,
    )
