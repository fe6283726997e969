"""How many responses are above each value, of data that are known within limits."""

from __future__ import annotations

import numpy as np

from mixedbayes.design.limits import INTERVAL, LEFT, Limits
from mixedbayes.design.types import Floats
from mixedbayes.families.base import Bools

_ITERATIONS = 2000
_SETTLED = 1e-9  # largest change of a mass at which the iteration stops


def survival(y: Floats, limits: Limits | None = None) -> tuple[Floats, Floats]:
    """Values (m,) in increasing order, and the estimated share of responses above each of them.

    Of right-censored responses the product limit (Kaplan & Meier 1958, doi:10.2307/2281868), which
    ends at the largest value where some are known to be beyond it; with left- or interval-censored
    ones the distribution of largest likelihood by Turnbull's self-consistency (1976,
    doi:10.1111/j.2517-6161.1976.tb01597.x), all of an interval's mass at its upper end.

    Parameters
    ----------
    y
        (n,) responses.
    limits
        How they were observed; None: all are known.
    """
    y = np.asarray(y, float)
    if limits is None or limits.censoring is None:
        values, counts = np.unique(y, return_counts=True)
        return values, 1.0 - np.cumsum(counts) / len(y)
    if not np.isin(limits.censoring, (LEFT, INTERVAL)).any():
        return _product_limit(y, limits.censored(len(y)))
    return _turnbull(*limits.range(y), known=~limits.censored(len(y)))


def _product_limit(y: Floats, censored: Bools) -> tuple[Floats, Floats]:
    values = np.unique(y[~censored])
    ordered = np.sort(y)
    at_risk = len(y) - np.searchsorted(ordered, values, side="left")
    events = np.bincount(np.searchsorted(values, y[~censored]), minlength=len(values))
    return values, np.cumprod(1.0 - events / at_risk)


def _turnbull(a: Floats, b: Floats, *, known: Bools) -> tuple[Floats, Floats]:
    """By the iteration p_j = mean over i of p_j [j in (a_i, b_i]] / sum of p in (a_i, b_i]."""
    beyond = np.isinf(b) & (b > 0)
    values = np.unique(b[~beyond])
    support = np.append(values, np.inf)
    left = np.searchsorted(support, a, side="right")  # the first place above a
    right = np.where(beyond, len(support), np.searchsorted(support, b, side="right"))
    left = np.where(known, right - 1, left)  # a known response is at its own place
    n, mass = len(a), np.full(len(support), 1.0 / len(support))
    for _ in range(_ITERATIONS):
        below = np.concatenate([[0.0], np.cumsum(mass)])
        share = 1.0 / np.maximum(below[right] - below[left], 1e-300)
        steps = np.bincount(left, share, len(support) + 1) - np.bincount(
            right, share, len(support) + 1
        )
        new = mass * np.cumsum(steps)[:-1] / n
        change, mass = np.abs(new - mass).max(), new
        if change < _SETTLED:
            break
    return values, np.clip(1.0 - np.cumsum(mass[:-1]), 0.0, 1.0)


def above(y: Floats, at: Floats) -> Floats:
    """(S, m) share of each set of responses y (S, n) above each of the values at (m,)."""
    ordered = np.sort(y, axis=1)
    n = ordered.shape[1]
    return np.stack([1.0 - np.searchsorted(row, at, side="right") / n for row in ordered])
