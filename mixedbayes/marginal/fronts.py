"""Compiled operations on one front: scale it, factor it, regress on its rows, find them elsewhere.

A front of q columns lies row by row in a flat work array. `L` holds the factors in the internal
bases, T_k L_k, row by row at `t0[k]`. Indices into `ints` and `floats` are the header's.
"""

from mixedbayes.marginal import layout
from mixedbayes.marginal.inner import inner

read_header = inner(layout.read_header)


@inner
def load_front(h, ints, floats, L, scale, shift, k, q, node, front):
    """front = Lambda' M Lambda * scale of one node, plus the identity in its own block.

    The last row, of the response, is reduced by `shift` (sampled coefficients) if there are any.
    Returns the length of the front.
    """
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
        row += 1
        size = ints[h.q + f]
        scale_block(floats, src + at, size, q, L, ints[h.t0 + f], lk, scale, front, at)
        at += size * q
    for t in range(q):
        front[t * q + t] += 1.0
    for _ in range(h.p + 1):
        for t in range(q):
            total = 0.0
            for u in range(q):
                total += floats[src + at + u] * L[lk + u * q + t]
            front[at + t] = total * scale
        at += q
    if h.r > 0:
        var = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
        for t in range(q):
            for u in range(q):
                front[at - q + t] -= shift[var + u] * L[lk + u * q + t] * scale
    return at


@inner
def scale_block(floats, src, rows, q, L, lf, lk, scale, out, at):
    """out = L_f' M L_k * scale for one block of M."""
    if rows == 1 and q == 1:
        out[at] = floats[src] * L[lf] * L[lk] * scale
        return
    for s in range(rows * q):
        out[at + s] = 0.0
    for i in range(rows):
        for t in range(q):
            x = 0.0
            for u in range(q):
                x += floats[src + i * q + u] * L[lk + u * q + t]
            x *= scale
            for s in range(rows):
                out[at + s * q + t] += L[lf + i * rows + s] * x


@inner
def factor_front(front, q, end):
    """Cholesky factor C of the own block, Y = B C^-T below it, in place.

    The diagonal of C is kept as reciprocals. Returns |C|, NaN where the block is not positive.
    """
    det = 1.0
    for t in range(q):
        pivot = front[t * q + t]
        for u in range(t):
            pivot -= front[t * q + u] ** 2
        root = pivot**0.5  # NaN where negative
        det *= root
        front[t * q + t] = 1.0 / root
        for s in range(t + 1, q):
            x = front[s * q + t]
            for u in range(t):
                x -= front[s * q + u] * front[t * q + u]
            front[s * q + t] = x / root
    for row in range(q * q, end, q):
        for t in range(q):
            x = front[row + t]
            for u in range(t):
                x -= front[row + u] * front[t * q + u]
            front[row + t] = x * front[t * q + t]
    return det


@inner
def regression(front, q, rows, inverse, A):
    """C^-1 of the own block, and A = Y C^-1 for the rows below it."""
    for t in range(q):
        inverse[t * q + t] = front[t * q + t]
        for s in range(t + 1, q):
            x = 0.0
            for u in range(t, s):
                x -= front[s * q + u] * inverse[u * q + t]
            inverse[s * q + t] = x * front[s * q + s]
    for i in range(q * q, rows * q, q):
        for t in range(q):
            x = 0.0
            for u in range(t, q):
                x += front[i + u] * inverse[u * q + t]
            A[i + t] = x


@inner
def find_places(h, ints, k, q, node, place):
    """Where the rows of a front lie elsewhere; returns the number of rows.

    place[0, i] is the dense column of row i, place[a - k, i] its row in the front of the ancestor
    of factor a; each filled from the first row that lies there. Without crossed factors the places
    are the same for all nodes of a factor.
    """
    row = 0
    for f in range(k, max(h.n_chain, k + 1)):
        for s in range(ints[h.q + f]):
            if k >= h.n_chain:
                place[0, row] = ints[h.col + node - ints[h.node0 + h.n_chain]] + s
            before = 0
            for a in range(f, k, -1):
                place[a - k, row] = before + s
                before += ints[h.q + a - 1]
            row += 1
    if h.n_blocks > 0:
        for b in range(ints[h.blk_ptr + node], ints[h.blk_ptr + node + 1]):
            for s in range(ints[h.q + ints[h.blk_fac + b]]):
                place[0, row] = ints[h.blk_col + b] + s
                above = b
                for a in range(k + 1, h.n_chain):
                    above = ints[h.blk_up + above]
                    place[a - k, row] = ints[h.blk_row + above] + s
                row += 1
    for s in range(h.p + 1):
        place[0, row] = h.D - h.p + s
        up = node
        for a in range(k + 1, h.n_chain):
            up = ints[h.parent + up]
            last = (ints[h.off + up + 1] - ints[h.off + up]) // ints[h.q + a] - h.p - 1
            place[a - k, row] = last + s
        row += 1
    return row
