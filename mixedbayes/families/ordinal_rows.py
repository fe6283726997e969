"""Compiled log densities of ordered categories: loops over rows from the law of one row.

A category k among 0, ..., m has a probability that depends on the distances of the m thresholds,
e_j = disc (threshold_j - t). `category(k, e, s)` returns its logarithm and writes the derivatives
by e (m,) into s (m,); it may use e as scratch space.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mixedbayes.families.links import Cloglog, Logit, Probit, ShareLink
from mixedbayes.families.rows import compiled
from mixedbayes.numerics.special import log_ndtr

_LARGE = 700.0  # of an exponent


@compiled
def _logit_tails(x):
    """log F(x) and log(1 - F(x)), each with its derivative."""
    e = math.exp(-abs(x))
    rest = math.log1p(e)
    below = (1.0 if x > 0 else e) / (1.0 + e)
    above = (e if x > 0 else 1.0) / (1.0 + e)
    return min(x, 0.0) - rest, above, -max(x, 0.0) - rest, -below


@compiled
def _probit_tails(x):
    (below, hazard), (above, back) = log_ndtr(x), log_ndtr(-x)
    return below, hazard, above, -back


@compiled
def _cloglog_tails(x):
    hazard = math.exp(min(x, _LARGE))
    if hazard < 1e-300:
        return x, 1.0, -hazard, -hazard
    share = -math.expm1(-hazard)
    return math.log(share), hazard * math.exp(-hazard) / share, -hazard, -hazard


TAILS: dict[type[ShareLink], Any] = {
    Logit: _logit_tails,
    Probit: _probit_tails,
    Cloglog: _cloglog_tails,
}


# ---- the law of one row ------------------------------------------------------------------------


@compiled
def interval_logit(low, high):
    """log(F(high) - F(low)) and its derivatives in low and high.

    log(F(b) - F(a)) = log(1 - exp(a - b)) + log F(b) + log(1 - F(a)), F logistic.
    """
    value, d_low, d_high = 0.0, 0.0, 0.0
    if high < math.inf:
        below, d_high, _, _ = _logit_tails(high)
        value += below
    if low > -math.inf:
        _, _, above, d_low = _logit_tails(low)
        value += above
    if low > -math.inf and high < math.inf:
        gap = high - low
        rest = 1.0 / math.expm1(gap) if gap < _LARGE else 0.0
        value += math.log(-math.expm1(-gap))
        d_low -= rest
        d_high += rest
    return value, d_low, d_high


@compiled
def interval_probit(low, high):
    """log(Phi(high) - Phi(low)) and its derivatives in low and high, from the lighter tail."""
    if low == -math.inf:
        value, hazard = log_ndtr(high)
        return value, 0.0, hazard
    if high == math.inf:
        value, hazard = log_ndtr(-low)
        return value, -hazard, 0.0
    flip = low + high > 0.0
    a, b = (-high, -low) if flip else (low, high)
    (log_a, hazard_a), (log_b, hazard_b) = log_ndtr(a), log_ndtr(b)
    ratio = math.exp(log_a - log_b)
    share = -math.expm1(log_a - log_b)  # of Phi(b)
    d_a, d_b = -hazard_a * ratio / share, hazard_b / share
    if flip:
        d_a, d_b = -d_b, -d_a
    return log_b + math.log(share), d_a, d_b


@compiled
def interval_cloglog(low, high):
    """The same with 1 - F(x) = exp(-exp(x)): what is left at low, times a share of it."""
    if low == -math.inf:
        value, d_high, _, _ = _cloglog_tails(high)
        return value, 0.0, d_high
    hazard = math.exp(min(low, _LARGE))
    if high == math.inf:
        return -hazard, -hazard, 0.0
    gap = high - low
    grown = math.expm1(gap) if gap < _LARGE else math.inf
    if hazard < 1e-300:  # far to the left, where F(x) = exp(x)
        value, d_high, _, _ = _cloglog_tails(high)
        share = -math.expm1(min(low - value, -0.0))
        return value + math.log(share), -math.exp(low - value) / share, d_high / share
    more = hazard * grown  # exp(high) - exp(low)
    if more > _LARGE:
        return -hazard, -hazard, 0.0
    rest = math.expm1(more)
    value = -hazard + math.log(-math.expm1(-more))
    return value, -hazard - hazard / rest, (hazard + more) / rest


INTERVALS: dict[type[ShareLink], Any] = {
    Logit: interval_logit,
    Probit: interval_probit,
    Cloglog: interval_cloglog,
}


def between(interval: Any) -> Any:
    """`category` of a latent response that lies between two thresholds."""

    @compiled
    def category(k, e, s):
        for j in range(e.size):
            s[j] = 0.0
        low = e[k - 1] if k > 0 else -math.inf
        high = e[k] if k < e.size else math.inf
        value, d_low, d_high = interval(low, high)
        if k > 0:
            s[k - 1] = d_low
        if k < e.size:
            s[k] = d_high
        return value

    return category


def stopping(tails: Any) -> Any:
    """`category` of one step after the other: at j it ends with probability F(e_j)."""

    @compiled
    def category(k, e, s):
        value = 0.0
        for j in range(e.size):
            s[j] = 0.0
            if j <= k:
                ends, d_ends, goes, d_goes = tails(e[j])
                value += ends if j == k else goes
                s[j] = d_ends if j == k else d_goes
        return value

    return category


def reflected(tails: Any) -> Any:
    """The tails of the distribution function 1 - F(-x)."""

    @compiled
    def both(x):
        below, d_below, above, d_above = tails(-x)
        return above, -d_above, below, -d_below

    return both


def adjacent(tails: Any) -> Any:
    """`category` where j + 1 has the odds F(-e_j) / (1 - F(-e_j)) against j."""

    @compiled
    def category(k, e, s):
        level, top = 0.0, 0.0
        for j in range(e.size):  # e becomes log p(j + 1) - log p(0), s the slope of a step
            below, d_below, above, d_above = tails(-e[j])
            level += below - above
            e[j], s[j] = level, d_below - d_above
            top = max(top, level)
        first, total = math.exp(-top), math.exp(-top)
        for j in range(e.size):
            total += math.exp(e[j] - top)
        value = (e[k - 1] if k > 0 else 0.0) - top - math.log(total)
        share = first / total  # of the categories up to j
        for j in range(k):
            s[j] *= -share
            share += math.exp(e[j] - top) / total
        share = 0.0  # of the categories above j
        for j in range(e.size - 1, k - 1, -1):
            share += math.exp(e[j] - top) / total
            s[j] *= share
        return value

    return category


# ---- loops over all rows, see `RowDensity` -----------------------------------------------------


def loop(category: Any) -> Any:
    """Categories y, 0, 1, ..., of rows that count size times."""

    @compiled
    def rows(t, y, size, extra, cuts, slope, d):
        e, s, total = np.empty(cuts.size), np.empty(cuts.size), 0.0
        for i in range(t.size):
            for j in range(cuts.size):
                e[j] = cuts[j] - t[i]
            total += size[i] * category(int(y[i]), e, s)
            along = 0.0
            for j in range(cuts.size):
                d[j] += size[i] * s[j]
                along += s[j]
            slope[i] = -size[i] * along
        return total

    return rows


def loop_of_numbers(category: Any) -> Any:
    """The same with further numbers in each row.

    A discrimination; what moves each of the thresholds by itself; or both, in this order.
    """

    @compiled
    def rows(t, y, size, extra, cuts, numbers, slope, d, d_numbers):
        e, s, total, m = np.empty(cuts.size), np.empty(cuts.size), 0.0, numbers.shape[0]
        first = m - cuts.size  # row of the first threshold's
        apart, with_disc = first >= 0, first != 0
        disc = 1.0
        for i in range(t.size):
            if with_disc:
                disc = numbers[0, i]
            for j in range(cuts.size):
                e[j] = cuts[j] - t[i]
                if apart:
                    e[j] -= numbers[first + j, i]
                e[j] *= disc
            total += size[i] * category(int(y[i]), e, s)
            along, across = 0.0, 0.0
            for j in range(cuts.size):
                step = cuts[j] - t[i]
                if apart:
                    step -= numbers[first + j, i]
                    d_numbers[first + j, i] = -size[i] * disc * s[j]
                d[j] += size[i] * disc * s[j]
                along += s[j]
                across += s[j] * step
            slope[i] = -size[i] * disc * along
            if with_disc:
                d_numbers[0, i] = size[i] * across
        return total

    return rows
