"""NUTS on a plain log density, without a PyMC model and without compiling anything.

Two kinds of density: a Python callable, and a C function with its data. nutpie calls the first
under Python's global lock, 10 to 15 microseconds a call, and chains that run at the same time wait
for one another; the second costs nothing beside its own work and runs on all cores.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import SamplingError
from mixedbayes.sample.defaults import Trajectory, density_tuning
from mixedbayes.sample.nutpie import CDensity, LogpGrad, density_target, nothing_happened, run_nuts
from mixedbayes.sample.result import THETA, SamplingResult
from mixedbayes.sample.settings import Settings

InitialPoint = Callable[[np.random.Generator], Floats]

_TRIES = 100

# Measured on two cores, four chains: with a Python callable of less than about 50 microseconds,
# two threads spend more on handing the lock to and fro than they gain, a run takes twice as long.
_WORTH_A_THREAD = 50e-6


def sample_density(
    density: LogpGrad | CDensity,
    settings: Settings,
    *,
    ndim: int,
    initial_point: InitialPoint,
    trajectory: Trajectory = "leapfrog",
    fewest: float = math.inf,
) -> SamplingResult:
    """Draw from exp(log density) on R^ndim by NUTS.

    Parameters
    ----------
    density
        theta (ndim,) -> (log density, gradient (ndim,)); called from several threads. Where it is
        not finite, NUTS turns back. Or a `CDensity`.
    settings
        `sampler` must be "nutpie". What is left open is chosen by `defaults`.
    ndim
        Number of coordinates.
    initial_point
        Draws one starting point (ndim,), for instance from a normal approximation around the
        mode; drawn again, up to 100 times, where the density is not finite or flat.
    trajectory
        Other than "leapfrog" for a `CDensity` close to N(0, I); see `defaults.Trajectory`.
    fewest
        Levels of the smallest grouping factor whose effects are coordinates.

    Returns
    -------
    SamplingResult
        Its posterior has the one variable `theta` (chain, draw, theta_dim).

    Raises
    ------
    SamplingError
        No valid starting point; another sampler; stopped before the first draw.
    """
    if settings.sampler != "nutpie":
        raise SamplingError(
            f'sampler="{settings.sampler}" cannot sample a plain density; use sampler="nutpie".'
        )
    tuning = density_tuning(trajectory, ndim, fewest)
    filled = settings.filled(tune=tuning.tune, target_accept=tuning.target_accept)
    began = time.perf_counter()
    python = density.logp_grad if isinstance(density, CDensity) else density
    start = _Start(python, initial_point, ndim)
    start(0)  # an error that every chain would meet is raised here, before threads are started
    called: LogpGrad | CDensity = density
    if not isinstance(density, CDensity):
        called, filled = start.logp_grad, start.cores(filled)
    target = density_target(called, ndim, start, THETA, trajectory)
    preparing = time.perf_counter() - began
    inside = density.failure if isinstance(density, CDensity) else nothing_happened
    run = run_nuts(
        target,
        filled,
        keep=[THETA],
        adaptation=tuning.adaptation,
        failure=lambda: start.failure or inside(),
    )
    theta = ((names.CHAIN, names.DRAW, f"{THETA}_dim"), run.draws[THETA])
    result = run.result(xr.Dataset({THETA: theta}, coords=run.stats.coords), preparing)
    if trajectory != "quarter_turn":
        return result
    # a single step is not a trajectory that was cut short
    cut_short = xr.zeros_like(result.sample_stats["reached_max_treedepth"])
    stats = result.sample_stats.assign(reached_max_treedepth=cut_short)
    return replace(result, sample_stats=stats)


class _Start:
    """The density as nutpie may call it, and its starting points.

    An exception inside the density would end the process, so the first one is kept in `failure`,
    and from then on the density is nowhere finite: the run ends at once and the error is raised.
    """

    def __init__(self, logp_grad: LogpGrad, initial_point: InitialPoint, ndim: int) -> None:
        self.failure: BaseException | None = None
        self._logp_grad, self._initial_point, self._ndim = logp_grad, initial_point, ndim
        self._nowhere = (np.nan, np.zeros(ndim))

    def logp_grad(self, theta: Floats) -> tuple[float, Floats]:
        if self.failure is not None:
            return self._nowhere
        try:
            value, gradient = self._logp_grad(theta)
            value, gradient = float(value), np.ascontiguousarray(gradient, dtype=np.float64)
            if gradient.shape != (self._ndim,):
                raise SamplingError(
                    f"The gradient has shape {gradient.shape} for {self._ndim} coordinates; it "
                    f"must have shape ({self._ndim},)."
                )
        except Exception as error:
            self.failure = error
            return self._nowhere
        return (value, gradient) if np.isfinite(gradient.sum()) else self._nowhere

    def __call__(self, seed: int) -> Floats:
        """One starting point, a function of the seed alone."""
        rng = np.random.default_rng(seed)
        theta = np.zeros(self._ndim)
        for _ in range(_TRIES):
            theta = self._draw(rng)
            value, gradient = self.logp_grad(theta)
            if self.failure is not None:
                break
            # nutpie scales its first steps by the gradient, so none of it may be zero
            if np.isfinite(value) and np.all(gradient != 0):
                return theta
        if self.failure is None:
            self.failure = SamplingError(
                f"No starting point in {_TRIES} tries: the log density is not finite, or flat in "
                f"some coordinate, for example at {np.array2string(theta, threshold=8)}. Remedy: "
                "use proper priors, and check the data for infinite values."
            )
        raise self.failure

    def _draw(self, rng: np.random.Generator) -> Floats:
        try:
            theta = np.ascontiguousarray(self._initial_point(rng), dtype=np.float64)
            if theta.shape != (self._ndim,):
                raise SamplingError(
                    f"The starting point has shape {theta.shape} for {self._ndim} coordinates."
                )
        except Exception as error:
            self.failure = error
            raise
        return theta

    def cores(self, settings: Settings) -> Settings:
        """One core where the density is too quick for threads to help; the draws are the same."""
        theta = self(0)
        began = time.perf_counter()
        for _ in range(5):
            self.logp_grad(theta)
        quick = (time.perf_counter() - began) / 5 < _WORTH_A_THREAD
        return replace(settings, cores=1) if quick else settings
