"""The way back: moments of all effects on the pattern of M, and from them the gradient.

With A = B S^-1 the regression of a node's effects on the rows of its front,

    E[v_rows v_g'] = -E[v_rows v_rows'] A,   E[v_g v_g'] = S^-1 + A' E[v_rows v_rows'] A

from the coarsest factor to the finest.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.forward import chain_base, copy
from mixedbayes.marginal.fronts import (
    factor_front,
    find_places,
    load_front,
    read_header,
    regression,
)
from mixedbayes.marginal.inner import inner


@jit.njit(
    "f8(i8[::1], f8[::1], f8[::1], f8, f8[::1], f8[::1], f8[:, ::1], f8[::1], f8[::1])",
    short_loops=True, python=False, nogil=True, error_model="numpy",
)  # fmt: skip
def go_back(ints, floats, L, scale, shift, F, S, Q, w):
    """Add every node's (M Lambda E[v v'])_gg to Q; return the trace of E[u u'].

    F and S hold the factored fronts and the dense second moments. If coefficients are sampled, w
    receives the mean effects in the internal bases.
    """
    h = read_header(ints)
    front, E, A = np.empty(h.n_front), np.empty(h.n_front), np.empty(h.n_front)
    inverse, moments = np.empty(h.n_front), np.empty(F.size)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    base, trace = chain_base(h, ints), 0.0
    for k in range(h.K - 1, -1, -1):
        q, rows = ints[h.q + k], 0
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            if k >= h.n_chain:
                read_dense(S, place, rows, q, E)
            else:
                read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front)
                regression(front, q, rows, inverse, A)
                node_moments(h, ints, k, q, node, rows, place, base, S, moments, inverse, A, E)
            for t in range(q):
                trace += E[t * q + t]
            add_products(h, ints, floats, L, shift, k, q, node, E, Q)
            if h.r > 0:
                keep_mean(h, ints, L, k, q, node, E, (rows - 1) * q, w)
    return trace


call_go_back = jit.called(go_back)


@inner
def read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front):
    """The factored front of a node of the chain: computed again for the finest factor."""
    if k == 0:
        end = load_front(h, ints, floats, L, scale, shift, k, q, node, front)
        factor_front(front, q, end)
    else:
        at = ints[h.off + node] - base
        copy(F, at, front, 0, ints[h.off + node + 1] - base - at)


@inner
def node_moments(h, ints, k, q, node, rows, place, base, S, moments, inverse, A, E):
    """E = the moments of a node of the chain with all rows of its front.

    `moments` keeps them for the nodes below; S holds those of the dense block.
    """
    for i in range(rows * q):
        E[i] = 0.0
    up, first = node, q
    for a in range(k + 1, h.n_chain):
        up = ints[h.parent + up]
        at, qa = ints[h.off + up] - base, ints[h.q + a]
        from_ancestor(moments, at, qa, place[a - k], first, rows, q, A, E)
        first += qa
    from_dense(S, place, first, rows, q, A, E)
    own_moments(inverse, A, q, rows, E)
    if k > 0:
        copy(E, 0, moments, ints[h.off + node] - base, rows * q)


@inner
def read_dense(S, place, rows, q, E):
    """E = the moments of a crossed level with all rows of its front."""
    for i in range(rows):
        for t in range(q):
            r, c = place[0, t], place[0, i]
            E[i * q + t] = S[r, c] if r <= c else S[c, r]


@inner
def from_dense(S, place, first, rows, q, A, E):
    """E -= S[rows, rows] A for the rows in the dense block."""
    if q == 1:
        for i in range(first, rows):
            row, a = S[place[0, i]], A[i]
            total = row[place[0, i]] * a
            for j in range(i + 1, rows):
                x = row[place[0, j]]
                total += x * A[j]
                E[j] -= x * a
            E[i] -= total
        return
    for i in range(first, rows):
        row = S[place[0, i]]
        for j in range(i, rows):
            x = row[place[0, j]]
            for t in range(q):
                E[j * q + t] -= x * A[i * q + t]
            if j > i:
                for t in range(q):
                    E[i * q + t] -= x * A[j * q + t]


@inner
def from_ancestor(moments, at, qa, place, first, rows, q, A, E):
    """E -= (ancestor's columns of the second moments) A, and their transpose."""
    for s in range(qa):
        for i in range(first, rows):
            x = moments[at + place[i] * qa + s]
            for t in range(q):
                E[i * q + t] -= x * A[(first + s) * q + t]
            if i >= first + qa:
                for t in range(q):
                    E[(first + s) * q + t] -= x * A[i * q + t]


@inner
def own_moments(inverse, A, q, rows, E):
    """E[u_g u_g'] = C^-T C^-1 - A' E[v_rows u_g']."""
    for s in range(q):
        for t in range(s + 1):
            x = 0.0
            for u in range(s, q):
                x += inverse[u * q + s] * inverse[u * q + t]
            for i in range(q, rows):
                x -= A[i * q + s] * E[i * q + t]
            E[s * q + t] = x
            E[t * q + s] = x


@inner
def add_products(h, ints, floats, L, shift, k, q, node, E, Q):
    """Add this node's edges to sum_g (M Lambda E[v v'])_gg of its own and the other factors."""
    src, lk = h.fronts + ints[h.off + node], ints[h.t0 + k]
    row, at = 0, 0
    block = ints[h.blk_ptr + node] if h.n_blocks > 0 else 0
    blocks = ints[h.blk_ptr + node + 1] if h.n_blocks > 0 else 0
    while row < h.n_chain - k or row == 0 or block < blocks:
        if row == 0 or row < h.n_chain - k:
            f = k + row
        else:
            f = ints[h.blk_fac + block]
            block += 1
        size = ints[h.q + f]
        add_edge(floats, src + at, size, L, ints[h.t0 + f], lk, E, at, Q, q, row > 0)
        row += 1
        at += size * q
    for _ in range(h.p + 1):
        for t in range(q):
            for s in range(q):
                Q[lk + t * q + s] += floats[src + at + t] * E[at + s]
        at += q
    if h.r > 0:
        var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
        for t in range(q):
            for s in range(q):
                Q[lk + t * q + s] -= shift[var + t] * E[at - q + s]


@inner
def add_edge(floats, src, rows, L, lf, lk, E, e, Q, q, both):
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
def keep_mean(h, ints, L, k, q, node, E, last, w):
    """w = T_k L_k E[u_g], the mean effect in the internal basis."""
    var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
    for t in range(q):
        x = 0.0
        for s in range(q):
            x -= L[ints[h.t0 + k] + t * q + s] * E[last + s]
        w[var + t] = x
