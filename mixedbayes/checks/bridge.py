"""Ratio of two normalising constants from draws of both densities, by bridge sampling.

Meng & Wong (1996), Statistica Sinica 6, 831-860; its error after Fruehwirth-Schnatter (2004),
doi:10.1111/j.1368-423X.2004.00125.x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.sample.health import effective_size

_TOLERANCE = 1e-10
_MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Ratio:
    """log(Z_1 / Z_2) and its Monte Carlo standard error."""

    log: float
    error: float


def bridge(first: Floats, second: Floats) -> Ratio:
    """log(Z_1 / Z_2) of two unnormalised densities q_1 and q_2.

    With l = log q_1 - log q_2, s_i the shares of the effective numbers of draws, and r the ratio,

        r = mean over draws of 2 of e^l / (s_1 e^l + s_2 r)
            / mean over draws of 1 of 1 / (s_1 e^l + s_2 r),

    solved by iteration: of all functions that bridge the two, the one with the least error.

    Parameters
    ----------
    first
        (C, D) l at draws of density 1: chains and draws.
    second
        (C, D) or (1, D) l at draws of density 2.

    Returns
    -------
    Ratio
        The error is the root of the relative mean squared error, autocorrelation included.
    """
    n1, n2 = _size(first), _size(second)
    log_s1, log_s2 = np.log(n1 / (n1 + n2)), np.log(n2 / (n1 + n2))
    l1, l2 = first.ravel(), second.ravel()
    log_r = float(np.median(np.concatenate([l1, l2])))
    for _ in range(_MOST_ITERATIONS):
        top = l2 - np.logaddexp(log_s1 + l2, log_s2 + log_r)
        bottom = -np.logaddexp(log_s1 + l1, log_s2 + log_r)
        new = special.logsumexp(top) - np.log(l2.size)
        new -= special.logsumexp(bottom) - np.log(l1.size)
        done = abs(new - log_r) < _TOLERANCE
        log_r = float(new)
        if done:
            break
    return Ratio(log_r, _error(first - log_r, second - log_r, log_s1, log_s2))


def _error(l1: Floats, l2: Floats, log_s1: float, log_s2: float) -> float:
    """Relative error of the ratio, for log ratios of the normalised densities."""
    f1 = np.exp(l2 - np.logaddexp(log_s1 + l2, log_s2))  # p_1 / (s_1 p_1 + s_2 p_2) under 2
    f2 = np.exp(-np.logaddexp(log_s1 + l1, log_s2))  # p_2 / (s_1 p_1 + s_2 p_2) under 1
    return float(np.sqrt(_squared_error(f1) + _squared_error(f2)))


def _squared_error(f: Floats) -> float:
    """Squared relative standard error of the mean of f (C, D)."""
    variance = np.var(f) / np.mean(f) ** 2
    return float(variance / _size(f))


def _size(values: Floats) -> float:
    """Effective number of draws for the mean of values (C, D)."""
    if np.ptp(values) < 1e-12 or values.shape[1] < 4:
        return float(values.size)
    return float(min(effective_size(values[None])[0], values.size))
