"""PyMC's own NUTS on a pm.Model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.progress import Draws
from mixedbayes.sample.labels import labelled, statistics
from mixedbayes.sample.result import (
    SamplingResult,
    Timings,
    interruption_note,
    largest_rectangle,
    not_finite,
)
from mixedbayes.sample.settings import Settings

_REFRESH_SECONDS = 0.1


def sample_pymc(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> SamplingResult:
    """Sample with `pm.sample`, its own messages and bars off; `settings` with nothing left open."""
    total = settings.chains * (settings.draws + (settings.tune or 0))
    with Draws(settings.chains, total, wanted=settings.progress) as display:
        watch = _Watch(settings, display)
        tree = _sample(model, settings, keep, initial_points, watch)
    draws, stats = arrays_of(tree, keep)
    chains, length = stats["diverging"].shape
    return SamplingResult(
        posterior=labelled(draws, model),
        sample_stats=statistics(stats),
        settings=settings,
        version=str(pm.__version__),
        timings=watch.timings(),
        interrupted=watch.stopped,
        note=interruption_note(chains, length, settings) if watch.stopped else "",
    )


def _sample(
    model: pm.Model,
    settings: Settings,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
    watch: _Watch,
) -> xr.DataTree:
    with warnings.catch_warnings():
        # PyMC forks its worker processes; threads of the numerical libraries are idle then.
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        try:
            nuts = {"max_treedepth": settings.max_treedepth}
            return pm_sample(
                model, settings, keep, initial_points, nuts, cores=settings.cores, callback=watch
            )
        except pm.exceptions.SamplingError as error:
            raise not_finite(
                f"The sampler could not start: {str(error).splitlines()[0]}"
            ) from error
        except ValueError:
            if watch.stopped:
                largest_rectangle(watch.kept)  # raises the error that says what to do
            raise


def pm_sample(
    model: pm.Model,
    settings: Settings,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
    nuts: Mapping[str, Any],
    **others: Any,
) -> xr.DataTree:
    """`pm.sample` with these settings and the sampler's own, without messages, bars and checks."""
    return pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        random_seed=settings.seed,
        model=model,
        var_names=list(keep),
        nuts_sampler=settings.sampler,
        nuts={"target_accept": settings.target_accept, **nuts},
        initvals=None if initial_points is None else dict(initial_points),
        progressbar=False,
        quiet=True,
        compute_convergence_checks=False,
        **others,
    )


def arrays_of(
    tree: xr.DataTree, keep: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Of a tree by `pm.sample`: draws (chain, draw, ...) of these variables, and statistics."""
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    draws = {n: posterior[n].transpose(names.CHAIN, names.DRAW, ...).to_numpy() for n in keep}
    return draws, {str(n): x.to_numpy() for n, x in stats.data_vars.items()}


class _Watch:
    """Called by PyMC after every draw: counts, shows progress, and passes on a Ctrl-C.

    PyMC ends only the chain that a Ctrl-C meets where chains run one after the other, and starts
    the next; a chain that starts while an earlier one is unfinished therefore stops them all.
    """

    def __init__(self, settings: Settings, display: Draws) -> None:
        self.tune = settings.tune or 0
        self.total = self.tune + settings.draws
        self.sequential = settings.cores == 1 or settings.chains == 1
        self.done = [0] * settings.chains
        self.steps = {True: 0, False: 0}  # gradient evaluations while tuning, and after
        self.divergences = 0
        self.display = display
        self.began = time.perf_counter()
        self.first = self.last = self.shown = self.began

    def __call__(self, trace: Any, draw: Any) -> None:
        self.last = time.perf_counter()
        if not any(self.done):
            self.first = self.last
        if self.sequential and any(0 < n < self.total for n in self.done[: draw.chain]):
            raise KeyboardInterrupt
        self.done[draw.chain] += 1
        stats = draw.stats[0]
        self.steps[bool(draw.tuning)] += int(stats["tree_size"])
        self.divergences += int(stats["diverging"] and not draw.tuning)
        if self.last - self.shown > _REFRESH_SECONDS or sum(self.done) == self.total * len(
            self.done
        ):
            self.shown = self.last
            self.display.update(sum(self.done), self.divergences, tuning=bool(draw.tuning))

    @property
    def stopped(self) -> bool:
        return any(n < self.total for n in self.done)

    @property
    def kept(self) -> list[int]:
        """Draws after tuning, by chain."""
        return [max(0, n - self.tune) for n in self.done]

    def timings(self) -> Timings:
        running = self.last - self.first
        tuning = running * self.steps[True] / max(1, sum(self.steps.values()))
        return Timings(compile=self.first - self.began, tune=tuning, sample=running - tuning)
