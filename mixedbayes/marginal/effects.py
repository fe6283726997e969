"""Exact draws and moments of group and population effects, given draws of the other parameters."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.marginal.kernel import is_single
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.numerics.threads import available_cores, one_blas_thread


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
    cross: Floats  # (n_effects, p) covariances with the population effects, internal basis
    beta: Floats  # (p,) means of those
    beta_cov: Floats  # (p, p)


def draw_effects(
    problem: Problem,
    L: Sequence[Floats],
    sigma: Floats,
    v: Floats | None,
    rng: np.random.Generator,
) -> tuple[Floats, list[Floats]]:
    """One independent, exact draw of all effects for each draw of the other parameters.

    Parameters
    ----------
    L : K arrays (S, q, q)
        Cholesky factors of the effects' covariance, in the order of the problem's factors.
    sigma : (S,), or (S, k)
        All numbers of the residual, see `Problem.n_residual`.
    v : (S, r) or None
        The sampled coefficients.

    Returns
    -------
    beta : (S, p)
        Population effects on the scale of the columns given to `build_problem`.
    b : K arrays (S, J, q)
        Group effects on their original scale, b = L u.

    Raises
    ------
    SamplingError
        Where the precision matrix of the effects is not positive definite for some draw.
    """
    x = _parameters(problem, L, sigma, v)
    effects = np.empty((len(x), problem.header.n_effects))
    beta = _draw(problem, x, effects, rng)
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
    given = _moments(problem, problem.pack(L, sigma, v))
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
    in the mixture's skewness and kurtosis and take one Newton step on its distribution function,
    in a second pass over the draws. Memory is a few numbers per effect, whatever S is.

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
    origin, _ = moved.mean_and_sd(rows[0])

    def powers(row: int, total: Floats) -> None:
        _add_powers(*moved.mean_and_sd(row), origin, total)

    raw = _sum_over(rows, powers, np.zeros((4, origin.size))) / len(rows)
    mean, sd, skewness, kurtosis = _standardise(raw)
    quantiles = mean + sd * _cornish_fisher(ndtri(p)[:, None], skewness, kurtosis)
    if p.size:
        at = quantiles + origin

        def distribution(row: int, total: Floats) -> None:
            _add_distribution(*moved.mean_and_sd(row), at, total)

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


def _draw(problem: Problem, x: Floats, effects: Floats, rng: np.random.Generator) -> Floats:
    """Fill `effects` (S, n_effects or 0) and return beta (S, p)."""
    beta = np.empty((len(x), problem.n_population))
    rng.standard_normal(out=beta)
    rng.standard_normal(out=effects)
    core = _draw_core(problem)

    def one(row: int) -> bool:
        return core(x[row], beta[row], effects[row], problem.ints, problem.floats)

    _require(_in_threads(one, len(x)))
    return (beta + problem.beta_fit - _carried(problem, x)) @ problem.beta_map.T


def _carried(problem: Problem, x: Floats) -> Floats:
    """(S, p) what sampled coefficients take of the integrated ones, in the internal basis."""
    part, rx = problem.sections, problem.header.rx
    delta = x[:, x.shape[1] - problem.n_sampled :][:, :rx] @ part["TV"].T - part["v0"]
    return delta @ part["R"].T


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

    def mean_and_sd(self, number: int) -> tuple[Floats, Floats]:
        """Of all effects, in the order of elimination, given the number-th draw."""
        problem = self.problem
        given = _moments(problem, self.x[number])
        means = [_times(b, T) for b, T in zip(_by_factor(problem, given.mean), self.T, strict=True)]
        variances = [
            (np.einsum("gtt->gt", c) if T is None else np.einsum("ti,gij,tj->gt", T, c, T)).reshape(
                m.shape
            )
            for m, c, T in zip(means, _blocks(problem, given.cov), self.T, strict=True)
        ]
        if not self.shifts:
            return _flat(problem, means), np.sqrt(_flat(problem, variances))
        beta = given.beta + self.fit[number]
        moved, spread = [], []
        for k, cross in enumerate(_by_factor(problem, given.cross.T)):  # (p, J, q)
            A, cross = self.maps[k], _times(cross, self.T[k])
            own = np.einsum("ti,ij,tj->t", A, given.beta_cov, A)
            moved.append(means[k] + A @ beta + self.shifts[k].constant[number])
            spread.append(variances[k] + own + 2 * np.einsum("ti,igt->gt", A, cross))
        mean = np.concatenate([_flat(problem, means), _flat(problem, moved)])
        variance = np.concatenate([_flat(problem, variances), _flat(problem, spread)])
        return mean, np.sqrt(np.maximum(variance, 0.0))


def _times(effects: Floats, T: Floats | None) -> Floats:
    """T b of each level's effects b, in (..., q)."""
    return effects if T is None else effects @ T.T


def _flat(problem: Problem, parts: Sequence[Floats]) -> Floats:
    """(n_effects,) in the order of elimination, from (J, q) of each factor in the caller's."""
    return np.concatenate([np.empty(0), *(parts[k].ravel() for k in problem.plan.order)])


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


def _add_powers(m: Floats, s: Floats, origin: Floats, total: Floats) -> None:
    """Add the first four moments of N(m, s^2) about the origin to total (4, n_effects)."""
    d, v = m - origin, s**2
    total[0] += d
    total[1] += d**2 + v
    total[2] += d * (d**2 + 3 * v)
    total[3] += d**4 + 6 * d**2 * v + 3 * v**2


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


def _add_distribution(m: Floats, s: Floats, at: Floats, total: Floats) -> None:
    """Add distribution function and density of N(m, s^2) at (k, n_effects) to total.

    In single precision, which is enough for a small step and twice as fast.
    """
    scale = 1.0 / np.where(s > 0, s, 1e-30)
    norm = (scale / np.sqrt(2 * np.pi)).astype(np.float32)
    for k, points in enumerate(at):
        z = ((points - m) * scale).clip(-1e3, 1e3).astype(np.float32)
        total[0, k] += ndtr(z)
        total[1, k] += np.exp(-0.5 * z**2) * norm


def _moments(problem: Problem, x: Floats) -> _Moments:
    """Moments of all effects, in the order of elimination, given the parameters x."""
    n, p = problem.header.n_effects, problem.n_population
    n_cov = sum(j * q * q for j, q in zip(problem.levels, problem.widths, strict=True))
    mean, cov, cross, beta = np.empty(n), np.empty(n_cov), np.empty(n * p), np.empty((p + 1) * p)
    core = _moments_core(problem)
    _require([core(x, mean, cov, cross, beta, problem.ints, problem.floats)])
    return _Moments(mean, cov, cross.reshape(n, p), beta[:p], beta[p:].reshape(p, p))


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


def _in_threads(function: Callable[[int], bool], n: int) -> list[bool]:
    """[function(0), ..., function(n - 1)], consecutive ones in the same thread."""
    size = max(1, -(-n // _workers(n)))
    parts = [range(start, min(start + size, n)) for start in range(0, n, size)]
    with one_blas_thread(), ThreadPoolExecutor(_workers(n)) as pool:
        return [x for part in pool.map(lambda rows: [*map(function, rows)], parts) for x in part]


def _workers(n: int) -> int:
    return max(1, min(n, available_cores()))


def _require(fine: Iterable[bool]) -> None:
    fine = list(fine)
    if not all(fine):
        raise SamplingError(
            f"the precision matrix of the effects is not positive definite for "
            f"{len(fine) - sum(fine)} of {len(fine)} draws of the variance parameters"
        )
