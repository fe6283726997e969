"""Moments of the design's columns, in one pass over the rows with bounded extra memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design import counted
from mixedbayes.design.types import GroupDesign, LinearPredictor
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.terms.base import need_plain

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What the variances need of a predictor's columns."""

    mean: Floats  # (p,) of X
    cov: Floats  # (p, p) of X
    squares: Mapping[str, Floats]  # per grouping factor the mean of z z' (q, q)


_known: WeakKeyDictionary[LinearPredictor, Moments] = WeakKeyDictionary()


def moments_of(predictor: LinearPredictor) -> Moments:
    """Moments of a predictor, computed when first asked for: designs are never changed."""
    if predictor not in _known:
        _known[predictor] = Moments(
            mean=predictor.means,
            cov=covariance(predictor.X, predictor.counts),
            squares={g.name: _square(g, predictor.counts) for g in predictor.groups},
        )
    return _known[predictor]


def covariance(X: Floats, counts: Floats | None = None) -> Floats:
    """(p, p) sample covariance of the columns of X (n, p); row i counts `counts` (n,) times."""
    n, p = X.shape
    center = counted.mean(X, counts)
    total = np.zeros((p, p))
    for block in row_blocks(n):
        d = X[block] - center
        total += d.T @ (d if counts is None else counts[block, None] * d)
    return total / counted.freedom(n, counts)


def _square(g: GroupDesign, counts: Floats | None) -> Floats:
    """(q, q) mean over the rows of z z' var(u), of effects of one level or of several."""
    if g.joins:
        need_plain([g], "a share of the variance")
    squares = [mean_square(Z, counts) for _, Z in g.pieces]
    return np.asarray(g.law.variance * np.sum(squares, axis=0))


def mean_square(Z: Floats, counts: Floats | None = None) -> Floats:
    """(q, q) mean over the rows of z z'; row i counts `counts` (n,) times."""
    if counts is None:
        return Z.T @ Z / len(Z)
    return Z.T @ (counts[:, None] * Z) / counts.sum()


def quadratic(beta: Floats, matrix: Floats) -> Floats:
    """(S,) beta' M beta per draw, for beta (S, p) and M (p, p) positive semidefinite.

    Through a square root of M, so that rounding never makes it negative.
    """
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return ((beta @ root) ** 2).sum(axis=1)


def trace_product(cov: Floats, matrix: Floats) -> Floats:
    """(S,) tr(Sigma M) per draw, for Sigma (S, q, q) and M (q, q), both positive semidefinite."""
    return np.maximum(np.einsum("sij,ij->s", cov, matrix), 0.0)
