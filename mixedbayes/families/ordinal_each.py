"""Log densities of ordered categories row by row, for quadrature; see `RowDensity.each`.

Of any law as `ordinal_rows` has them; the most frequent ones in plain arithmetic, so that loops run
over vectors of rows. `densities` has both engines' functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from mixedbayes.families.links import Logit, ShareLink
from mixedbayes.families.ordinal_rows import loop, loop_of_numbers
from mixedbayes.families.rows import RowDensity, compiled
from mixedbayes.numerics.elementary import erfcx, exp, log, log1p_share, log_to_four

_FAR = 1e10  # a threshold that no response is beyond
_LARGE, _SMALL = 700.0, 0.5  # of a hazard
_ROOT_HALF, _SLOPE = math.sqrt(0.5), math.sqrt(2.0 / math.pi)
_u = np.uint64  # of indices, which negative ones would keep from running on vectors


def densities(
    categories: Mapping[type[ShareLink], Any],
    own: Mapping[type[ShareLink], Any],
    loops: Mapping[type[ShareLink], Any] = MappingProxyType({}),
    *,
    concave: bool = True,
) -> dict[type[ShareLink], RowDensity]:
    """What a family gives the engines, by link; some have an `each` of their `own`, or a loop.

    concave: whether the log density is concave in the predictor with any link, or with logit alone.
    """
    return {
        link: RowDensity(
            loop=loops.get(link) or loop(category),
            loop_of_numbers=loop_of_numbers(category),
            each=own.get(link) or each(category),
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
def _ends(y, cuts, low, high):
    """The thresholds below and above each row's category, far away where there is none."""
    m = cuts.size
    ends = np.empty(m + 2)
    ends[0], ends[m + 1] = -_FAR, _FAR
    for k in range(m):
        ends[k + 1] = cuts[k]
    for i in range(y.size):
        k = int(y[_u(i)])
        low[_u(i)], high[_u(i)] = ends[_u(k)], ends[_u(k + 1)]


@compiled
def _share_out(y, low, high, m, slope, d):
    """Derivatives by each row's two thresholds as those by all (n, m), and by its predictor."""
    for i in range(y.size):
        slope[_u(i)] = -(low[_u(i)] + high[_u(i)])
    for i in range(m * y.size):
        d[_u(i)] = 0.0
    for i in range(y.size):
        k = int(y[_u(i)])
        if k > 0:
            d[_u(i * m + k - 1)] = low[_u(i)]
        if k < m:
            d[_u(i * m + k)] = high[_u(i)]


@compiled
def cut_logit(t, y, size, extra, cuts, value, slope, d):
    """`each` of a latent response between two thresholds, a and b beyond t.

    log(F(b) - F(a)) = log(1 - exp(a - b)) + log F(b) + log(1 - F(a)), F logistic.
    """
    m, n = cuts.size, t.size
    logs, rests = np.zeros(m + 1), np.zeros(m + 1)  # of the gap of each category, and its slope
    for k in range(1, m):
        gap = cuts[k] - cuts[k - 1]
        logs[k] = math.log(-math.expm1(-gap))
        rests[k] = 1.0 / math.expm1(gap) if gap < 700.0 else 0.0
    low, high, inside = np.empty(n), np.empty(n), np.empty(n)
    _ends(y, cuts, low, high)
    for i in range(n):
        inside[_u(i)] = logs[_u(int(y[_u(i)]))]
    if slope.size == 0:
        for i in range(n):
            a, b = low[_u(i)] - t[_u(i)], high[_u(i)] - t[_u(i)]
            both = (1.0 + exp(-abs(a))) * (1.0 + exp(-abs(b)))
            rest = log_to_four(both) + max(a, 0.0) - min(b, 0.0)
            value[_u(i)] = size[_u(i)] * (inside[_u(i)] - rest)
        return
    for i in range(n):
        a, b = low[_u(i)] - t[_u(i)], high[_u(i)] - t[_u(i)]
        e, f = exp(-abs(a)), exp(-abs(b))
        both = (1.0 + e) * (1.0 + f)
        rest = log_to_four(both) + max(a, 0.0) - min(b, 0.0)
        value[_u(i)] = size[_u(i)] * (inside[_u(i)] - rest)
        share = size[_u(i)] / both
        low[_u(i)] = -(1.0 if a > 0.0 else e) * (1.0 + f) * share  # F(a), and 1 - F(b)
        high[_u(i)] = (f if b > 0.0 else 1.0) * (1.0 + e) * share
    _share_out(y, low, high, m, slope, d)
    for i in range(n):
        k = int(y[_u(i)])
        if k > 0 and k < m:
            rest = size[_u(i)] * rests[k]
            d[_u(i * m + k - 1)] -= rest
            d[_u(i * m + k)] += rest


