"""Names of what is sampled: ArviZ's for the statistics, the model's own for the variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.model.spec import Spec

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


def labelled(draws: Mapping[str, NDArray[Any]], model: pm.Model) -> xr.Dataset:
    """Arrays (chain, draw, ...) as a Dataset with the model's dims and coords."""
    table = {}
    used: set[str] = set()
    for name, values in draws.items():
        dims = model.named_vars_to_dims.get(name, ())
        if len(dims) != values.ndim - 2 or any(d is None for d in dims):
            dims = tuple(f"{name}_dim_{i}" for i in range(values.ndim - 2))
        used.update(dims)
        table[name] = ((names.CHAIN, names.DRAW, *dims), values)
    chains, length = next(iter(draws.values())).shape[:2]
    coords: dict[str, Any] = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(length)}
    coords |= {
        d: np.asarray(labels)
        for d, labels in model.coords.items()
        if d in used and labels is not None
    }
    return xr.Dataset(table, coords=coords)


def by_name(
    spec: Spec, draws: Mapping[str, NDArray[np.float64]], shape: tuple[int, int]
) -> xr.Dataset:
    """Draws (chains x draws, ...) of named parameters as (chain, draw, ...), with user's labels."""
    dims, coords = dims_of(spec), model_coords(spec)
    used = {d for name in draws for d in dims[name]}
    table = {
        name: ((names.CHAIN, names.DRAW, *dims[name]), x.reshape(*shape, *x.shape[1:]))
        for name, x in draws.items()
    }
    labels = {names.CHAIN: np.arange(shape[0]), names.DRAW: np.arange(shape[1])}
    return xr.Dataset(table, labels | {d: coords[d] for d in coords if d in used})
