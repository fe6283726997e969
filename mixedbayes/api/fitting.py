"""Draws of a model, sampled or from a cache, and how they were made."""

from __future__ import annotations

import time
from copy import copy
from pathlib import Path
from typing import Protocol

import xarray as xr

from mixedbayes import names
from mixedbayes.api import keep
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import check_keep, sample
from mixedbayes.engines.run import Run
from mixedbayes.jit import watched
from mixedbayes.model.spec import Spec
from mixedbayes.progress import Compiling
from mixedbayes.results.effect_summaries import to_dataset
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import to_tree


class Formulated(Protocol):
    """A model with its choice of an engine."""

    formulation: Chosen


def sampled(
    spec: Spec, asked: keep.Asked, settings: Settings, chosen: Chosen, cache: str | Path | None
) -> Posterior:
    """Sample, or read from the cache."""
    check_keep(settings.effects, chosen)
    key = "" if cache is None else keep.key(spec, settings, chosen)
    if cache is not None and (found := keep.lookup(cache, key, spec)) is not None:
        return found
    started = time.perf_counter()
    with Compiling(wanted=settings.progress) as shown, watched(shown):
        result, chosen = sample(spec, settings, chosen)
    tree = to_tree(spec, result, seconds=time.perf_counter() - started)
    if result.effects:
        group = spec.design.mu.group
        summaries = {name: (group(name), *pair) for name, pair in result.effects.items()}
        tree[names.RANEF_SUMMARY] = xr.DataTree(to_dataset(summaries))
    post = Posterior(spec, tree, Run(result.settings, chosen, result.note))
    return post if cache is None or result.interrupted else keep.remember(cache, key, post, asked)


def as_sampled[M: Formulated](model: M, chosen: Chosen, post: Posterior) -> M:
    """The model itself, or with the formulation by which it was sampled in place of `chosen`.

    That is another one where an engine found that it does not serve.
    """
    made = post.made.formulation
    if made.engine == chosen.engine:
        return model
    found = copy(model)  # without a pm.Model of the other formulation
    found.formulation = made
    return found
