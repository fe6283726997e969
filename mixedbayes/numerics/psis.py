"""Pareto-smoothed importance sampling of many targets at once, by array operations.

Of ratios r_s the largest M are replaced by quantiles of the generalised Pareto distribution that
fits their excess over the next largest, no larger than the largest of them. Its shape k, by the
empirical Bayes estimate of Zhang & Stephens (2009), doi:10.1198/tech.2009.08017, drawn towards 1/2
as by ten more excesses, says how far the weights can be trusted: Vehtari, Simpson, Gelman, Yao &
Gabry (2024), arXiv:1507.02646.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SAME = 1e-9  # difference of log ratios that is none
_PRIOR_B, _PRIOR_K = 3.0, 10.0  # of the estimate
_HELD = 2**20  # numbers held at a time


def tail_length(draws: int, efficiency: float) -> int:
    """M: how many of the largest ratios are smoothed; draws effective times over their number."""
    if draws * efficiency > 225:
        return int(3 * np.sqrt(draws / efficiency))
    return draws // 5


def good_k(draws: int) -> float:
    """Largest k with which weights of so many draws can be trusted: min(1 - 1 / log10(S), 0.7)."""
    return float(min(1 - 1 / np.log10(max(draws, 2)), 0.7))


@dataclass(frozen=True, eq=False)
class _Tails:
    """Of u targets."""

    largest: Floats  # (u,) log ratio, from which others are counted
    body: Floats  # (u, S - M) log ratios below the tail
    given: Floats  # (u, M) those of the tail, in order
    smoothed: Floats  # (u, M)
    k: Floats  # (u,) -inf where there is no tail
    infinite: NDArray[np.bool_]  # (u,) ratios, of which the other numbers say nothing

    @property
    def log_total(self) -> Floats:
        """(u,) log of the sum of the smoothed ratios."""
        return np.log(np.exp(self.body).sum(axis=1) + np.exp(self.smoothed).sum(axis=1))


def _tails(log_ratio: Floats, efficiency: float) -> _Tails:
    s = log_ratio.shape[1]
    m = max(tail_length(s, efficiency), 1)
    ordered = np.partition(log_ratio, s - m - 1, axis=1)
    tail = np.sort(ordered[:, s - m :], axis=1)
    infinite = ~np.isfinite(tail).all(axis=1)
    ordered[infinite] = tail[infinite] = 0.0
    largest = tail[:, -1].copy()
    ordered -= largest[:, None]
    tail -= largest[:, None]
    k = np.full(len(tail), -np.inf)
    k[infinite] = np.inf
    varies = tail[:, 0] <= -SAME
    smoothed = tail.copy()
    if varies.any():
        own, cutoff = tail[varies], np.exp(ordered[varies, s - m - 1])
        shape, scale = fit_pareto(np.exp(own) - cutoff[:, None])
        k[varies] = shape
        with np.errstate(invalid="ignore"):
            new = np.log(cutoff[:, None] + _quantiles(m, shape, scale))
        kept = np.isfinite(shape)[:, None]
        smoothed[varies] = np.where(kept, np.minimum(new, 0.0), own)
    return _Tails(largest, ordered[:, : s - m], tail, smoothed, k, infinite)


def fit_pareto(excess: Floats) -> tuple[Floats, Floats]:
    """Shape k (u,) and scale (u,) of generalised Pareto distributions; excess (u, M), in order.

    NaN where the quarter of them that is smallest does not vary, and inf where there is none.
    """
    count = excess.shape[1]
    size = max(1, _HELD // (count * (30 + int(np.sqrt(count)))))
    parts = [_fit_some(excess[at : at + size]) for at in range(0, len(excess), size)]
    return np.concatenate([k for k, _ in parts]), np.concatenate([s for _, s in parts])


def _fit_some(excess: Floats) -> tuple[Floats, Floats]:
    n = excess.shape[1]
    m = 30 + int(np.sqrt(n))
    quarter = excess[:, int(n / 4 + 0.5) - 1]
    flat = ~(quarter > excess[:, 0])
    quarter = np.where(flat, 1.0, quarter)
    spread = 1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    with np.errstate(all="ignore"):
        b = spread / (_PRIOR_B * quarter[:, None]) + 1 / excess[:, -1:]  # (u, m)
        k = np.log1p(-b[:, :, None] * excess[:, None, :]).mean(axis=2)
        log_density = n * (np.log(-b / k) - k - 1)
        weight = np.exp(log_density - log_density.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        weight[weight < 10 * np.finfo(float).eps] = 0.0
        weight /= weight.sum(axis=1, keepdims=True)
        middle = (b * weight).sum(axis=1)
        shape = np.log1p(-middle[:, None] * excess).mean(axis=1)
        scale = -shape / middle
    shape = (n * shape + _PRIOR_K * 0.5) / (n + _PRIOR_K)
    return np.where(flat, np.nan, np.where(np.isnan(shape), np.inf, shape)), scale


def _quantiles(count: int, shape: Floats, scale: Floats) -> Floats:
    """(u, count) those of the distributions at the middles of as many parts; NaN where scale is
    not positive.
    """
    log_rest = np.log1p(-np.arange(0.5, count) / count)
    k = np.where(shape == 0, 1.0, shape)[:, None]
    with np.errstate(all="ignore"):
        q = np.where(shape[:, None] == 0, -log_rest, np.expm1(-k * log_rest) / k)
        return np.where(scale > 0, scale, np.nan)[:, None] * q


def leave_one_out(log_density: Floats, efficiency: float = 1.0) -> tuple[Floats, Floats]:
    """log p(y_i | all others) of units, and Pareto k.

    Parameters
    ----------
    log_density
        (u, S) log p(y_i | draw): what units are left out of the draws' weights by.
    efficiency
        Effective over actual number of draws.

    Returns
    -------
    elpd : (u,), log of the mean of p(y_i | draw) under weights 1 / p(y_i | draw), smoothed.
    k : (u,), -inf where there is no tail, inf where weights are infinite, which then are equal.
    """
    found = _tails(-log_density, efficiency)
    # p times its weight is the same for all draws below the tail.
    gain = found.smoothed - found.given
    most = np.maximum(gain.max(axis=1), 0.0)
    count = found.body.shape[1] * np.exp(-most) + np.exp(gain - most[:, None]).sum(axis=1)
    elpd = -found.largest - found.log_total + most + np.log(count)
    for unit in np.flatnonzero(found.infinite):
        elpd[unit] = np.logaddexp.reduce(log_density[unit]) - np.log(log_density.shape[1])
    return elpd, found.k


def log_weights(log_ratio: Floats, efficiency: float = 1.0) -> tuple[Floats, float]:
    """(S,) logarithms of smoothed weights of one target, whose sum is 1, and Pareto k."""
    found = _tails(log_ratio[None], efficiency)
    k = float(found.k[0])
    if found.infinite[0]:
        return np.full(len(log_ratio), -np.log(len(log_ratio))), k
    out = log_ratio - found.largest[0]
    tail = np.argsort(out)[-found.given.shape[1] :]
    out[tail] = found.smoothed[0]
    return out - found.log_total[0], k
