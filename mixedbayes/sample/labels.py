"""Draws by name, given the model's own dimensions and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names


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
