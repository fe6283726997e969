"""Log densities of ordered categories row by row, for quadrature; see `RowDensity.each`.

Of any law as `ordinal_rows` has them; those with the logit link in plain arithmetic, so that loops
run over vectors of rows. `densities` has both engines' functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedbayes.families.links import Logit, ShareLink
from mixedbayes.families.ordinal_rows import loop, loop_of_numbers
from mixedbayes.families.rows import RowDensity, compiled
from mixedbayes.numerics.elementary import exp, log1p_share

_FAR = 1e300  # a threshold that no response is beyond
_u = np.uint64  # of indices, which negative ones would keep from running on vectors


def densities(
    categories: Mapping[type[ShareLink], Any], of_logit: Any, *, concave: bool = True
) -> dict[type[ShareLink], RowDensity]:
    """What a family gives the engines, by link; the logit link has an `each` of its own.

    concave: whether the log density is concave in the predictor with any link, or with logit alone.
    """
    return {
        link: RowDensity(
            loop=loop(category),
            loop_of_numbers=loop_of_numbers(category),
            each=of_logit if link is Logit else each(category),
            each_of_numbers=each_of_numbers(category),
            scale=link,
            merges="size",
            concave=concave or link is Logit,
        )
        for link, category in categories.items()
    }


def each(category: Any) -> Any:
    """Categories y, 0, 1, ..., of rows that count size times."""

    @compiled
    def rows(t, y, size, extra, cuts, value, slope, d):
        m = cuts.size
        e, s = np.empty(m), np.empty(m)
        for i in range(t.size):
            for j in range(m):
                e[j] = cuts[j] - t[i]
            value[i] = size[i] * category(int(y[i]), e, s)
            if slope.size > 0:
                along = 0.0
                for j in range(m):
                    d[i * m + j] = size[i] * s[j]
                    along += s[j]
                slope[i] = -size[i] * along

    return rows


def each_of_numbers(category: Any) -> Any:
    """The same with further numbers in each row, as `ordinal_rows.loop_of_numbers` has them."""

    @compiled
    def rows(t, y, size, extra, cuts, numbers, value, slope, d, d_numbers):
        m, n, disc = cuts.size, t.size, 1.0
        e, s = np.empty(m), np.empty(m)
        first = numbers.size - m * n  # of the numbers of the first threshold
        apart, with_disc = first >= 0, first != 0
        for i in range(n):
            if with_disc:
                disc = numbers[i]
            for j in range(m):
                e[j] = cuts[j] - t[i]
                if apart:
                    e[j] -= numbers[first + j * n + i]
                e[j] *= disc
            value[i] = size[i] * category(int(y[i]), e, s)
            if slope.size == 0:
                continue
            along, across = 0.0, 0.0
            for j in range(m):
                step, own = cuts[j] - t[i], size[i] * disc * s[j]
                if apart:
                    step -= numbers[first + j * n + i]
                    d_numbers[first + j * n + i] = -own
                d[i * m + j] = own
                along += own
                across += s[j] * step
            slope[i] = -along
            if with_disc:
                d_numbers[i] = size[i] * across

    return rows


@compiled
def _logit(x):
    """-log F(x) and -log(1 - F(x)); F(x) and 1 - F(x), F logistic."""
    e = exp(-abs(x))
    rest, whole = log1p_share(e), 1.0 / (1.0 + e)
    below = whole if x > 0.0 else e * whole
    above = e * whole if x > 0.0 else whole
    return rest - min(x, 0.0), rest + max(x, 0.0), below, above


@compiled
def cut_logit(t, y, size, extra, cuts, value, slope, d):
    """`each` of a latent response between two thresholds.

    log(F(b) - F(a)) = log(1 - exp(a - b)) + log F(b) + log(1 - F(a)).
    """
    m, n = cuts.size, t.size
    ends = np.empty(m + 2)  # of all categories; their gaps, and the gaps' slopes
    logs, rests = np.zeros(m + 1), np.zeros(m + 1)
    ends[0], ends[m + 1] = -_FAR, _FAR
    for k in range(m):
        ends[k + 1] = cuts[k]
        if k > 0:
            gap = cuts[k] - cuts[k - 1]
            logs[k] = math.log(-math.expm1(-gap))
            rests[k] = 1.0 / math.expm1(gap) if gap < 700.0 else 0.0
    low, high, inside = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        k = int(y[_u(i)])
        low[_u(i)], high[_u(i)], inside[_u(i)] = ends[_u(k)], ends[_u(k + 1)], logs[_u(k)]
    if slope.size == 0:
        for i in range(n):
            _, lower, _, _ = _logit(low[_u(i)] - t[_u(i)])
            upper, _, _, _ = _logit(high[_u(i)] - t[_u(i)])
            value[_u(i)] = size[_u(i)] * (inside[_u(i)] - lower - upper)
        return
    for i in range(n):
        _, lower, d_low, _ = _logit(low[_u(i)] - t[_u(i)])
        upper, _, _, d_high = _logit(high[_u(i)] - t[_u(i)])
        value[_u(i)] = size[_u(i)] * (inside[_u(i)] - lower - upper)
        slope[_u(i)] = size[_u(i)] * (d_low - d_high)
        low[_u(i)], high[_u(i)] = size[_u(i)] * d_low, size[_u(i)] * d_high
    for i in range(m * n):
        d[_u(i)] = 0.0
    for i in range(n):
        k = int(y[_u(i)])
        rest = size[_u(i)] * rests[_u(k)]
        if k > 0:
            d[_u(i * m + k - 1)] = -rest - low[_u(i)]
        if k < m:
            d[_u(i * m + k)] = rest + high[_u(i)]


@compiled
def stop_logit(t, y, size, extra, cuts, value, slope, d):
    """`each` of one step after the other: at j it ends with probability F(cut_j - t)."""
    m, n, wanted = cuts.size, t.size, slope.size > 0
    for i in range(n):
        value[_u(i)] = 0.0
        if wanted:
            slope[_u(i)] = 0.0
    for j in range(m):
        for i in range(n):
            ends, goes, below, above = _logit(cuts[j] - t[_u(i)])
            left = y[_u(i)] - j
            value[_u(i)] -= size[_u(i)] * (ends if left == 0.0 else goes if left > 0.0 else 0.0)
            if wanted:
                own = above if left == 0.0 else -below if left > 0.0 else 0.0
                slope[_u(i)] -= size[_u(i)] * own
                d[_u(i * m + j)] = size[_u(i)] * own


@compiled
def adjacent_logit(t, y, size, extra, cuts, value, slope, d):
    """`each` where j + 1 has the odds exp(t - cut_j) against j.

    log p_k = level_k - log of the sum of exp(level), level_k = k t - cut_0 - ... - cut_(k - 1).
    """
    m, n = cuts.size, t.size
    top, total, own = np.zeros(n), np.empty(n), np.zeros(n)
    level, shares = np.zeros(n), np.empty((m + 1) * n)
    for j in range(m):
        for i in range(n):
            level[_u(i)] += t[_u(i)] - cuts[j]
            shares[_u((j + 1) * n + i)] = level[_u(i)]
            top[_u(i)] = max(top[_u(i)], level[_u(i)])
            own[_u(i)] = level[_u(i)] if y[_u(i)] == j + 1.0 else own[_u(i)]
    for i in range(n):
        shares[_u(i)] = exp(-top[_u(i)])
        total[_u(i)] = shares[_u(i)]
    for j in range(1, m + 1):
        for i in range(n):
            p = exp(shares[_u(j * n + i)] - top[_u(i)])
            shares[_u(j * n + i)] = p
            total[_u(i)] += p
    for i in range(n):
        value[_u(i)] = size[_u(i)] * (own[_u(i)] - top[_u(i)] - math.log(total[_u(i)]))
    if slope.size == 0:
        return
    for i in range(n):
        level[_u(i)], slope[_u(i)] = 0.0, 0.0
        total[_u(i)] = size[_u(i)] / total[_u(i)]
    for j in range(m):  # of categories up to j, where y is above it
        for i in range(n):
            level[_u(i)] += shares[_u(j * n + i)] * total[_u(i)]
            d[_u(i * m + j)] = -level[_u(i)] if y[_u(i)] > j else 0.0
    for i in range(n):
        level[_u(i)] = 0.0
    for k in range(m):  # of those above j, where it is not
        j = m - 1 - k
        for i in range(n):
            level[_u(i)] += shares[_u((j + 1) * n + i)] * total[_u(i)]
            found = d[_u(i * m + j)] if y[_u(i)] > j else level[_u(i)]
            d[_u(i * m + j)] = found
            slope[_u(i)] -= found
