"""Arrays as the families take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Design, Floats

_WHOLE = 2.0**53  # floats below it hold every whole number


def weights_of(design: Design) -> Floats:
    """(n,) the weights; 1 where there are none."""
    return np.ones(design.n) if design.weights is None else design.weights


def whole(y: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as integers; as they are where one is beyond 2^53."""
    return y.astype(np.int64) if np.all(np.abs(y) < _WHOLE) else y


def per_row(x: Floats) -> Floats:
    """A parameter against rows: (S,) becomes (S, 1); (S, n) stays."""
    x = np.asarray(x, float)
    return x[:, None] if x.ndim == 1 else x


def repeated(log_density: Floats, weights: Floats | None) -> Floats:
    """Log densities of rows that count `weights` times."""
    return log_density if weights is None else log_density * weights
