"""Chains of a density with a surrogate, a value of it for each draw; see `theta.transitions`.

Where the density falls more slowly than its surrogate, a chain rarely comes there, and then stays
for long. The tuning is too short to see it, so that the draws themselves are looked at, see
`sticks`; before there are any, the density far out can be, see `falls_slowly`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats, Ints
from mixedbayes.sample.chains import CHUNK, TRIES, Chain, Chains, Whitened, put_together
from mixedbayes.sample.convergence import RHAT
from mixedbayes.sample.health import MIN_DRAWS, health, tail_size
from mixedbayes.sample.result import PROPOSALS, THETA, SamplingResult
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.transitions import LEAST_FALL, accepted_turns, chain

TUNE = 50  # draws: a chain forgets its start in a few
# Mean acceptance rate of the tuning, of one chain half of it; below it a surrogate is too far from
# the density. Where a value takes some microseconds, NUTS costs little more, see `Effort`.
LEAST = 0.6
# Effective draws, bulk and tail, of each draw. Where all proposals are as good and are accepted at
# a rate a, they are a / (2 - a), 0.43 of LEAST, and the lowest of 200 estimates from 1,000 draws
# was 0.17.
LEAST_EFFECTIVE = 0.1
_ENOUGH = 1000  # draws, from which on they are known well enough
_CHANCE = 1e-4  # that rhat of a coordinate is too high in chains that mix
# Posterior sds along each axis at which the density is compared with its surrogate. A log ratio of
# 3 keeps a chain for 20 draws; in a tail of Student's t with 3 degrees of freedom it is 5 where the
# log density is 8 below the mode's, in normal ones and those that `theta.tails` makes so it is
# above 3 at -30 and below, if anywhere.
_FAR = np.array([8.0, 14.0])
_STAYS, _RARE = 3.0, -12.0
_ACCEPTED = 0.8  # share of turns for which steps are short enough
_PILOT = 200  # turns that are tried for it


@dataclass(frozen=True)
class Effort:
    """How much goes into a proposal."""

    turns: int
    steps: tuple[int, ...]  # of a quarter turn, of which the first is taken that serves
    chunk: int  # draws between looks at `stop`
    least: float  # mean acceptance rate of the tuning, see `LEAST`


# Where a value takes long, what a draw costs beside it does not matter. Where it takes some
# microseconds, so does a turn: of 16,000 draws of sleepstudy and of pastes, effective ones, bulk
# and tail, and microseconds of each draw by turns and steps,
#
#                   1, 2             2, 2             3, 2             5, 3
#     sleepstudy    0.63 0.58 3.7    0.86 0.79 5.2    0.91 0.90 6.7    0.92 0.91 12.4
#     pastes        0.61 0.61 6.6    0.76 0.78 7.2    0.84 0.83 8.1    0.90 0.83 11.3
DEAR = Effort(turns=5, steps=(3, 6, 12), chunk=CHUNK, least=LEAST)
QUICK = Effort(turns=3, steps=(2, 4, 8), chunk=250, least=0.75)


class Near(Protocol):
    """A polynomial close to the log density; see `marginal.density.Surrogate`."""

    @property
    def terms(self) -> Ints: ...
    @property
    def coefficients(self) -> Floats: ...
    @property
    def radius(self) -> float: ...


class Valued(Whitened, Protocol):
    """One whose value can be had without its gradient."""

    def logp(self, theta: Floats, /) -> float: ...


def sample_transitions(
    white: Valued, near: Near, settings: Settings, effort: Effort = DEAR
) -> SamplingResult | None:
    """Draws of `theta` (chain, draw, theta_dim); None where proposals are rarely accepted.

    None as well where a chain stays for long where it is, unless the user stopped them.
    Ctrl-C keeps the draws so far. Raises SamplingError if it comes before the first.
    """
    filled = settings.filled(tune=TUNE, target_accept=LEAST)
    began = time.perf_counter()
    steps = _steps(near, white.ndim, effort.steps)
    if steps is None:
        return None
    run = _Run(white, near, filled, steps, effort)
    preparing = time.perf_counter() - began
    chains, interrupted = run.all()
    if run.refused:
        return None
    result = put_together(
        chains, filled, ("energy",), method=PROPOSALS,
        interrupted=interrupted, began=began, preparing=preparing,
    )  # fmt: skip
    if interrupted:
        return result
    rates = result.sample_stats["acceptance_rate"]
    return None if sticks(result.posterior[THETA].to_numpy(), float(rates.mean())) else result


def falls_slowly(white: Valued, near: Near) -> bool:
    """Whether the density has a tail along an axis, of mass that counts, that its surrogate lacks.

    That is where log p - s is 3 more than at 0, and log p at most 12 less.
    """
    d, centre = white.ndim, white.logp(np.zeros(white.ndim))
    for i in range(d):
        for at in (-_FAR, _FAR):
            z = np.zeros((len(at), d))
            z[:, i] = at
            fall = np.array([white.logp(x) for x in z]) - centre
            far = along_axis(near, d, i, np.append(0.0, at))
            if ((fall > _RARE) & (fall - (far[1:] - far[0]) > _STAYS)).any():
                return True
    return False


def along_axis(near: Near, d: int, i: int, at: Floats) -> Floats:
    """s, see `theta.transitions.surrogate`, where coordinate i is `at` and the others are 0."""
    own = ((near.terms == i) | (near.terms == d)).all(axis=1)
    powers = (near.terms[own] == i).sum(axis=1)
    c, order = np.bincount(powers, near.coefficients[own], minlength=5), np.arange(5)
    edge = np.clip(at, -near.radius, near.radius)[:, None]
    slope = np.sign(edge[:, 0]) * (edge ** order[:-1] @ (order[1:] * c[1:]))
    beyond = np.abs(at - edge[:, 0])
    return np.asarray(edge**order @ c + np.minimum(slope, -LEAST_FALL) * beyond)


def sticks(draws: Floats, rate: float) -> bool:
    """Whether chains (C, D, d) that accept proposals at a rate stay for long where they are.

    That is where split rhat of a coordinate is 1.01 or more, and more than it is by chance where
    draws are few, or where of 1,000 draws or more fewer than a tenth are effective, for the mean of
    a coordinate or for its tails.
    """
    x, (chains, each, _) = draws.transpose(2, 0, 1), draws.shape
    if each < MIN_DRAWS:
        return False
    ess, rhat = health(x)
    halves, n = 2 * chains, each // 2
    by_chance = special.fdtri(halves - 1, halves * (n - 1), 1 - _CHANCE) * (2 - rate) / rate
    most = max(RHAT, float(np.sqrt((by_chance + n - 1) / n)))
    if (rhat >= most).any():
        return True
    total = chains * each
    few = np.minimum(ess, tail_size(x)) < LEAST_EFFECTIVE * total
    return bool(total >= _ENOUGH and few.any())


def _steps(near: Near, d: int, tried: Sequence[int]) -> int | None:
    """Steps of a quarter turn, so that most are accepted; None where there are none."""
    rng = np.random.default_rng(0)
    for steps in tried:
        z, normals = np.zeros(d), rng.standard_normal(_PILOT * d)
        share = accepted_turns(
            near.terms.ravel(), near.coefficients, z, near.radius, steps, normals,
            rng.random(_PILOT), np.empty(3 * d),
        )  # fmt: skip
        if share > _ACCEPTED:
            return steps
    return None


class _Run(Chains):
    def __init__(
        self, white: Valued, near: Near, settings: Settings, steps: int, effort: Effort = DEAR
    ) -> None:
        super().__init__(white, settings)
        self.white, self.near, self.steps, self.effort = white, near, steps, effort

    def refuses(self, tuned: Sequence[float]) -> bool:
        least = self.effort.least
        return bool(np.mean(tuned) < least or min(tuned) < least / 2)

    def one(self, c: int) -> Iterator[Chain]:
        d, settings, near = self.white.ndim, self.settings, self.near
        turns, chunk = self.effort.turns, self.effort.chunk
        tune, total = settings.tune or 0, settings.draws + (settings.tune or 0)
        rng = np.random.default_rng([settings.seed or 0, c])
        z, value = self._start(rng)
        draws, stats, times = np.empty((total, d)), np.empty((total, 3)), time.perf_counter()
        terms, at = np.ascontiguousarray(near.terms, np.int64).ravel(), 0
        tuned, tuning = 0.0, 0.0
        while at < total and not self.stop.is_set():
            end = min(at + chunk, tune if at < tune else total)
            n, before = end - at, value.item()
            normals, found = rng.standard_normal((n, turns, d)), np.empty((n, 2))
            chain(
                self.address, self.record, terms, near.coefficients, near.radius, self.steps,
                turns, z, value, normals.reshape(-1), rng.random(n * (turns + 1)),
                draws[at:end].reshape(-1), found.reshape(-1),
            )  # fmt: skip
            stats[at:end, :2] = found
            stats[at:end, 2] = 0.5 * np.sum(normals[:, 0] ** 2, axis=1)  # where a draw sets out
            stats[at:end, 2] -= np.append(before, found[:-1, 0])
            at = self.done[c] = end
            if at == tune:
                tuned, tuning = float(stats[:tune, 1].mean()), time.perf_counter() - times
                yield Chain(draws[tune:at], stats[tune:at], tuned, (tuning, 0.0))
                times = time.perf_counter()
        yield Chain(draws[tune:at], stats[tune:at], tuned, (tuning, time.perf_counter() - times))

    def _start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A draw from N(0, I) where the density is finite, and its logarithm there."""
        for _ in range(TRIES):
            z = rng.standard_normal(self.white.ndim)
            value = self.white.logp(z)
            if np.isfinite(value):
                return z, np.array([value])
        return np.zeros(self.white.ndim), np.array([self.white.logp(np.zeros(self.white.ndim))])
