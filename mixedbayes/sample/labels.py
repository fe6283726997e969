"""Names of what is sampled: ArviZ's for the statistics, the model's own for the variables."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.model.spec import Spec
from mixedbayes.sample.result import SamplingResult

if TYPE_CHECKING:
    import pymc as pm

# Statistics of NUTS that every result carries, under ArviZ's names.
STATS = (
    "diverging",
    "energy",
    "energy_error",
    "lp",
    "tree_depth",
    "n_steps",
    "step_size",
    "step_size_bar",
    "acceptance_rate",
    "reached_max_treedepth",
)


def statistics(found: Mapping[str, NDArray[Any]]) -> xr.Dataset:
    """Those of `STATS` that a sampler has, (chain, draw) each."""
    known = {name: np.asarray(found[name]) for name in STATS if name in found}
    return _draws(known, dict.fromkeys(known, ()), {})


def labelled(draws: Mapping[str, NDArray[Any]], model: pm.Model) -> xr.Dataset:
    """Arrays (chain, draw, ...) as a Dataset with the model's dims and coords."""
    dims = {}
    for name, values in draws.items():
        own = model.named_vars_to_dims.get(name, ())
        if len(own) != values.ndim - 2 or any(d is None for d in own):
            own = tuple(f"{name}_dim_{i}" for i in range(values.ndim - 2))
        dims[name] = own
    known = {d: labels for d, labels in model.coords.items() if labels is not None}
    return _draws(draws, dims, known)


def by_name(spec: Spec, draws: Mapping[str, Floats], shape: tuple[int, int]) -> xr.Dataset:
    """Draws (chains x draws, ...) of named parameters as (chain, draw, ...), with user's labels."""
    arrays = {name: x.reshape(*shape, *x.shape[1:]) for name, x in draws.items()}
    return _draws(arrays, dims_of(spec), model_coords(spec))


def named_result(
    spec: Spec, result: SamplingResult, draws: Mapping[str, Floats], began: float
) -> SamplingResult:
    """A density's result with the model's parameters (chains x draws, ...) in its place.

    Of the time since `began`, by `time.perf_counter`, what NUTS did not take is preparation.
    """
    chains, length = (result.posterior.sizes[d] for d in (names.CHAIN, names.DRAW))
    preparing = time.perf_counter() - began - result.timings.tune - result.timings.sample
    return replace(
        result,
        posterior=by_name(spec, draws, (chains, length)),
        timings=replace(result.timings, compile=preparing),
    )


def _draws(
    arrays: Mapping[str, NDArray[Any]], dims: Mapping[str, Any], coords: Mapping[str, Any]
) -> xr.Dataset:
    """Arrays (chain, draw, ...) with these further dims."""
    chains, draws = next(iter(arrays.values())).shape[:2]
    numbered = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)}
    table = {name: ((names.CHAIN, names.DRAW, *dims[name]), x) for name, x in arrays.items()}
    return group_of(table, {**numbered, **coords})


def group_of(variables: Mapping[str, Any], coords: Mapping[Any, Any]) -> xr.Dataset:
    """Variables, or (dims, values), with the coordinates of the dimensions that they use."""
    known = {name: xr.as_variable(x) for name, x in variables.items()}
    used = {dim for variable in known.values() for dim in variable.dims}
    labels = {d: x for d, x in coords.items() if d in used}
    arrays = {d: x if isinstance(x, xr.DataArray) else np.asarray(x) for d, x in labels.items()}
    return xr.Dataset(known, arrays)
