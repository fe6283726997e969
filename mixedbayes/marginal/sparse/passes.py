"""The passes over the tree: forward elimination, and the way back, for the gradient or moments."""

import numpy as np
from numba import types

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.sparse.fronts import (
    add_square,
    factor,
    finish_inverse,
    load,
    minus_product,
    read_header,
    regression,
    solve_backward,
    solve_forward,
    subtract_square,
    take_square,
)
from mixedbayes.marginal.sparse.tree import LEAF
from mixedbayes.marginal.sparse.unit import FLOATS, INTS, PLACE, unit

BATCH = 32  # columns of leaves that are eliminated together


@inner
def work_places(h):
    """Where a batch of leaves, a leaf's square and a product start in W, and its length."""
    leaves = h.n_panels + h.n_squares
    square = leaves + (BATCH + LEAF) * (LEAF + h.n_leaf_rows)
    product = square + h.n_leaf_rows**2
    return leaves, square, product, product + max(h.n_product, (BATCH + LEAF) * h.n_leaf_rows)


@inner
def own_columns(h, ints, s):
    """First column of a supernode, and how many it has."""
    c0 = ints[h.col + ints[h.first + s]]
    return c0, ints[h.col + ints[h.first + s + 1]] - c0


@inner
def fill_batch(h, ints, floats, L, P, kappa, s, end, W, leaves, v, forward):
    """Factor leaves with the same rows, from s on, one column after the other.

    v is solved forwards with them. Returns the first leaf after them, their columns, and half the
    log determinant.
    """
    n, at = ints[h.n_rows + s], ints[h.at + s]
    stride, columns, half_log_det = LEAF + n, 0, 0.0
    while s < end and columns < BATCH and ints[h.at + s] == at and ints[h.n_rows + s] == n:
        c0, own = own_columns(h, ints, s)
        base = leaves + columns * stride + LEAF - own
        load(ints, floats, L, P, kappa, s, W, base, stride)
        half_log_det += factor(W, base, stride, own, n)
        if forward:
            solve_forward(h, ints, W, base, stride, c0, own, n, at, v)
        columns += own
        s += 1
    return s, columns, half_log_det


@unit(types.float64, INTS, *(6 * (FLOATS,)))
def eliminate(ints, floats, L, P, kappa, W, v):
    """Factor all fronts; v becomes C^-1 v. Returns half the log determinant, NaN where none is."""
    h = read_header(ints)
    leaves, leaf_square, _, _ = work_places(h)
    half_log_det = 0.0
    for f in range(h.n_fronts):
        s = ints[h.fronts + f]
        c0, own = own_columns(h, ints, s)
        n, base = ints[h.n_rows + s], ints[h.panel + f]
        square = h.n_panels + ints[h.square + f]
        load(ints, floats, L, P, kappa, s, W, base, own + n)
        for i in range(square, square + n * n):
            W[i] = 0.0
        for e in range(ints[h.child_ptr + f], ints[h.child_ptr + f + 1]):
            c = ints[h.children + e]
            child = ints[h.fronts + c]
            source, m = h.n_panels + ints[h.square + c], ints[h.n_rows + child]
            add_square(ints, h.rel + ints[h.at + child], W, source, m, base, own, n, square)
        leaf = ints[h.leaf0 + f]
        while leaf < s:
            m, at = ints[h.n_rows + leaf], ints[h.at + leaf]
            for i in range(leaf_square, leaf_square + m * m):
                W[i] = 0.0
            while leaf < s and ints[h.at + leaf] == at and ints[h.n_rows + leaf] == m:
                leaf, columns, log_det = fill_batch(
                    h, ints, floats, L, P, kappa, leaf, s, W, leaves, v, True
                )
                half_log_det += log_det
                subtract_square(W, leaves + LEAF, LEAF + m, m, columns, leaf_square)
            add_square(ints, h.rel + at, W, leaf_square, m, base, own, n, square)
        half_log_det += factor(W, base, own + n, own, n)
        if not np.isfinite(half_log_det):
            return np.nan
        subtract_square(W, base + own, own + n, n, own, square)
        solve_forward(h, ints, W, base, own + n, c0, own, n, ints[h.at + s], v)
    return half_log_det


