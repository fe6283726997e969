"""Chains of our own in threads: watched, stopped, and put together."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from threading import Event

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
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

LIBRARY = "mixedbayes"
_POLL_SECONDS = 0.1
_DIVERGED = 1000.0  # error of the energy, as other samplers have it


@dataclass(frozen=True, eq=False)
class Chain:
    """What one chain kept, without its tuning."""

    draws: Floats  # (n, d)
    stats: Floats  # (n, k) log density, acceptance rate, and what the chains have besides
    tuned: float  # mean acceptance rate of the tuning, or of its end
    seconds: tuple[float, float]  # of tuning and draws


class Chains(ABC):
    """Chains by the settings, nothing left open; each looks at `stop` from time to time."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.stop = settings, Event()
        self.done = [0] * settings.chains  # draws, those of tuning included

    @abstractmethod
    def one(self, c: int) -> Chain:
        """The c-th chain; a function of the seed and c."""

    def all(self) -> tuple[list[Chain], bool]:
        """Every chain, and whether the user stopped them."""
        settings, tune = self.settings, self.settings.tune or 0
        total = settings.chains * (settings.draws + tune)
        display = Draws(settings.chains, total, wanted=settings.progress)
        interrupted = False
        with ThreadPoolExecutor(settings.cores) as pool, display:
            futures: list[Future[Chain]] = [
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


def put_together(
    chains: Sequence[Chain],
    settings: Settings,
    others: Sequence[str],
    *,
    interrupted: bool,
    began: float,
    preparing: float,
) -> SamplingResult:
    """Draws of `theta` (chain, draw, theta_dim).

    `others` are the statistics after log density and acceptance rate; `began` is a time by
    `time.perf_counter`, and `preparing` the seconds from there to the first draw.
    Raises SamplingError if there is no draw.
    """
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
    )
