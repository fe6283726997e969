"""Are ranks uniform? Simultaneous bands for an empirical distribution function, and p-values.

Saeilynoja, Buerkner & Vehtari (2022), doi:10.1007/s11222-022-10090-6. Of n ranks in 0..L, the
number below i is Binomial(n, i / (L + 1)) for each i = 1..L; a band keeps all of these counts
within central pointwise intervals of a common level gamma. The probability that a uniform sample
stays inside is computed exactly, by a recursion over i.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes.interrupts import later

stats = later("scipy.stats")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def counts_below(ranks: Ints, most: int) -> Ints:
    """(most,) number of ranks below i, for i = 1..most; ranks lie in 0..most."""
    return np.cumsum(np.bincount(ranks, minlength=most + 1))[:-1]


def p_value(ranks: Ints, most: int) -> float:
    """Probability that n uniform ranks leave the narrowest band that these ranks leave."""
    counts, n, z = counts_below(ranks, most), len(ranks), points(most)
    pointwise = 2 * np.minimum(stats.binom.cdf(counts, n, z), stats.binom.sf(counts - 1, n, z))
    gamma = float(pointwise.min()) * (1 + 1e-9)
    return min(1.0, max(0.0, 1 - inside(n, *limits(n, most, gamma)))) if gamma < 1 else 1.0


def band(n: int, most: int, alpha: float) -> tuple[Ints, Ints]:
    """Lowest and highest count below i = 1..most; all hold with probability 1 - alpha or more."""
    low, high = 0.0, alpha
    for _ in range(40):
        gamma = 0.5 * (low + high)
        if inside(n, *limits(n, most, gamma)) >= 1 - alpha:
            low = gamma
        else:
            high = gamma
    return limits(n, most, low)


def points(most: int) -> Floats:
    """(most,) i / (most + 1) for i = 1..most."""
    return np.arange(1, most + 1) / (most + 1)


def limits(n: int, most: int, gamma: float) -> tuple[Ints, Ints]:
    """Counts k with P(K <= k) > gamma / 2 and P(K >= k) > gamma / 2, at every point."""
    z = points(most)
    low = stats.binom.ppf(gamma / 2, n, z).astype(np.int64)
    low += stats.binom.cdf(low, n, z) <= gamma / 2
    high = stats.binom.isf(gamma / 2, n, z).astype(np.int64)
    high += stats.binom.sf(high, n, z) > gamma / 2
    high -= stats.binom.sf(high - 1, n, z) <= gamma / 2
    return low, high


def inside(n: int, low: Ints, high: Ints) -> float:
    """Probability that all counts of n uniform ranks lie in [low, high].

    Given k ranks below i, those between i and i + 1 are Binomial(n - k, 1 / (L + 1 - i)).
    """
    if np.any(low > high):
        return 0.0
    size = len(low) + 1
    table = special.gammaln(np.arange(n + 1) + 1.0)
    before, weight = np.zeros(1, np.int64), np.ones(1)
    for i in range(len(low)):
        after = np.arange(low[i], high[i] + 1)
        more, left = after[None, :] - before[:, None], (n - before)[:, None]
        p = 1 / (size - i)
        allowed = more >= 0
        more = np.where(allowed, more, 0)
        log = table[left] - table[more] - table[left - more]
        log = log + special.xlogy(more, p) + special.xlog1py(left - more, -p)
        weight = weight @ np.where(allowed, np.exp(log), 0.0)
        before = after
    return float(weight.sum())


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values: valid for any dependence between the tests."""
    out: dict[str, float] = {}
    worst = 0.0
    for k, name in enumerate(sorted(p, key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - k) * p[name]))
        out[name] = worst
    return {name: out[name] for name in p}
