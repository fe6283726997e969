"""Mean, sd and quantiles over rows that count more than once: those of rows written out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # of sums of counts


def mean(x: Floats, counts: Floats | None) -> Floats:
    """Mean of x (n, ...) over its rows; row i counts `counts` (n,) times, or once."""
    return np.asarray(np.mean(x, axis=0) if counts is None else counts @ x / counts.sum())


def freedom(n: int, counts: Floats | None) -> float:
    """Denominator of a sample variance: the number of rows written out, less 1.

    Rows that count less than once on average, as with weights of sum 1, are n rows.
    """
    if counts is None:
        return max(n - 1.0, 1.0)
    total, n = float(counts.sum()), int(np.count_nonzero(counts))
    return max(total - 1.0, total * (n - 1) / n) if n > 1 else max(total - 1.0, 1.0)


def sd(x: Floats, counts: Floats | None) -> float:
    """Sample sd of x (n,)."""
    square = (x - mean(x, counts)) ** 2
    total = square.sum() if counts is None else counts @ square
    return float(np.sqrt(total / freedom(len(x), counts)))


def quantile(x: Floats, counts: Floats | None, order: float) -> float:
    """Quantile of x (n,), NumPy's of the rows written out.

    Rows that count less than once on average are n rows, as in `freedom`.
    """
    if counts is None:
        return float(np.quantile(x, order))
    by_size = np.argsort(x, kind="stable")
    ends = np.cumsum(counts[by_size])
    ends *= max(1.0, len(x) / ends[-1])
    place = (ends[-1] - 1) * order
    first = np.floor(place + _ROUNDING)
    steps = np.array([first, first + 1]) + _ROUNDING
    low, high = x[by_size[np.minimum(np.searchsorted(ends, steps, side="right"), len(x) - 1)]]
    return float(low + (high - low) * max(place - first, 0.0))
