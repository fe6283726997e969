"""Forward elimination: factor every front, pass its update on to ancestors and the dense block."""

import numpy as np
from numba import njit

from mixedbayes.marginal.fronts import (
    dense_places,
    factor_front,
    load_front,
    places_in_ancestor,
)


@njit(nogil=True)
def eliminate(ix, va, L, sigma, shift, yy, m, F, S):
    """Fill S (D + 1, D + 1), upper triangle, with the Schur complement; return log|.| so far.

    F receives the factored fronts of the chain but for those of its finest factor: these are
    recomputed on the way back, so that the work space does not grow with the number of levels.
    Returns half the log determinant of the eliminated blocks, NaN where one is not positive.
    """
    scale = 1.0 / sigma**2
    _load_dense(ix, va, L, scale, shift, yy, m, S)
    base = ix.off[ix.node0[min(1, ix.K)]]
    for k in range(1, ix.n_chain):
        for node in range(ix.node0[k], ix.node0[k + 1]):
            load_front(ix, va, L, scale, shift, k, ix.q[k], node, F, ix.off[node] - base)
    half_log_det = 0.0
    for k in range(ix.n_chain):
        half_log_det += _eliminate_factor(ix, va, L, scale, shift, k, ix.q[k], base, F, S)
    return half_log_det


@njit(nogil=True)
def _eliminate_factor(ix, va, L, scale, shift, k, q, base, F, S):
    local = np.empty(ix.n_rows * q)
    place = np.empty(ix.n_rows, np.int64)
    half_log_det, det = 0.0, 1.0
    for node in range(ix.node0[k], ix.node0[k + 1]):
        if k == 0:
            front, o = local, 0
            end = load_front(ix, va, L, scale, shift, k, q, node, front, o)
        else:
            front, o = F, ix.off[node] - base
            end = ix.off[node + 1] - base
        det *= factor_front(front, o, q, end)
        if not det < 1e200:  # also where det is NaN
            half_log_det += np.log(det)
            det = 1.0
        rows = (end - o) // q
        up = node
        for a in range(k + 1, ix.n_chain):
            up = ix.parent[up]
            first = places_in_ancestor(ix, k, q, node, a, up, place)
            _update_ancestor(front, o, q, first, rows, place, ix.q[a], F, ix.off[up] - base)
        first = dense_places(ix, k, q, node, place)
        _update_dense(front, o, q, first, rows, place, S)
    return half_log_det + np.log(det)


@njit(nogil=True)
def _update_dense(front, o, q, first, rows, place, S):
    for i in range(first, rows):
        at = o + i * q
        target = S[place[i]]
        if q == 1:
            x = front[at]
            for j in range(i, rows):
                target[place[j]] -= x * front[o + j]
        else:
            for j in range(i, rows):
                total = 0.0
                for t in range(q):
                    total += front[at + t] * front[o + j * q + t]
                target[place[j]] -= total


@njit(nogil=True)
def _update_ancestor(front, o, q, first, rows, place, qa, F, at):
    for i in range(first, rows):
        row = at + place[i] * qa
        for s in range(qa):
            total = 0.0
            for t in range(q):
                total += front[o + i * q + t] * front[o + (first + s) * q + t]
            F[row + s] -= total


@njit(nogil=True)
def _load_dense(ix, va, L, scale, shift, yy, m, S):
    """S = the rows of H that belong to crossed factors, population columns and the response."""
    S[:] = 0.0
    D, p = ix.D, ix.p
    local = np.empty(ix.n_rows * (ix.q.max() if ix.K > 0 else 1))
    place = np.empty(ix.n_rows, np.int64)
    for k in range(ix.n_chain, ix.K):
        q = ix.q[k]
        for node in range(ix.node0[k], ix.node0[k + 1]):
            load_front(ix, va, L, scale, shift, k, q, node, local, 0)
            rows = (ix.off[node + 1] - ix.off[node]) // q
            own = ix.col0[k] + (node - ix.node0[k]) * q
            dense_places(ix, k, q, node, place)
            for s in range(q):
                place[s] = own + s
            for i in range(rows):
                for t in range(q):
                    if place[i] >= own + t:
                        S[own + t, place[i]] = local[i * q + t]
    S[D, D] = yy * scale
    n_u = ix.var0[ix.K]
    for i in range(p):
        prior = 0.0
        for j in range(p):
            prior += va.P0[i, j] * m[j]
            S[D - p + i, D - p + j] = va.XX[i, j] * scale + va.P0[i, j]
        c = va.XX[i, p]
        if shift.size > 0:
            c -= shift[n_u + i]
        S[D - p + i, D] = c * scale + prior
        S[D, D] += prior * m[i]
