"""Rank-normalised split R-hat and effective sample sizes of many quantities at once.

Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), doi:10.1214/20-BA1221. The numbers are those
of `arviz_stats`; here whole tables of group effects are done in a few array operations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from mixedbayes.design.types import Floats

_BLOCK = 2**22  # numbers handled at a time, to bound memory
MIN_DRAWS = 4


def health(draws: Floats) -> tuple[Floats, Floats]:
    """Bulk effective sample size and R-hat of K quantities.

    Parameters
    ----------
    draws
        (K, C, D): quantities, chains, draws per chain.

    Returns
    -------
    ess_bulk (K,) and rhat (K,). Both are NaN where a draw is not finite or there are fewer than
    four draws a chain; rhat also for a single chain or a constant quantity.
    """
    k, chains, n = draws.shape
    ess, rhat = np.full(k, np.nan), np.full(k, np.nan)
    if n < MIN_DRAWS:
        return ess, rhat
    step = max(1, _BLOCK // (chains * n))
    for start in range(0, k, step):
        part = slice(start, start + step)
        x = split(draws[part])
        finite = np.isfinite(x).all(axis=(1, 2))
        x = np.where(finite[:, None, None], x, 0.0)
        z = normal_scores(x)
        ess[part] = np.where(finite, effective_size(z), np.nan)
        if chains > 1:
            folded = np.abs(x - np.median(x, axis=(1, 2), keepdims=True))
            worst = np.maximum(potential_scale(z), potential_scale(normal_scores(folded)))
            rhat[part] = np.where(finite, worst, np.nan)
    return ess, rhat


def tail_size(draws: Floats) -> Floats:
    """(K,) effective number of draws for the 5 % or the 95 % quantile, whichever has fewer.

    Parameters
    ----------
    draws
        (K, C, D). The result is NaN where a draw is not finite or a chain has under four draws.
    """
    return _blockwise(_tail_size, draws)


def mcse_mean(draws: Floats) -> Floats:
    """(K,) Monte Carlo standard error of the posterior mean, in the quantity's own units.

    Parameters
    ----------
    draws
        (K, C, D). The result is NaN where a draw is not finite or a chain has under four draws.
    """
    return _blockwise(_mcse_mean, draws)


def plain_rhat(draws: Floats) -> Floats:
    """(K,) split R-hat of the values themselves, in a fiftieth of the time of `health`.

    It finds chains in different places, and not those that differ in spread alone.

    Parameters
    ----------
    draws
        (K, C, D). The result is NaN where a draw is not finite, where no chain moves, or where a
        chain has under four draws.
    """
    n = draws.shape[-1] // 2
    if draws.shape[-1] < MIN_DRAWS:
        return np.full(len(draws), np.nan)
    halves = draws[..., :n], draws[..., -n:]  # not `split`: draws may be a view, in any order
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.concatenate([x.mean(axis=2) for x in halves], axis=1).var(axis=1, ddof=1)
        within = np.concatenate([x.var(axis=2, ddof=1) for x in halves], axis=1).mean(axis=1)
        return np.where(within > 0, np.sqrt(between / within + (n - 1) / n), np.nan)


def _tail_size(x: Floats) -> Floats:
    low, high = np.quantile(x, (0.05, 0.95), axis=(1, 2), keepdims=True)
    return np.minimum(
        effective_size(split((x <= low).astype(float))),
        effective_size(split((x <= high).astype(float))),
    )


def _mcse_mean(x: Floats) -> Floats:
    return x.std(axis=(1, 2), ddof=1) / np.sqrt(effective_size(split(x)))


def _blockwise(function: Callable[[Floats], Floats], draws: Floats) -> Floats:
    """A function (k, C, D) -> (k,) over all K, with bounded memory; NaN where it is undefined."""
    k, chains, n = draws.shape
    out = np.full(k, np.nan)
    step = max(1, _BLOCK // (chains * n))
    for start in range(0, k if n >= MIN_DRAWS else 0, step):
        x = draws[start : start + step]
        finite = np.isfinite(x).all(axis=(1, 2))
        value = function(np.where(finite[:, None, None], x, 0.0))
        out[start : start + step] = np.where(finite, value, np.nan)
    return out


def split(draws: Floats) -> Floats:
    """(K, C, D) to (K, 2 C, D // 2): first and last half of every chain."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=1)


def normal_scores(x: Floats) -> Floats:
    """Normal quantiles of the fractional ranks over all chains together (Blom's offset)."""
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    order = np.argsort(flat, axis=1)
    scores = np.empty(flat.shape)
    np.put_along_axis(scores, order, blom(np.arange(1.0, size + 1), size)[None, :], axis=1)
    same = np.diff(np.take_along_axis(flat, order, axis=1), axis=1) == 0
    tied = same.any(axis=1)
    if tied.any():
        own = scores[tied]
        np.put_along_axis(own, order[tied], blom(_shared_ranks(same[tied]), size), axis=1)
        scores[tied] = own
    return scores.reshape(x.shape)


def _shared_ranks(same: NDArray[np.bool_]) -> Floats:
    """(K, m) ranks of sorted numbers, equal ones at their mean; `same` (K, m - 1) as the next."""
    apart, places = np.ones((len(same), 1), bool), np.arange(same.shape[1] + 1)
    first = np.where(np.concatenate([apart, ~same], axis=1), places, 0)
    last = np.where(np.concatenate([~same, apart], axis=1), places, places[-1])
    first = np.maximum.accumulate(first, axis=1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return 1 + (first + last) / 2


def blom(ranks: Floats, size: int) -> Floats:
    """Expected normal order statistics, approximately, of ranks 1..size."""
    return special.ndtri((ranks - 0.375) / (size + 0.25))


def potential_scale(z: Floats) -> Floats:
    """(K,) sqrt of the pooled over the within-chain variance; NaN where that is zero."""
    n = z.shape[-1]
    between = n * z.mean(axis=2).var(axis=1, ddof=1)
    within = z.var(axis=2, ddof=1).mean(axis=1)
    varies = within > 0
    ratio = between / np.where(varies, within, 1.0)
    return np.where(varies, np.sqrt((ratio + n - 1) / n), np.nan)


def effective_size(z: Floats) -> Floats:
    """(K,) effective number of draws for the mean of z, by Geyer's initial monotone sequence."""
    k, chains, n = z.shape
    total = chains * n
    acov = autocovariance(z).mean(axis=1)  # (K, n), averaged over chains
    within = acov[:, 0] * n / (n - 1)
    pooled = acov[:, 0] + (z.mean(axis=2).var(axis=1, ddof=1) if chains > 1 else 0.0)
    constant = np.ptp(z, axis=(1, 2)) < np.finfo(float).resolution
    rho = 1 - (within[:, None] - acov) / np.where(constant, 1.0, pooled)[:, None]
    rho[:, 0] = 1.0
    pairs = rho[:, : n // 2 * 2].reshape(k, -1, 2).sum(axis=2)
    last = max(0, (n - 3) // 2)
    stop = pairs[:, : last + 1] <= 0
    end = np.where(stop.any(axis=1), stop.argmax(axis=1), last)  # first pair left out
    used = np.arange(pairs.shape[1]) < end[:, None]
    area = np.where(used, np.minimum.accumulate(pairs, axis=1), 0.0).sum(axis=1)
    rows = np.arange(k)
    even = rho[rows, 2 * end]
    tail = np.where((even > 0) | (pairs[rows, end] >= 0), even, 0.0)
    tau = np.maximum(-1 + 2 * area + tail, 1 / np.log10(total))
    return np.where(constant, float(total), total / tau)


def autocovariance(z: Floats) -> Floats:
    """Autocovariance along the last axis at every lag, divided by the number of draws."""
    n = z.shape[-1]
    size = fft.next_fast_len(2 * n, real=True)
    f = fft.rfft(z - z.mean(axis=-1, keepdims=True), size, axis=-1)
    return fft.irfft(f.real**2 + f.imag**2, size, axis=-1)[..., :n] / n
