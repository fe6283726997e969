"""From a model to a fit: compose the stages, nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from mixedbayes import names
from mixedbayes.api import keep
from mixedbayes.model.coords import dims_of
from mixedbayes.model.formulations import Chosen
from mixedbayes.results.kept import to_dataset
from mixedbayes.sample.settings import Keep, Settings, check_keep
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

    check_keep(keep_effects, marginal=chosen.marginal)
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
    if chosen.marginal:
        from mixedbayes.sample.marginal import sample_marginal

        return sample_marginal(spec, settings, keep_effects, chosen.max_dense)
    if chosen.joint and settings.sampler == "nutpie":
        from mixedbayes.sample.joint import sample_joint

        return sample_joint(spec, settings)
    from mixedbayes.model.build import build
    from mixedbayes.sample.run import sample_model

    model = build(spec, chosen, reusable=settings.sampler == "nutpie")
    return sample_model(model, settings, keep=list(dims_of(spec)))
