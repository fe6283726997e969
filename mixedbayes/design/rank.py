"""Linear dependence among columns, at the cost of a cross-product: O(n p^2), memory O(p^2)."""

from collections.abc import Iterator

import numpy as np

from mixedbayes.design.types import Floats

_CHUNK = 1 << 16
# The cross-product tells residual shares of variance down to about 1e-13. What looks dependent
# there is decided on the residuals themselves, at the tolerance of R's lm.
_SUSPECT = 1e-9
_TOLERANCE = 1e-7
_BEYOND = 1e12  # share of a column of norm one that rounding errors make
_INVOLVED = 1e-6


def dependent(X: Floats, *, centre: bool) -> dict[int, tuple[int, ...]]:
    """Columns of X (n, p) that are combinations of columns to their left.

    With `centre` a column of ones stands in front. Returns for each dependent column the columns
    that it is made of, none if it is zero, or constant with `centre`.
    """
    n, p = X.shape
    mean = X.mean(axis=0) if centre else np.zeros(p)
    size = np.maximum(np.abs(X.max(axis=0, initial=0)), np.abs(X.min(axis=0, initial=0)))
    unit = np.where(size > 0, size, 1.0)
    gram = np.zeros((p, p))
    for rows in _chunks(X, mean, unit):
        gram += rows.T @ rows
    norm = np.sqrt(np.diag(gram))
    # what is left of a constant after centring is rounding error
    constant = norm <= 1e-12 * np.sqrt(n)
    scale = np.where(constant, 1.0, norm)
    gram /= np.outer(scale, scale)
    kept: list[int] = []
    found: dict[int, tuple[int, ...]] = {}
    factor = np.zeros((0, 0))  # Cholesky factor of the kept columns' cross-product
    for j in range(p):
        if constant[j]:
            found[j] = ()
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            row = _solve(factor, gram[kept, j])
            left = gram[j, j] - row @ row
            share = np.linalg.solve(factor.T, row) if left < _SUSPECT else np.zeros(0)
        if np.isnan(left) or not np.all(np.abs(share) < _BEYOND):
            # the columns before it all but depend on each other, and what it is beside them is lost
            found[j] = tuple(kept)
            continue
        if left < _SUSPECT and (_residual(X, mean, unit * scale, j, kept, share) < _TOLERANCE):
            found[j] = tuple(np.asarray(kept)[np.abs(share) > _INVOLVED])
            continue
        factor = np.block([[factor, np.zeros((len(kept), 1))], [row, np.sqrt(max(left, 1e-16))]])
        kept.append(j)
    return found


def _solve(factor: Floats, right: Floats) -> Floats:
    from scipy.linalg import solve_triangular

    if not len(right):
        return right
    return solve_triangular(factor, right, lower=True, check_finite=False)


def _chunks(X: Floats, mean: Floats, unit: Floats) -> Iterator[Floats]:
    for start in range(0, len(X), _CHUNK):
        yield (X[start : start + _CHUNK] - mean) / unit


def _residual(
    X: Floats, mean: Floats, unit: Floats, j: int, kept: list[int], share: Floats
) -> float:
    """Norm of column j minus its combination of the kept ones, all columns of norm one."""
    total = 0.0
    for rows in _chunks(X, mean, unit):
        total += float(np.sum((rows[:, j] - rows[:, kept] @ share) ** 2))
    return float(np.sqrt(total))
