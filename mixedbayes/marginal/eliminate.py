"""Forward elimination: factor every front, pass its update on to ancestors and the dense block."""

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.fronts import (
    dense_places,
    factor_front,
    load_front,
    places_in_ancestor,
)


@inner
def eliminate(h, ints, floats, L, sigma, shift, yy, m, F, S):
    """Fill S (D + 1, D + 1), upper triangle, with the Schur complement; return log|.| so far.

    F receives the factored fronts of the chain but for those of its finest factor: these are
    recomputed on the way back, so that the work space does not grow with the number of levels.
    Returns half the log determinant of the eliminated blocks, NaN where one is not positive.
    """
    scale = 1.0 / sigma**2
    _load_dense(h, ints, floats, L, scale, shift, yy, m, S)
    base = ints[h.off + ints[h.node0 + min(1, h.K)]]
    for k in range(1, h.n_chain):
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            load_front(
                h,
                ints,
                floats,
                L,
                scale,
                shift,
                k,
                ints[h.q + k],
                node,
                F,
                ints[h.off + node] - base,
            )
    half_log_det = 0.0
    for k in range(h.n_chain):
        half_log_det += _eliminate_factor(
            h, ints, floats, L, scale, shift, k, ints[h.q + k], base, F, S
        )
    return half_log_det


@inner
def _eliminate_factor(h, ints, floats, L, scale, shift, k, q, base, F, S):
    local = np.empty(h.n_rows * q)
    place = np.empty(h.n_rows, np.int64)
    half_log_det, det = 0.0, 1.0
    for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
        if k == 0:
            front, o = local, 0
            end = load_front(h, ints, floats, L, scale, shift, k, q, node, front, o)
        else:
            front, o = F, ints[h.off + node] - base
            end = ints[h.off + node + 1] - base
        det *= factor_front(front, o, q, end)
        if not det < 1e200:  # also where det is NaN
            half_log_det += np.log(det)
            det = 1.0
        rows = (end - o) // q
        up = node
        for a in range(k + 1, h.n_chain):
            up = ints[h.parent + up]
            first = places_in_ancestor(h, ints, k, q, node, a, up, place)
            _update_ancestor(
                front, o, q, first, rows, place, ints[h.q + a], F, ints[h.off + up] - base
            )
        first = dense_places(h, ints, k, q, node, place)
        _update_dense(front, o, q, first, rows, place, S)
    return half_log_det + np.log(det)


@inner
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


@inner
def _update_ancestor(front, o, q, first, rows, place, qa, F, at):
    for i in range(first, rows):
        row = at + place[i] * qa
        for s in range(qa):
            total = 0.0
            for t in range(q):
                total += front[o + i * q + t] * front[o + (first + s) * q + t]
            F[row + s] -= total


@inner
def _load_dense(h, ints, floats, L, scale, shift, yy, m, S):
    """S = the rows of H that belong to crossed factors, population columns and the response."""
    S[:] = 0.0
    D, p = h.D, h.p
    local = np.empty(h.n_front)
    place = np.empty(h.n_rows, np.int64)
    for k in range(h.n_chain, h.K):
        q = ints[h.q + k]
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            load_front(h, ints, floats, L, scale, shift, k, q, node, local, 0)
            rows = (ints[h.off + node + 1] - ints[h.off + node]) // q
            own = ints[h.col0 + k] + (node - ints[h.node0 + k]) * q
            dense_places(h, ints, k, q, node, place)
            for s in range(q):
                place[s] = own + s
            for i in range(rows):
                for t in range(q):
                    if place[i] >= own + t:
                        S[own + t, place[i]] = local[i * q + t]
    S[D, D] = yy * scale
    n_u = h.n_effects
    for i in range(p):
        prior = 0.0
        for j in range(p):
            prior += floats[h.P0 + i * p + j] * m[j]
            S[D - p + i, D - p + j] = (
                floats[h.XX + i * (p + 1) + j] * scale + floats[h.P0 + i * p + j]
            )
        c = floats[h.XX + i * (p + 1) + p]
        if shift.size > 0:
            c -= shift[n_u + i]
        S[D - p + i, D] = c * scale + prior
        S[D, D] += prior * m[i]
