"""Least squares for both ends of pooling: over all rows, and within each level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.numerics.rows import row_blocks

Bools = NDArray[np.bool_]

# A column whose spread within a level is below this fraction of its size does not vary there.
_CONSTANT = 1e-11
_CELLS = 8  # effects that have rows of their own, from which on they are solved one by one
# Smallest eigenvalue of the columns' correlation matrix that counts as information.
_SINGULAR = 1e-10


def complete_pooling(design: Design) -> dict[str, float]:
    """Coefficients of the population part alone, by (weighted) least squares over all rows."""
    mu = design.mu
    w = np.ones(design.n) if design.weights is None else design.weights
    y = design.y if mu.offset is None else design.y - mu.offset
    center, level = np.zeros(len(mu.terms)), 0.0
    if mu.intercept:
        center, level = w @ mu.X / w.sum(), float(w @ y / w.sum())
    gram, right = np.zeros((len(mu.terms),) * 2), np.zeros(len(mu.terms))
    for rows in row_blocks(design.n):
        X = mu.X[rows] - center
        gram += X.T @ (w[rows, None] * X)
        right += X.T @ (w[rows] * (y[rows] - level))
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1.0))
    beta = np.linalg.lstsq(gram / np.outer(scale, scale), right / scale)[0] / scale
    found = {names.INTERCEPT: level - float(center @ beta)} if mu.intercept else {}
    return found | dict(zip(mu.terms, beta.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class LevelFits:
    """Least squares within each level."""

    estimate: Floats  # (J, q), NaN where the level's rows do not identify the term
    constant: Bools  # (J, q) the term does not vary within the level; never of the intercept


def level_fits(g: GroupDesign, y: Floats, weights: Floats | None) -> LevelFits:
    """(Weighted) least squares of y (n,) on the factor's columns Z, for every level at once.

    With an intercept among the terms the columns are centred within the level, so that a predictor
    far from zero costs no digits. A term is identified if the rows of its level determine it alone,
    whether or not they determine the others: its unit vector lies in the row space.
    """
    w = np.ones(len(y)) if weights is None else weights
    if disjoint(g.Z):  # so that each effect has rows of its own
        q, place = len(g.terms), np.argmax(g.Z != 0, axis=1)
        z, at = g.Z[np.arange(len(y)), place], g.refs * q + place
        square = np.bincount(at, w * z**2, g.n_levels * q)
        own = np.bincount(at, w * z * y, g.n_levels * q)
        each = np.divide(own, square, out=np.full(len(own), np.nan), where=square > 0)
        return LevelFits(each.reshape(-1, q), (square == 0).reshape(-1, q))
    longest: tuple[int, ...] = max(g.blocks, key=len)
    cells = np.array(sorted(longest))
    if len(cells) >= _CELLS and disjoint(g.Z[:, cells]):
        return _fits_by_cell(g, y, w, cells)
    i = g.terms.index(names.INTERCEPT) if names.INTERCEPT in g.terms else None
    others = [t for t in range(len(g.terms)) if t != i]
    Z = g.Z[:, others]
    zbar, ybar = np.zeros((g.n_levels, len(others))), np.zeros(g.n_levels)
    if i is not None:
        total = _sum(g, w)
        zbar = np.stack([_sum(g, w * z) / total for z in Z.T], axis=1) if others else zbar
        ybar = _sum(g, w * y) / total
    centred, rest = Z - zbar[g.refs], y - ybar[g.refs]
    size = np.stack([_sum(g, w * z**2) for z in Z.T], axis=1) if others else zbar
    gram = level_grams(g, centred, w)
    right = np.stack([_sum(g, w * z * rest) for z in centred.T], axis=1) if others else zbar
    found = _solve(gram, right, size)
    estimate = np.empty((g.n_levels, len(g.terms)))
    estimate[:, others] = np.where(found.identified(), found.slopes, np.nan)
    flat = np.zeros(estimate.shape, bool)
    flat[:, others] = found.constant
    if i is not None:
        at_zero = ybar - np.einsum("jt,jt->j", zbar, found.slopes)
        estimate[:, i] = np.where(found.reaches(zbar), at_zero, np.nan)
    return LevelFits(estimate, flat)


def _fits_by_cell(g: GroupDesign, y: Floats, w: Floats, cells: Ints) -> LevelFits:
    """Where many effects have rows of their own, and few others are of all rows.

    What a cell's own effect leaves of the other columns says what these are (Frisch & Waugh 1933);
    its own is then what they leave, where the rows determine the combination that is in it.
    """
    T, others = len(cells), np.setdiff1d(np.arange(len(g.terms)), cells)
    Z, X, d = g.Z[:, cells], g.Z[:, others], len(others)
    place = np.argmax(Z != 0, axis=1)
    z, at = Z[np.arange(len(y)), place], g.refs * T + place
    square = np.bincount(at, w * z**2, g.n_levels * T)

    def mean(x: Floats) -> Floats:
        own = np.bincount(at, w * z * x, g.n_levels * T)
        return np.divide(own, square, out=np.zeros(len(own)), where=square > 0)

    of_y, of_X = mean(y), np.stack([mean(x) for x in X.T], axis=1)
    rest, left = y - z * of_y[at], X - z[:, None] * of_X[at]
    size = np.stack([_sum(g, w * x**2) for x in X.T], axis=1)
    right = np.stack([_sum(g, w * x * rest) for x in left.T], axis=1)
    found = _solve(level_grams(g, left, w), right, size)
    has, some = of_X.reshape(-1, T, d), square.reshape(-1, T) > 0
    reached = np.stack([found.reaches(has[:, t]) for t in range(T)], axis=1)
    own = of_y.reshape(-1, T) - np.einsum("jtd,jd->jt", has, found.slopes)
    estimate = np.full((g.n_levels, len(g.terms)), np.nan)
    estimate[:, cells] = np.where(some & reached, own, np.nan)
    estimate[:, others] = np.where(found.identified(), found.slopes, np.nan)
    constant = np.zeros(estimate.shape, bool)
    constant[:, cells] = ~some
    return LevelFits(estimate, constant)


def disjoint(Z: Floats) -> bool:
    """Whether no row has two of several columns."""
    return Z.shape[1] > 1 and bool((np.count_nonzero(Z, axis=1) <= 1).all())


def level_grams(g: GroupDesign, Z: Floats, w: Floats) -> Floats:
    """(J, q, q) Z_g' W Z_g of every level."""
    q = Z.shape[1]
    if disjoint(Z):
        gram, place = np.zeros((g.n_levels, q, q)), np.argmax(Z != 0, axis=1)
        own = np.bincount(g.refs * q + place, w * Z[np.arange(len(Z)), place] ** 2, g.n_levels * q)
        gram[:, range(q), range(q)] = own.reshape(-1, q)
        return gram
    gram = np.empty((g.n_levels, q, q))
    for s in range(q):
        for t in range(s + 1):
            gram[:, s, t] = gram[:, t, s] = _sum(g, w * Z[:, s] * Z[:, t])
    return gram


