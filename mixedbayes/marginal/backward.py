"""The way back: moments of all effects on the pattern of M, and from them the gradient.

With A = B S^-1 the regression of a node's effects on the rows of its front,

    E[v_rows v_g'] = -E[v_rows v_rows'] A,   E[v_g v_g'] = S^-1 + A' E[v_rows v_rows'] A

from the coarsest factor to the finest.
"""

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.fronts import (
    dense_places,
    factor_front,
    load_front,
    places_in_ancestor,
)


@inner
def backward(h, ints, floats, L, sigma, shift, F, S, Q, w):
    """Add every node's (M Lambda E[v v'])_gg to Q; return the trace of E[u u'].

    F and S hold the factored fronts and the dense second moments. If w has room, it receives the
    mean effects in the internal bases.
    """
    scale = 1.0 / sigma**2
    trace = 0.0
    for k in range(h.n_chain, h.K):
        trace += _dense_nodes(h, ints, floats, L, shift, k, ints[h.q + k], S, Q, w)
    moments = np.empty(F.size)
    base = ints[h.off + ints[h.node0 + min(1, h.K)]]
    for k in range(h.n_chain - 1, -1, -1):
        trace += _chain_nodes(
            h, ints, floats, L, scale, shift, k, ints[h.q + k], base, F, S, moments, Q, w
        )
    return trace


@inner
def _chain_nodes(h, ints, floats, L, scale, shift, k, q, base, F, S, moments, Q, w):
    local = np.empty(h.n_rows * q)
    local_moments = np.empty(h.n_rows * q)
    A = np.empty(h.n_rows * q)
    inverse = np.empty(q * q)
    place = np.empty(h.n_rows, np.int64)
    trace = 0.0
    for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
        if k == 0:
            front, o, E, e = local, 0, local_moments, 0
            end = load_front(h, ints, floats, L, scale, shift, k, q, node, front, o)
            factor_front(front, o, q, end)
        else:
            front, o = F, ints[h.off + node] - base
            E, e = moments, o
            end = ints[h.off + node + 1] - base
        rows = (end - o) // q
        regression(front, o, q, rows, inverse, A)
        for i in range(e + q * q, e + rows * q):
            E[i] = 0.0
        up = node
        for a in range(k + 1, h.n_chain):
            up = ints[h.parent + up]
            first = places_in_ancestor(h, ints, k, q, node, a, up, place)
            _from_ancestor(
                moments, ints[h.off + up] - base, ints[h.q + a], place, first, rows, q, A, E, e
            )
        first = dense_places(h, ints, k, q, node, place)
        _from_dense(S, place, first, rows, q, A, E, e)
        _own_moments(inverse, A, q, rows, E, e)
        for t in range(q):
            trace += E[e + t * q + t]
        _add_products(h, ints, floats, L, shift, k, q, node, E, e, Q)
        _keep_mean(h, ints, L, k, q, node, E, e + (rows - 1) * q, w)
    return trace


@inner
def _dense_nodes(h, ints, floats, L, shift, k, q, S, Q, w):
    E = np.empty(h.n_rows * q)
    place = np.empty(h.n_rows, np.int64)
    trace = 0.0
    for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
        rows = (ints[h.off + node + 1] - ints[h.off + node]) // q
        own = ints[h.col0 + k] + (node - ints[h.node0 + k]) * q
        dense_places(h, ints, k, q, node, place)
        for s in range(q):
            place[s] = own + s
        for i in range(rows):
            for t in range(q):
                E[i * q + t] = S[min(place[i], own + t), max(place[i], own + t)]
        for t in range(q):
            trace += E[t * q + t]
        _add_products(h, ints, floats, L, shift, k, q, node, E, 0, Q)
        _keep_mean(h, ints, L, k, q, node, E, (rows - 1) * q, w)
    return trace


@inner
def regression(front, o, q, rows, inverse, A):
    """C^-1 of the own block, and A = Y C^-1 for the rows below it."""
    for t in range(q):
        inverse[t * q + t] = front[o + t * q + t]
        for s in range(t + 1, q):
            x = 0.0
            for u in range(t, s):
                x -= front[o + s * q + u] * inverse[u * q + t]
            inverse[s * q + t] = x * front[o + s * q + s]
    for i in range(q, rows):
        for t in range(q):
            x = 0.0
            for u in range(t, q):
                x += front[o + i * q + u] * inverse[u * q + t]
            A[i * q + t] = x


