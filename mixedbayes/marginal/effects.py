"""Exact draws and moments of group and population effects, given draws of the other parameters."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.marginal.kernel import is_single
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem
from mixedbayes.marginal.threads import one_blas_thread

# Probabilities kept of effects that are summarised: the ends of the usual intervals.
QUANTILES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995)


@dataclass(frozen=True, eq=False)
class EffectsSummary:
    """Posterior summaries of one factor's effects, on their original (link) scale."""

    mean: Floats  # (J, q)
    sd: Floats  # (J, q)
    quantiles: Floats  # (number of probabilities, J, q)


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
    sigma : (S,)
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
    problem: Problem, L: Sequence[Floats], sigma: float, v: Floats | None = None
) -> tuple[list[Floats], list[Floats]]:
    """Mean (J, q) and covariance (J, q, q) of each factor's effects given y and the parameters."""
    x = problem.pack(L, sigma, v)
    mean, cov = _moment_arrays(problem)
    _moments(problem, x, mean, cov)
    return [m[0] for m in _by_factor(problem, mean[None])], _blocks(problem, cov)


def effects_moments(
    problem: Problem,
    L: Sequence[Floats],
    sigma: Floats,
    v: Floats | None = None,
    *,
    probs: Sequence[float] = (0.025, 0.5, 0.975),
    max_draws: int | None = None,
) -> list[EffectsSummary]:
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
    """
    x = _parameters(problem, L, sigma, v)
    if max_draws is not None and len(x) > max_draws:
        x = x[np.linspace(0, len(x) - 1, max_draws).round().astype(int)]
    p = np.asarray(probs, float)
    if p.size and not ((p > 0).all() and (p < 1).all()):
        raise ModelError(f"probabilities must lie between 0 and 1, got {list(probs)}")
    origin, cov = _moment_arrays(problem)
    _moments(problem, x[0], origin, cov)
    sums = _sum_over_draws(problem, x, lambda m, s: _powers(m - origin, s), (4, origin.size))
    mean, sd, skewness, kurtosis = _standardise(sums / len(x))
    quantiles = mean + sd * _cornish_fisher(ndtri(p)[:, None], skewness, kurtosis)
    if p.size:
        at = quantiles + origin
        sums = _sum_over_draws(
            problem, x, lambda m, s: _distribution(at, m, s), (2, *quantiles.shape)
        )
        step = (p[:, None] - sums[0] / len(x)) / np.maximum(sums[1] / len(x), 1e-300)
        quantiles += np.clip(step, -sd / 2, sd / 2)
    tables = [_by_factor(problem, a) for a in (np.stack([mean + origin, sd]), quantiles + origin)]
    return [EffectsSummary(m[0], m[1], quantile) for m, quantile in zip(*tables, strict=True)]


def _parameters(problem: Problem, L: Sequence[Floats], sigma: Floats, v: Floats | None) -> Floats:
    """(S, number of parameters) rows for the compiled functions."""
    sigma = np.atleast_1d(np.asarray(sigma, float))
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
    return np.ascontiguousarray(np.hstack([*parts, sigma[:, None], v]))


def _draw(problem: Problem, x: Floats, effects: Floats, rng: np.random.Generator) -> Floats:
    """Fill `effects` (S, n_effects or 0) and return beta (S, p)."""
    beta = np.empty((len(x), problem.n_population))
    rng.standard_normal(out=beta)
    rng.standard_normal(out=effects)
    core = _draw_core(problem)

    def one(row: int) -> bool:
        return core(x[row], beta[row], effects[row], problem.ints, problem.floats)

    _require(_in_threads(one, len(x)))
    part, rx = problem.sections, problem.header.rx
    delta = x[:, x.shape[1] - problem.n_sampled :][:, :rx] @ part["TV"].T - part["v0"]
    return (beta + problem.beta_fit - delta @ part["R"].T) @ problem.beta_map.T


def _draw_core(problem: Problem) -> Any:
    """The compiled function, imported (and at first compiled) when it is needed."""
    if is_single(problem):
        from mixedbayes.marginal.single_draws import single_draw_core

        return single_draw_core
    from mixedbayes.marginal.draws import draw_core

    return draw_core


def _moments_core(problem: Problem) -> Any:
    if is_single(problem):
        from mixedbayes.marginal.single_moments import single_moments_core

        return single_moments_core
    from mixedbayes.marginal.moments import moments_core

    return moments_core


def _sum_over_draws(
    problem: Problem,
    x: Floats,
    statistic: Callable[[Floats, Floats], Floats],
    shape: tuple[int, ...],
) -> Floats:
    """Sum over draws of a statistic of the conditional means and sds (n_effects,)."""

    def part(rows: range) -> Floats:
        total, (mean, cov) = np.zeros(shape), _moment_arrays(problem)
        for row in rows:
            _moments(problem, x[row], mean, cov)
            variance = [np.einsum("gii->gi", c).ravel() for c in _blocks(problem, cov, False)]
            total += statistic(mean, np.sqrt(np.concatenate([np.empty(0), *variance])))
        return total

    workers = _workers(len(x))
    ranges = [range(start, len(x), workers) for start in range(workers)]
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(part, ranges), np.zeros(shape))


def _powers(d: Floats, s: Floats) -> Floats:
    """First four raw moments of N(d, s^2)."""
    return np.stack([d, d**2 + s**2, d**3 + 3 * d * s**2, d**4 + 6 * (d * s) ** 2 + 3 * s**4])


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


def _distribution(at: Floats, m: Floats, s: Floats) -> Floats:
    """Distribution function and density of N(m, s^2) at (probabilities, n_effects)."""
    safe = np.where(s > 0, s, 1e-300)
    z = (at - m) / safe
    return np.stack([ndtr(z), np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * safe)])


def _moment_arrays(problem: Problem) -> tuple[Floats, Floats]:
    n_cov = sum(j * q * q for j, q in zip(problem.levels, problem.widths, strict=True))
    return np.empty(problem.header.n_effects), np.empty(n_cov)


def _moments(problem: Problem, x: Floats, mean: Floats, cov: Floats) -> None:
    _require([_moments_core(problem)(x, mean, cov, problem.ints, problem.floats)])


def _by_factor(problem: Problem, effects: Floats) -> list[Floats]:
    """(..., n_effects) in the order of elimination to (..., J, q), the caller's order; views."""
    out: list[Floats] = [np.empty(0)] * len(problem.widths)
    at = 0
    for k in problem.plan.order:
        J, q = problem.levels[k], problem.widths[k]
        out[k] = effects[..., at : at + J * q].reshape(*effects.shape[:-1], J, q)
        at += J * q
    return out


