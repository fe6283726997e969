"""Compiled operations on one front: scale, factor, and find its rows elsewhere.

A front of q columns is stored row by row in a flat array. `L` holds the factors in the internal
bases, T_k L_k, row by row at `t0[k]`.
"""

from numba import njit

from mixedbayes.marginal import layout

read_index = njit(nogil=True)(layout.read_index)
read_values = njit(nogil=True)(layout.read_values)


@njit(nogil=True)
def load_front(ix, va, L, scale, shift, k, q, node, out, o):
    """out[o:] = Lambda' M Lambda * scale of one node, the identity added to its own block.

    The last row, of the response, is reduced by `shift` (sampled coefficients) if there are any.
    """
    M, src, lk = va.fronts, ix.off[node], ix.t0[k]
    at = _scale_block(M, src, q, q, L, lk, lk, scale, out, o)
    for t in range(q):
        out[o + t * q + t] += 1.0
    src += q * q
    for a in range(k + 1, ix.n_chain):
        qa = ix.q[a]
        at = _scale_block(M, src, qa, q, L, ix.t0[a], lk, scale, out, at)
        src += qa * q
    if ix.blk_fac.size > 0:
        for b in range(ix.blk_ptr[node], ix.blk_ptr[node + 1]):
            qb = ix.q[ix.blk_fac[b]]
            at = _scale_block(M, src, qb, q, L, ix.t0[ix.blk_fac[b]], lk, scale, out, at)
            src += qb * q
    for _ in range(ix.p + 1):
        for t in range(q):
            total = 0.0
            for u in range(q):
                total += M[src + u] * L[lk + u * q + t]
            out[at + t] = total * scale
        at += q
        src += q
    if shift.size > 0:
        var = ix.var0[k] + (node - ix.node0[k]) * q
        for t in range(q):
            total = 0.0
            for u in range(q):
                total += shift[var + u] * L[lk + u * q + t]
            out[at - q + t] -= total * scale
    return at


@njit(nogil=True)
def _scale_block(M, src, rows, q, L, lf, lk, scale, out, at):
    """out = L_f' M L_k * scale for one block; returns the place after it."""
    if rows == 1 and q == 1:
        out[at] = M[src] * L[lf] * L[lk] * scale
        return at + 1
    for s in range(rows):
        for t in range(q):
            total = 0.0
            for i in range(rows):
                inner = 0.0
                for u in range(q):
                    inner += M[src + i * q + u] * L[lk + u * q + t]
                total += L[lf + i * rows + s] * inner
            out[at + s * q + t] = total * scale
    return at + rows * q


@njit(nogil=True)
def factor_front(F, o, q, end):
    """Cholesky factor C of the own block, Y = B C^-T below it, in place.

    The diagonal of C is kept as reciprocals. Returns |C|, NaN where the block is not positive.
    """
    det = 1.0
    for t in range(q):
        pivot = F[o + t * q + t]
        for u in range(t):
            pivot -= F[o + t * q + u] ** 2
        if not pivot > 0.0:
            return float("nan")
        root = pivot**0.5
        det *= root
        F[o + t * q + t] = 1.0 / root
        for s in range(t + 1, q):
            x = F[o + s * q + t]
            for u in range(t):
                x -= F[o + s * q + u] * F[o + t * q + u]
            F[o + s * q + t] = x / root
    for row in range(o + q * q, end, q):
        for t in range(q):
            x = F[row + t]
            for u in range(t):
                x -= F[row + u] * F[o + t * q + u]
            F[row + t] = x * F[o + t * q + t]
    return det


@njit(nogil=True)
def dense_places(ix, k, q, node, place):
    """place[i] = dense column of row i, from the first row past the chain to the response."""
    row = q
    for a in range(k + 1, ix.n_chain):
        row += ix.q[a]
    first = row
    if ix.blk_fac.size > 0:
        for b in range(ix.blk_ptr[node], ix.blk_ptr[node + 1]):
            for s in range(ix.q[ix.blk_fac[b]]):
                place[row] = ix.blk_col[b] + s
                row += 1
    for s in range(ix.p + 1):
        place[row] = ix.D - ix.p + s
        row += 1
    return first


@njit(nogil=True)
def places_in_ancestor(ix, k, q, node, a, up, place):
    """place[i] = row, in the front of ancestor `up` of factor a, of row i of this front.

    Fills the rows from the ancestor's own on and returns the first of them.
    """
    first = q
    for c in range(k + 1, a):
        first += ix.q[c]
    row = first
    for c in range(a, ix.n_chain):
        for _ in range(ix.q[c]):
            place[row] = row - first
            row += 1
    if ix.blk_fac.size > 0:
        for b in range(ix.blk_ptr[node], ix.blk_ptr[node + 1]):
            above = b
            for _ in range(k, a):
                above = ix.blk_up[above]
            for s in range(ix.q[ix.blk_fac[b]]):
                place[row] = ix.blk_row[above] + s
                row += 1
    last = (ix.off[up + 1] - ix.off[up]) // ix.q[a] - ix.p - 1
    for s in range(ix.p + 1):
        place[row] = last + s
        row += 1
    return first
