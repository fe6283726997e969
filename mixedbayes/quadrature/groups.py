"""Loops over vectors of groups: what integrals add up, factor and solve for many groups at once.

Rows lie in `blocks.Blocks`: of a block of groups the first rows of all, then the second rows, and
so on, so that what is added up for each group is added in loops over vectors of groups. Arrays of
groups and rows have one such vector for each effect, one after another: u (q, J), A (q, n).
Indices are unsigned, since compiled loops with signed ones look whether they count from the end.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner

_u = np.uint64


@inner
def fill(x, value, first, n):
    for i in range(n):
        x[_u(first + i)] = value


@inner
def scaled_columns(Z, L, N, q, r0, r1, n):
    """Z L (q, N) for L (q, q) lower triangular, of rows r0 to r1 of each n."""
    A = np.zeros(q * N)
    for a in range(q):
        for b in range(a, q):
            scale = L[b * q + a]
            for first in range(0, N, n):
                to, at = a * N + first, b * N + first
                for i in range(r0, r1):
                    A[_u(to + i)] += Z[_u(at + i)] * scale
    return A


@inner
def add_products(slots, s0, s1, q, M, m, m_step, w, v, v_step, out):
    """Add sum_a M_a w_a of each row's group to out (b,).

    M_a has its rows from m + a m_step on, w_a the block's groups from v + a v_step on.
    """
    r0 = slots[s0]
    for a in range(q):
        for s in range(s0, s1):
            row, at = slots[s] - r0, v + a * v_step
            from_ = m + a * m_step + row
            for g in range(slots[s + 1] - slots[s]):
                out[_u(row + g)] += M[_u(from_ + g)] * w[_u(at + g)]


@inner
def add_up(slots, s0, s1, x, out, first):
    """Add x (b,) of each group's rows to `out`, the block's groups from `first` on."""
    r0 = slots[s0]
    for s in range(s0, s1):
        row = slots[s] - r0
        for g in range(slots[s + 1] - slots[s]):
            out[_u(first + g)] += x[_u(row + g)]


@inner
def add_square(slots, s0, s1, x, M, m, other, out, first):
    """Add x M, and x M N where N, from `other` on, is not at -1, likewise."""
    r0 = slots[s0]
    for s in range(s0, s1):
        row = slots[s] - r0
        at, next_ = m + row, other + row
        if other < 0:
            for g in range(slots[s + 1] - slots[s]):
                out[_u(first + g)] += x[_u(row + g)] * M[_u(at + g)]
        else:
            for g in range(slots[s + 1] - slots[s]):
                out[_u(first + g)] += x[_u(row + g)] * M[_u(at + g)] * M[_u(next_ + g)]


@inner
def factor(H, G, q):
    """The lower factors of H (q, q, G) in place, with the reciprocals of their diagonals.

    NaN or infinite where there is none.
    """
    for j in range(q):
        for i in range(j, q):
            to, diagonal = (i * q + j) * G, (j * q + j) * G
            for a in range(j):
                left, right = (i * q + a) * G, (j * q + a) * G
                for g in range(G):
                    H[_u(to + g)] -= H[_u(left + g)] * H[_u(right + g)]
            for g in range(G):
                if i == j:
                    H[_u(to + g)] = 1.0 / math.sqrt(H[_u(to + g)])
                else:
                    H[_u(to + g)] *= H[_u(diagonal + g)]


@inner
def solve(C, G, q, x, at, forward):
    """C x = x, or C' x = x, in place, of all groups by `factor`; x_a from `at` + a G on."""
    for k in range(q):
        i = k if forward else q - 1 - k
        to, diagonal = at + i * G, (i * q + i) * G
        for b in range(k):
            a = b if forward else q - 1 - b
            c, from_ = ((i * q + a) if forward else (a * q + i)) * G, at + a * G
            for g in range(G):
                x[_u(to + g)] -= C[_u(c + g)] * x[_u(from_ + g)]
        for g in range(G):
            x[_u(to + g)] *= C[_u(diagonal + g)]


@inner
def invert(C, G, q, T):
    """T = C'^-1 (q, q, G), column by column, and log |T| of each group into its place q^2 G."""
    fill(T, 0.0, 0, (q * q + 1) * G)
    for c in range(q):
        fill(T, 1.0, (c * q + c) * G, G)
        solve(C, G, q, T, c * q * G, False)
        for g in range(G):
            T[_u(q * q * G + g)] += math.log(C[_u((c * q + c) * G + g)])


@inner
def widest(slots, firsts, blocks):
    """Most rows and most groups of a block."""
    rows = groups = 0
    for e in range(blocks.size - 1):
        rows = max(rows, slots[firsts[e + 1]] - slots[firsts[e]])
        groups = max(groups, blocks[e + 1] - blocks[e])
    return rows, groups


@inner
def place(nodes, k, K, j0, J, q, u, T, G, out):
    """u_j + T_j x of the k-th node x of K into out (q, G)."""
    for a in range(q):
        for g in range(G):
            out[_u(a * G + g)] = u[_u(a * J + j0 + g)]
        for c in range(a, q):
            x = nodes[c * K + k]
            for g in range(G):
                out[_u(a * G + g)] += T[_u((c * q + a) * G + g)] * x