@compiled
def _normal(low, high):
    """log(Phi(high) - Phi(low)) and its slopes, from the lighter tail: of z = -x / sqrt(2).

    2 (Phi(b) - Phi(a)) = erfc(z_b) - erfc(z_a), exp(-z_b^2) taken out where z_b is positive.
    """
    flip = low + high > 0.0
    a, b = (-high if flip else low), (-low if flip else high)
    far, z = -_ROOT_HALF * a, -_ROOT_HALF * b
    near, out = abs(z), z >= 0.0
    square = near * near
    rest, e = erfcx(near), exp(-square)
    left = exp((square if out else 0.0) - far * far)  # exp(-far^2)
    inner = (rest if out else 2.0 - rest * e) - erfcx(far) * left
    d_a, d_b = -_SLOPE * left / inner, _SLOPE * (1.0 if out else e) / inner
    value = log(0.5 * inner) - (square if out else 0.0)
    return value, (-d_b if flip else d_a), (-d_a if flip else d_b)


@compiled
def cut_probit(t, y, size, extra, cuts, value, slope, d):
    """`each` of a normal latent response between two thresholds."""
    m, n = cuts.size, t.size
    low, high = np.empty(n), np.empty(n)
    _ends(y, cuts, low, high)
    for i in range(n):
        v, d_low, d_high = _normal(low[_u(i)] - t[_u(i)], high[_u(i)] - t[_u(i)])
        value[_u(i)] = size[_u(i)] * v
        low[_u(i)], high[_u(i)] = size[_u(i)] * d_low, size[_u(i)] * d_high
    if slope.size > 0:
        _share_out(y, low, high, m, slope, d)


@compiled
def _over(x):
    """(1 - exp(-x)) / x for x from 0 to `_SMALL`."""
    low = 1.0 - x * (1 / 2 - x * (1 / 6 - x * (1 / 24 - x * (1 / 120 - x * (1 / 720)))))
    high = 1 / 5040 - x * (1 / 40320 - x * (1 / 362880 - x * (1 / 3628800 - x * (1 / 39916800))))
    x3 = x * x * x
    return low + x3 * x3 * high


@compiled
def _event(log_hazard, hazard):
    """log(1 - exp(-hazard)), exp(-hazard), and 1 - exp(-hazard), by the hazard if that is small."""
    few = hazard < _SMALL
    ratio = _over(hazard if few else _SMALL)
    none = exp(-hazard) if hazard < _LARGE else 0.0
    share = ratio if few else 1.0 - none
    return (log_hazard if few else 0.0) + log(share), none, share


@compiled
def cut_cloglog(t, y, size, extra, cuts, value, slope, d):
    """`each` of a latent response between two thresholds, a and b beyond t, F = 1 - exp(-exp(x)).

    log(F(b) - F(a)) = log(1 - exp(-h)) - exp(a), h = exp(b) - exp(a).
    """
    m, n = cuts.size, t.size
    grow, logs = np.ones(m + 1), np.zeros(m + 1)  # of h by exp(a), or by exp(b) of the lowest one
    for k in range(1, m):
        grow[k] = math.expm1(cuts[k] - cuts[k - 1])
        logs[k] = math.log(grow[k])
    low, high, by, log_by = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    _ends(y, cuts, low, high)
    for i in range(n):
        by[_u(i)], log_by[_u(i)] = grow[_u(int(y[_u(i)]))], logs[_u(int(y[_u(i)]))]
    for i in range(n):
        first, last = low[_u(i)] <= -_FAR, high[_u(i)] >= _FAR
        a, b = low[_u(i)] - t[_u(i)], high[_u(i)] - t[_u(i)]
        below, above = (0.0 if first else exp(a)), (0.0 if last else exp(b))
        hazard = above if first else below * by[_u(i)]
        log_share, none, share = _event((b if first else a) + log_by[_u(i)], hazard)
        value[_u(i)] = size[_u(i)] * ((0.0 if last else log_share) - below)
        whole = share * hazard if hazard < _SMALL else share
        low[_u(i)] = -size[_u(i)] * (below if last else below / whole)
        high[_u(i)] = size[_u(i)] * (0.0 if last else above * none / whole)
    if slope.size > 0:
        _share_out(y, low, high, m, slope, d)


