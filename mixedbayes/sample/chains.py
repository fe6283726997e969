"""Chains of our own in threads: watched, stopped, and put together."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
from mixedbayes.sample.labels import statistics
from mixedbayes.sample.result import (
    THETA,
    SamplingResult,
    Timings,
    interruption_note,
    largest_rectangle,
)
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.transitions import VALUE_SIGNATURE

LIBRARY = "mixedbayes"
CHUNK = 10  # draws between looks at `stop`
TRIES = 100  # starting points
_POLL_SECONDS = 0.1
_DIVERGED = 1000.0  # error of the energy, as other samplers have it


@dataclass(frozen=True, eq=False)
class Chain:
    """What one chain kept, without its tuning."""

    draws: Floats  # (n, d)
    stats: Floats  # (n, k) log density, acceptance rate, and what the chains have besides
    tuned: float  # mean acceptance rate of the tuning, or of its end
    seconds: tuple[float, float]  # of tuning and draws


class Whitened(Protocol):
    """A density in the units of its mode's curvature that a compiled function evaluates."""

    @property
    def compiled(self) -> Any: ...
    @property
    def record(self) -> Ints: ...
    @property
    def ndim(self) -> int: ...


class Chains(ABC):
    """Chains by the settings, nothing left open; each looks at `stop` from time to time."""

    def __init__(self, density: Whitened, settings: Settings) -> None:
        self.address = jit.address(type(density).compiled, VALUE_SIGNATURE)
        self.record = density.record
        self.settings, self.stop = settings, Event()
        self.done = [0] * settings.chains  # draws, those of tuning included
        self.refused = False  # after the tuning: no chain is used

    @abstractmethod
    def one(self, c: int) -> Iterator[Chain]:
        """The c-th chain, after its tuning without draws, and whole; a function of seed and c."""

    def refuses(self, tuned: Sequence[float]) -> bool:
        """Whether chains of these acceptance rates, in the tuning, are of no use."""
        return self.refused

    def all(self) -> tuple[list[Chain], bool]:
        """Every chain, and whether the user stopped them; no draws where they are refused.

        All are tuned before any is drawn from, so that a refusal costs no draws.
        """
        settings, tune = self.settings, self.settings.tune or 0
        total = settings.chains * (settings.draws + tune)
        display = Draws(settings.chains, total, wanted=settings.progress)
        interrupted, found = False, list[Chain]()
        chains = [self.one(c) for c in range(settings.chains)]
        with ThreadPoolExecutor(settings.cores) as pool, display:
            for drawing in (False, True):
                futures: list[Future[Chain]] = [pool.submit(next, chain) for chain in chains]
                try:
                    while (now := wait(futures, _POLL_SECONDS)).not_done:
                        if any(f.exception() for f in now.done):
                            self.stop.set()  # the others end; the error is raised below
                        display.update(sum(self.done), 0, tuning=min(self.done) < tune)
                except KeyboardInterrupt:
                    interrupted = True
                    self.stop.set()
                except BaseException:
                    self.stop.set()
                    raise
                found = [f.result() for f in futures]
                if not drawing:
                    self.refused = self.refuses([c.tuned for c in found]) and not interrupted
                if self.refused or self.stop.is_set():
                    break
            display.update(sum(self.done), 0, tuning=False)
        return found, interrupted


def put_together(
    chains: Sequence[Chain],
    settings: Settings,
    others: Sequence[str],
    *,
    method: str,
    interrupted: bool,
    began: float,
    preparing: float,
) -> SamplingResult:
    """Draws of `theta` (chain, draw, theta_dim).

    `others` are the statistics after log density and acceptance rate; `began` is a time by
    `time.perf_counter`, and `preparing` the seconds from there to the first draw.
    The settings that are kept have no acceptance rate, which is for NUTS: with one, the same
    settings would not give the same draws again. Raises SamplingError if there is no draw.
    """
    settings = replace(settings, target_accept=None)
    kept, length = largest_rectangle([len(c.draws) for c in chains])
    theta = np.stack([chains[c].draws[:length] for c in kept])
    found = np.stack([chains[c].stats[:length] for c in kept])
    named = dict(zip(("lp", "acceptance_rate", *others), np.moveaxis(found, -1, 0), strict=True))
    error = named.get("energy_error", np.zeros(found.shape[:2]))
    stats = statistics({"diverging": ~(error < _DIVERGED), **named})
    posterior = xr.Dataset(
        {THETA: ((names.CHAIN, names.DRAW, f"{THETA}_dim"), theta)}, coords=stats.coords
    )
    tuning, drawing = np.mean([c.seconds for c in chains], axis=0)
    share = tuning / max(tuning + drawing, 1e-9)
    seconds = time.perf_counter() - began - preparing
    return SamplingResult(
        posterior=posterior,
        sample_stats=stats,
        settings=settings,
        version=version(LIBRARY),
        timings=Timings(preparing, seconds * share, seconds * (1 - share)),
        interrupted=interrupted,
        note=interruption_note(len(kept), length, settings) if interrupted else "",
        library=LIBRARY,
        method=method,
    )
