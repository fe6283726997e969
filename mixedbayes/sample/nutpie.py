"""nutpie's NUTS on anything it can run: prepared, started, watched, stopped, and read out.

The only module that imports nutpie, and that relies on what is inside it; others make a `Target`
here and hand it to `run_nuts`. tests/sample/test_nutpie.py says what of it is relied on.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, Self

import numba
import numpy as np
import pyarrow
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import jit
from mixedbayes.design.types import Floats
from mixedbayes.interrupts import put_off, uninterrupted
from mixedbayes.progress import Draws
from mixedbayes.sample.defaults import LONGEST_STEP, Trajectory
from mixedbayes.sample.labels import STATS, statistics
from mixedbayes.sample.result import (
    SamplingResult,
    Timings,
    interruption_note,
    largest_rectangle,
    not_finite,
)
from mixedbayes.sample.settings import Settings

# ArviZ, which makes pictures and loads libraries for them, serves nutpie's own results alone.
with put_off("arviz"):
    import nutpie
    from nutpie import _lib
    from nutpie.compiled_pyfunc import from_pyfunc
    from nutpie.sample import CompiledModel

if TYPE_CHECKING:
    import pymc as pm

LogpGrad = Callable[[Floats], tuple[float, Floats]]
Start = Callable[[int], Floats]  # seed -> starting point (n,)
Failure = Callable[[], BaseException | None]  # what happened that could not be raised

# nutpie's names of the statistics, where they differ from ArviZ's
_NUTPIE = {
    "lp": "logp",
    "tree_depth": "depth",
    "acceptance_rate": "mean_tree_accept",
    "reached_max_treedepth": "maxdepth_reached",
}
_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 0.5
# int64 f(uint64 n, uint64 size, double *theta, double *out, void *data)
_EXPAND_SIGNATURE = numba.types.int64(
    numba.types.uint64, numba.types.uint64, *[numba.types.CPointer(numba.types.double)] * 2,
    numba.types.voidptr,
)  # fmt: skip


def nothing_happened() -> None:
    """No failure."""


class Compiled(Protocol):
    """A log density that is compiled, as `MarginalDensity` and `JointDensity` are."""

    @property
    def c_address(self) -> int: ...
    @property
    def c_data(self) -> int: ...
    def logp_grad(self, theta: Floats, /) -> tuple[float, Floats]: ...


@dataclass(frozen=True, eq=False)
class CDensity:
    """A log density as a C function, such as one made with `numba.cfunc(jit.LOGP_SIGNATURE)`.

    `address` is that of the function, which writes the gradient and the value and returns 0, or a
    positive number where the density is zero or not finite (a divergence). `data` is handed on to
    each call. `owner` keeps the function and the memory behind `data` alive. `logp_grad` is the
    same density for Python, to check starting points. `failure` says what happened inside that C
    cannot raise: it ends the run.
    """

    address: int
    data: int
    owner: Any
    logp_grad: LogpGrad
    failure: Failure = nothing_happened

    @classmethod
    def of(cls, density: Compiled, failure: Failure = nothing_happened) -> Self:
        return cls(density.c_address, density.c_data, density, density.logp_grad, failure)


@dataclass(frozen=True, eq=False)
class Target:
    """What is sampled: nutpie's compiled model, which is for this module alone."""

    compiled: Any


def density_target(
    density: LogpGrad | CDensity, ndim: int, start: Start, name: str, trajectory: Trajectory
) -> Target:
    """A density whose one variable `name` (name_dim,) is the point itself.

    A Python function must raise nothing: an exception in it would end the process.
    """
    dim = f"{name}_dim"
    if isinstance(density, CDensity):
        return Target(_CModel({name: (dim,)}, density, ndim, start, trajectory))
    return Target(
        from_pyfunc(
            ndim,
            lambda: density,
            lambda *_: lambda theta: {name: theta},
            [np.dtype(np.float64)],
            [(ndim,)],
            [name],
            dims={name: (dim,)},
            coords={dim: np.arange(ndim)},
            make_initial_point_fn=start,
        )
    )


