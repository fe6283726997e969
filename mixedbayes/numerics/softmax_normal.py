"""The mean of probabilities through the softmax over normal predictors: E softmax(0, h)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from mixedbayes import jit

Floats = NDArray[np.float64]

_SEED = 2003  # of the scrambling
_POINTS = 1024
_SDS = (0.5, 1.0, 2.0)  # up to which each rule is used, the last beyond
_NODES = {1: (8, 12, 24, 112), 2: (8, 12, 20), 3: (5, 8)}  # in each of d dimensions
_LIGHT = 1e-7  # a node's share of all weights that counts for nothing


def softmax_mean(etas: Floats, roots: Floats) -> Floats:
    """(K, ...) E softmax(0, h) for h = eta + L z, z ~ N(0, I) of d dimensions.

    `etas` are (K - 1, ...), `roots` L (K - 1, d, ...). By Gauss-Hermite's product rule where few
    nodes are exact enough, for each element by the largest of its sds: for d = 1, for d = 2 and
    sds up to 2, for d = 3 and sds up to 1. Elsewhere at 1024 scrambled Sobol points (Owen 1998,
    doi:10.1006/jcom.1998.0487). The largest error of a probability, over random means and
    correlations, is 2e-4 for d up to 3 and 1e-3 for more where sds are up to 1; 1e-3 and 3e-3 up
    to sds of 2; 1e-3 for d = 2, and else 1e-2, up to sds of 4.
    """
    shape, d = etas.shape[1:], roots.shape[1]
    flat = np.ascontiguousarray(etas.reshape(len(etas), -1))
    every = np.broadcast_to(roots, (*roots.shape[:2], *shape))
    L = np.array(every, order="C").reshape(len(etas), d, -1)
    out = np.zeros((len(etas) + 1, flat.shape[1]))
    _fill(flat, L, *_rules(d), np.array(_SDS), out)
    return out.reshape(-1, *shape)


@lru_cache
def _rules(d: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Points (N, d) and weights (N,) of all rules, and where each begins and ends."""
    rules = [_product(d, m) for m in _NODES.get(d, ())]
    rules += [_sobol(d)] * (len(_SDS) + 1 - len(rules))
    ends = np.cumsum([0, *(len(w) for _, w in rules)])
    points, weights = (np.concatenate(parts) for parts in zip(*rules, strict=True))
    return np.ascontiguousarray(points), weights, ends


def _product(d: int, m: int) -> tuple[Floats, Floats]:
    x, w = special.roots_hermitenorm(m)
    points = np.stack(np.meshgrid(*[x] * d, indexing="ij"), axis=-1).reshape(-1, d)
    weights = np.prod(np.meshgrid(*[w / w.sum()] * d, indexing="ij"), axis=0).ravel()
    kept = weights > _LIGHT
    return points[kept], weights[kept] / weights[kept].sum()


def _sobol(d: int) -> tuple[Floats, Floats]:
    u = stats.qmc.Sobol(d, seed=_SEED).random(_POINTS)
    return stats.norm.ppf(np.clip(u, 1e-12, 1 - 1e-12)), np.full(_POINTS, 1 / _POINTS)


@jit.njit(
    "void(f8[:, ::1], f8[:, :, ::1], f8[:, ::1], f8[::1], i8[::1], f8[::1], f8[:, ::1])",
    nogil=True,
    error_model="numpy",
)
def _fill(etas, L, points, weights, ends, sds, out):
    D, d, M = L.shape
    root = np.empty((D, d))
    level, total, factor = np.empty((D, M)), np.empty(M), np.empty(D)
    for k in range(D):
        for i in range(M):
            level[k, i] = math.exp(min(max(etas[k, i], -340.0), 340.0))
    start = 0
    while start < M:
        widest = 0.0
        for k in range(D):
            square = 0.0
            for j in range(d):
                root[k, j] = L[k, j, start]
                square += root[k, j] * root[k, j]
            widest = max(widest, square)
        stop, same = start + 1, True  # elements with one root share exp(L z)
        while same and stop < M:
            for k in range(D):
                for j in range(d):
                    same = same and L[k, j, stop] == root[k, j]
            stop += same
        rule = 0
        while rule < len(sds) and widest > sds[rule] * sds[rule]:
            rule += 1
        for n in range(ends[rule], ends[rule + 1]):
            for k in range(D):
                moved = 0.0
                for j in range(d):
                    moved += root[k, j] * points[n, j]
                factor[k] = math.exp(min(max(moved, -340.0), 340.0))
            for i in range(start, stop):
                total[i] = 1.0
            for k in range(D):
                for i in range(start, stop):
                    total[i] += level[k, i] * factor[k]
            for i in range(start, stop):
                total[i] = weights[n] / total[i]
                out[0, i] += total[i]
            for k in range(D):
                for i in range(start, stop):
                    out[k + 1, i] += total[i] * factor[k]
        start = stop
    for k in range(D):
        for i in range(M):
            out[k + 1, i] *= level[k, i]
