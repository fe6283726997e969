"""The likelihood of grouped rows, each group's effects integrated out by adaptive quadrature.

With b_j = L u_j, u_j ~ N(0, I_q), and l_j(u) = sum_i log f(y_i | eta_i + z_i' L u) - u'u / 2,

    p(y_j) = (2 pi)^(-q/2) integral of exp(l_j(u)) du,
    log p(y_j) ~ log|T_j| + log sum_k exp(l_j(u_j* + T_j x_k) + x_k'x_k / 2 + log w_k),

with the mode u_j* of l_j, T_j T_j' = (-l_j'')^-1 there, and the nodes x_k and weights w_k of a
`Rule` (Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663). One node is Laplace's
approximation. The gradient is Fisher's, the expectation of that of log f under the weights of the
nodes. Modes are found by Newton's method, see `modes`, always from the same start, so that the
value depends on the parameters alone. `groups` says how rows and groups lie in arrays.
"""

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.groups import (
    add_square,
    add_up,
    fill,
    invert,
    place,
    scaled_columns,
    widest,
)
from mixedbayes.quadrature.modes import (
    FAMILY,
    NEAR,
    NEAREST,
    call_find_modes,
    moved_to,
    room,
    settle,
)
from mixedbayes.quadrature.rows import call

_u = np.uint64


_REALS, _INTS = types.float64[::1], types.int64[::1]
_INTEGRATE = types.float64(
    FAMILY, *(_INTS,) * 3, _REALS, _REALS, _INTS, types.int64, *(_REALS,) * 7
)
_EXPECT = types.void(
    _INTS, *(types.int64,) * 6, _INTS, _REALS, types.int64, *(_REALS,) * 3, *(types.int64,) * 3,
    *(_REALS,) * 7,
)  # fmt: skip


@jit.njit(_INTEGRATE, python=False, nogil=True, error_model="numpy")
def integrate(
    family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, d_eta,
    d_each,
):  # fmt: skip
    """log p(y_j) into each (J,), and u_j* into u (q, J); their sum, -inf where it is none.

    family: address of the rows' function, y, size, extra, parameters (m,), `kept` and the steps of
    differences (P n,). eta (P, n), Z (q, P n), of predictors of which effects act on `acting`. u
    has the start of the search. nodes (q, K), ratios (K,). `blocks` are the first groups of each
    block, and J; `firsts` and `slots` are those of `blocks.Blocks`. The gradient: by eta into d_eta
    (P, n), and of each group by L (q, q), its lower triangle, and the parameters into d_each
    (q q + m, J), unless they are empty.
    """
    J, K, N, n, m = each.size, ratios.size, eta.size, family[1].size, family[4].size
    P, R, q, wanted = N // n, acting.size, nodes.size // K, d_eta.size > 0
    A = scaled_columns(Z, L, N, q, 0, n, n)
    most, G = widest(slots, firsts, blocks)
    work, group = np.empty(room(most, P, R, m)), np.empty((4 + 2 * q) * G)
    C, T, B = np.empty(q * q * G), np.empty((q * q + 1) * G), np.empty(q * R * most)
    centre = np.empty(P * most)
    values, again, total = np.empty(K * G), K if wanted else 0, 0.0
    slopes, d = np.empty(again * P * most), np.empty(again * m * most)
    for block in range(blocks.size - 1):
        j0, s0, s1 = blocks[block], firsts[block], firsts[block + 1]
        G = blocks[block + 1] - j0
        if not call_find_modes(
            family, slots, s0, s1, j0, J, q, acting, concave, A, eta, u, C, T, work, G, group,
            NEAR if K > 1 else NEAREST,
        ):  # fmt: skip
            return -math.inf
        invert(C, G, q, T)
        settle(slots, s0, s1, j0, J, q, acting, A, eta, u, T, G, n, centre, B)
        at_nodes(
            family, slots, s0, s1, j0, J, q, acting, nodes, ratios, u, T, B, G, centre, P, wanted,
            work, group, values, slopes, d,
        )  # fmt: skip
        for g in range(G):
            x = group[_u(g)] + math.log(group[_u(G + g)]) + T[_u(q * q * G + g)]
            if not math.isfinite(x):
                return -math.inf
            each[_u(j0 + g)] = x
            total += x
        if wanted:
            call_expect(
                slots, s0, s1, j0, J, q, m, acting, nodes, K, Z, u, T, G, n, N, group, values,
                slopes, d, B, d_eta, d_each,
            )  # fmt: skip
    return total