@inner
def _from_dense(S, place, first, rows, q, A, E, e):
    """E -= S[rows, rows] A for the rows in the dense block."""
    if q == 1:
        for i in range(first, rows):
            row, a = S[place[i]], A[i]
            total = row[place[i]] * a
            for j in range(i + 1, rows):
                x = row[place[j]]
                total += x * A[j]
                E[e + j] -= x * a
            E[e + i] -= total
        return
    for i in range(first, rows):
        row = S[place[i]]
        for j in range(i, rows):
            x = row[place[j]]
            for t in range(q):
                E[e + j * q + t] -= x * A[i * q + t]
            if j > i:
                for t in range(q):
                    E[e + i * q + t] -= x * A[j * q + t]


@inner
def _from_ancestor(moments, at, qa, place, first, rows, q, A, E, e):
    """E -= (ancestor's columns of the second moments) A, and their transpose."""
    for s in range(qa):
        for i in range(first, rows):
            x = moments[at + place[i] * qa + s]
            for t in range(q):
                E[e + i * q + t] -= x * A[(first + s) * q + t]
            if i >= first + qa:
                for t in range(q):
                    E[e + (first + s) * q + t] -= x * A[i * q + t]


@inner
def _own_moments(inverse, A, q, rows, E, e):
    """E[u_g u_g'] = C^-T C^-1 - A' E[v_rows u_g']."""
    for s in range(q):
        for t in range(s + 1):
            x = 0.0
            for u in range(s, q):
                x += inverse[u * q + s] * inverse[u * q + t]
            for i in range(q, rows):
                x -= A[i * q + s] * E[e + i * q + t]
            E[e + s * q + t] = x
            E[e + t * q + s] = x


@inner
def _add_products(h, ints, floats, L, shift, k, q, node, E, e, Q):
    """Add this node's edges to sum_g (M Lambda E[v v'])_gg of its own and the other factors."""
    src, lk = h.fronts + ints[h.off + node], ints[h.t0 + k]
    _add_edge(floats, src, q, L, lk, lk, E, e, Q, q, False)
    src, e = src + q * q, e + q * q
    for a in range(k + 1, h.n_chain):
        qa = ints[h.q + a]
        _add_edge(floats, src, qa, L, ints[h.t0 + a], lk, E, e, Q, q, True)
        src, e = src + qa * q, e + qa * q
    if h.n_blocks > 0:
        for b in range(ints[h.blk_ptr + node], ints[h.blk_ptr + node + 1]):
            f = ints[h.blk_fac + b]
            _add_edge(floats, src, ints[h.q + f], L, ints[h.t0 + f], lk, E, e, Q, q, True)
            src, e = src + ints[h.q + f] * q, e + ints[h.q + f] * q
    for _ in range(h.p + 1):
        for t in range(q):
            for s in range(q):
                Q[lk + t * q + s] += floats[src + t] * E[e + s]
        src, e = src + q, e + q
    if shift.size > 0:
        var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
        for t in range(q):
            for s in range(q):
                Q[lk + t * q + s] -= shift[var + t] * E[e - q + s]


@inner
def _add_edge(floats, src, rows, L, lf, lk, E, e, Q, q, both):
    """Q_k += M' L_f E and, for an edge between two nodes, Q_f += M L_k E'."""
    if rows == 1 and q == 1:
        x = floats[src] * E[e]
        Q[lk] += L[lf] * x
        if both:
            Q[lf] += L[lk] * x
        return
    for i in range(rows):
        for t in range(q):
            x = 0.0
            for u in range(rows):
                x += L[lf + i * rows + u] * E[e + u * q + t]
            for s in range(q):
                Q[lk + s * q + t] += floats[src + i * q + s] * x
    if both:
        for t in range(q):
            for s in range(rows):
                x = 0.0
                for u in range(q):
                    x += L[lk + t * q + u] * E[e + s * q + u]
                for i in range(rows):
                    Q[lf + i * rows + s] += floats[src + i * q + t] * x


@inner
def _keep_mean(h, ints, L, k, q, node, E, last, w):
    """w = T_k L_k E[u_g], the mean effect in the internal basis."""
    if w.size > 0:
        var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
        for t in range(q):
            x = 0.0
            for s in range(q):
                x -= L[ints[h.t0 + k] + t * q + s] * E[last + s]
            w[var + t] = x
