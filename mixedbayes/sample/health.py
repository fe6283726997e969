"""Rank-normalised split R-hat and effective sample sizes of many quantities at once.

Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), doi:10.1214/20-BA1221. The numbers are those
of `arviz_stats`; here whole tables of group effects are done in a few array operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from mixedbayes.design.types import Floats

_BLOCK = 2**17  # numbers handled at a time, which stay near the processor
MIN_DRAWS = 4


@dataclass(frozen=True, eq=False)
class Health:
    """Numbers of K quantities; see `health`, `tail_size` and `mcse_mean`."""

    ess_bulk: Floats  # (K,)
    rhat: Floats
    ess_tail: Floats
    mcse_mean: Floats

    @classmethod
    def of(cls, draws: Floats) -> Health:
        """All of them for draws (K, C, D), which are sorted once."""
        found = np.full((4, len(draws)), np.nan)
        for part, x, finite in _blocks(draws):
            halves = _Sorted.of(split(x))
            whole = halves if x.shape[2] % 2 == 0 else _Sorted.of(x)
            values = (*_bulk(halves), _tail_size(x, whole.values), _mcse_mean(x))
            found[:, part] = np.where(finite, values, np.nan)
        return cls(*found)


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
    found = np.full((2, len(draws)), np.nan)
    for part, x, finite in _blocks(draws):
        found[:, part] = np.where(finite, _bulk(_Sorted.of(split(x))), np.nan)
    return found[0], found[1]


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
    """(K,) split R-hat of the values themselves, in a hundredth of the time of `health`.

    It finds chains in different places, and not those that differ in spread alone.

    Parameters
    ----------
    draws
        (C, D, K), as they lie in memory. The result is NaN where a draw is not finite, where no
        chain moves, or where a chain has under four draws.
    """
    chains, length, k = draws.shape
    n = length // 2
    if length < MIN_DRAWS:
        return np.full(k, np.nan)
    out, step = np.empty(k), max(1, 2 * _BLOCK // n)
    for start in range(0, k, step):
        own = draws[:, :, start : start + step]
        mean, variance = np.empty((2, 2 * chains, own.shape[2]))
        for i, chain in enumerate(own):
            for j, half in enumerate((chain[:n], chain[-n:])):
                moved = np.subtract(half, half[0], dtype=np.float64)
                first = mean[2 * i + j] = moved.mean(axis=0)
                square = np.einsum("ij,ij->j", moved, moved)
                variance[2 * i + j] = (square - n * first**2) / (n - 1)
                mean[2 * i + j] += half[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            within = variance.mean(axis=0)
            ratio = mean.var(axis=0, ddof=1) / within
            found = np.where(within > 0, np.sqrt(ratio + (n - 1) / n), np.nan)
        out[start : start + step] = found
    return out


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Draws (k, C, n), and the order of all of a quantity's numbers."""

    draws: Floats
    order: NDArray[np.intp]  # (k, C n)
    values: Floats  # (k, C n) in this order

    @classmethod
    def of(cls, x: Floats) -> _Sorted:
        flat = x.reshape(len(x), -1)
        order = np.argsort(flat, axis=1)
        return cls(x, order, np.take_along_axis(flat, order, axis=1))

    def folded(self) -> _Sorted:
        """Distances from the median: two sorted runs, which are merged."""
        size = self.values.shape[1]
        median = 0.5 * (self.values[:, (size - 1) // 2] + self.values[:, size // 2])
        apart = np.abs(self.values - median[:, None])
        merged = np.argsort(apart, axis=1, kind="stable")
        return _Sorted(
            self.draws,
            np.take_along_axis(self.order, merged, axis=1),
            np.take_along_axis(apart, merged, axis=1),
        )

    def scores(self) -> Floats:
        """(k, C, n) normal quantiles of fractional ranks over all chains together (Blom's)."""
        size = self.values.shape[1]
        scores = np.empty(self.values.shape)
        np.put_along_axis(scores, self.order, _untied(size)[None, :], axis=1)
        same = self.values[:, 1:] == self.values[:, :-1]
        tied = same.any(axis=1)
        if tied.any():
            own = scores[tied]
            np.put_along_axis(own, self.order[tied], blom(_shared_ranks(same[tied]), size), axis=1)
            scores[tied] = own
        return scores.reshape(self.draws.shape)


def _bulk(x: _Sorted) -> tuple[Floats, Floats]:
    """(k,) bulk effective sample size and R-hat of halves of chains."""
    z = x.scores()
    size = effective_size(z)
    if z.shape[1] == 2:  # of one chain
        return size, np.full(len(z), np.nan)
    return size, np.maximum(potential_scale(z), potential_scale(x.folded().scores()))


def _tail_size(x: Floats, values: Floats | None = None) -> Floats:
    """`values` (k, C n) are the same numbers in their order, where these are known."""
    every = x.reshape(len(x), -1) if values is None else values
    low, high = np.quantile(every, (0.05, 0.95), axis=1)[:, :, None, None]
    return np.minimum(
        effective_size(split((x <= low).astype(float))),
        effective_size(split((x <= high).astype(float))),
    )


def _mcse_mean(x: Floats) -> Floats:
    return x.std(axis=(1, 2), ddof=1) / np.sqrt(effective_size(split(x)))


def _blocks(draws: Floats) -> Iterator[tuple[slice, Floats, NDArray[np.bool_]]]:
    """Which quantities, their draws (k, C, D), zeros where one is not finite, and where all are.

    None where chains have under four draws.
    """
    k, chains, n = draws.shape
    step = max(1, _BLOCK // (chains * n)) if n >= MIN_DRAWS else 1
    for start in range(0, k if n >= MIN_DRAWS else 0, step):
        part = slice(start, start + step)
        x = np.ascontiguousarray(draws[part])
        finite = np.isfinite(x).all(axis=(1, 2))
        yield part, x if finite.all() else np.where(finite[:, None, None], x, 0.0), finite


def _blockwise(function: Callable[[Floats], Floats], draws: Floats) -> Floats:
    """A function (k, C, D) -> (k,) over all K, with bounded memory; NaN where it is undefined."""
    out = np.full(len(draws), np.nan)
    for part, x, finite in _blocks(draws):
        out[part] = np.where(finite, function(x), np.nan)
    return out


def split(draws: Floats) -> Floats:
    """(K, C, D) to (K, 2 C, D // 2): first and last half of every chain."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=1)


@cache
def _untied(size: int) -> Floats:
    """(size,) scores of the ranks 1..size."""
    return blom(np.arange(1.0, size + 1), size)


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
    acov = autocovariance(z)
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
    """(K, n) autocovariance of (K, C, n) at every lag, divided by n, and its mean over chains."""
    n = z.shape[-1]
    size = fft.next_fast_len(2 * n, real=True)
    f = fft.rfft(z - z.mean(axis=-1, keepdims=True), size, axis=-1)
    power = np.square(f.real)
    power += np.square(f.imag)
    return fft.irfft(power.mean(axis=1), size, axis=-1)[..., :n] / n
