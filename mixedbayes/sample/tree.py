"""A model's sampling result as the DataTree of its fit."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import LinearPredictor
from mixedbayes.model.coords import model_coords, predictors, response_name
from mixedbayes.model.spec import Spec
from mixedbayes.sample.idata import dataset, to_idata
from mixedbayes.sample.result import SamplingResult


def to_tree(spec: Spec, result: SamplingResult, *, seconds: float | None = None) -> xr.DataTree:
    """Posterior, sampler statistics, response and design, labelled by the user's names.

    Parameters
    ----------
    spec
        The model.
    result
        Its draws.
    seconds
        Wall-clock time of the whole fit.
    """
    observed, constant = _data(spec)
    return to_idata(
        result, observed=observed, constant=constant, coords=model_coords(spec), seconds=seconds
    )


def data_groups(spec: Spec) -> dict[str, xr.Dataset]:
    """The groups `observed_data` and `constant_data` of a fit, for draws from elsewhere."""
    groups = dict(zip(("observed_data", "constant_data"), _data(spec), strict=True))
    coords = model_coords(spec)
    return {name: dataset(variables, coords) for name, variables in groups.items() if variables}


def _data(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Response; and population columns, codes of levels, offset, weights and trials."""
    design = spec.design
    constant: dict[str, Any] = {}
    for predictor in predictors(spec):
        constant |= _constants(predictor)
    for name, values in (("weights", design.weights), ("trials", design.trials)):
        if values is not None:
            constant[name] = ((names.OBS,), values)
    y = spec.family.reported(design.y)
    return {response_name(spec): ((names.OBS,), y)}, constant


def _constants(predictor: LinearPredictor) -> dict[str, Any]:
    """Population columns, codes of the groups' levels and offset, by name."""
    prefix = names.prefix(predictor.parameter)
    out: dict[str, Any] = {}
    if predictor.terms:
        out[f"{prefix}X"] = ((names.OBS, names.term_dim(predictor.parameter)), predictor.X)
    for g in predictor.groups:
        out[f"refs_{names.identifier(g.name)}"] = ((names.OBS,), g.refs)
    if predictor.offset is not None:
        out[f"{prefix}offset"] = ((names.OBS,), predictor.offset)
    return out
