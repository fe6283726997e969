"""Correlations and their partial correlations, which may be any numbers between -1 and 1.

Row i of W, lower triangular with W W' the correlations, has the partial correlations z_ij of term i
with each correlated term j before it, given those before j:

    w_ij = z_ij prod_{k<j} sqrt(1 - z_ik^2),    w_ii = prod_k sqrt(1 - z_ik^2).

Under LKJ(eta) they are independent, (1 + z) / 2 ~ Beta(s, s), see `lkj_shape`. Lewandowski,
Kurowicka & Joe (2009), doi:10.1016/j.jmva.2009.04.008.

The row is written once for arrays and graphs of PyTensor, and once for compiled code, which also
has its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
type Rows = Sequence[tuple[int, ...]]  # per term the positions of the correlated terms before it

CLOSEST = 1 - 1e-15  # how far from 0 a partial correlation is taken to be, at the most


def rows_of(blocks: Iterable[Sequence[int]], q: int) -> Rows:
    """The correlated terms before each of q terms, which are correlated within blocks."""
    before: list[tuple[int, ...]] = [()] * q
    for block in blocks:
        for i in block:
            before[i] = tuple(j for j in sorted(block) if j < i)
    return before


def n_partial(rows: Rows) -> int:
    """How many partial correlations these rows have."""
    return sum(map(len, rows))


def lkj_shape(eta: float, q: int, given: int) -> float:
    """s of a partial correlation given `given` others, of q terms under LKJ(eta)."""
    return eta + (q - 2 - given) / 2


def lkj_shapes(eta: float, q: int) -> Floats:
    """(q (q - 1) / 2,) s of all partial correlations of one block, row by row."""
    return np.array([lkj_shape(eta, q, j) for i in range(1, q) for j in range(i)])


def row_of(z: Iterable[Any], root: Iterable[Any], one: Any = 1.0) -> list[Any]:
    """A row of W up to its diagonal, from partial correlations and their sqrt(1 - z^2)."""
    row, left = [], one
    for partial, rest in zip(z, root, strict=True):
        row.append(partial * left)
        left = left * rest
    return [*row, left]


def factor(rows: Rows, z: Floats, left: Floats | None = None) -> Floats:
    """W (..., q, q) from the first partial correlations of z (..., m), row by row.

    `left` (..., m) is sqrt(1 - z^2), where it is known to more digits.
    """
    left = np.sqrt(1 - z**2) if left is None else left
    W = np.zeros((*z.shape[:-1], len(rows), len(rows)))
    at = 0
    for i, before in enumerate(rows):
        own = range(at, at + len(before))
        row = row_of((z[..., k] for k in own), (left[..., k] for k in own))
        for j, value in zip((*before, i), row, strict=True):
            W[..., i, j] = value
        at += len(before)
    return W


def partial(rows: Rows, cor: Floats) -> Floats:
    """(..., m) partial correlations behind correlations (..., q, q): the inverse of `factor`.

    Those of a matrix that is singular to rounding are drawn in, so that they have coordinates.
    """
    cor = np.asarray(cor, float)
    W, out = np.zeros_like(cor), np.empty((*cor.shape[:-2], n_partial(rows)))
    at = 0
    for i, before in enumerate(rows):
        left = np.ones(cor.shape[:-2])  # squared length of the row that is not used up
        for j in before:
            inner = np.sum(W[..., i, :j] * W[..., j, :j], axis=-1)
            w = (cor[..., i, j] - inner) / np.maximum(W[..., j, j], 1e-150)
            scale = np.sqrt(np.maximum(left, 1e-300))
            out[..., at] = np.clip(w / scale, -CLOSEST, CLOSEST)
            W[..., i, j] = out[..., at] * scale
            left = left * (1 - out[..., at] ** 2)
            at += 1
        W[..., i, i] = np.sqrt(left)
    return out


def root(rows: Rows, cor: Floats) -> Floats:
    """W (..., q, q) with W W' = cor; also of one that is singular to rounding."""
    return factor(rows, partial(rows, cor))


def matrix(W: Floats) -> Floats:
    """Correlations W W' (..., q, q), with a diagonal of just 1."""
    cor = np.einsum("...ik,...jk->...ij", W, W)
    cor[..., range(W.shape[-1]), range(W.shape[-1])] = 1.0
    return cor


@njit(error_model="numpy", nogil=True)
def fill_row(work, z, count, scale, out, places, at):
    """Compiled `row_of`, times a scale, from `count` partial correlations in row 0 of work.

    They stand from z on, with 1 - z^2 in row 1. `places` has from `at` on where in `out` the
    elements belong; the diagonal is returned.
    """
    left = scale
    for k in range(count):
        out[places[at + k]] = left * work[0, z + k]
        left *= math.sqrt(work[1, z + k])
    return left


@njit(error_model="numpy", nogil=True)
def row_slopes(work, z, count, scale, d_out, d_diagonal, places, at):
    """Add to row 2 of work what derivatives in a row are in t, z = tanh t; that in the scale.

    d w_ij / dt_ij = left_j (1 - z_ij^2), and d w_ik / dt_ij = -z_ij w_ik for k after j.
    """
    d_scale, left = 0.0, 1.0
    for k in range(count):
        d_scale += d_out[places[at + k]] * left * work[0, z + k]
        left *= math.sqrt(work[1, z + k])
    d_scale += d_diagonal * left
    left, later = scale, d_scale * scale
    for k in range(count):
        slope = d_out[places[at + k]] * left
        later -= slope * work[0, z + k]
        work[2, z + k] += slope * work[1, z + k] - work[0, z + k] * later
        left *= math.sqrt(work[1, z + k])
    return d_scale
