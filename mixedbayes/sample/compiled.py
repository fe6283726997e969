"""nutpie on a pm.Model: compiled once per structure, then sampled with any data."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from pymc.initial_point import make_initial_point_fn
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable, equal_computations
from pytensor.graph.traversal import ancestors

from mixedbayes.design.types import Floats
from mixedbayes.sample.labels import labelled
from mixedbayes.sample.nutpie import Failure, PyMCTarget, compile_pymc, nothing_happened, run_nuts
from mixedbayes.sample.result import SamplingResult, not_finite
from mixedbayes.sample.settings import Settings

_TRIES = 20


def sample_nutpie(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
    failure: Failure = nothing_happened,
) -> SamplingResult:
    """Compile with numba, or find it compiled, and sample; `settings` with nothing left open."""
    began = time.perf_counter()
    target = compile_model(model, keep, initial_points)
    check_start(target)
    preparing = time.perf_counter() - began
    run = run_nuts(target, settings, keep=keep, failure=failure)
    return run.result(labelled(run.draws, model), preparing)


def compile_model(
    model: pm.Model, keep: Sequence[str], initial_points: Mapping[str, Any] | None = None
) -> PyMCTarget:
    """The model compiled, or one of this process's where only pm.Data differs."""
    structure = _structure(model, keep)
    if structure is None:
        return compile_pymc(model, keep, initial_points)
    for known, target in _COMPILED:
        if structure.equals(known):
            start = _starting_points(model, initial_points)
            return target.with_data(structure.data(target), start)
    target = compile_pymc(model, keep, initial_points)
    _COMPILED.append((structure, target))
    del _COMPILED[:-_REMEMBERED]
    return target


def check_start(target: PyMCTarget) -> None:
    """Raise where no starting point has a finite density.

    nutpie would find out too, but in several threads at once, which then outlive the error.
    """
    if not any(target.is_finite(target.start(seed)) for seed in range(_TRIES)):
        raise not_finite(f"The log density is not finite at any of {_TRIES} starting points.")


def _starting_points(
    model: pm.Model, initial_points: Mapping[str, Any] | None
) -> Callable[[int], Floats]:
    """Seed -> unconstrained coordinates (n,): typical values of the priors, jittered by U(-1, 1).

    Those that nutpie makes of a model that it compiles: they follow the priors, which may differ.
    """
    points = make_initial_point_fn(
        model=model,
        overrides=None if initial_points is None else dict(initial_points),
        jitter_rvs=set(model.free_RVs),
    )
    one_at_a_time = threading.Lock()  # chains start in threads, and ask one function

    def start(seed: int) -> Floats:
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

    def data(self, target: PyMCTarget) -> dict[str, Any]:
        """Values of what the target reads."""
        return {n: v.get_value() for n, v in self.shared.items() if n in target.shared}


# The last few compiled models of this process, oldest first. Compiling takes seconds and finding
# one again milliseconds; a model is found by its whole graph, so nothing can go stale.
_COMPILED: list[tuple[_Structure, PyMCTarget]] = []
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
