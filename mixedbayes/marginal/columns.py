"""Exact changes of basis that make columns well conditioned before products of them are formed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mixedbayes.marginal.plan import Floats
from mixedbayes.numerics.rows import row_blocks

_FLOOR = 1e-10  # smallest relative eigenvalue that is scaled to one
# Of correlations, that the basis is read from: rounding errors of sums, which depend on the order
# of rows, must not turn it where eigenvalues are equal, as draws of effects are made in it.
_DIGITS = 11


@dataclass(frozen=True, eq=False)
class ColumnMap:
    """columns = well_conditioned @ forward, with `forward` (q, q) invertible.

    Coefficients of the well-conditioned columns are `forward @ coefficients`.
    """

    centre: Floats  # (q,) subtracted first; 0 unless a constant column spans it
    scale: Floats  # (q,)
    rotate: Floats  # (q, q)
    forward: Floats  # (q, q)
    backward: Floats  # (q, q) inverse of forward

    def apply(self, columns: Floats) -> Floats:
        """The same column space, weighted mean squares about one and products about zero."""
        return ((columns - self.centre) / self.scale) @ self.rotate


def fit_column_map(columns: Floats, weights: Floats | None) -> ColumnMap:
    """Centre (where the columns contain a constant), scale and rotate; three chunked passes.

    The centring is what keeps digits for a predictor such as a year near 2000: its products with
    itself would otherwise agree in all but the last figures with those of the constant.
    """
    n, q = columns.shape
    if n == 0 or q == 0:
        return ColumnMap(np.zeros(q), np.ones(q), np.eye(q), np.eye(q), np.eye(q))
    total = n if weights is None else float(weights.sum())
    constant = _constant_column(columns)
    centre = np.zeros(q)
    if constant is not None:
        for rows, w in _weighted_chunks(n, weights):
            centre += _weighted(columns[rows], w).sum(axis=0) / total
        centre[constant] = 0.0
    square = np.zeros(q)
    for rows, w in _weighted_chunks(n, weights):
        block = columns[rows] - centre
        square += (_weighted(block, w) * block).sum(axis=0) / total
    scale = np.sqrt(square)
    scale[scale == 0] = 1.0
    gram = np.zeros((q, q))
    for rows, w in _weighted_chunks(n, weights):
        block = (columns[rows] - centre) / scale
        gram += block.T @ _weighted(block, w) / total
    values, vectors = np.linalg.eigh(np.round(gram, _DIGITS))
    root = np.sqrt(np.maximum(values, _FLOOR * values[-1]))
    expand, shrink = np.diag(scale), np.diag(1 / scale)
    if constant is not None:
        a = columns[0, constant]
        expand[constant] = centre * scale[constant] / a
        expand[constant, constant] = scale[constant]
        shrink[constant] = -centre / (a * scale)
        shrink[constant, constant] = 1 / scale[constant]
    rotate = vectors / root
    return ColumnMap(centre, scale, rotate, (root[:, None] * vectors.T) @ expand, shrink @ rotate)


def _constant_column(columns: Floats) -> int | None:
    """The first column that has one non-zero value in all rows."""
    same = columns[0] != 0
    for rows in row_blocks(len(columns)):
        same &= (columns[rows] == columns[0]).all(axis=0)
    return int(np.argmax(same)) if same.any() else None


def _weighted_chunks(n: int, weights: Floats | None) -> Iterable[tuple[slice, Floats | None]]:
    return ((rows, None if weights is None else weights[rows]) for rows in row_blocks(n))


def _weighted(block: Floats, w: Floats | None) -> Floats:
    return block if w is None else block * w[:, None]
