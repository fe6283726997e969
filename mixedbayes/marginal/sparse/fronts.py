"""Compiled operations on fronts: fill, factor, pass on; and the entries of the inverse, backwards.

Fronts lie in one work array W, each own column as a row (own columns | rows below), from `base` on,
one every `stride`; that is LAPACK's lower triangle, column by column. What is left of the rows is a
square of its own, of which the upper triangle counts, row by row. `L` holds the factors in the
internal bases, T_k L_k, row by row at `t0[k]`. Indices into `ints` and `floats` are the header's.
"""

import numpy as np
from numba import types

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.lapack import dgemm, dpotrf, dpotri, dsymm, dsyrk, dtrsm
from mixedbayes.marginal.sparse import layout
from mixedbayes.marginal.sparse.unit import FLOATS, INTS, PLACE, unit

read_header = inner(layout.read_header)

_L, _R, _T, _N = 76, 82, 84, 78  # "L", "R", "T", "N"
_FEW = 8_000  # multiplications up to which plain loops are faster than a call of BLAS


@inner
def is_large(own, n_rows):
    return own * own * (own + n_rows) > 2 * _FEW


@unit(types.void, INTS, *(4 * (FLOATS,)), PLACE, FLOATS, *(2 * (PLACE,)))
def load(ints, floats, L, P, kappa, s, W, base, stride):
    """The own columns of a supernode: Lambda' S Lambda, and the precisions; P are the products."""
    h = read_header(ints)
    first, end = ints[h.first + s], ints[h.first + s + 1]
    c0 = ints[h.col + first]
    own = ints[h.col + end] - c0
    for j in range(own):
        for i in range(own + ints[h.n_rows + s]):
            W[base + j * stride + i] = 0.0
    for k in range(first, end):
        t = ints[h.term + k]
        q, lg, at = ints[h.q + t], ints[h.t0 + t], ints[h.v_at + k]
        here = base + (ints[h.col + k] - c0) * stride
        edge = h.edges + ints[h.e_ptr + k]
        for e in range(edge, edge + ints[h.e_n + k]):
            i0, f = ints[e] >> 8, ints[e] & 255
            qf, lf = ints[h.q + f], ints[h.t0 + f]
            if q * qf == 1:
                W[here + i0] += P[at] * L[lg] * L[lf]
            else:
                for i in range(q):
                    for b in range(qf):
                        y = 0.0
                        for j in range(qf):
                            y += P[at + i * qf + j] * L[lf + j * qf + b]
                        for a in range(q):
                            W[here + a * stride + i0 + b] += L[lg + i * q + a] * y
            at += q * qf
        for e in range(ints[h.k_ptr + k], ints[h.k_ptr + k + 1]):
            x = kappa[ints[h.k_kind + e]] * floats[h.k_val + e]
            for a in range(q):
                W[here + a * stride + ints[h.k_row + e] + a] += x


@unit(types.float64, FLOATS, *(4 * (PLACE,)))
def factor(W, base, stride, own, n_rows):
    """C of the own columns, Y = B C^-T below; half the log determinant, NaN where not positive."""
    if is_large(own, n_rows):
        args = np.array([own, stride, 0, _L, _R, _T, _N, n_rows], np.int32)
        C = W[base:]
        dpotrf(args[3:].ctypes, args.ctypes, C.ctypes, args[1:].ctypes, args[2:].ctypes)
        if args[2] != 0:
            return np.nan
        if n_rows > 0:
            one, Y = np.ones(1), W[base + own :]
            dtrsm(
                args[4:].ctypes, args[3:].ctypes, args[5:].ctypes, args[6:].ctypes,
                args[7:].ctypes, args.ctypes, one.ctypes, C.ctypes, args[1:].ctypes, Y.ctypes,
                args[1:].ctypes,
            )  # fmt: skip
    else:
        for j in range(own):
            row = base + j * stride
            root = W[row + j] ** 0.5  # NaN where negative
            for i in range(j, own + n_rows):
                W[row + i] /= root
            for k in range(j + 1, own):
                x = W[row + k]
                for i in range(k, own + n_rows):
                    W[base + k * stride + i] -= x * W[row + i]
    half_log_det = 0.0
    for j in range(own):
        half_log_det += np.log(W[base + j * stride + j])
    return half_log_det


@unit(types.void, FLOATS, *(5 * (PLACE,)))
def subtract_square(W, Y, stride, n, k, square):
    """square (n, n) -= the k columns Y, each of n, times themselves."""
    if n * n * k > _FEW:
        args, number = np.array([_L, _N, n, k, stride], np.int32), np.ones(2)
        number[0] = -1.0
        source, target = W[Y:], W[square:]
        dsyrk(
            args.ctypes, args[1:].ctypes, args[2:].ctypes, args[3:].ctypes, number.ctypes,
            source.ctypes, args[4:].ctypes, number[1:].ctypes, target.ctypes, args[2:].ctypes,
        )  # fmt: skip
        return
    for j in range(k):
        row = Y + j * stride
        for a in range(n):
            x = W[row + a]
            for b in range(a, n):
                W[square + a * n + b] -= x * W[row + b]


@inner
def line(a, base, own, n_rows, square):
    """Where the a-th row of a whole front lies: at these places plus the column."""
    if a < own:
        return base + a * (own + n_rows)
    return square + (a - own) * n_rows - own


@inner
def add_square(ints, rel, W, source, n, base, own, n_rows, square):
    """Add a child's square to its parent's front."""
    for i in range(n):
        target = line(ints[rel + i], base, own, n_rows, square)
        for j in range(i, n):
            W[target + ints[rel + j]] += W[source + i * n + j]


