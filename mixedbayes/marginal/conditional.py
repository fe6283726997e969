"""The normal distribution of all effects given y, L, sigma and v, compiled: draws and moments.

(u, beta) | y ~ N(H^-1 h, H^-1), from the factor that the likelihood uses: with H = C C', a draw is
C^-T (C^-1 h + z), z standard normal, from the coarsest effects to the finest.
"""

import numpy as np
from numba import njit

from mixedbayes.marginal.backward import node_moments, read_dense, read_front
from mixedbayes.marginal.dense import dense_factor, dense_inverse, dense_mean
from mixedbayes.marginal.forward import chain_base, chain_work, eliminate
from mixedbayes.marginal.fronts import find_places, read_header, regression
from mixedbayes.marginal.inner import inline, inner
from mixedbayes.marginal.likelihood import internal_factors, sampled_shift


@inline
def _draw_chain(h, ints, floats, L, scale, shift, F, dense, u):
    """u_g = C^-T (z - Y' v_rows) for every node of the chain."""
    front, values = np.empty(h.n_front), np.empty(h.n_rows)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    base = chain_base(h, ints)
    for k in range(h.n_chain - 1, -1, -1):
        q, rows = ints[h.q + k], 0
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front)
            read_values(h, ints, k, q, node, rows, place, dense, u, values)
            at = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
            for t in range(q - 1, -1, -1):
                x = u[at + t]
                for i in range(q, rows):
                    x -= front[i * q + t] * values[i]
                for s in range(t + 1, q):
                    x -= front[s * q + t] * u[at + s]
                u[at + t] = x * front[t * q + t]


@inner
def read_values(h, ints, k, q, node, rows, place, dense, u, values):
    """v_rows: the values of the effects in the rows of a front, from the ancestors' on."""
    row, up = q, node
    for a in range(k + 1, h.n_chain):
        up = ints[h.parent + up]
        qa = ints[h.q + a]
        for s in range(qa):
            values[row] = u[ints[h.var0 + a] + (up - ints[h.node0 + a]) * qa + s]
            row += 1
    for i in range(row, rows):
        values[i] = dense[place[0, i]]


@inner
def _to_original(h, ints, x, u):
    """b = L u, in place."""
    for k in range(h.K):
        q, l0 = ints[h.q + k], ints[h.l0 + k]
        for at in range(ints[h.var0 + k], ints[h.var0 + k + 1], q):
            for i in range(q - 1, -1, -1):
                total = 0.0
                for j in range(i + 1):
                    total += x[l0 + i * q + j] * u[at + j]
                u[at + i] = total


@inline
def _moments(h, ints, floats, L, scale, shift, F, S, dense, mean, cov):
    front, E, A = np.empty(h.n_front), np.empty(h.n_front), np.empty(h.n_front)
    inverse, moments = np.empty(h.n_front), np.empty(F.size)
    values = np.empty(h.n_rows)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    base, end = chain_base(h, ints), cov.size
    for k in range(h.K - 1, -1, -1):
        q, rows = ints[h.q + k], 0
        end -= ints[h.levels + k] * q * q
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            level = node - ints[h.node0 + k]
            if k >= h.n_chain:
                read_dense(S, place, rows, q, E)
            else:
                read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front)
                regression(front, q, rows, inverse, A)
                node_moments(h, ints, k, q, node, rows, place, base, S, moments, inverse, A, E)
                read_values(h, ints, k, q, node, rows, place, dense, mean, values)
                at = ints[h.var0 + k] + level * q
                for t in range(q):
                    mean[at + t] = 0.0
                    for i in range(q, rows):
                        mean[at + t] -= A[i * q + t] * values[i]
            for t in range(q * q):
                cov[end + level * q * q + t] = E[t]


@inner
def _to_original_cov(h, ints, x, cov):
    """L cov L', in place."""
    start = 0
    for k in range(h.K):
        q, l0 = ints[h.q + k], ints[h.l0 + k]
        left = np.empty((q, q))
        for _ in range(ints[h.levels + k]):
            for i in range(q):
                for j in range(q):
                    left[i, j] = 0.0
                    for s in range(i + 1):
                        left[i, j] += x[l0 + i * q + s] * cov[start + s * q + j]
            for i in range(q):
                for j in range(q):
                    total = 0.0
                    for s in range(j + 1):
                        total += left[i, s] * x[l0 + j * q + s]
                    cov[start + i * q + j] = total
            start += q * q


@njit(
    "b1(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def draw_core(x, beta, effects, ints, floats):
    """Turn standard normal numbers, in place, into one draw of all effects at parameters x.

    beta (p,) in the internal basis, from its least-squares fit; effects (n_effects,) on their
    original scale, in the order of elimination; where `effects` is empty beta alone is drawn.
    Returns False where the precision matrix is not positive definite.
    """
    h = read_header(ints)
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    L = internal_factors(h, ints, floats, x)
    _, m, shift, yy = sampled_shift(h, ints, floats, x)
    F, S = np.zeros(chain_work(h, ints)), np.empty((h.D + 1, h.D + 1))
    half_log_det = eliminate(h, ints, floats, L, scale, shift, yy, m, F, S)
    half_log_det += dense_factor(S, h.D)
    n_crossed = h.D - h.p
    for i in range(h.p):
        S[n_crossed + i, h.D] += beta[i]
    if effects.size > 0:
        for i in range(n_crossed):
            S[i, h.D] += effects[h.n_effects - n_crossed + i]
    dense = np.full(h.D + 1, -1.0)
    mean = dense_mean(S, h.D)
    for i in range(h.D):
        dense[i] = mean[i]
    for i in range(h.p):
        beta[i] = dense[n_crossed + i]
    if effects.size > 0:
        for i in range(n_crossed):
            effects[h.n_effects - n_crossed + i] = dense[i]
        _draw_chain(h, ints, floats, L, scale, shift, F, dense, effects)
        _to_original(h, ints, x, effects)
    return np.isfinite(half_log_det)


@njit(
    "b1(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def moments_core(x, mean, cov, ints, floats):
    """Conditional mean (n_effects,) and covariance (sum of J q^2,) of every level's effects.

    On their original scale, in the order of elimination, q x q blocks one after the other.
    Returns False where the precision matrix is not positive definite.
    """
    h = read_header(ints)
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    L = internal_factors(h, ints, floats, x)
    _, m, shift, yy = sampled_shift(h, ints, floats, x)
    F, S = np.zeros(chain_work(h, ints)), np.empty((h.D + 1, h.D + 1))
    half_log_det = eliminate(h, ints, floats, L, scale, shift, yy, m, F, S)
    half_log_det += dense_factor(S, h.D)
    dense = np.full(h.D + 1, -1.0)
    mu = dense_mean(S, h.D)
    dense_inverse(S, h.D)
    for i in range(h.D):
        dense[i] = mu[i]
        S[i, h.D] = 0.0
        if i < h.D - h.p:
            mean[h.n_effects - h.D + h.p + i] = mu[i]
    S[h.D, h.D] = 0.0
    _moments(h, ints, floats, L, scale, shift, F, S, dense, mean, cov)
    _to_original(h, ints, x, mean)
    _to_original_cov(h, ints, x, cov)
    return np.isfinite(half_log_det)
