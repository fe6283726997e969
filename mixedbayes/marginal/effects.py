"""Exact draws and moments of group and population effects, given draws of the other parameters."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mixedbayes import jit
from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.marginal.kernel import is_single, kernel_for
from mixedbayes.marginal.mixture import add_distribution, add_powers, move
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.theta.whitening import to_theta, to_z

_BLOCK = 2**15  # effects that are drawn together
_NORMAL = 0.02  # skewness and kurtosis up to which the expansion is right to some 1e-5 sd


@dataclass(frozen=True, eq=False)
class Shift:
    """What is added to one factor's effects: map @ (population effects) + constant."""

    map: Floats  # (q, p)
    constant: Floats  # (S, q)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Moments of all effects given one draw of the other parameters."""

    mean: Floats  # (n_effects,)
    cov: Floats  # blocks (q, q) of each level
    cross: Floats  # (n_effects * p,) covariances with the population effects, internal basis
    of_beta: Floats  # (p + p * p,) means and covariances of those

    @classmethod
    def room(cls, problem: Problem) -> "_Moments":
        """Numbers that are not known yet."""
        n, p = problem.header.n_effects, problem.n_population
        n_cov = sum(j * q * q for j, q in zip(problem.levels, problem.widths, strict=True))
        return cls(np.empty(n), np.empty(n_cov), np.empty(n * p), np.empty((p + 1) * p))

    @property
    def beta(self) -> Floats:
        """(p,)"""
        return self.of_beta[: self._p]

    @property
    def beta_cov(self) -> Floats:
        """(p, p)"""
        return self.of_beta[self._p :].reshape(self._p, self._p)

    @property
    def _p(self) -> int:
        return int(np.sqrt(self.of_beta.size))


def draw_effects(
    problem: Problem,
    L: Sequence[Floats],
    sigma: Floats,
    v: Floats | None,
    rng: np.random.Generator,
    maps: Sequence[Floats | None] = (),
) -> tuple[Floats, list[Floats]]:
    """One independent, exact draw of all effects for each draw of the other parameters.

    A block of draws has a stream of random numbers of its own, so that its numbers are the same
    whichever thread makes them.

    Parameters
    ----------
    L : K arrays (S, q, q)
        Cholesky factors of the effects' covariance, in the order of the problem's factors.
    sigma : (S,), or (S, k)
        All numbers of the residual, see `Problem.n_residual`.
    v : (S, r) or None
        The sampled coefficients.
    maps
        For each factor (q, q) what its effects are multiplied by, or None.

    Returns
    -------
    beta : (S, p)
        Population effects on the scale of the columns given to `build_problem`.
    b : K arrays (S, J, q)
        Group effects on their original scale, b = L u, or T L u with a map T.

    Raises
    ------
    SamplingError
        Where the precision matrix of the effects is not positive definite for some draw.
    """
    x = _parameters(problem, L, sigma, v)
    effects = np.empty((len(x), problem.header.n_effects))
    beta = _draw(problem, x, effects, rng, maps)
    return beta, _by_factor(problem, effects)


def draw_population(
    problem: Problem,
    L: Sequence[Floats],
    sigma: Floats,
    v: Floats | None,
    rng: np.random.Generator,
) -> Floats:
    """Draws (S, p) of the population effects alone; see `draw_effects`."""
    x = _parameters(problem, L, sigma, v)
    return _draw(problem, x, np.empty((len(x), 0)), rng)


def conditional_moments(
    problem: Problem, L: Sequence[Floats], sigma: float | Floats, v: Floats | None = None
) -> tuple[list[Floats], list[Floats]]:
    """Mean (J, q) and covariance (J, q, q) of each factor's effects given y and the parameters."""
    given = _Moments.room(problem)
    _moments(problem, problem.pack(L, sigma, v), given)
    return _by_factor(problem, given.mean), _blocks(problem, given.cov)


