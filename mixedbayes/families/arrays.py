"""Arrays as the families take them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Design, Floats

_WHOLE = 2.0**53  # floats below it hold every whole number
_BELOW_ONE = float(np.nextafter(1.0, 0.0))


def weights_of(design: Design) -> Floats:
    """(n,) the weights; 1 where there are none."""
    return np.ones(design.n) if design.weights is None else design.weights


def some_rows(design: Design, some: NDArray[np.bool_]) -> Design:
    """The rows of which one part of a family speaks, with the mean's population predictor alone."""
    at, mu = np.flatnonzero(some), design.mu
    own = replace(
        mu,
        X=mu.X[at],
        groups=(),
        offset=None if mu.offset is None else mu.offset[at],
        counts=None if mu.counts is None else mu.counts[at],
    )
    return replace(
        design,
        y=design.y[at],
        predictors=(own,),
        index=design.index[at],
        rows=design.rows[at],
        weights=None if design.weights is None else design.weights[at],
        trials=None if design.trials is None else design.trials[at],
        limits=limits_of(design, at),
    )


def whole(y: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers as integers; as they are where one is beyond 2^53."""
    return y.astype(np.int64) if np.all(np.abs(y) < _WHOLE) else y


def per_row(x: Floats) -> Floats:
    """A parameter against rows: (S,) becomes (S, 1); (S, n) stays."""
    x = np.asarray(x, float)
    return x[:, None] if x.ndim == 1 else x


def below_one(share: Floats) -> Floats:
    """Shares, just below 1 where they round to it."""
    return np.minimum(share, _BELOW_ONE)


def repeated(log_density: Floats, weights: Floats | None) -> Floats:
    """Log densities of rows that count `weights` times."""
    return log_density if weights is None else log_density * weights


def some(values: Any, at: Any) -> Any:
    """Of some rows what is (S, n); what is (S,) stays."""
    values = np.asarray(values)
    return values[..., at] if values.ndim > 1 else values
