"""Least squares of columns on each other, in passes over the rows: O(n p^2), memory O(p^2).

What is left of year^2 beside year keeps its digits in 2015 as well.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import solve_triangular

from mixedbayes.design.types import Floats

_CHUNK = 1 << 16
_SMALLEST = 1e-12  # share of a column's length; what is left of a dependent one is rounding error
_DEPENDENT = 1e-8
_SAFE = 1e-4  # share that others leave of a column, down to which cross-products have the digits


def triangle(X: Floats, counts: Floats | None = None, centre: Floats | None = None) -> Floats:
    """R (<= p, p) with R'R = X'X, of the columns X (n, p) less their `centre` (p,).

    `counts` (n,) says how many times each row counts. From the cross-product where its columns are
    far from dependent, which is many times faster; else by orthogonal transformations.
    """
    p = X.shape[1]
    gram = np.zeros((p, p))
    for rows in _chunks(X, counts, centre):
        gram += rows.T @ rows
    length = np.sqrt(np.diagonal(gram))
    if p and length.all():
        try:
            unit = np.linalg.cholesky(gram / np.outer(length, length)).T
        except np.linalg.LinAlgError:
            unit = np.zeros((p, p))
        if np.diagonal(unit).min() > _SAFE:
            return np.asarray(unit * length)
    R = np.zeros((0, p))
    for rows in _chunks(X, counts, centre):
        R = np.linalg.qr(np.concatenate([R, rows]), mode="r")
    return R


def _chunks(X: Floats, counts: Floats | None, centre: Floats | None) -> Iterator[Floats]:
    for start in range(0, len(X), _CHUNK):
        rows = X[start : start + _CHUNK]
        if centre is not None:
            rows = rows - centre
        if counts is not None:
            rows = rows * np.sqrt(counts[start : start + _CHUNK, None])
        yield rows


def left_over(R: Floats) -> Floats:
    """(p,) share of each column's length that least squares on all others leaves.

    R is their `triangle`. 0 for a column that depends on others, up to rounding error.
    """
    p = R.shape[1]
    length = np.linalg.norm(R, axis=0)
    unit = np.zeros((p, p))
    unit[: len(R)] = R / np.where(length > 0, length, 1.0)
    tiny = np.abs(np.diagonal(unit)) < _SMALLEST
    unit[tiny, tiny] = _SMALLEST
    inverse = solve_triangular(unit, np.eye(len(unit)))
    share = 1 / np.linalg.norm(inverse, axis=1)
    return np.where(share > 10 * _SMALLEST, share, 0.0)


def regression(R: Floats, columns: list[int], others: list[int]) -> Floats:
    """(len(others), len(columns)) coefficients of least squares of columns on others."""
    length = np.linalg.norm(R[:, others], axis=0)
    unit = np.where(length > 0, length, 1.0)
    found = np.linalg.lstsq(R[:, others] / unit, R[:, columns], rcond=None)[0]
    return np.asarray(found / unit[:, None])


def constant(X: Floats, counts: Floats | None = None) -> Floats | None:
    """(p,) coefficients with which the columns X (n, p) add up to 1; None where none do."""
    n, p = X.shape
    if not p:
        return None
    R = triangle(np.concatenate([np.ones((n, 1)), X], axis=1), counts)
    found = regression(R, [0], list(range(1, p + 1)))[:, 0]
    if np.linalg.norm(R[:, 0] - R[:, 1:] @ found) > _DEPENDENT * np.linalg.norm(R[:, 0]):
        return None
    return np.where(np.abs(found) > _DEPENDENT, found, 0.0)
