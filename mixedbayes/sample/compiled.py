"""nutpie on a pm.Model: compiled once per structure, then sampled with any data."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import nutpie
import pymc as pm
from numpy.typing import NDArray
from pymc.initial_point import make_initial_point_fn
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable, equal_computations
from pytensor.graph.traversal import ancestors

from mixedbayes.interrupts import uninterrupted
from mixedbayes.sample.labels import labelled
from mixedbayes.sample.nuts import nutpie_version, run_nuts
from mixedbayes.sample.result import SamplingResult, not_finite
from mixedbayes.sample.settings import Settings

_TRIES = 20


def sample_nutpie(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> SamplingResult:
    """Compile with numba, or find it compiled, and sample; `settings` with nothing left open."""
    begin = time.perf_counter()
    compiled = compile_model(model, keep, initial_points)
    check_start(compiled)
    compiling = time.perf_counter() - begin
    run = run_nuts(compiled, settings, keep=keep)
    return SamplingResult(
        posterior=labelled(run.draws, model),
        sample_stats=run.stats,
        settings=settings,
        version=nutpie_version(),
        timings=run.timings(compiling),
        interrupted=run.interrupted,
        note=run.note,
    )


def compile_model(
    model: pm.Model, keep: Sequence[str], initial_points: Mapping[str, Any] | None = None
) -> Any:
    """A nutpie model; one compiled earlier in this process serves where only pm.Data differs."""
    structure = _structure(model, keep)
    if structure is None:
        return _compile(model, keep, initial_points)
    for known, compiled in _COMPILED:
        if structure.equals(known):
            filled = compiled.with_data(**structure.data(compiled))
            return replace(filled, initial_point_func=_starting_points(model, initial_points))
    compiled = _compile(model, keep, initial_points)
    _COMPILED.append((structure, compiled))
    del _COMPILED[:-_REMEMBERED]
    return compiled


def check_start(compiled: Any) -> None:
    """Raise where no starting point has a finite density.

    nutpie would find out too, but in several threads at once, which then outlive the error.
    """
    double = ctypes.POINTER(ctypes.c_double)
    logp = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_uint64, double, double, double, ctypes.c_void_p
    )(compiled.compiled_logp_func.address)
    for seed in range(_TRIES):
        point = np.ascontiguousarray(compiled.initial_point_func(seed), dtype=np.float64)
        gradient, value = np.empty_like(point), np.empty(1)
        parts = [a.ctypes.data_as(double) for a in (point, gradient, value)]
        if logp(point.size, *parts, compiled.user_data.ctypes.data) == 0:
            return
    raise not_finite(f"The log density is not finite at any of {_TRIES} starting points.")


@uninterrupted()
def _compile(model: pm.Model, keep: Sequence[str], initial_points: Mapping[str, Any] | None) -> Any:
    return nutpie.compile_pymc_model(
        model,
        backend="numba",
        var_names=list(keep),
        initial_points=None if initial_points is None else dict(initial_points),
    )


def _starting_points(
    model: pm.Model, initial_points: Mapping[str, Any] | None
) -> Callable[[int], NDArray[np.float64]]:
    """Seed -> unconstrained coordinates (n,): typical values of the priors, jittered by U(-1, 1).

    Those that nutpie makes of a model that it compiles: they follow the priors, which may differ.
    """
    points = make_initial_point_fn(
        model=model,
        overrides=None if initial_points is None else dict(initial_points),
        jitter_rvs=set(model.free_RVs),
    )
    one_at_a_time = threading.Lock()  # chains start in threads, and ask one function

    def start(seed: int) -> NDArray[np.float64]:
        with one_at_a_time:
            values = points(seed)
        return np.concatenate([np.ravel(v) for v in values.values()], dtype=np.float64)

    return start


@dataclass(frozen=True, eq=False)
class _Structure:
    """All that a compiled function depends on.

    inputs: values of the free variables, then what is shared (pm.Data, lengths of dimensions);
    outputs: the log density and the kept variables. Sizes are those that set the number of
    coordinates and the shapes of what is kept, which a compiled function cannot change.
    """

    key: tuple[Any, ...]
    inputs: list[Variable]
    outputs: list[Variable]
    shared: dict[str, SharedVariable]

    def equals(self, other: _Structure) -> bool:
        """The same computation, constants compared by value, shared values left aside."""
        return self.key == other.key and equal_computations(
            self.outputs, other.outputs, self.inputs, other.inputs
        )

    def data(self, compiled: Any) -> dict[str, Any]:
        used = {v.name for v in compiled.shared_var_keys}
        return {name: v.get_value() for name, v in self.shared.items() if name in used}


# The last few compiled models of this process, oldest first. Compiling takes seconds and finding
# one again milliseconds; a model is found by its whole graph, so nothing can go stale.
_COMPILED: list[tuple[_Structure, Any]] = []
_REMEMBERED = 8


def _structure(model: pm.Model, keep: Sequence[str]) -> _Structure | None:
    """None where a compiled function could not be used again safely."""
    values = [model.rvs_to_values[v] for v in model.free_RVs]
    wanted = [model[name] for name in keep]
    outputs = [model.logp(), *model.replace_rvs_by_values(wanted)]
    found = [v for v in ancestors(outputs) if isinstance(v, SharedVariable)]
    shared = {str(v.name): v for v in sorted(found, key=lambda v: str(v.name))}
    sizes = [_sizes(model, v) for v in (*model.free_RVs, *wanted)]
    if len(shared) < len(found) or None in sizes:
        return None
    inputs = [*values, *shared.values()]
    key = (tuple(keep), tuple(sizes), tuple((v.name, v.type) for v in inputs))
    return _Structure(key, inputs, outputs, shared)


def _sizes(model: pm.Model, variable: Any) -> tuple[int, ...] | None:
    """The shape of a variable without computing it: from its dims, else from its static shape."""
    dims = model.named_vars_to_dims.get(variable.name)
    if dims is not None and None not in dims:
        return tuple(_length(model.dim_lengths[d]) for d in dims)
    shape = variable.type.shape
    return None if None in shape else tuple(shape)


def _length(of_dim: Any) -> int:
    """Of a dimension, without compiling a function to find out."""
    return int(of_dim.get_value() if isinstance(of_dim, SharedVariable) else of_dim.eval())