@dataclass(frozen=True, eq=False)
class _CModel(CompiledModel):
    density: CDensity
    ndim: int
    start: Start
    trajectory: Trajectory

    @property
    def n_dim(self) -> int:
        return self.ndim

    @property
    def coords(self) -> dict[str, Any]:
        return {}

    def _make_sampler(self, settings: Any, init_mean: Any, cores: int, *others: Any) -> Any:
        if self.trajectory != "leapfrog":
            changed = _along(self.trajectory, settings.as_dict()["settings"])
            settings.update_settings(changed)
        n, density, copy = self.ndim, self.density, _copy_function()
        ((name, (dim,)),) = self.dims.items()
        model = _lib.PyMcModel(
            _lib.LogpFunc(density.address, density.data, density.owner),
            _lib.ExpandFunc(n, n, copy.address, 0, copy),
            _lib.PyVariable.new_variables([name], ["float64"], [(n,)], {dim: n}, self.dims),
            n,
            {dim: n},
            {},
            self.start,
            None,
        )
        return _lib.PySampler.from_pymc(settings, cores, model, *others)


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


@cache
def _copy_function() -> Any:
    """The identity, as the C function that nutpie calls to expand a draw."""

    @jit.cfunc(_EXPAND_SIGNATURE)
    def copy(n, size, theta, out, data):  # type: ignore[no-untyped-def]
        for i in range(n):
            out[i] = theta[i]
        return 0

    return copy


@dataclass(frozen=True, eq=False)
class PyMCTarget(Target):
    """A pm.Model compiled by nutpie, whose shared variables can be given other values."""

    @property
    def shared(self) -> set[str]:
        """Names of the shared variables that it reads."""
        return {str(v.name) for v in self.compiled.shared_var_keys}

    def with_data(self, data: Mapping[str, Any], start: Start) -> PyMCTarget:
        """The same compiled functions on other data, from other starting points."""
        filled = self.compiled.with_data(**data)
        return PyMCTarget(replace(filled, initial_point_func=start))

    def start(self, seed: int) -> Floats:
        return np.ascontiguousarray(self.compiled.initial_point_func(seed), dtype=np.float64)

    def is_finite(self, point: Floats) -> bool:
        """Whether the log density is."""
        arrays = (point, np.empty_like(point), np.empty(1))
        pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for a in arrays]
        logp, data = self.compiled.compiled_logp_func.ctypes, self.compiled.user_data
        return bool(logp(point.size, *pointers, data.ctypes.data) == 0)


@uninterrupted()
def compile_pymc(
    model: pm.Model, keep: Sequence[str], initial_points: Mapping[str, Any] | None
) -> PyMCTarget:
    """By numba, in some seconds; `initial_points` by name, which are jittered."""
    return PyMCTarget(
        nutpie.compile_pymc_model(
            model,
            backend="numba",
            var_names=list(keep),
            initial_points=None if initial_points is None else dict(initial_points),
        )
    )


@dataclass(frozen=True, eq=False)
class Run:
    """Raw draws of one run: name -> (chain, draw, ...), tuning left out."""

    draws: Mapping[str, Floats]
    stats: xr.Dataset
    settings: Settings
    seconds: float
    tuning_share: float  # of all gradient evaluations
    interrupted: bool

    def result(self, posterior: xr.Dataset, preparing: float) -> SamplingResult:
        """With its draws as they are named and labelled, after so many seconds of preparation."""
        tuning = self.seconds * self.tuning_share
        chains, draws = self.stats["diverging"].shape
        return SamplingResult(
            posterior=posterior,
            sample_stats=self.stats,
            settings=self.settings,
            version=str(nutpie.__version__),
            timings=Timings(compile=preparing, tune=tuning, sample=self.seconds - tuning),
            interrupted=self.interrupted,
            note=interruption_note(chains, draws, self.settings) if self.interrupted else "",
        )


