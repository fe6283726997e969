"""The dense block: Cholesky factor, mean, inverse. Loops for a few columns, LAPACK for many."""

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.lapack import dpotrf, dpotri

_SMALL = 24  # columns up to which plain loops are faster than a call of LAPACK


@inner
def dense_factor(S, D):
    """Factor the leading D columns of S (D + 1, D + 1), upper triangle row by row, in place.

    S = C C' with C' stored; the last column becomes C^-1 h and the last pivot h's remainder.
    Returns half the log determinant, NaN where the block is not positive definite.
    """
    if not (_factor_small(S, D) if D <= _SMALL else _lapack(S, D, False)):
        return np.nan
    half_log_det = 0.0
    h = S[:D, D].copy()
    for j in range(D):
        half_log_det += np.log(S[j, j])
        h[j] /= S[j, j]
        S[j, D] = h[j]
        for i in range(j + 1, D):
            h[i] -= S[j, i] * h[j]
        S[D, D] -= h[j] ** 2
    return half_log_det


@inner
def dense_mean(S, D):
    """mu = C^-T C^-1 h of a factored block; with z in place of its last column, C^-T z."""
    mu = np.empty(D)
    for j in range(D - 1, -1, -1):
        x = S[j, D]
        for i in range(j + 1, D):
            x -= S[j, i] * mu[i]
        mu[j] = x / S[j, j]
    return mu


@inner
def dense_moments(S, D):
    """Overwrite a factored block by E[v v'], v = (effects, population effects, -1)."""
    mu = dense_mean(S, D)
    dense_inverse(S, D)
    for j in range(D):
        for i in range(j, D):
            S[j, i] += mu[j] * mu[i]
        S[j, D] = -mu[j]
    S[D, D] = 1.0
    return mu


@inner
def dense_inverse(S, D):
    """Overwrite a factored block by its inverse, upper triangle."""
    if D <= _SMALL:
        _invert_small(S, D)
    else:
        _lapack(S, D, True)


@inner
def _factor_small(S, D):
    for j in range(D):
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
def _invert_small(S, D):
    """From C' to (C C')^-1: U = C'^-1 in place, then U U'."""
    for j in range(D):
        S[j, j] = 1.0 / S[j, j]
        for i in range(j):
            x = 0.0
            for k in range(i, j):
                x += S[i, k] * S[k, j]
            S[i, j] = -x * S[j, j]
    for i in range(D):
        for j in range(i, D):
            x = 0.0
            for k in range(j, D):
                x += S[i, k] * S[j, k]
            S[i, j] = x


@inner
def _lapack(S, D, invert):
    """Row by row upper is column by column lower."""
    args = np.array([76, D, D + 1, 0], np.int32)  # "L"
    if invert:
        dpotri(args.ctypes, args[1:].ctypes, S.ctypes, args[2:].ctypes, args[3:].ctypes)
    else:
        dpotrf(args.ctypes, args[1:].ctypes, S.ctypes, args[2:].ctypes, args[3:].ctypes)
    return args[3] == 0
