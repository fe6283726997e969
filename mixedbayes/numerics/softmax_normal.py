"""The mean of probabilities through the softmax over normal predictors: E softmax(0, h)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes import jit
from mixedbayes.interrupts import later

stats = later("scipy.stats")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SEED = 2003  # of the scrambling
_POINTS = 1024  # of a Sobol sequence, and the most of a product rule
_LIGHT = 1e-5  # share of all weights that the left out nodes of a product rule have at most
# Up to which width of h along an axis 1, 2, ... nodes have an error of the logistic below 1e-4.
_WIDTHS = (
    0.046, 0.316, 0.593, 0.823, 1.017, 1.188, 1.343, 1.485, 1.617, 1.740, 1.857, 1.968, 2.075,
    2.178, 2.276, 2.372, 2.464, 2.554, 2.642, 2.727, 2.810, 2.891, 2.971, 3.049, 3.125, 3.200,
    3.273, 3.346, 3.417, 3.487, 3.556, 3.623,
)  # fmt: skip
_WIDEST = 112  # nodes, of one axis alone


def softmax_mean(etas: Floats, roots: Floats) -> Floats:
    """(K, ...) E softmax(0, h) for h = eta + L z, z ~ N(0, I) of d dimensions.

    `etas` are (K - 1, ...), `roots` L (K - 1, d, ...). z is turned to the principal axes of L L',
    and each axis has as many nodes of Gauss-Hermite's rule as h is wide along it: few where effects
    are small, or where correlations leave little to an axis. Where the product of these would have
    more than 1024 nodes, and d is 3 or more, they are as many scrambled Sobol points (Owen 1998,
    doi:10.1006/jcom.1998.0487) instead, the first coordinate along the widest axis. The number of
    nodes is the same along the last dimension of `etas`, which are rows beside each other, so that
    differences of these have the errors of one rule.

    The largest error of a probability, over random means and correlations, is 1e-4 for d up to 4
    and sds up to 1, 3e-4 for more dimensions; up to sds of 2 it is 1e-4 for d up to 3, and else
    2e-3; up to sds of 4, 1e-3 and 4e-3.
    """
    shape, d = etas.shape[1:], roots.shape[1]
    flat = np.ascontiguousarray(etas.reshape(len(etas), -1))
    out = np.zeros((len(etas) + 1, flat.shape[1]))
    if flat.size == 0:
        return out.reshape(-1, *shape)
    every = np.broadcast_to(roots, (*roots.shape[:2], *shape))
    L = np.array(every, order="C").reshape(len(etas), d, -1)
    widths = np.empty((d, flat.shape[1]))
    _turn(L, widths)
    beside = shape[-1] if shape else 1
    _fill(flat, L, beside, _counts(widths.reshape(d, -1, beside).max(axis=2)), *_points(d), out)
    return out.reshape(-1, *shape)


def _counts(widths: Floats) -> Ints:
    """(groups, d) nodes along each axis; zeros where they are Sobol points."""
    found = 1 + np.searchsorted(_WIDTHS, widths.T)
    d = len(widths)
    if d == 1:
        return np.where(found <= len(_WIDTHS), found, _WIDEST)
    found = np.minimum(found, len(_WIDTHS))
    if d > 2:
        found[np.prod(found.astype(float), axis=1) > _POINTS] = 0
    return np.ascontiguousarray(found)


@lru_cache
def _points(d: int) -> tuple[Floats, Floats, Floats]:
    """Nodes (_WIDEST + 1, _WIDEST) of each number of them, their weights, and points (N, d)."""
    nodes = np.zeros((_WIDEST + 1, _WIDEST))
    weights = np.zeros_like(nodes)
    for m in (*range(1, len(_WIDTHS) + 1), _WIDEST):
        x, w = special.roots_hermitenorm(m)
        nodes[m, :m], weights[m, :m] = x, w / w.sum()
    u = stats.qmc.Sobol(d, seed=_SEED).random(_POINTS)
    return nodes, weights, stats.norm.ppf(np.clip(u, 1e-12, 1 - 1e-12))


@jit.njit("void(f8[:, :, ::1], f8[:, ::1])", nogil=True, error_model="numpy")
def _turn(L, widths):
    """Turn L's columns to be orthogonal, the widest first, by one-sided Jacobi rotations.

    The width of a column is the range of its numbers and 0, that of the reference.
    """
    D, d, M = L.shape
    given, u = np.empty((D, d)), np.empty((D, d))
    order, width = np.empty(d, np.int64), np.empty(d)
    for i in range(M):
        same = i > 0
        for k in range(D):
            for j in range(d):
                same = same and L[k, j, i] == given[k, j]
        if not same:
            for k in range(D):
                for j in range(d):
                    given[k, j] = L[k, j, i]
                    u[k, j] = L[k, j, i]
            for _ in range(30):
                turned = False
                for p in range(d - 1):
                    for q in range(p + 1, d):
                        a, b, c = 0.0, 0.0, 0.0
                        for k in range(D):
                            a += u[k, p] * u[k, p]
                            b += u[k, q] * u[k, q]
                            c += u[k, p] * u[k, q]
                        if abs(c) > 1e-12 * math.sqrt(a * b):
                            turned = True
                            zeta = (b - a) / (2.0 * c)
                            t = 1.0 / (abs(zeta) + math.sqrt(1.0 + zeta * zeta))
                            t = t if zeta > 0.0 else -t
                            cos = 1.0 / math.sqrt(1.0 + t * t)
                            for k in range(D):
                                x, y = u[k, p], u[k, q]
                                u[k, p] = cos * (x - t * y)
                                u[k, q] = cos * (t * x + y)
                if not turned:
                    break
            for j in range(d):
                low, high = 0.0, 0.0
                for k in range(D):
                    low, high = min(low, u[k, j]), max(high, u[k, j])
                place = j
                while place > 0 and width[place - 1] < high - low:
                    width[place], order[place] = width[place - 1], order[place - 1]
                    place -= 1
                width[place], order[place] = high - low, j
        for j in range(d):
            widths[j, i] = width[j]
            for k in range(D):
                L[k, j, i] = u[k, order[j]]


@jit.njit(
    "void(f8[:, ::1], f8[:, :, ::1], i8, i8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], "
    "f8[:, ::1])",
    nogil=True,
    error_model="numpy",
)
def _fill(etas, L, beside, counts, nodes, node_weights, points, out):
    D, d, M = L.shape
    root = np.empty((D, d))
    level, total, factor, z = np.empty((D, M)), np.empty(M), np.empty(D), np.empty(d)
    for k in range(D):
        for i in range(M):
            level[k, i] = math.exp(min(max(etas[k, i], -340.0), 340.0))
    start = 0
    while start < M:
        for k in range(D):
            for j in range(d):
                root[k, j] = L[k, j, start]
        group = start // beside
        last, stop, same = (group + 1) * beside, start + 1, True
        while same and stop < last:  # elements with one root share exp(L z)
            for k in range(D):
                for j in range(d):
                    same = same and L[k, j, stop] == root[k, j]
            stop += same
        product = counts[group, 0] > 0
        N = len(points)
        if product:
            N = 1
            for j in range(d):
                N *= counts[group, j]
        kept = 0.0
        for n in range(N):
            weight, rest = 1.0, n
            for j in range(d):
                if product:
                    m = counts[group, j]
                    z[j] = nodes[m, rest % m]
                    weight *= node_weights[m, rest % m]
                    rest //= m
                else:
                    z[j] = points[n, j]
            if product and weight < _LIGHT / N:
                continue
            kept += weight
            for k in range(D):
                moved = 0.0
                for j in range(d):
                    moved += root[k, j] * z[j]
                factor[k] = math.exp(min(max(moved, -340.0), 340.0))
            for i in range(start, stop):
                total[i] = 1.0
            for k in range(D):
                for i in range(start, stop):
                    total[i] += level[k, i] * factor[k]
            for i in range(start, stop):
                total[i] = weight / total[i]
                out[0, i] += total[i]
            for k in range(D):
                for i in range(start, stop):
                    out[k + 1, i] += total[i] * factor[k]
        for k in range(D + 1):
            for i in range(start, stop):
                out[k, i] /= kept
        start = stop
    for k in range(D):
        for i in range(M):
            out[k + 1, i] *= level[k, i]
