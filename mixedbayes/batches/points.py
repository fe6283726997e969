"""Sums of the rows of each cell, turned into a few rows that have the same sums.

The n rows of a cell with mean m and products C = L L' of what is left of them, of rank r, have the
same number, sums and products as r + 1 rows m + L h_i sqrt((r + 1) / n), each counted n / (r + 1)
times, where the h_i are the rows of a matrix with orthonormal columns that add up to zero
(Helmert's). There are never more of them than there were rows; two rows are themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.numerics.double import (
    Double,
    Floats,
    Ints,
    add,
    divide,
    multiply,
    root,
    subtract,
)

# Of a column's square about its pivot, what two doubles cannot tell from zero.
_NOTHING = 1e-24


@dataclass(frozen=True, eq=False)
class Points:
    """Rows with the sums of others."""

    cells: Ints  # (n,) which cell each is of
    counts: Floats  # (n,) how many rows each stands for, or the sum of their weights
    columns: Floats  # (n, d)


def points(total: Double, sums: Double, pivots: Floats) -> Points:
    """Rows of all cells.

    Parameters
    ----------
    total
        (C,) number of rows of each cell, or sum of their weights; positive.
    sums
        (C, d + d (d + 1) / 2) of the columns less their pivots, and of their products.
    pivots
        (d,)
    """
    C, d = len(total[0]), len(pivots)
    zero = np.zeros(C)
    first = [(sums[0][:, j], sums[1][:, j]) for j in range(d)]
    mean = [divide(s, total) for s in first]
    L, rank = np.zeros((C, d, d)), np.zeros((C, d), bool)
    roots: dict[tuple[int, int], Double] = {}
    divisor: dict[int, Double] = {}
    at = d
    for j in range(d):
        for k in range(j + 1):
            left = subtract((sums[0][:, at], sums[1][:, at]), multiply(mean[k], first[j]))
            for i in range(k):
                left = subtract(left, multiply(roots[j, i], roots[k, i]))
            if k < j:
                found, own = divide(left, divisor[k]), rank[:, k]
            else:
                rank[:, j] = own = left[0] > _NOTHING * np.abs(sums[0][:, at])
                found = root((np.where(own, left[0], 1.0), np.where(own, left[1], 0.0)))
                divisor[j] = found
            roots[j, k] = np.where(own, found[0], zero), np.where(own, found[1], zero)
            L[:, j, k] = roots[j, k][0]
            at += 1
    level = np.empty((C, d))
    for j in range(d):
        level[:, j] = add(mean[j], (np.full(C, pivots[j]), zero))[0]
    return _spread(total[0], level, L, rank)


def _spread(total: Floats, level: Floats, L: Floats, rank: np.ndarray) -> Points:
    """Rows of cells with these means (C, d) and roots (C, d, d) of products."""
    ranks = rank.sum(axis=1)
    start = np.concatenate([[0], np.cumsum(ranks + 1)])
    columns = np.empty((start[-1], level.shape[1]))
    for r in np.unique(ranks):
        own = np.flatnonzero(ranks == r)
        kept = np.argsort(~rank[own], axis=1, kind="stable")[:, :r]
        roots = np.take_along_axis(L[own], kept[:, None, :], axis=2)  # (c, d, r)
        moved = np.sqrt((r + 1) / total[own])[:, None, None] * (
            helmert(r) @ roots.transpose(0, 2, 1)
        )
        rows = start[own][:, None] + np.arange(r + 1)
        columns[rows] = level[own][:, None, :] + moved
    counts = np.repeat(total / (ranks + 1), ranks + 1)
    return Points(np.repeat(np.arange(len(total)), ranks + 1), counts, columns)


def helmert(r: int) -> Floats:
    """(r + 1, r) orthonormal columns that add up to zero."""
    H = np.zeros((r + 1, r))
    for k in range(1, r + 1):
        H[:k, k - 1] = 1.0
        H[k, k - 1] = -k
        H[:, k - 1] /= np.sqrt(k * (k + 1.0))
    return H