@unit(types.void, INTS, *(6 * (FLOATS,)), PLACE)
def solve_tree(ints, floats, L, P, kappa, W, v, first):
    """v becomes C^-T v, of the columns of fronts from `first` on and of their leaves."""
    h = read_header(ints)
    leaves, _, _, _ = work_places(h)
    for f in range(h.n_fronts - 1, first - 1, -1):
        s = ints[h.fronts + f]
        c0, own = own_columns(h, ints, s)
        n = ints[h.n_rows + s]
        solve_backward(h, ints, W, ints[h.panel + f], own + n, c0, own, n, ints[h.at + s], v, 0, 1)
        leaf = ints[h.leaf0 + f]
        while leaf < s and first == 0:
            began = leaf
            leaf, _, _ = fill_batch(h, ints, floats, L, P, kappa, leaf, s, W, leaves, v, False)
            columns = 0
            for i in range(began, leaf):
                c0, own = own_columns(h, ints, i)
                n = ints[h.n_rows + i]
                base = leaves + columns * (LEAF + n) + LEAF - own
                solve_backward(h, ints, W, base, LEAF + n, c0, own, n, ints[h.at + i], v, 0, 1)
                columns += own


@inner
def solve_cross(h, ints, W, base, stride, c0, own, n, at, cross):
    """Covariances of own columns with the population's, from those of the rows."""
    for j in range(own):
        for i in range(h.p):
            cross[(c0 + j) * h.p + i] = 0.0
    for i in range(h.p):
        solve_backward(h, ints, W, base, stride, c0, own, n, at, cross, i, h.p)


@unit(types.void, INTS, *(3 * (FLOATS,)), PLACE, FLOATS, *(2 * (PLACE,)), *(5 * (FLOATS,)))
def add_moments(ints, floats, L, P, s, W, base, stride, v, total, adjoint, E, B):
    """Add what a supernode's edges say of derivatives, E[v v'] = inverse + mean mean'.

    total = (sum_g (S Lambda E[v v'])_gg of each term, as L is laid out; <dP, K_i> of each kind);
    adjoint (pairs,) gets the derivatives in S.
    """
    h = read_header(ints)
    first, end = ints[h.first + s], ints[h.first + s + 1]
    c0 = ints[h.col + first]
    own = ints[h.col + end] - c0
    rows, kinds = h.rows + ints[h.at + s] - own, L.size
    for k in range(first, end):
        t, g0 = ints[h.term + k], ints[h.col + k]
        q, lg, at = ints[h.q + t], ints[h.t0 + t], ints[h.v_at + k]
        j0 = g0 - c0
        here, edge = base + j0 * stride, h.edges + ints[h.e_ptr + k]
        for e in range(edge, edge + ints[h.e_n + k]):
            i0, f = ints[e] >> 8, ints[e] & 255
            qf, lf = ints[h.q + f], ints[h.t0 + f]
            h0 = c0 + i0 if i0 < own else ints[rows + i0]
            share = 0.5 if i0 == j0 else 1.0
            if q * qf == 1:
                x = W[here + i0] + v[g0] * v[h0]
                y = x * L[lf]
                adjoint[at] = -share * y * L[lg]
                total[lg] += P[at] * y
                if i0 != j0:
                    total[lf] += P[at] * x * L[lg]
            else:
                for a in range(q):
                    for b in range(qf):
                        low, high = (a, b) if i0 != j0 else (min(a, b), max(a, b))
                        E[a * qf + b] = W[here + low * stride + i0 + high] + v[g0 + a] * v[h0 + b]
                for i in range(q):  # Lambda_g E
                    for b in range(qf):
                        x = 0.0
                        for a in range(q):
                            x += L[lg + i * q + a] * E[a * qf + b]
                        B[i * qf + b] = x
                for i in range(q):
                    for j in range(qf):
                        inside, whole = 0.0, P[at + i * qf + j]
                        for b in range(qf):
                            inside += B[i * qf + b] * L[lf + j * qf + b]
                        adjoint[at + i * qf + j] = -share * inside
                        for a in range(q):
                            x = 0.0
                            for b in range(qf):
                                x += E[a * qf + b] * L[lf + j * qf + b]
                            total[lg + i * q + a] += whole * x
                        if i0 != j0:
                            for b in range(qf):
                                total[lf + j * qf + b] += whole * B[i * qf + b]
            at += q * qf
        for e in range(ints[h.k_ptr + k], ints[h.k_ptr + k + 1]):
            i0 = ints[h.k_row + e]
            h0 = c0 + i0 if i0 < own else ints[rows + i0]
            x = 0.0
            for a in range(q):
                x += W[here + a * stride + i0 + a] + v[g0 + a] * v[h0 + a]
            share = 0.5 if i0 == j0 else 1.0
            total[kinds + ints[h.k_kind + e]] += share * floats[h.k_val + e] * x


