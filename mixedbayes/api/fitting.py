"""From a model to a fit: compose the stages, nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from mixedbayes import names
from mixedbayes.api import keep
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import check_keep
from mixedbayes.results.kept import to_dataset
from mixedbayes.sample.settings import Keep, Settings
from mixedbayes.sample.tree import to_tree

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model
    from mixedbayes.model.spec import Spec
    from mixedbayes.sample.result import SamplingResult


def fit_model(
    model: Model, settings: Settings, chosen: Chosen, keep_effects: Keep, cache: str | Path | None
) -> Fit:
    """Sample, or read from the cache, and wrap the draws for reporting."""
    from mixedbayes.api.fit import Fit

    check_keep(keep_effects, chosen)
    if cache is not None:
        kept = keep.lookup(cache, model, settings, chosen, keep_effects)
        if kept is not None:
            return kept
    started = time.perf_counter()
    result = draw(model.spec, settings, chosen, keep_effects)
    tree = to_tree(model.spec, result, seconds=time.perf_counter() - started)
    if result.effects:
        tree[names.RANEF_SUMMARY] = xr.DataTree(kept_effects(model, result))
    fit = Fit(model, tree, result.settings, chosen, result.note)
    if cache is not None and not result.interrupted:
        keep.remember(cache, fit, settings, keep_effects)
    return fit


def kept_effects(model: Model, result: SamplingResult) -> xr.Dataset:
    """Group effects of which only summaries were kept."""
    group = model.design.mu.group
    return to_dataset({name: (group(name), *pair) for name, pair in result.effects.items()})


def draw(spec: Spec, settings: Settings, chosen: Chosen, keep_effects: Keep) -> SamplingResult:
    """Posterior draws of every parameter, in the chosen formulation."""
    return chosen.engine.sample(spec, settings, chosen, keep_effects)
