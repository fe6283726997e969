"""Forward elimination: factor every front, pass its update on to ancestors and the dense block."""

import numpy as np

from mixedbayes.marginal.fronts import factor_front, find_places, load_front
from mixedbayes.marginal.inner import inner


@inner
def eliminate(h, ints, floats, L, scale, shift, yy, m, F, S):
    """Fill the upper triangle of S (D + 1, D + 1) with the Schur complement of the chain.

    F, zero before, receives the factored fronts of the chain but for those of its finest factor:
    these are computed again on the way back, so that the work space does not grow with them.
    Returns half the log determinant of the eliminated blocks, NaN where one is not positive.
    """
    front = np.empty(h.n_front)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    half_log_det, det = 0.0, 1.0
    base = chain_base(h, ints)
    load_population(h, floats, scale, shift, yy, m, S)
    for k in range(h.K):
        q, rows = ints[h.q + k], 0
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            end = load_front(h, ints, floats, L, scale, shift, k, q, node, front)
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            if k >= h.n_chain:
                add_dense(front, q, rows, place, S)
                continue
            if k > 0:
                add_children(front, F, ints[h.off + node] - base, end)
            det *= factor_front(front, q, end)
            if not det < 1e200:  # also where it is NaN
                half_log_det += np.log(det)
                det = 1.0
            if k > 0:
                copy(front, 0, F, ints[h.off + node] - base, end)
            up, first = node, q
            for a in range(k + 1, h.n_chain):
                up = ints[h.parent + up]
                at, qa = ints[h.off + up] - base, ints[h.q + a]
                update_ancestor(front, q, first, rows, place[a - k], qa, F, at)
                first += qa
            update_dense(front, q, first, rows, place, S)
    return half_log_det + np.log(det)


@inner
def chain_base(h, ints):
    """Where the fronts of the chain's second factor start."""
    return ints[h.off + ints[h.node0 + min(1, h.K)]]


@inner
def chain_work(h, ints):
    """Length of the fronts of the chain but for its finest factor."""
    return max(0, ints[h.off + ints[h.node0 + h.n_chain]] - chain_base(h, ints))


@inner
def add_children(front, F, at, end):
    for i in range(end):
        front[i] += F[at + i]


@inner
def copy(source, start, target, at, length):
    """Plain loops compile much faster than assignments to slices."""
    for i in range(length):
        target[at + i] = source[start + i]


@inner
def update_dense(front, q, first, rows, place, S):
    """S -= Y Y' for the rows in the dense block."""
    for i in range(first, rows):
        target = S[place[0, i]]
        if q == 1:
            x = front[i]
            for j in range(i, rows):
                target[place[0, j]] -= x * front[j]
        else:
            for j in range(i, rows):
                total = 0.0
                for t in range(q):
                    total += front[i * q + t] * front[j * q + t]
                target[place[0, j]] -= total


@inner
def update_ancestor(front, q, first, rows, place, qa, F, at):
    """F -= Y Y' for the columns of one ancestor and the rows from its own on."""
    for i in range(first, rows):
        row = at + place[i] * qa
        for s in range(qa):
            total = 0.0
            for t in range(q):
                total += front[i * q + t] * front[(first + s) * q + t]
            F[row + s] -= total


@inner
def add_dense(front, q, rows, place, S):
    """S += the front of a crossed level."""
    for i in range(rows):
        for t in range(q):
            r, c = place[0, t], place[0, i]
            if r <= c:
                S[r, c] += front[i * q + t]
            elif i >= q:
                S[c, r] += front[i * q + t]


@inner
def load_population(h, floats, scale, shift, yy, m, S):
    """S = the rows of H that belong to the population columns and the response, 0 elsewhere."""
    S[:] = 0.0
    D, p = h.D, h.p
    S[D, D] = yy * scale
    for i in range(p):
        prior = 0.0
        for j in range(p):
            P0 = floats[h.P0 + i * p + j]
            prior += P0 * m[j]
            S[D - p + i, D - p + j] = floats[h.XX + i * (p + 1) + j] * scale + P0
        c = floats[h.XX + i * (p + 1) + p]
        if h.r > 0:
            c -= shift[h.n_effects + i]
        S[D - p + i, D] = c * scale + prior
        S[D, D] += prior * m[i]