@inner
def keep_moments(h, ints, s, W, base, stride, cov):
    """Covariances of the effects of each level of a supernode."""
    first = ints[h.first + s]
    for k in range(first, ints[h.first + s + 1]):
        t = ints[h.term + k]
        if t < h.K:
            q, j0 = ints[h.q + t], ints[h.col + k] - ints[h.col + first]
            at = ints[h.cov0 + t] + (ints[h.effect + k] - ints[h.var0 + t]) * q
            for a in range(q):
                for b in range(q):
                    low, high = min(a, b), max(a, b)
                    cov[at + a * q + b] = W[base + (j0 + low) * stride + j0 + high]


@unit(types.void, INTS, *(10 * (FLOATS,)))
def go_back(ints, floats, L, P, kappa, W, v, cross, cov, total, adjoint):
    """v becomes C^-T v, the mean; and what is known of second moments goes where it is asked for.

    `total` and `adjoint` receive derivatives, if they are not empty, see `add_moments`; `cov` the
    covariances of each level's effects, in the internal coordinates; `cross` those of all columns
    with the population's. W is overwritten by the inverse.
    """
    h = read_header(ints)
    leaves, leaf_square, product, _ = work_places(h)
    E, B = np.empty(h.widest**2), np.empty(h.widest**2)
    for f in range(h.n_fronts - 1, -1, -1):
        s = ints[h.fronts + f]
        c0, own = own_columns(h, ints, s)
        n, base, at = ints[h.n_rows + s], ints[h.panel + f], ints[h.at + s]
        square = h.n_panels + ints[h.square + f]
        solve_backward(h, ints, W, base, own + n, c0, own, n, at, v, 0, 1)
        if cross.size > 0 and f < h.n_fronts - 1:
            solve_cross(h, ints, W, base, own + n, c0, own, n, at, cross)
        regression(W, base, own + n, own, n)
        minus_product(W, square, n, base + own, own + n, own, product)
        finish_inverse(W, base, own + n, own, n, product)
        if cross.size > 0 and f == h.n_fronts - 1:
            for j in range(own):
                for i in range(h.p):
                    low, high = min(j, own - h.p + i), max(j, own - h.p + i)
                    cross[(c0 + j) * h.p + i] = W[base + low * own + high]
        if total.size > 0:
            add_moments(
                ints, floats, L, P, s, W, base, own + n, v, total, adjoint, E, B
            )  # fmt: skip
        if cov.size > 0:
            keep_moments(h, ints, s, W, base, own + n, cov)
        for e in range(ints[h.child_ptr + f], ints[h.child_ptr + f + 1]):
            c = ints[h.children + e]
            child = ints[h.fronts + c]
            target, m = h.n_panels + ints[h.square + c], ints[h.n_rows + child]
            take_square(ints, h.rel + ints[h.at + child], W, target, m, base, own, n, square)
        leaf, known, many = ints[h.leaf0 + f], -1, -1
        while leaf < s:
            began, m, at = leaf, ints[h.n_rows + leaf], ints[h.at + leaf]
            stride = LEAF + m
            if at != known or m != many:
                take_square(ints, h.rel + at, W, leaf_square, m, base, own, n, square)
                known, many = at, m
            leaf, width, _ = fill_batch(h, ints, floats, L, P, kappa, leaf, s, W, leaves, v, False)
            columns = 0
            for i in range(began, leaf):
                c1, few = own_columns(h, ints, i)
                own_base = leaves + columns * stride + LEAF - few
                solve_backward(h, ints, W, own_base, stride, c1, few, m, at, v, 0, 1)
                if cross.size > 0:
                    solve_cross(h, ints, W, own_base, stride, c1, few, m, at, cross)
                regression(W, own_base, stride, few, m)
                columns += few
            minus_product(W, leaf_square, m, leaves + LEAF, stride, width, product)
            columns = 0
            for i in range(began, leaf):
                _, few = own_columns(h, ints, i)
                own_base = leaves + columns * stride + LEAF - few
                finish_inverse(W, own_base, stride, few, m, product + columns * m)
                if total.size > 0:
                    add_moments(
                        ints, floats, L, P, i, W, own_base, stride, v, total, adjoint, E, B
                    )  # fmt: skip
                if cov.size > 0:
                    keep_moments(h, ints, i, W, own_base, stride, cov)
                columns += few
