"""Correlation matrices, their lower triangular roots W, and the partial correlations behind these.

Row i of W has the partial correlations z_ij of term i with each term j before it, given those
before j; `terms.unstructured` has the formula.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CLOSEST = 1 - 1e-15  # how far from 0 a partial correlation is taken to be, at the most


def row_of(z: Iterable[Any], root: Iterable[Any], one: Any = 1.0) -> list[Any]:
    """A row of W up to its diagonal, from partial correlations and their sqrt(1 - z^2)."""
    row, left = [], one
    for partial, rest in zip(z, root, strict=True):
        row.append(partial * left)
        left = left * rest
    return [*row, left]


def decomposed(cor: Floats) -> tuple[Floats, Floats]:
    """W (..., k, k) with W W' = cor, and its partial correlations (..., k (k - 1) / 2) row by row.

    Those of a matrix that is singular to rounding are drawn in, so that they have coordinates.
    """
    cor = np.asarray(cor, float)
    k, at = cor.shape[-1], 0
    W, z = np.zeros_like(cor), np.empty((*cor.shape[:-2], k * (k - 1) // 2))
    for i in range(k):
        left = np.ones(cor.shape[:-2])  # squared length of the row that is not used up
        for j in range(i):
            inner = np.sum(W[..., i, :j] * W[..., j, :j], axis=-1)
            w = (cor[..., i, j] - inner) / np.maximum(W[..., j, j], 1e-150)
            scale = np.sqrt(np.maximum(left, 1e-300))
            z[..., at] = np.clip(w / scale, -CLOSEST, CLOSEST)
            W[..., i, j] = z[..., at] * scale
            left = left * (1 - z[..., at] ** 2)
            at += 1
        W[..., i, i] = np.sqrt(left)
    return W, z


def root(cor: Floats) -> Floats:
    """W (..., k, k), lower triangular, with W W' = cor, which may be singular to rounding."""
    return decomposed(cor)[0]


def matrix(W: Floats) -> Floats:
    """Correlations W W' (..., q, q), with a diagonal of just 1."""
    cor = np.einsum("...ik,...jk->...ij", W, W)
    cor[..., range(W.shape[-1]), range(W.shape[-1])] = 1.0
    return cor
