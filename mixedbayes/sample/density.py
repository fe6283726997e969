"""NUTS on a plain log density, without a PyMC model and without compiling anything.

Two kinds of density: a Python callable, and a C function with its data. nutpie calls the first
under Python's global lock, 10 to 15 microseconds a call, and chains that run at the same time wait
for one another; the second costs nothing beside its own work and runs on all cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from nutpie.compiled_pyfunc import from_pyfunc

from mixedbayes import names
from mixedbayes.errors import SamplingError
from mixedbayes.sample.cdensity import CDensity, Trajectory, c_model
from mixedbayes.sample.nuts import nutpie_version, run_nuts
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

Floats = NDArray[np.float64]
LogpGrad = Callable[[Floats], tuple[float, Floats]]
InitialPoint = Callable[[np.random.Generator], Floats]

THETA = "theta"
_THETA_DIM = "theta_dim"
_TRIES = 100

# Measured as the lowest bulk or tail ESS of 4 x 1000 draws per 1000 gradients, tuning included.
# Whitened and skewed, 6 coordinates: 78 (low rank) and 76 (diagonal); correlated 0.9, where the
# whitening has failed, 4 coordinates: 125 and 15. From some twenty coordinates on, the low-rank
# estimate gains nothing, and needs longer tuning to be safe. Tuning of 100 to 400 draws changes
# little. target_accept 0.8 gives a fifth more per gradient than 0.9, but diverges now and then
# where a log-sd has the long left tail of few groups: 6 of 16,000 draws, and 0.9 still 4 of 200,000
# (five groups), 0.93 none.
# Turns need 3 gradients a draw instead of 5 in 3 coordinates, 7 instead of 15 on joint densities of
# 60 to 500 coordinates, for the same ESS a draw; quarter turns one, for four fifths of it. Where
# a posterior of few coordinates is far from normal (pastes), turns lose a third of the ESS.
FEW = 20
TUNE = {"few": 400, "many": 500, "quarter_turn": 100}
TARGET_ACCEPT = {"leapfrog": 0.93, "turns": 0.9, "quarter_turn": 0.8}

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
) -> SamplingResult:
    """Draw from exp(log density) on R^ndim by NUTS.

    Parameters
    ----------
    density
        theta (ndim,) -> (log density, gradient (ndim,)); called from several threads. Where it is
        not finite, NUTS turns back. Or a `CDensity`.
    settings
        `sampler` must be "nutpie". What is left open is taken from `TUNE` and `TARGET_ACCEPT`.
    ndim
        Number of coordinates.
    initial_point
        Draws one starting point (ndim,), for instance from a normal approximation around the
        mode; drawn again, up to 100 times, where the density is not finite or flat.
    trajectory
        Other than "leapfrog" for a `CDensity` close to N(0, I); see `cdensity.Trajectory`.

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
    few = ndim <= FEW
    adaptation = "low_rank" if few and trajectory == "leapfrog" else "diag"
    tune = TUNE["few" if few else "many"] if trajectory != "quarter_turn" else TUNE[trajectory]
    filled = settings.filled(tune=tune, target_accept=TARGET_ACCEPT[trajectory])
    python = density.logp_grad if isinstance(density, CDensity) else density
    start = _Start(python, initial_point, ndim)
    begin = time.perf_counter()
    start(0)  # an error that every chain would meet is raised here, before threads are started
    if isinstance(density, CDensity):
        model: Any = c_model(
            density, ndim, start, name=THETA, dim=_THETA_DIM, trajectory=trajectory
        )
    else:
        model = _python_model(start, ndim)
        filled = start.cores(filled)
    building = time.perf_counter() - begin
    run = run_nuts(
        model, filled, keep=[THETA], adaptation=adaptation, failure=lambda: start.failure
    )
    theta = ((names.CHAIN, names.DRAW, _THETA_DIM), run.draws[THETA])
    return SamplingResult(
        posterior=xr.Dataset({THETA: theta}, coords=run.stats.coords),
        sample_stats=_stats(run.stats, trajectory),
        settings=filled,
        version=nutpie_version(),
        timings=run.timings(building),
        interrupted=run.interrupted,
        note=run.note,
    )


def _stats(stats: xr.Dataset, trajectory: Trajectory) -> xr.Dataset:
    """A single quarter turn is not a trajectory that was cut short."""
    if trajectory != "quarter_turn":
        return stats
    return stats.assign(reached_max_treedepth=xr.zeros_like(stats["reached_max_treedepth"]))


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
        begin = time.perf_counter()
        for _ in range(5):
            self.logp_grad(theta)
        quick = (time.perf_counter() - begin) / 5 < _WORTH_A_THREAD
        return replace(settings, cores=1) if quick else settings


def _python_model(start: _Start, ndim: int) -> Any:
    return from_pyfunc(
        ndim,
        lambda: start.logp_grad,
        lambda *_: lambda theta: {THETA: theta},
        [np.dtype(np.float64)],
        [(ndim,)],
        [THETA],
        dims={THETA: (_THETA_DIM,)},
        coords={_THETA_DIM: np.arange(ndim)},
        make_initial_point_fn=start,
    )
