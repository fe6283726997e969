"""Effects from their partially centred coordinates, compiled, with derivatives.

See `coordinates`.
"""

from __future__ import annotations

import math

import numpy as np

from mixedbayes import jit


@jit.inner
def _factorise(S, K, KS, U):
    """Fill KS = K S and U, upper triangular, of U U' = I + S' K S."""
    q = len(S)
    for i in range(q):
        for j in range(q):
            KS[i, j] = 0.0
            for k in range(j, q):
                KS[i, j] += K[i, k] * S[k, j]
    for j in range(q - 1, -1, -1):
        for i in range(j, -1, -1):
            value = 1.0 if i == j else 0.0
            for k in range(i, q):
                value += S[k, i] * KS[k, j]
            for k in range(j + 1, q):
                value -= U[i, k] * U[j, k]
            U[i, j] = math.sqrt(value) if i == j else value / U[j, j]


@jit.inner
def _solve(U, x):
    """U^-1 x in place."""
    for i in range(x.size - 1, -1, -1):
        for j in range(i + 1, x.size):
            x[i] -= U[i, j] * x[j]
        x[i] /= U[i, i]


@jit.inner
def _solve_transposed(U, x):
    """U'^-1 x in place."""
    for i in range(x.size):
        for j in range(i):
            x[i] -= U[j, i] * x[j]
        x[i] /= U[i, i]


@jit.inner
def _single(x, above, J, s, information, score, b, u):
    """`effects` of levels with one effect."""
    total = 0.0
    for i in range(J):
        ks = information[i] * s
        root = math.sqrt(1.0 + ks * s)
        u[i] = (x[i] - (ks * above[i] - s * score[i]) / root) / root
        b[i] = s * u[i]
        total -= math.log(root) + 0.5 * u[i] * u[i]
    return total


@jit.inner
def _single_slopes(dx, above, J, s, information, score, u, db, d_above):
    """`effect_slopes` of levels with one effect; the derivative in s."""
    ds = 0.0
    for i in range(J):
        ks = information[i] * s
        square = 1.0 + ks * s
        root = math.sqrt(square)
        du = db[i] * s - u[i]
        dx[i] = du / root
        d_above[i] -= dx[i] * ks / root
        pull = information[i] * above[i] - score[i]
        moved = (ks * u[i] + pull / square) / square  # -du / ds
        ds += db[i] * u[i] - du * moved - ks / square
    return ds


@jit.inner
def information_slope(above, J, s, information, score, u, db, v, rates):
    """The derivative in v / 2 of levels with one effect, whose K and h have a factor 1 / (1 + m v).

    They are taken as they are at v.
    """
    total = 0.0
    for i in range(J):
        k = information[i]
        square = 1.0 + k * s * s
        pull = k * above[i] - score[i]
        du = -0.5 * s * (k * s * u[i] + pull * (1.0 + 1.0 / square)) / square  # times k
        dk = (db[i] * s - u[i]) * du - 0.5 * k * s * s / square
        total -= 2.0 * dk * rates[i] / (1.0 + v * rates[i])
    return total


@jit.inner
def effects(x, above, J, q, S, information, score, b, u):
    """Fill u and b (J q) from x and the coarser factors' b; log densities without constants."""
    if q == 1:
        return _single(x, above, J, S[0, 0], information, score, b, u)
    total, KS, U = 0.0, np.empty((q, q)), np.zeros((q, q))
    w = np.empty(q)
    for level in range(J):
        first = level * q
        own = u[first : first + q]
        _factorise(S, information[first * q : (first + q) * q].reshape(q, q), KS, U)
        for i in range(q):
            w[i] = 0.0
            for k in range(q):
                w[i] += KS[k, i] * above[first + k] - S[k, i] * score[first + k]
        _solve(U, w)
        for i in range(q):
            own[i] = x[first + i] - w[i]
        _solve_transposed(U, own)
        for i in range(q):
            b[first + i] = 0.0
            for j in range(i + 1):
                b[first + i] += S[i, j] * own[j]
            total -= math.log(U[i, i]) + 0.5 * own[i] * own[i]
    return total


@jit.inner
def effect_slopes(dx, above, J, q, S, information, score, u, db, d_above, dS):
    """Derivatives in x, in the coarser factors' b, and in S, from those in b.

    Backwards through u = U'^-1 (x - w), U w = S' (K above - h), and the Cholesky factor (Smith
    1995, doi:10.1080/10618600.1995.10474671).
    """
    if q == 1:
        dS[0, 0] += _single_slopes(dx, above, J, S[0, 0], information, score, u, db, d_above)
        return
    KS, U, dU, M = np.empty((q, q)), np.zeros((q, q)), np.empty((q, q)), np.empty((q, q))
    w, y = np.empty(q), np.empty(q)
    for level in range(J):
        first = level * q
        K = information[first * q : (first + q) * q].reshape(q, q)
        own, down = u[first : first + q], dx[first : first + q]
        _factorise(S, K, KS, U)
        for i in range(q):
            down[i], w[i] = -own[i], 0.0
            for k in range(q):
                w[i] += KS[k, i] * above[first + k] - S[k, i] * score[first + k]
                if k >= i:
                    down[i] += S[k, i] * db[first + k]
                    dS[k, i] += db[first + k] * own[i]
        _solve(U, w)
        _solve(U, down)
        for i in range(q):
            y[i] = -down[i]
        _solve_transposed(U, y)
        for i in range(q):
            for j in range(i, q):
                dU[i, j] = -own[i] * down[j] - y[i] * w[j]
            dU[i, i] -= 1.0 / U[i, i]
            for k in range(q):
                d_above[first + i] += KS[i, k] * y[k]
                for j in range(q):
                    dS[i, j] += K[i, k] * above[first + k] * y[j]
            for j in range(q):
                dS[i, j] -= score[first + i] * y[j]
        # dP = U'^-1 F U^-1, F the upper triangle of U' dU with half its diagonal, made symmetric
        for i in range(q):
            for j in range(i, q):
                value = 0.0
                for k in range(i + 1):
                    value += U[k, i] * dU[k, j]
                M[i, j] = M[j, i] = 0.5 * value
        for i in range(q):
            _solve_transposed(U, M[:, i])
        for i in range(q):
            _solve_transposed(U, M[i])
        for i in range(q):
            for j in range(q):
                for k in range(q):
                    dS[i, j] += 2.0 * KS[i, k] * M[k, j]
