"""A log density given as a C function, as nutpie's samplers take it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from nutpie import _lib
from nutpie.sample import CompiledModel

from mixedbayes import jit

Floats = NDArray[np.float64]

# How a step moves. "leapfrog": straight, between two pushes by the gradient. The others are for
# densities close to N(0, I): a step follows the motion under N(0, I) exactly, which turns position
# and momentum into one another, between two pushes by the rest of the gradient, so that its error
# is that of the rest (Shahbaba, Lan, Johnson & Neal 2014, doi:10.1007/s11222-012-9373-1).
# "turns": three steps are at most half a turn. "quarter_turn": a trajectory is one step, which
# forgets where it started.
Trajectory = Literal["leapfrog", "turns", "quarter_turn"]
LONGEST_STEP = {"turns": math.pi / 3, "quarter_turn": math.pi / 2}

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
    density: CDensity,
    ndim: int,
    initial_point: Callable[[int], Floats],
    *,
    name: str,
    dim: str,
    trajectory: Trajectory = "leapfrog",
) -> CompiledModel:
    """A nutpie model whose one variable `name` (dim,) is the point itself."""
    return _CModel(density, ndim, initial_point, name, dim, trajectory)


def _along(trajectory: Trajectory, settings: dict[str, Any]) -> dict[str, Any]:
    """nutpie's settings for a kind of trajectory; see `Trajectory`."""
    adapt = settings["adapt_options"]
    steps = adapt["step_size_settings"]
    averaging = steps["adapt_options"]["dual_average"]
    averaging = averaging | {"max_step_size": LONGEST_STEP[trajectory]}
    steps = steps | {
        "adapt_options": steps["adapt_options"] | {"dual_average": averaging},
        "initial_step": LONGEST_STEP[trajectory],
    }
    return settings | {
        "adapt_options": adapt | {"step_size_settings": steps},
        "trajectory_kind": "ExactNormal",
        "maxdepth": 1 if trajectory == "quarter_turn" else settings["maxdepth"],
    }


class _CModel(CompiledModel):
    def __init__(
        self,
        density: CDensity,
        ndim: int,
        initial_point: Callable[[int], Floats],
        name: str,
        dim: str,
        trajectory: Trajectory,
    ) -> None:
        super().__init__(dims={name: (dim,)})
        # the base class is a frozen dataclass
        given = (density, ndim, initial_point, name, dim, trajectory)
        object.__setattr__(self, "_given", given)

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
        density, n, initial_point, name, dim, trajectory = self._given
        if trajectory != "leapfrog":
            settings.update_settings(_along(trajectory, settings.as_dict()["settings"]))
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

    @jit.cfunc(_EXPAND_SIGNATURE)
    def copy(n, size, theta, out, data):  # type: ignore[no-untyped-def]
        for i in range(n):
            out[i] = theta[i]
        return 0

    return copy