@compiled
def _normal_step(x, left):
    """log of Phi(x), or of 1 - Phi(x) where steps are left after it, and its slope."""
    side = -1.0 if left > 0.0 else 1.0
    z = side * x
    near = abs(z) * _ROOT_HALF
    rest, e = erfcx(near), exp(-near * near)
    inner = rest if z < 0.0 else 2.0 - rest * e
    by = side * _SLOPE * (1.0 if z < 0.0 else e) / inner
    return log(0.5 * inner) - (near * near if z < 0.0 else 0.0), by


@compiled
def _hazard_step(x, left):
    """The same of F = 1 - exp(-exp(x))."""
    hazard = exp(x)
    found, none, share = _event(x, hazard)
    by = (none if hazard < _SMALL else hazard * none) / share
    return (-hazard if left > 0.0 else found), (-hazard if left > 0.0 else by)


@compiled
def _hazard_back(x, left):
    """The same of 1 - F(-x): the step is passed with the probability F(-x)."""
    found, by = _hazard_step(-x, 0.5 - left)
    return found, -by


def stop(step: Any) -> Any:
    """`each` of one step after the other, by the law of one, `step(cut - t, left)`."""

    @compiled
    def rows(t, y, size, extra, cuts, value, slope, d):
        m, n = cuts.size, t.size
        total, along, own = np.zeros(n), np.zeros(n), np.empty(n)
        for j in range(m):
            at, cut = j + 0.0, cuts[j]
            for i in range(n):
                left = y[_u(i)] - at
                found, by = step(cut - t[_u(i)], left)
                found, by = size[_u(i)] * found, size[_u(i)] * by
                found, by = (found if left >= 0.0 else 0.0), (by if left >= 0.0 else 0.0)
                total[_u(i)] += found
                along[_u(i)] += by
                own[_u(i)] = by
            for i in range(n if slope.size > 0 else 0):
                d[_u(i * m + j)] = own[_u(i)]
        for i in range(n):
            value[_u(i)] = total[_u(i)]
        for i in range(slope.size):
            slope[_u(i)] = -along[_u(i)]

    return rows


stop_probit, stop_cloglog, stop_back = map(stop, (_normal_step, _hazard_step, _hazard_back))


@compiled
def stop_logit(t, y, size, extra, cuts, value, slope, d):
    """`each` of one step after the other: at j it ends with probability F(cut_j - t)."""
    m, n = cuts.size, t.size
    total, along, own = np.zeros(n), np.zeros(n), np.empty(n)
    for j in range(m):
        at, cut = j + 0.0, cuts[j]
        for i in range(n):
            x, left = cut - t[_u(i)], y[_u(i)] - at
            e = exp(-abs(x))
            past, there = (1.0 if left > 0.0 else 0.0), (size[_u(i)] if left >= 0.0 else 0.0)
            total[_u(i)] += there * (log1p_share(e) - min(x, 0.0) + past * x)
            above = (e if x > 0.0 else 1.0) / (1.0 + e)
            by = there * (above - past)
            along[_u(i)] += by
            own[_u(i)] = by
        for i in range(n if slope.size > 0 else 0):
            d[_u(i * m + j)] = own[_u(i)]
    for i in range(n):
        value[_u(i)] = -total[_u(i)]
    for i in range(slope.size):
        slope[_u(i)] = -along[_u(i)]


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
