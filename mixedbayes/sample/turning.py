"""Chains of quarter turns on a density of many coordinates; see `theta.turning`.

Where the units are those of the posterior, nothing is left to adapt but the number of steps. A
trajectory has as few steps as are accepted often enough: its energy's error falls with the square
of their number, so that the share of accepted trajectories, 2 Phi(-sd / 2) of an error of that sd,
says after some draws how many they must be.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.sample.chains import CHUNK, TRIES, Chain, Chains, Whitened, put_together
from mixedbayes.sample.result import QUARTER_TURNS, SamplingResult, not_finite
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.turning import turn_chain

TUNE = 100  # draws
ACCEPTED = 0.85  # share of trajectories; of 0.75 and 0.94 the ESS of a gradient is lower
MOST_STEPS = 12  # of a trajectory; with more the density is too far from normal
_LEAST = 0.6  # accepted at the end of the tuning
# Fewer are accepted as often, but not out in the tails of a wide coordinate, where chains then
# stay: of an sd of 1.6 one step has ess_tail 180 of 4,000 draws, two 1,290, three 1,620.
_LEAST_STEPS = 3
_JITTER = 0.2  # of the angle, so that no coordinate comes round to where it was
_RECENT = 3  # chunks that say how many steps are needed
_WIDE = 2.0  # sd of a coordinate, of the tuning's second half: an ESS of a tenth of the draws

InitialPoint = Callable[[np.random.Generator], Floats]


class Differentiable(Whitened, Protocol):
    """One with its gradient."""

    def logp_grad(self, theta: Floats, /) -> tuple[float, Floats]: ...


def sample_turning(
    density: Differentiable,
    settings: Settings,
    initial_point: InitialPoint,
    failure: Callable[[], BaseException | None],
) -> SamplingResult | None:
    """Draws of `theta` (chain, draw, theta_dim); None where quarter turns take too many steps.

    `initial_point` draws a starting point (d,); `failure` says what happened inside the density
    that could not be raised there. Ctrl-C keeps the draws so far. Raises SamplingError if it comes
    before the first, and where there is no starting point.
    """
    filled = settings.filled(tune=TUNE, target_accept=ACCEPTED)
    began = time.perf_counter()
    run = _Run(density, filled, initial_point, failure)
    preparing = time.perf_counter() - began
    chains, interrupted = run.all()
    error = failure()
    if error is not None:
        raise error
    if run.refused:
        return None
    others = ("energy", "energy_error")
    return put_together(
        chains, filled, others, method=QUARTER_TURNS,
        interrupted=interrupted, began=began, preparing=preparing,
    )  # fmt: skip


@dataclass
class _Steps:
    """How many a trajectory takes, by the acceptance rates of the last chunks."""

    wanted: float  # acceptance rate
    now: int = _LEAST_STEPS
    errors: list[float] = field(default_factory=list)  # sd of the energy's error times steps^2

    def saw(self, rate: float) -> None:
        sd = -2.0 * float(special.ndtri(min(max(rate, 1e-3), 0.999) / 2))
        self.errors.append(sd * self.now**2)
        most = -2.0 * float(special.ndtri(self.wanted / 2))
        needed = math.ceil(math.sqrt(float(np.mean(self.errors[-_RECENT:])) / most))
        self.now = min(max(needed, _LEAST_STEPS), MOST_STEPS + 1)


class _Run(Chains):
    def __init__(
        self,
        density: Differentiable,
        settings: Settings,
        initial_point: InitialPoint,
        failure: Callable[[], BaseException | None],
    ) -> None:
        super().__init__(density, settings)
        self.density, self.initial_point, self.failure = density, initial_point, failure

    def one(self, c: int) -> Iterator[Chain]:
        d, tune = self.density.ndim, self.settings.tune or 0
        wanted = self.settings.target_accept or ACCEPTED
        rng = np.random.default_rng([self.settings.seed or 0, c])
        z, value, gradient = self._start(rng)
        steps, recent = _Steps(wanted), list[float]()
        seen, squares, many = np.zeros(d), np.zeros(d), 0  # of the tuning's second half
        draws, stats = np.empty((self.settings.draws, d)), np.empty((self.settings.draws, 4))
        chunk, of_chunk = np.empty((CHUNK, d)), np.empty((CHUNK, 4))
        times, tuning, at = time.perf_counter(), 0.0, -tune
        while at < len(draws) and not self.stop.is_set():
            n = min(CHUNK, -at if at < 0 else len(draws) - at)
            angles = 0.5 * np.pi * rng.uniform(1 - _JITTER, 1 + _JITTER, n)
            turn_chain(
                self.address, self.record, steps.now, z, value, gradient,
                rng.standard_normal(n * d), rng.random(n), angles, chunk[:n].reshape(-1),
                of_chunk[:n].reshape(-1),
            )  # fmt: skip
            if self.failure() is not None:
                self.stop.set()
                break
            if at >= 0:
                draws[at : at + n], stats[at : at + n] = chunk[:n], of_chunk[:n]
            at += n
            self.done[c] = tune + at
            if at > 0:
                continue
            recent = [*recent, float(of_chunk[:n, 1].mean())][-_RECENT:]
            steps.saw(recent[-1])
            if at - n >= -tune / 2:
                seen += chunk[:n].sum(axis=0)
                squares += (chunk[:n] ** 2).sum(axis=0)
                many += n
            if at == 0 or tune + at >= TUNE:
                wide = at == 0 and np.max(squares / many - (seen / many) ** 2) > _WIDE**2
                if wide or steps.now > MOST_STEPS or np.mean(recent) < _LEAST:
                    self.refused = True
                    self.stop.set()
            if at == 0:
                tuning = time.perf_counter() - times
                yield Chain(draws[:0], stats[:0], float(np.mean(recent)), (tuning, 0.0))
                times = time.perf_counter()
        kept, seconds = max(at, 0), (tuning, time.perf_counter() - times)
        yield Chain(draws[:kept], stats[:kept], float(np.mean(recent or [0.0])), seconds)

    def _start(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """A point where the density is finite, its logarithm there (1,) and the gradient."""
        for _ in range(TRIES):
            z = np.array(self.initial_point(rng), float)
            value, gradient = self.density.logp_grad(z)
            if np.isfinite(value):
                return z, np.array([value]), np.array(gradient, float)
        raise not_finite(f"The log density is not finite at {TRIES} starting points.")
