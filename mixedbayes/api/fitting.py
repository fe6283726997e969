"""From a model to a fit: compose the stages, nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mixedbayes.api import keep
from mixedbayes.model.coords import dims_of, model_coords, response_name
from mixedbayes.model.formulations import Chosen
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    import xarray as xr

    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model
    from mixedbayes.model.spec import Spec
    from mixedbayes.sample.result import SamplingResult


def fit_model(model: Model, settings: Settings, chosen: Chosen, cache: str | Path | None) -> Fit:
    """Sample, or read from the cache, and wrap the draws for reporting."""
    from mixedbayes.api.fit import Fit

    if cache is not None:
        kept = keep.lookup(cache, model, settings, chosen)
        if kept is not None:
            return kept
    started = time.perf_counter()
    result = draw(model.spec, chosen, settings)
    fit = Fit(model, to_tree(model.spec, result), result.settings, chosen, result.note)
    fit.idata.attrs["total_time"] = time.perf_counter() - started
    if cache is not None and not result.interrupted:
        keep.remember(cache, fit, settings)
    return fit