@inner
def take_square(ints, rel, W, target, n, base, own, n_rows, square):
    """The entries of the parent's front that a child needs."""
    for i in range(n):
        source = line(ints[rel + i], base, own, n_rows, square)
        for j in range(i, n):
            W[target + i * n + j] = W[source + ints[rel + j]]


@inner
def solve_forward(h, ints, W, base, stride, c0, own, n_rows, at, v):
    """v_own = C^-1 v_own, v_rows -= Y v_own."""
    for j in range(own):
        row = base + j * stride
        x = v[c0 + j] / W[row + j]
        v[c0 + j] = x
        for i in range(j + 1, own):
            v[c0 + i] -= W[row + i] * x
        for i in range(n_rows):
            v[ints[h.rows + at + i]] -= W[row + own + i] * x


@inner
def solve_backward(h, ints, W, base, stride, c0, own, n_rows, at, v, offset, step):
    """v_own = C^-T (v_own - Y' v_rows), for v at offset + step * column."""
    for j in range(own - 1, -1, -1):
        row = base + j * stride
        x = v[offset + step * (c0 + j)]
        for i in range(n_rows):
            x -= W[row + own + i] * v[offset + step * ints[h.rows + at + i]]
        for i in range(j + 1, own):
            x -= W[row + i] * v[offset + step * (c0 + i)]
        v[offset + step * (c0 + j)] = x / W[row + j]


@unit(types.void, FLOATS, *(4 * (PLACE,)))
def regression(W, base, stride, own, n_rows):
    """A = Y C^-1 in place of Y, (C C')^-1 in place of C."""
    if is_large(own, n_rows):
        args = np.array([own, stride, 0, _L, _R, _N, n_rows], np.int32)
        C = W[base:]
        if n_rows > 0:
            one, Y = np.ones(1), W[base + own :]
            dtrsm(
                args[4:].ctypes, args[3:].ctypes, args[5:].ctypes, args[5:].ctypes,
                args[6:].ctypes, args.ctypes, one.ctypes, C.ctypes, args[1:].ctypes, Y.ctypes,
                args[1:].ctypes,
            )  # fmt: skip
        dpotri(args[3:].ctypes, args.ctypes, C.ctypes, args[1:].ctypes, args[2:].ctypes)
        return
    for j in range(own - 1, -1, -1):
        row = base + j * stride
        for k in range(j + 1, own):
            x = W[row + k]
            for i in range(own, own + n_rows):
                W[row + i] -= x * W[base + k * stride + i]
        for i in range(own, own + n_rows):
            W[row + i] /= W[row + j]
    # U = C'^-1 in place, then U U'
    for j in range(own):
        W[base + j * stride + j] = 1.0 / W[base + j * stride + j]
        for i in range(j):
            x = 0.0
            for k in range(i, j):
                x += W[base + i * stride + k] * W[base + k * stride + j]
            W[base + i * stride + j] = -x * W[base + j * stride + j]
    for i in range(own):
        for j in range(i, own):
            x = 0.0
            for k in range(j, own):
                x += W[base + i * stride + k] * W[base + j * stride + k]
            W[base + i * stride + j] = x


@unit(types.void, FLOATS, *(6 * (PLACE,)))
def minus_product(W, square, n, Y, stride, k, out):
    """out (k, n) = -(symmetric square) times the k columns at Y."""
    if n * n * k > _FEW:
        args, number = np.array([_L, n, k, stride], np.int32), np.zeros(2)
        number[0] = -1.0
        Z, source, target = W[square:], W[Y:], W[out:]
        dsymm(
            args.ctypes, args.ctypes, args[1:].ctypes, args[2:].ctypes, number.ctypes, Z.ctypes,
            args[1:].ctypes, source.ctypes, args[3:].ctypes, number[1:].ctypes, target.ctypes,
            args[1:].ctypes,
        )  # fmt: skip
        return
    for c in range(k):
        row, target = Y + c * stride, out + c * n
        for i in range(n):
            W[target + i] = 0.0
        for i in range(n):
            z, total = square + i * n, W[square + i * n + i] * W[row + i]
            for j in range(i + 1, n):
                total += W[z + j] * W[row + j]
                W[target + j] -= W[z + j] * W[row + i]
            W[target + i] -= total


@unit(types.void, FLOATS, *(5 * (PLACE,)))
def finish_inverse(W, base, stride, own, n_rows, product):
    """The inverse in place of regression and (C C')^-1, given -(inverse of the rows) A."""
    if n_rows > 0 and is_large(own, n_rows):
        args, number = np.array([_T, _N, own, n_rows, stride], np.int32), np.ones(2)
        number[0] = -1.0
        A, P, C = W[base + own :], W[product:], W[base:]
        dgemm(
            args.ctypes, args[1:].ctypes, args[2:].ctypes, args[2:].ctypes, args[3:].ctypes,
            number.ctypes, A.ctypes, args[4:].ctypes, P.ctypes, args[3:].ctypes,
            number[1:].ctypes, C.ctypes, args[4:].ctypes,
        )  # fmt: skip
    else:
        for j in range(own):
            for k in range(j, own):
                x, row, other = 0.0, base + j * stride + own, product + k * n_rows
                for i in range(n_rows):
                    x += W[row + i] * W[other + i]
                W[base + j * stride + k] -= x
    for j in range(own):
        for i in range(n_rows):
            W[base + j * stride + own + i] = W[product + j * n_rows + i]
