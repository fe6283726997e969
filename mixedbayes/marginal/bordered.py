"""The dense block with its clusters: factor, mean and inverse of a bordered block diagonal.

Each cluster of crossed levels is factored on its own and passes its update to the columns that it
is coupled with; what is left is factored by `dense`. Rows and columns of S are those of `dense`,
the clusters' first. Only the entries of the inverse where S had entries are computed.
"""

import numpy as np

from mixedbayes.marginal.dense import dense_factor, dense_inverse, dense_mean, lapack
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.lapack import dgemm, dsymm, dsyrk, dtrsm

_L, _R, _T, _N = 76, 82, 84, 78  # "L", "R", "T", "N"


@inner
def bordered_factor(h, ints, S):
    """As `dense_factor`, cluster by cluster."""
    half_log_det = 0.0
    for c in range(h.n_clusters):
        first, end = ints[h.clu_ptr + c], ints[h.clu_ptr + c + 1]
        met = ints[h.met + ints[h.met_ptr + c] : h.met + ints[h.met_ptr + c + 1]]
        if not lapack(S, first, end, False):
            return np.nan
        for j in range(first, end):
            half_log_det += np.log(S[j, j])
        Y = gather(S, first, end, met, met.size)
        solve(S, first, Y, _T)
        scatter(Y, S, first, met)
        subtract_square(Y, S, met)
    return half_log_det + dense_factor(S, ints[h.clu_ptr + h.n_clusters], h.D)


@inner
def bordered_mean(h, ints, S):
    """As `dense_mean`."""
    mu = dense_mean(S, ints[h.clu_ptr + h.n_clusters], h.D)
    for c in range(h.n_clusters):
        first, end = ints[h.clu_ptr + c], ints[h.clu_ptr + c + 1]
        for j in range(end - 1, first - 1, -1):
            x = S[j, h.D]
            for at in range(ints[h.met_ptr + c], ints[h.met_ptr + c + 1] - 1):
                x -= S[j, ints[h.met + at]] * mu[ints[h.met + at]]
            for i in range(j + 1, end):
                x -= S[j, i] * mu[i]
            mu[j] = x / S[j, j]
    return mu


@inner
def bordered_inverse(h, ints, S):
    """As `dense_inverse`, on the pattern of S."""
    dense_inverse(S, ints[h.clu_ptr + h.n_clusters], h.D)
    for c in range(h.n_clusters):
        first, end = ints[h.clu_ptr + c], ints[h.clu_ptr + c + 1]
        met = ints[h.met + ints[h.met_ptr + c] : h.met + ints[h.met_ptr + c + 1] - 1]
        A = gather(S, first, end, met, met.size)
        solve(S, first, A, _N)
        lapack(S, first, end, True)
        P = times_moments(S, met, A)
        add_product(A, P, S, first)
        for j in range(P.shape[0]):
            for i in range(P.shape[1]):
                P[j, i] = -P[j, i]
        scatter(P, S, first, met)


@inner
def gather(S, first, end, met, n):
    """(columns of the cluster, columns met) of S."""
    B = np.empty((end - first, n))
    for j in range(end - first):
        for i in range(n):
            B[j, i] = S[first + j, met[i]]
    return B


@inner
def scatter(B, S, first, met):
    for j in range(B.shape[0]):
        for i in range(B.shape[1]):
            S[first + j, met[i]] = B[j, i]


@inner
def solve(S, first, B, trans):
    """B' C^-T or B' C^-1 in place of B', C the cluster's factor."""
    args = np.array([_R, _L, trans, _N, B.shape[1], B.shape[0], S.shape[1]], np.int32)
    one, C = np.ones(1), S[first:, first:]
    dtrsm(
        args.ctypes, args[1:].ctypes, args[2:].ctypes, args[3:].ctypes, args[4:].ctypes,
        args[5:].ctypes, one.ctypes, C.ctypes, args[6:].ctypes, B.ctypes, args[4:].ctypes,
    )  # fmt: skip


@inner
def subtract_square(Y, S, met):
    """S -= Y Y' at the columns met."""
    n = Y.shape[1]
    args, number, square = (
        np.array([_L, _N, n, Y.shape[0]], np.int32),
        np.zeros(2),
        np.empty((n, n)),
    )
    number[0] = 1.0
    dsyrk(
        args.ctypes, args[1:].ctypes, args[2:].ctypes, args[3:].ctypes, number.ctypes,
        Y.ctypes, args[2:].ctypes, number[1:].ctypes, square.ctypes, args[2:].ctypes,
    )  # fmt: skip
    for i in range(n):
        for j in range(i, n):
            S[met[i], met[j]] -= square[i, j]


@inner
def times_moments(S, met, A):
    """(columns of the cluster, columns met) product of A with the moments of the columns met."""
    n = met.size
    moments, P = np.empty((n, n)), np.empty(A.shape)
    for i in range(n):
        for j in range(i, n):
            moments[i, j] = S[met[i], met[j]]
    args, number = np.array([_L, _L, n, A.shape[0]], np.int32), np.zeros(2)
    number[0] = 1.0
    dsymm(
        args.ctypes, args[1:].ctypes, args[2:].ctypes, args[3:].ctypes, number.ctypes,
        moments.ctypes, args[2:].ctypes, A.ctypes, args[2:].ctypes, number[1:].ctypes,
        P.ctypes, args[2:].ctypes,
    )  # fmt: skip
    return P


@inner
def add_product(A, P, S, first):
    """S += A P' in the cluster's own block; both triangles, of which the upper one counts."""
    args = np.array([_T, _N, A.shape[0], A.shape[1], S.shape[1]], np.int32)
    one, own = np.ones(1), S[first:, first:]
    dgemm(
        args.ctypes, args[1:].ctypes, args[2:].ctypes, args[2:].ctypes, args[3:].ctypes,
        one.ctypes, A.ctypes, args[3:].ctypes, P.ctypes, args[3:].ctypes, one.ctypes,
        own.ctypes, args[4:].ctypes,
    )  # fmt: skip