def effects_moments(
    problem: Problem,
    L: Sequence[Floats],
    sigma: Floats,
    v: Floats | None = None,
    *,
    probs: Sequence[float] = (0.025, 0.5, 0.975),
    max_draws: int | None = None,
    maps: Sequence[Floats | None] = (),
    shifts: Sequence[Shift] = (),
) -> tuple[list[EffectsSummary], list[EffectsSummary]]:
    """Posterior mean, sd and quantiles of every group effect, without keeping any draw.

    Given the other parameters each effect is normal, so its posterior is a mixture of S normals.
    Mean and sd are those of the mixture, exactly. Quantiles start from a Cornish-Fisher expansion
    in the mixture's skewness and kurtosis and, where one of these is not small, take one Newton
    step on its distribution function, in a second pass over the draws. Memory is a few numbers for
    each effect, whatever S is.

    Other parameters are as in `draw_effects`.

    Parameters
    ----------
    probs
        Of the quantiles, between 0 and 1.
    max_draws
        Use at most so many of the draws, evenly spaced; each costs about two gradients.
    maps
        For each factor (q, q) what its effects are multiplied by first, or None.
    shifts
        For each factor what its second summary adds to the effects.

    Returns
    -------
    Summaries of each factor's effects; and of the effects with their shifts, if given.
    """
    x = _parameters(problem, L, sigma, v)
    rows: NDArray[np.integer] = np.arange(len(x))
    if max_draws is not None and len(x) > max_draws:
        rows = np.linspace(0, len(x) - 1, max_draws).round().astype(int)
    moved = _Moved(problem, x, maps, shifts)
    p = np.asarray(probs, float)
    if p.size and not ((p > 0).all() and (p < 1).all()):
        raise ModelError(f"probabilities must lie between 0 and 1, got {list(probs)}")
    origin = moved.mean_and_sd(rows[0])[0].copy()

    def powers(row: int, total: Floats) -> None:
        add_powers(*moved.mean_and_sd(row), origin, total)

    raw = _sum_over(rows, powers, np.zeros((4, origin.size)))
    raw /= len(rows)
    mean, sd, skewness, kurtosis = _standardise(raw)
    quantiles = mean + sd * _cornish_fisher(ndtri(p)[:, None], skewness, kurtosis)
    normal = max(np.abs(skewness).max(initial=0.0), np.abs(kurtosis).max(initial=0.0)) < _NORMAL
    if p.size and not normal:
        at = np.ascontiguousarray(quantiles + origin)

        def distribution(row: int, total: Floats) -> None:
            given = moved.mean_and_sd(row)
            for points, below, density in zip(at, *total, strict=True):
                add_distribution(*given, points, below, density)

        cdf, density = _sum_over(rows, distribution, np.zeros((2, *at.shape), np.float32))
        step = (p[:, None] - cdf / len(rows)) / np.maximum(density / len(rows), 1e-30)
        quantiles += np.clip(step, -sd / 2, sd / 2)
    found = np.stack([mean + origin, sd, *(quantiles + origin)])
    parts = np.split(found, [problem.header.n_effects], axis=1)[: 2 if shifts else 1]
    tables = [
        [EffectsSummary(f[0], f[1], f[2:]) for f in _by_factor(problem, part)] for part in parts
    ]
    return tables[0], tables[1] if shifts else []


def _parameters(problem: Problem, L: Sequence[Floats], sigma: Floats, v: Floats | None) -> Floats:
    """(S, number of parameters) rows for the compiled functions."""
    sigma = np.atleast_1d(np.asarray(sigma, float))
    sigma = sigma.reshape(len(sigma), -1)
    if len(L) != len(problem.widths):
        raise ModelError(f"{len(L)} factors L given for {len(problem.widths)} grouping factors")
    parts = []
    for k, (factor, q) in enumerate(zip(L, problem.widths, strict=True)):
        if np.shape(factor) != (len(sigma), q, q):
            raise ModelError(f"L[{k}] has shape {np.shape(factor)}, not {(len(sigma), q, q)}")
        parts.append(np.tril(factor).reshape(len(sigma), q * q))
    v = np.zeros((len(sigma), 0)) if v is None else np.asarray(v, float)
    if v.shape != (len(sigma), problem.n_sampled):
        raise ModelError(f"v has shape {v.shape}, not {(len(sigma), problem.n_sampled)}")
    return np.ascontiguousarray(np.hstack([*parts, sigma, v]))