def _blocks(problem: Problem, cov: Floats, callers_order: bool = True) -> list[Floats]:
    """Covariance blocks (J, q, q) of each factor; views."""
    found, at = {}, 0
    for k in problem.plan.order:
        J, q = problem.levels[k], problem.widths[k]
        found[k] = cov[at : at + J * q * q].reshape(J, q, q)
        at += J * q * q
    return [found[k] for k in (sorted(found) if callers_order else problem.plan.order)]


def _in_threads(function: Callable[[int], bool], n: int) -> list[bool]:
    """[function(0), ..., function(n - 1)], consecutive ones in the same thread."""
    size = max(1, -(-n // _workers(n)))
    parts = [range(start, min(start + size, n)) for start in range(0, n, size)]
    with one_blas_thread(), ThreadPoolExecutor(_workers(n)) as pool:
        return [x for part in pool.map(lambda rows: [*map(function, rows)], parts) for x in part]


def _workers(n: int) -> int:
    return max(1, min(n, cpu_count() or 1))


def _require(fine: Iterable[bool]) -> None:
    fine = list(fine)
    if not all(fine):
        raise SamplingError(
            f"the precision matrix of the effects is not positive definite for "
            f"{len(fine) - sum(fine)} of {len(fine)} draws of the variance parameters"
        )
