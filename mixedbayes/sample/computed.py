"""Variables of a Dataset that are computed when they are read, and take no memory until then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from mixedbayes import names

Floats = NDArray[np.float64]


class Computed(BackendArray):
    """(C, D, ...) a function of other draws, each draw by itself; only draws asked for are made.

    Parameters
    ----------
    function
        From arrays (c, d, ...) of the inputs' draws to those of the result.
    inputs
        (C, D, ...) draws.
    shape
        Of the result.
    """

    def __init__(
        self, function: Callable[..., Floats], inputs: Sequence[Floats], shape: tuple[int, ...]
    ) -> None:
        self.function, self.inputs, self.shape = function, tuple(inputs), shape
        self.dtype = np.dtype(float)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Floats:
        draws = tuple(slice(k, k + 1) if isinstance(k, int | np.integer) else k for k in key[:2])
        values = self.function(*(x[draws] for x in self.inputs))
        first = tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key[:2])
        return values[(*first, *key[2:])]


def computed(
    dims: Sequence[str],
    function: Callable[..., Floats],
    inputs: Sequence[xr.DataArray],
    sizes: Mapping[Any, int],
) -> xr.Variable:
    """A variable (chain, draw, *dims) computed from others, which its attribute names.

    Of dimensions that `sizes` does not have, the size is found from the first draw.
    """
    draws = [x.transpose(names.CHAIN, names.DRAW, ...).to_numpy() for x in inputs]
    if all(dim in sizes for dim in dims):
        own = tuple(sizes[dim] for dim in dims)
    else:
        own = function(*(x[:1, :1] for x in draws)).shape[2:]
    shape = (*draws[0].shape[:2], *own)
    data = indexing.LazilyIndexedArray(Computed(function, draws, shape))
    attrs = {names.DERIVED_FROM: ", ".join(str(x.name) for x in inputs)}
    return xr.Variable((names.CHAIN, names.DRAW, *dims), data, attrs)
