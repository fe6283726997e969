"""Compiled operations on one front: scale, factor, and find its rows elsewhere.

A front of q columns is stored row by row in a flat array. `L` holds the factors in the internal
bases, T_k L_k, row by row at `t0[k]`.
"""

from mixedbayes.marginal import layout
from mixedbayes.marginal.inner import inner

read_header = inner(layout.read_header)


@inner
def load_front(h, ints, floats, L, scale, shift, k, q, node, out, o):
    """out[o:] = Lambda' M Lambda * scale of one node, the identity added to its own block.

    The last row, of the response, is reduced by `shift` (sampled coefficients) if there are any.
    """
    src, lk = h.fronts + ints[h.off + node], ints[h.t0 + k]
    at = _scale_block(floats, src, q, q, L, lk, lk, scale, out, o)
    for t in range(q):
        out[o + t * q + t] += 1.0
    src += q * q
    for a in range(k + 1, h.n_chain):
        qa = ints[h.q + a]
        at = _scale_block(floats, src, qa, q, L, ints[h.t0 + a], lk, scale, out, at)
        src += qa * q
    if h.n_blocks > 0:
        for b in range(ints[h.blk_ptr + node], ints[h.blk_ptr + node + 1]):
            qb = ints[h.q + ints[h.blk_fac + b]]
            at = _scale_block(
                floats, src, qb, q, L, ints[h.t0 + ints[h.blk_fac + b]], lk, scale, out, at
            )
            src += qb * q
    for _ in range(h.p + 1):
        for t in range(q):
            total = 0.0
            for u in range(q):
                total += floats[src + u] * L[lk + u * q + t]
            out[at + t] = total * scale
        at += q
        src += q
    if shift.size > 0:
        var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
        for t in range(q):
            total = 0.0
            for u in range(q):
                total += shift[var + u] * L[lk + u * q + t]
            out[at - q + t] -= total * scale
    return at


@inner
def _scale_block(floats, src, rows, q, L, lf, lk, scale, out, at):
    """out = L_f' M L_k * scale for one block; returns the place after it."""
    if rows == 1 and q == 1:
        out[at] = floats[src] * L[lf] * L[lk] * scale
        return at + 1
    for s in range(rows):
        for t in range(q):
            total = 0.0
            for i in range(rows):
                inner = 0.0
                for u in range(q):
                    inner += floats[src + i * q + u] * L[lk + u * q + t]
                total += L[lf + i * rows + s] * inner
            out[at + s * q + t] = total * scale
    return at + rows * q


@inner
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


@inner
def dense_places(h, ints, k, q, node, place):
    """place[i] = dense column of row i, from the first row past the chain to the response."""
    row = q
    for a in range(k + 1, h.n_chain):
        row += ints[h.q + a]
    first = row
    if h.n_blocks > 0:
        for b in range(ints[h.blk_ptr + node], ints[h.blk_ptr + node + 1]):
            for s in range(ints[h.q + ints[h.blk_fac + b]]):
                place[row] = ints[h.blk_col + b] + s
                row += 1
    for s in range(h.p + 1):
        place[row] = h.D - h.p + s
        row += 1
    return first


@inner
def places_in_ancestor(h, ints, k, q, node, a, up, place):
    """place[i] = row, in the front of ancestor `up` of factor a, of row i of this front.

    Fills the rows from the ancestor's own on and returns the first of them.
    """
    first = q
    for c in range(k + 1, a):
        first += ints[h.q + c]
    row = first
    for c in range(a, h.n_chain):
        for _ in range(ints[h.q + c]):
            place[row] = row - first
            row += 1
    if h.n_blocks > 0:
        for b in range(ints[h.blk_ptr + node], ints[h.blk_ptr + node + 1]):
            above = b
            for _ in range(k, a):
                above = ints[h.blk_up + above]
            for s in range(ints[h.q + ints[h.blk_fac + b]]):
                place[row] = ints[h.blk_row + above] + s
                row += 1
    last = (ints[h.off + up + 1] - ints[h.off + up]) // ints[h.q + a] - h.p - 1
    for s in range(h.p + 1):
        place[row] = last + s
        row += 1
    return first