def run_nuts(
    target: Target,
    settings: Settings,
    *,
    keep: Sequence[str],
    adaptation: str = "diag",
    failure: Failure = nothing_happened,
) -> Run:
    """Run nutpie; Ctrl-C keeps the draws so far.

    Parameters
    ----------
    target
        What is sampled.
    settings
        With nothing left open.
    keep
        Names of the variables to read out.
    adaptation
        nutpie's mass matrix adaptation: "diag" or "low_rank".
    failure
        Asked while it runs and afterwards for an error that happened inside the density, which ends
        the run.

    Raises
    ------
    SamplingError
        No valid starting point, or stopped before the first draw after tuning.
    """
    start = time.perf_counter()
    with _without_panic(failure):
        trace, interrupted = _watch(target, settings, adaptation, failure)
        seconds = time.perf_counter() - start
        error = failure()
        if error is not None:
            raise error
        draws, stats = trace.get_arrow_trace()
    tuned = [int(np.sum(~_column(s, "tuning"))) for s in stats]
    chains, length = largest_rectangle(tuned)
    cut = [slice(stats[c].num_rows - tuned[c], None) for c in chains]

    def read(batches: Any, name: str) -> Floats:
        return np.stack(
            [_column(batches[c], name)[s][:length] for c, s in zip(chains, cut, strict=True)]
        )

    steps = [_column(s, "n_steps") for s in stats]
    early = sum(int(n[: n.size - t].sum()) for n, t in zip(steps, tuned, strict=True))
    return Run(
        draws={name: read(draws, name) for name in keep},
        stats=statistics({name: read(stats, _NUTPIE.get(name, name)) for name in STATS}),
        settings=settings,
        seconds=seconds,
        tuning_share=early / max(1, sum(int(n.sum()) for n in steps)),
        interrupted=interrupted,
    )


def _watch(
    target: Target,
    settings: Settings,
    adaptation: str,
    failure: Failure,
) -> tuple[Any, bool]:
    """The raw trace, and whether the user stopped the run."""
    latest: list[Any] = []
    total = settings.chains * (settings.draws + (settings.tune or 0))
    display = Draws(settings.chains, total, wanted=settings.progress)

    def store(chains: list[Any]) -> None:  # called in nutpie's own thread
        latest[:] = chains

    sampler = nutpie.sample(
        target.compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.seed,
        target_accept=settings.target_accept,
        maxdepth=settings.max_treedepth,
        adaptation=adaptation,
        progress_bar=False,
        progress_callback=None if display.silent else store,
        return_raw_trace=True,
        blocking=False,
    )
    with display:
        try:
            while True:
                try:
                    return sampler.wait(timeout=_POLL_SECONDS), False
                except TimeoutError:
                    if failure() is not None:
                        return sampler.abort(), True
                finally:
                    _report(display, latest)
        except KeyboardInterrupt:
            return sampler.abort(), True
        except RuntimeError as error:
            # Other chains' threads end at their next draw; Python must not exit before they do.
            time.sleep(_SETTLE_SECONDS)
            raise failure() or not_finite(f"The sampler stopped: {_first_line(error)}") from error


@contextmanager
def _without_panic(failure: Failure) -> Iterator[None]:
    """A panic of nutpie's Rust code, which `except Exception` does not see, as a SamplingError."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise failure() or not_finite(f"The sampler failed: {_first_line(error)}") from error


def _report(display: Draws, latest: list[Any]) -> None:
    chains = list(latest)
    if chains:
        display.update(
            sum(c.finished_draws for c in chains),
            sum(c.divergences for c in chains),
            tuning=any(c.tuning for c in chains),
        )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(("Caused by", "Stack"))][:2]
    return "; ".join(causes).rstrip(".") + "."


def _column(batch: Any, name: str) -> NDArray[Any]:
    """One column of an Arrow record batch, (rows, *shape of the variable)."""
    column = batch.column(name)
    metadata = column.field.metadata or {}
    text = metadata.get(b"shape", b"").decode()
    shape = tuple(int(s) for s in text.split(",") if s)
    values = pyarrow.array(column)
    flat = (values.flatten() if hasattr(values, "flatten") else values).to_numpy(
        zero_copy_only=False
    )
    if flat.dtype == np.uint64:
        flat = flat.astype(np.int64)
    return flat.reshape(batch.num_rows, *shape)
