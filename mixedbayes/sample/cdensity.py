"""A log density given as a C function, as nutpie's samplers take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from nutpie import _lib
from nutpie.sample import CompiledModel

Floats = NDArray[np.float64]

_DOUBLES = numba.types.CPointer(numba.types.double)
# int64 f(uint64 n, double *theta, double *gradient, double *value, void *data)
LOGP_SIGNATURE = numba.types.int64(
    numba.types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, numba.types.voidptr
)
_EXPAND_SIGNATURE = numba.types.int64(
    numba.types.uint64, numba.types.uint64, _DOUBLES, _DOUBLES, numba.types.voidptr
)


@dataclass(frozen=True, eq=False)
class CDensity:
    """A log density as a C function, such as one made with `numba.cfunc(LOGP_SIGNATURE)`.

    `address` is that of `int64 f(uint64 n, double *theta, double *gradient, double *value,
    void *data)`: it writes the gradient and the value and returns 0, or a positive number where
    the density is zero or not finite (a divergence). `data` is handed on to each call. `owner`
    keeps the function and the memory behind `data` alive.
    """

    address: int
    data: int
    owner: Any
    logp_grad: Callable[
        [Floats], tuple[float, Floats]
    ]  # the same density for Python, to check starting points


def c_model(
    density: CDensity, ndim: int, initial_point: Callable[[int], Floats], *, name: str, dim: str
) -> CompiledModel:
    """A nutpie model whose one variable `name` (dim,) is the point itself."""
    return _CModel(density, ndim, initial_point, name, dim)


class _CModel(CompiledModel):
    def __init__(
        self,
        density: CDensity,
        ndim: int,
        initial_point: Callable[[int], Floats],
        name: str,
        dim: str,
    ) -> None:
        super().__init__(dims={name: (dim,)})
        # the base class is a frozen dataclass
        object.__setattr__(self, "_given", (density, ndim, initial_point, name, dim))

    @property
    def n_dim(self) -> int:
        return int(self._given[1])

    @property
    def coords(self) -> dict[str, Any]:
        return {}

    def _make_sampler(
        self,
        settings: Any,
        init_mean: Any,
        cores: int,
        progress_type: Any,
        callback: Any,
        callback_rate: int,
        store: Any,
    ) -> Any:
        density, n, initial_point, name, dim = self._given
        variables = _lib.PyVariable.new_variables(
            [name], ["float64"], [(n,)], {dim: n}, {name: (dim,)}
        )
        copy = _copy_function()
        model = _lib.PyMcModel(
            _lib.LogpFunc(density.address, density.data, density.owner),
            _lib.ExpandFunc(n, n, copy.address, 0, copy),
            variables,
            n,
            {dim: n},
            {},
            initial_point,
            None,
        )
        return _lib.PySampler.from_pymc(
            settings, cores, model, progress_type, callback, callback_rate, store
        )


@cache
def _copy_function() -> Any:
    """The identity, as the C function that nutpie calls to expand a draw."""

    @numba.cfunc(_EXPAND_SIGNATURE, cache=True)
    def copy(n, size, theta, out, data):  # type: ignore[no-untyped-def]
        for i in range(n):
            out[i] = theta[i]
        return 0

    return copy
