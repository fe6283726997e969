"""From a model to a fit: compose the stages, nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mixedbayes.api import keep
from mixedbayes.model.coords import dims_of
from mixedbayes.model.formulations import Chosen
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model
    from mixedbayes.model.spec import Spec
    from mixedbayes.sample.result import SamplingResult


def fit_model(model: Model, settings: Settings, chosen: Chosen, cache: str | Path | None) -> Fit:
    """Sample, or read from the cache, and wrap the draws for reporting."""
    from mixedbayes.api.fit import Fit
    from mixedbayes.sample.tree import to_tree

    if cache is not None:
        kept = keep.lookup(cache, model, settings, chosen)
        if kept is not None:
            return kept
    started = time.perf_counter()
    result = draw(model.spec, settings, chosen)
    tree = to_tree(model.spec, result, seconds=time.perf_counter() - started)
    fit = Fit(model, tree, result.settings, chosen, result.note)
    if cache is not None and not result.interrupted:
        keep.remember(cache, fit, settings)
    return fit


def draw(spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
    """Posterior draws of every parameter, in the chosen formulation."""
    if chosen.marginal:
        from mixedbayes.sample.marginal import sample_marginal

        return sample_marginal(spec, settings)
    from mixedbayes.model.build import build
    from mixedbayes.sample.run import sample_model

    return sample_model(build(spec, chosen), settings, keep=list(dims_of(spec)))