def _sum(g: GroupDesign, values: Floats) -> Floats:
    """(J,) sums of (n,) values over the rows of each level."""
    return np.bincount(g.refs, values, g.n_levels)


@dataclass(frozen=True, eq=False)
class _Solution:
    """Normal equations of every level, solved in columns scaled to unit length."""

    slopes: Floats  # (J, k) of smallest norm where there are many
    space: Floats  # (J, k, k) projector on the row space, in scaled columns
    scale: Floats  # (J, k) zero for a constant column
    constant: Bools  # (J, k)

    def identified(self) -> Bools:
        """(J, k) whether the rows determine the slope."""
        return np.einsum("jtt->jt", self.space) > 1 - 1e-6

    def reaches(self, at: Floats) -> Bools:
        """(J,) whether the rows determine the combination `at` (J, k) of the slopes."""
        scaled = self.scale * at
        lost = scaled - np.einsum("jst,jt->js", self.space, scaled)
        inside = np.linalg.norm(lost, axis=1) <= 1e-6 * np.linalg.norm(scaled, axis=1)
        return inside & ~(self.constant & (at != 0)).any(axis=1)


def _solve(gram: Floats, right: Floats, size: Floats) -> _Solution:
    square = np.einsum("jtt->jt", gram)
    constant = square <= _CONSTANT**2 * size
    scale = np.where(constant, 0.0, 1 / np.sqrt(np.where(constant, 1.0, square)))
    values, vectors = np.linalg.eigh(gram * scale[:, :, None] * scale[:, None, :])
    some = values > _SINGULAR
    inverse = np.where(some, 1 / np.where(some, values, 1.0), 0.0)
    pseudo = np.einsum("jse,je,jte->jst", vectors, inverse, vectors)
    space = np.einsum("jse,je,jte->jst", vectors, some.astype(float), vectors)
    slopes = scale * np.einsum("jst,jt->js", pseudo, scale * right)
    return _Solution(slopes, space, scale, constant)
