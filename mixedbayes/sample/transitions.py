"""Chains of a density with a surrogate, a value of it for each draw; see `theta.transitions`."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from threading import Event
from typing import Any, Protocol

import numpy as np
import xarray as xr

from mixedbayes import jit, names
from mixedbayes.design.types import Floats, Ints
from mixedbayes.progress import Draws
from mixedbayes.sample.density import THETA
from mixedbayes.sample.labels import statistics
from mixedbayes.sample.result import (
    SamplingResult,
    Timings,
    interruption_note,
    largest_rectangle,
)
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.transitions import VALUE_SIGNATURE, accepted_turns, chain

LIBRARY = "mixedbayes"
TUNE = 50  # draws: a chain forgets its start in a few
# Mean acceptance rate of the tuning, of one chain half of it; below it a surrogate is too far from
# the density.
LEAST = 0.6
_TURNS = 5  # of a proposal
_STEPS = (3, 6, 12)  # of a quarter turn
_ACCEPTED = 0.8  # share of turns for which steps are short enough
_PILOT = 200  # turns that are tried for it
_CHUNK = 10  # draws between looks at Ctrl-C
_TRIES = 100  # starting points
_POLL_SECONDS = 0.1


class Near(Protocol):
    """A polynomial close to the log density; see `marginal.density.Surrogate`."""

    @property
    def terms(self) -> Ints: ...
    @property
    def coefficients(self) -> Floats: ...
    @property
    def radius(self) -> float: ...


class Whitened(Protocol):
    """A density in the units of its mode's curvature that a compiled function evaluates."""

    @property
    def compiled(self) -> Any: ...
    @property
    def record(self) -> Ints: ...
    @property
    def ndim(self) -> int: ...
    def logp(self, theta: Floats, /) -> float: ...


@dataclass(frozen=True, eq=False)
class _Chain:
    """Draws after tuning of one chain, as far as it came."""

    draws: Floats  # (n, d)
    stats: Floats  # (n, 2) log density, acceptance rate
    tuned: float  # mean acceptance rate of the tuning
    seconds: tuple[float, float]  # of tuning and draws


def sample_transitions(white: Whitened, near: Near, settings: Settings) -> SamplingResult | None:
    """Draws of `theta` (chain, draw, theta_dim); None where proposals are rarely accepted.

    Ctrl-C keeps the draws so far. Raises SamplingError if it comes before the first.
    """
    filled = settings.filled(tune=TUNE, target_accept=LEAST)
    filled = replace(filled, target_accept=settings.target_accept)
    began = time.perf_counter()
    steps = _steps(near, white.ndim)
    if steps is None:
        return None
    run = _Run(white, near, filled, steps)
    preparing = time.perf_counter() - began
    chains, interrupted = run.all()
    tuned = [c.tuned for c in chains]
    if not interrupted and (np.mean(tuned) < LEAST or min(tuned) < LEAST / 2):
        return None
    kept, length = largest_rectangle([len(c.draws) for c in chains])
    theta = np.stack([chains[c].draws[:length] for c in kept])
    found = np.stack([chains[c].stats[:length] for c in kept])
    stats = statistics(
        {
            "lp": found[..., 0],
            "acceptance_rate": found[..., 1],
            "diverging": np.zeros(found.shape[:2], bool),
        }
    )
    posterior = xr.Dataset(
        {THETA: ((names.CHAIN, names.DRAW, f"{THETA}_dim"), theta)}, coords=stats.coords
    )
    tuning, drawing = np.mean([c.seconds for c in chains], axis=0)
    share = tuning / max(tuning + drawing, 1e-9)
    seconds = time.perf_counter() - began - preparing
    return SamplingResult(
        posterior=posterior,
        sample_stats=stats,
        settings=filled,
        version=version(LIBRARY),
        timings=Timings(preparing, seconds * share, seconds * (1 - share)),
        interrupted=interrupted,
        note=interruption_note(len(kept), length, filled) if interrupted else "",
        library=LIBRARY,
    )


def _steps(near: Near, d: int) -> int | None:
    """Steps of a quarter turn, so that most are accepted; None where there are none."""
    rng = np.random.default_rng(0)
    for steps in _STEPS:
        z, normals = np.zeros(d), rng.standard_normal(_PILOT * d)
        share = accepted_turns(
            near.terms.ravel(), near.coefficients, z, near.radius, steps, normals,
            rng.random(_PILOT), np.empty(3 * d),
        )  # fmt: skip
        if share > _ACCEPTED:
            return steps
    return None


class _Run:
    def __init__(self, white: Whitened, near: Near, settings: Settings, steps: int) -> None:
        self.white, self.near, self.settings, self.steps = white, near, settings, steps
        self.address = jit.address(type(white).compiled, VALUE_SIGNATURE)
        self.record, self.stop = white.record, Event()
        self.done = [0] * settings.chains

    def all(self) -> tuple[list[_Chain], bool]:
        """Every chain, and whether the user stopped them."""
        settings, tune = self.settings, self.settings.tune or 0
        total = settings.chains * (settings.draws + tune)
        display = Draws(settings.chains, total, wanted=settings.progress)
        interrupted = False
        with ThreadPoolExecutor(settings.cores) as pool, display:
            futures: list[Future[_Chain]] = [
                pool.submit(self.one, c) for c in range(settings.chains)
            ]
            try:
                while wait(futures, _POLL_SECONDS).not_done:
                    display.update(sum(self.done), 0, tuning=min(self.done) < tune)
            except KeyboardInterrupt:
                interrupted = True
                self.stop.set()
            except BaseException:
                self.stop.set()
                raise
            display.update(sum(self.done), 0, tuning=False)
            return [f.result() for f in futures], interrupted

    def one(self, c: int) -> _Chain:
        d, settings, near = self.white.ndim, self.settings, self.near
        tune, total = settings.tune or 0, settings.draws + (settings.tune or 0)
        rng = np.random.default_rng([settings.seed or 0, c])
        z, value = self._start(rng)
        draws, stats, times = np.empty((total, d)), np.empty((total, 2)), [time.perf_counter()] * 2
        terms, at = np.ascontiguousarray(near.terms, np.int64).ravel(), 0
        while at < total and not self.stop.is_set():
            end = min(at + _CHUNK, tune if at < tune else total)
            n = end - at
            chain(
                self.address, self.record, terms, near.coefficients, near.radius, self.steps,
                _TURNS, z, value, rng.standard_normal(n * _TURNS * d),
                rng.random(n * (_TURNS + 1)), draws[at:end].reshape(-1), stats[at:end].reshape(-1),
            )  # fmt: skip
            at = self.done[c] = end
            if at == tune:
                times[1] = time.perf_counter()
                if stats[:tune, 1].mean() < LEAST / 2:  # none of the chains is used
                    break
        seconds = times[1] - times[0], time.perf_counter() - times[1]
        tuned = float(stats[: min(at, tune), 1].mean()) if at else 0.0
        return _Chain(draws[tune:at], stats[tune:at], tuned, seconds)

    def _start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A draw from N(0, I) where the density is finite, and its logarithm there."""
        for _ in range(_TRIES):
            z = rng.standard_normal(self.white.ndim)
            value = self.white.logp(z)
            if np.isfinite(value):
                return z, np.array([value])
        return np.zeros(self.white.ndim), np.array([self.white.logp(np.zeros(self.white.ndim))])