@inner
def at_nodes(
    family, slots, s0, s1, j0, J, q, acting, nodes, ratios, u, T, B, G, centre, P, wanted, work,
    group, values, slopes, d,
):  # fmt: skip
    """The nodes' shares of the integral into values (K, G), but for their sums in group[G : 2 G].

    They are as parts of the largest, whose logarithm is in group[:G]. Slopes of the rows by
    predictors (K, P b) and parameters (K, b m) where they are wanted.
    """
    rows, y, size, extra, parameters, kept, _ = family
    r0, K, m = slots[s0], ratios.size, parameters.size
    b = slots[s1] - r0
    at, value, moved, none = work[: P * b], work[P * b : (P + 1) * b], group[4 * G :], np.empty(0)
    fill(values, 0.0, 0, K * G)
    for k in range(K):
        moved_to(nodes, k, K, q, acting, B, b, P, centre, at)
        if wanted:
            slope, own = slopes[k * P * b : (k + 1) * P * b], d[k * m * b : (k + 1) * m * b]
            call(rows, r0, at, y, size, extra, parameters, kept, value, slope, own)
        else:
            call(rows, r0, at, y, size, extra, parameters, kept, value, none, none)
        add_up(slots, s0, s1, value, values, k * G)
        place(nodes, k, K, j0, J, q, u, T, G, moved)
        for g in range(G):
            values[_u(k * G + g)] += ratios[k]
        for a in range(q):
            for g in range(G):
                values[_u(k * G + g)] -= 0.5 * moved[_u(a * G + g)] ** 2
    fill(group, -math.inf, 0, G)
    fill(group, 0.0, G, G)
    for k in range(K):
        for g in range(G):
            x = values[_u(k * G + g)]
            group[_u(g)] = x if x > group[_u(g)] else group[_u(g)]
    for k in range(K):
        for g in range(G):
            x = exp(values[_u(k * G + g)] - group[_u(g)])
            values[_u(k * G + g)] = x
            group[_u(G + g)] += x


@jit.njit(_EXPECT, python=False, nogil=True, error_model="numpy")
def expect(
    slots, s0, s1, j0, J, q, m, acting, nodes, K, Z, u, T, G, n, N, group, values, slopes, d, W,
    d_eta, d_each,
):  # fmt: skip
    """The gradient's parts of a block, expectations under the nodes' shares; see `integrate`.

    W (q, R b) is overwritten.
    """
    r0, R, P, moved = slots[s0], acting.size, N // n, group[4 * G :]
    b = slots[s1] - r0
    fill(W, 0.0, 0, q * R * b)
    fill_groups(d_each, J, q * q + m, j0, G)
    for g in range(G):
        group[_u(G + g)] = 1.0 / group[_u(G + g)]
    for k in range(K):
        place(nodes, k, K, j0, J, q, u, T, G, moved)
        for g in range(G):
            values[_u(k * G + g)] *= group[_u(G + g)]
        for s in range(s0, s1):
            row, share = slots[s] - r0, k * G
            many = slots[s + 1] - slots[s]
            for p in range(P):
                from_, to = (k * P + p) * b + row, p * n + r0 + row
                for g in range(many):
                    d_eta[_u(to + g)] += values[_u(share + g)] * slopes[_u(from_ + g)]
            for r in range(R):
                from_ = (k * P + acting[r]) * b + row
                for a in range(q):
                    to, at = (a * R + r) * b + row, a * G
                    for g in range(many):
                        w = values[_u(share + g)] * slopes[_u(from_ + g)]
                        W[_u(to + g)] += w * moved[_u(at + g)]
            for c in range(m):
                from_, to = (k * b + row) * m + c, (q * q + c) * J + j0
                for g in range(many):
                    d_each[_u(to + g)] += values[_u(share + g)] * d[_u(from_ + g * m)]
    for a in range(q):
        for e in range(a + 1):
            for r in range(R):
                own = W[(e * R + r) * b : (e * R + r + 1) * b]
                at = a * N + acting[r] * n + r0
                add_square(slots, s0, s1, own, Z, at, -1, d_each, (a * q + e) * J + j0)


@inner
def fill_groups(x, J, many, j0, G):
    """Zeros into x (many, J) of the groups from j0 on."""
    for a in range(many):
        fill(x, 0.0, a * J + j0, G)


call_integrate, call_expect = jit.called(integrate), jit.called(expect)