def _draw(
    problem: Problem,
    x: Floats,
    effects: Floats,
    rng: np.random.Generator,
    maps: Sequence[Floats | None] = (),
) -> Floats:
    """Fill `effects` (S, n_effects or 0) and return beta (S, p)."""
    beta = np.empty((len(x), problem.n_population))
    rng.standard_normal(out=beta)
    T, core = [*maps] or [None] * len(problem.widths), _draw_core(problem)
    single = is_single(problem) and not problem.sparse
    of_all = np.eye(sum(problem.widths[:1])) if not T or T[0] is None else T[0]
    # A block stays near the processor while its numbers are drawn, used and mapped.
    blocks = list(row_blocks(len(x), max(1, _BLOCK // max(problem.header.n_effects, 1))))
    streams = rng.spawn(len(blocks)) if effects.size else [rng] * len(blocks)

    def some(number: int) -> int:
        rows = blocks[number]
        own = effects[rows]
        if own.size:
            streams[number].standard_normal(out=own)
        if single:
            given = (x[rows], beta[rows], own, of_all.ravel(), problem.ints, problem.floats)
            return int(core(*given))
        fine = 0
        for row, b in zip(range(rows.start, rows.stop), own, strict=True):
            fine += core(x[row], beta[row], b, problem.ints, problem.floats)
            if b.size:
                for own_map, part in zip(T, _by_factor(problem, b), strict=True):
                    if own_map is not None:
                        part[:] = part @ own_map.T
        return fine

    _require(sum(_in_threads(some, len(blocks))), len(x))
    return (beta + problem.beta_fit - _carried(problem, x)) @ problem.beta_map.T


def _carried(problem: Problem, x: Floats) -> Floats:
    """(S, p) what sampled coefficients take of the integrated ones, in the internal basis."""
    part, rx = problem.sections, problem.header.rx
    delta = x[:, x.shape[1] - problem.n_sampled :][:, :rx] @ part["TV"].T - part["v0"]
    return delta @ part["R"].T


def compile_ahead(problem: Problem, *, summaries: bool) -> None:
    """What compiles, at the first fit of an installation, the kernels beside the density."""
    moments = [_moments_core(problem)] if summaries else []
    jit.ahead(kernel_for(problem), _draw_core(problem), *moments, to_theta, to_z)


def _draw_core(problem: Problem) -> Any:
    """The compiled function, imported (and at first compiled) when it is needed."""
    if problem.sparse:
        from mixedbayes.marginal.sparse.kernel import sparse_draw_core

        return sparse_draw_core
    if is_single(problem):
        from mixedbayes.marginal.single_draws import single_draw_core

        return single_draw_core
    from mixedbayes.marginal.draws import draw_core

    return draw_core


def _moments_core(problem: Problem) -> Any:
    if problem.sparse:
        from mixedbayes.marginal.sparse.kernel import sparse_moments_core

        return sparse_moments_core
    if is_single(problem):
        from mixedbayes.marginal.single_moments import single_moments_core

        return single_moments_core
    from mixedbayes.marginal.moments import moments_core

    return moments_core


class _Moved:
    """Moments of the mapped effects, and after them of these with their shifts."""

    def __init__(
        self,
        problem: Problem,
        x: Floats,
        maps: Sequence[Floats | None],
        shifts: Sequence[Shift],
    ) -> None:
        """x (S, number of parameters): the draws to which the shifts' constants belong."""
        self.problem, self.x, self.shifts = problem, x, shifts
        self.T = [*maps] or [None] * len(problem.widths)
        self.maps = [s.map @ problem.beta_map for s in shifts]  # of the internal basis
        self.fit = problem.beta_fit - _carried(problem, x) if shifts else np.empty(0)
        sizes = [problem.n_population, len(shifts)]
        for k in problem.plan.order:
            width = problem.widths[k] * (problem.chained[k] if problem.chained else 1)
            mapped = self.T[k] is not None
            assert not mapped or width == problem.widths[k]
            sizes += [problem.levels[k], problem.widths[k], width, mapped]
        self.sizes = np.array(sizes, np.int64)
        self.own = threading.local()  # where a thread has the numbers of its draw

    def mean_and_sd(self, number: int) -> tuple[Floats, Floats]:
        """Of all effects, in the order of elimination, given the number-th draw.

        They stand until this thread asks for the next.
        """
        problem, own = self.problem, self.own.__dict__
        if not own:
            n = problem.header.n_effects * (2 if self.shifts else 1)
            own["given"], own["moved"] = _Moments.room(problem), (np.empty(n), np.empty(n))
        given, (mean, sd) = own["given"], own["moved"]
        _moments(problem, self.x[number], given)
        parts = [np.empty(0)]
        for k in problem.plan.order:
            T = self.T[k]
            parts += [] if T is None else [T.ravel()]
            if self.shifts:
                A = self.maps[k]
                there = A @ (given.beta + self.fit[number]) + self.shifts[k].constant[number]
                parts += [A.ravel(), there, np.einsum("ti,ij,tj->t", A, given.beta_cov, A)]
        move(given.mean, given.cov, given.cross, self.sizes, np.concatenate(parts), mean, sd)
        return mean, sd


def _sum_over(
    rows: NDArray[np.integer], add: Callable[[int, Floats], None], zero: Floats
) -> Floats:
    """Sum of a statistic over draws, in threads; `add` adds that of one draw in place."""

    def part(numbers: NDArray[np.integer]) -> Floats:
        total = zero.copy()
        for number in numbers:
            add(number, total)
        return total

    workers = _workers(len(rows))
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        parts = [rows[start::workers] for start in range(workers)]
        return sum(pool.map(part, parts), zero)


def _standardise(raw: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, sd, skewness and excess kurtosis from raw moments (4, m)."""
    m1, m2, m3, m4 = raw
    variance = np.maximum(m2 - m1**2, 0)
    sd = np.sqrt(variance)
    safe = np.where(sd > 0, sd, 1.0)
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return m1, sd, third / safe**3, np.where(sd > 0, fourth / safe**4 - 3, 0.0)


def _cornish_fisher(z: Floats, skewness: Floats, kurtosis: Floats) -> Floats:
    """Standardised quantiles from normal ones; Cornish & Fisher 1938, doi:10.2307/1400905."""
    return (
        z
        + (z**2 - 1) * skewness / 6
        + (z**3 - 3 * z) * kurtosis / 24
        - (2 * z**3 - 5 * z) * skewness**2 / 36
    )


def _moments(problem: Problem, x: Floats, found: _Moments) -> None:
    """Fill in the moments of all effects, in the order of elimination, given the parameters x."""
    core = _moments_core(problem)
    given = (x, found.mean, found.cov, found.cross, found.of_beta)
    _require(int(core(*given, problem.ints, problem.floats)), 1)


def _by_factor(problem: Problem, effects: Floats) -> list[Floats]:
    """(..., n_effects) in the order of elimination to (..., J, q), the caller's order; views.

    The levels of a chain are T effects of J / T levels.
    """
    out: list[Floats] = [np.empty(0)] * len(problem.widths)
    at = 0
    for k in problem.plan.order:
        J, q = problem.levels[k], problem.widths[k]
        T = problem.chained[k] if problem.chained else 1
        out[k] = effects[..., at : at + J * q].reshape(*effects.shape[:-1], J // T, T * q)
        at += J * q
    return out


def _blocks(problem: Problem, cov: Floats) -> list[Floats]:
    """Covariance blocks (J, q, q) of each factor, in the caller's order; views."""
    found, at = {}, 0
    for k in problem.plan.order:
        J, q = problem.levels[k], problem.widths[k]
        found[k] = cov[at : at + J * q * q].reshape(J, q, q)
        at += J * q * q
    return [found[k] for k in sorted(found)]


def _in_threads(function: Callable[[int], int], n: int) -> list[int]:
    """[function(0), ..., function(n - 1)]"""
    if n == 1:
        return [function(0)]
    with one_blas_thread(), ThreadPoolExecutor(_workers(n)) as pool:
        return [*pool.map(function, range(n))]


def _workers(n: int) -> int:
    return max(1, min(n, available_cores()))


def _require(fine: int, n: int) -> None:
    if fine < n:
        raise SamplingError(
            f"the precision matrix of the effects is not positive definite for "
            f"{n - fine} of {n} draws of the variance parameters"
        )
