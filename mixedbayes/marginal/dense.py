"""The dense block: Cholesky factor, mean, inverse. Loops for a few columns, LAPACK for many."""

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.lapack import dpotrf, dpotri

_SMALL = 24  # columns up to which plain loops are faster than a call of LAPACK


@inner
def dense_factor(S, first, D):
    """Factor columns first..D - 1 of S (D + 1, D + 1), upper triangle row by row, in place.

    S = C C' with C' stored; the last column becomes C^-1 h and the last pivot h's remainder.
    Returns half the log determinant, NaN where the block is not positive definite.
    """
    if not (_factor_small(S, first, D) if D - first <= _SMALL else lapack(S, first, D, False)):
        return np.nan
    half_log_det = 0.0
    h = np.empty(D)
    for j in range(first, D):
        h[j] = S[j, D]
    for j in range(first, D):
        half_log_det += np.log(S[j, j])
        h[j] /= S[j, j]
        S[j, D] = h[j]
        for i in range(j + 1, D):
            h[i] -= S[j, i] * h[j]
        S[D, D] -= h[j] ** 2
    return half_log_det


@inner
def dense_mean(S, first, D):
    """mu = C^-T C^-1 h of a factored block; with z in place of its last column, C^-T z."""
    mu = np.empty(D)
    for j in range(D - 1, first - 1, -1):
        x = S[j, D]
        for i in range(j + 1, D):
            x -= S[j, i] * mu[i]
        mu[j] = x / S[j, j]
    return mu


@inner
def dense_inverse(S, first, D):
    """Overwrite columns first..D - 1 of a factored block by its inverse, upper triangle."""
    if D - first <= _SMALL:
        _invert_small(S, first, D)
    else:
        lapack(S, first, D, True)


@inner
def add_means(S, mu, D):
    """From E[v v'] - E[v] E[v'] to E[v v'], v = (effects, population effects, -1)."""
    for j in range(D):
        for i in range(j, D):
            S[j, i] += mu[j] * mu[i]
        S[j, D] = -mu[j]
    S[D, D] = 1.0


@inner
def _factor_small(S, first, D):
    for j in range(first, D):
        if not S[j, j] > 0.0:
            return False
        root = S[j, j] ** 0.5
        S[j, j] = root
        for i in range(j + 1, D):
            S[j, i] /= root
        for k in range(j + 1, D):
            x = S[j, k]
            for i in range(k, D):
                S[k, i] -= x * S[j, i]
    return True


@inner
def _invert_small(S, first, D):
    """From C' to (C C')^-1: U = C'^-1 in place, then U U'."""
    for j in range(first, D):
        S[j, j] = 1.0 / S[j, j]
        for i in range(first, j):
            x = 0.0
            for k in range(i, j):
                x += S[i, k] * S[k, j]
            S[i, j] = -x * S[j, j]
    for i in range(first, D):
        for j in range(i, D):
            x = 0.0
            for k in range(j, D):
                x += S[i, k] * S[j, k]
            S[i, j] = x


@inner
def lapack(S, first, end, invert):
    """Cholesky factor, or inverse from the factor, of columns first..end - 1.

    Row by row upper is column by column lower.
    """
    args = np.array([76, end - first, S.shape[1], 0], np.int32)  # "L"
    block = S[first:, first:]
    if invert:
        dpotri(args.ctypes, args[1:].ctypes, block.ctypes, args[2:].ctypes, args[3:].ctypes)
    else:
        dpotrf(args.ctypes, args[1:].ctypes, block.ctypes, args[2:].ctypes, args[3:].ctypes)
    return args[3] == 0
