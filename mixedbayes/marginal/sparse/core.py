"""The marginal likelihood by a sparse factor, compiled: value, gradient, draws and moments.

With the effects b_t = (I x Lambda_t) u_t, u_t ~ N(0, K_t^-1 x I), the residual's inverse
covariance R^-1, and the *products* S = A' R^-1 A, c = A' R^-1 y and y' R^-1 y,

    P = Lambda' S Lambda + blockdiag(K_t x I, P0) = C C',
    log p = const - (log|R| + log|P| + y'R^-1 y + m'P0 m - h'P^-1 h) / 2,
    h = Lambda' c + P0 m,

K_t = sum_i kappa_i K_ti, with derivatives by E[v v'] = P^-1 + mu mu', mu = P^-1 h, on the pattern
of P alone,

    d log p / dS = -Lambda E[v v'] Lambda' / 2,    d log p / dc = Lambda mu,
    d log p / dLambda_t = sum_g (c mu' - S Lambda E[v v'])_gg.

So the residual is what the products are made by, see `weights`. The inverse on the pattern comes
from the factor backwards (Takahashi, Fagan & Chen 1973). The functions take the flat arrays of a
problem (see `layout`), allocate their own work space and hold no state.
"""

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.likelihood import finish_sampled, internal_factors, sampled_point
from mixedbayes.marginal.sparse.fronts import read_header
from mixedbayes.marginal.sparse.passes import eliminate, go_back, solve_tree, work_places

VALUE, GRADIENT, DRAW, MOMENTS = range(4)


@inner
def sampled_shift(h, ints, P, delta):
    """What the sampled coefficients v change: c (N,), the products with the response; y'R^-1 y;
    and (r,) what is left of the sampled columns' products with the response.

    delta (r,) is v from its fit in the internal basis.
    """
    r, n, yy = h.r, h.n_columns, P[h.yy]
    c, left = P[h.c : h.c + n].copy(), P[h.vy : h.vy + r].copy()
    if r > 0:
        for i in range(n + r):
            total = 0.0
            for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
                total += P[h.v_val + at] * delta[ints[h.v_idx + at]]
            if i < n:
                c[i] -= total
            else:
                left[i - n] -= total
                yy += delta[i - n] * (total - 2.0 * P[h.vy + i - n])
    return c, yy, left


@inner
def with_response(h, ints, floats, L, m, c):
    """h = Lambda' c + P0 m, in the order of the columns."""
    v, n = np.empty(h.n_columns), h.n_columns
    for k in range(h.n_nodes):
        t, g0 = ints[h.term + k], ints[h.col + k]
        q, lk = ints[h.q + t], ints[h.t0 + t]
        for a in range(q):
            total = 0.0
            for i in range(q):
                total += L[lk + i * q + a] * c[g0 + i]
            v[g0 + a] = total
    for i in range(h.p):
        for j in range(h.p):
            v[n - h.p + i] += floats[h.P0 + i * h.p + j] * m[j]
    return v


@inner
def internal_mean(h, ints, L, v):
    """Lambda v: coefficients of the internal columns."""
    out = np.empty(v.size)
    for k in range(h.n_nodes):
        t, g0 = ints[h.term + k], ints[h.col + k]
        q, lk = ints[h.q + t], ints[h.t0 + t]
        for i in range(q):
            total = 0.0
            for a in range(q):
                total += L[lk + i * q + a] * v[g0 + a]
            out[g0 + i] = total
    return out


@inner
def gradient_factors(h, ints, floats, c, v, total, grad):
    """d/dL_k = T_k' sum_g (c mu' - S Lambda E[v v'])_gg, lower triangles."""
    for k in range(h.n_nodes):
        t, g0 = ints[h.term + k], ints[h.col + k]
        q, lk = ints[h.q + t], ints[h.t0 + t]
        for i in range(q):
            for a in range(q):
                total[lk + i * q + a] -= c[g0 + i] * v[g0 + a]
    for t in range(h.K):
        q, t0, at = ints[h.q + t], ints[h.t0 + t], ints[h.l0 + t]
        for i in range(q):
            for j in range(i + 1):
                x = 0.0
                for u in range(q):
                    x += floats[h.T + t0 + u * q + i] * total[t0 + u * q + j]
                grad[at + i * q + j] = -x


@inner
def gradient_products(h, ints, delta, mean, adjoint):
    """Derivatives in the products with the response and with the sampled columns."""
    n, r = h.n_columns, h.r
    adjoint[h.yy] = -0.5
    for i in range(n):
        adjoint[h.c + i] = mean[i]
    for i in range(r):
        adjoint[h.vy + i] = delta[i]
    for i in range(n + r if r > 0 else 0):
        x = mean[i] if i < n else 0.5 * delta[i - n]
        for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
            adjoint[h.v_val + at] = -x * delta[ints[h.v_idx + at]]


@inner
def gradient_sampled(h, ints, floats, P, left, m, mean, grad):
    """d/dv, through the residual and through the prior mean of the population effects."""
    for i in range(h.n_columns):
        for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
            left[ints[h.v_idx + at]] -= P[h.v_val + at] * mean[i]
    finish_sampled(h, floats, left, mean[h.n_columns - h.p :], m, grad)


@inner
def read_effects(h, ints, x, v, offset, step, effects, at, width):
    """b = L u of every level, in the caller's order, from u at offset + step * column."""
    for k in range(h.n_nodes):
        t, g0 = ints[h.term + k], ints[h.col + k]
        if t < h.K:
            q, lk, first = ints[h.q + t], ints[h.l0 + t], ints[h.effect + k]
            for i in range(q):
                total = 0.0
                for a in range(i + 1):
                    total += x[lk + i * q + a] * v[offset + step * (g0 + a)]
                effects[(first + i) * width + at] = total


@inner
def read_covariances(h, ints, x, cov, work):
    """L cov L' of every level, in place."""
    for t in range(h.K):
        q, lk = ints[h.q + t], ints[h.l0 + t]
        for at in range(ints[h.cov0 + t], ints[h.cov0 + t + 1], q * q):
            for i in range(q):
                for j in range(q):
                    total = 0.0
                    for a in range(i + 1):
                        total += x[lk + i * q + a] * cov[at + a * q + j]
                    work[i * q + j] = total
            for i in range(q):
                for j in range(q):
                    total = 0.0
                    for a in range(j + 1):
                        total += work[i * q + a] * x[lk + j * q + a]
                    cov[at + i * q + j] = total


_FLOATS, _INTS = types.float64[::1], types.int64[::1]
# mode, x, products, gradient, adjoint, beta, effects, cov, cross, ints, floats
SIGNATURE = types.float64(types.int64, *(8 * (_FLOATS,)), _INTS, _FLOATS)


@jit.njit(SIGNATURE, nogil=True, error_model="numpy")
def sparse_pass(mode, x, P, grad, adjoint, beta, effects, cov, cross, ints, floats):
    """log p but for -log|R| / 2 and changes of log|K|, NaN where P is not positive definite.

    x = (L_1 row by row, ..., L_K, 1, kappa of all parts of precisions, v), which is also how the
    gradient is laid out, and the products P have the `adjoint`. `mode` says what else, and into
    which array: the gradients, lower triangles of L; beta and effects turned from standard normal
    numbers into a draw; or their means, with cov and cross as in `moments.moments_core`.
    """
    h = read_header(ints)
    first = x.size - h.r - h.n_kinds
    kappa = x[first : x.size - h.r]
    L = internal_factors(h, ints, floats, x)
    L[L.size - 1] = 1.0
    delta, m = sampled_point(h, floats, x)
    c, yy, left = sampled_shift(h, ints, P, delta)
    v = with_response(h, ints, floats, L, m, c)
    _, _, _, length = work_places(h)
    W, n, p = np.empty(length), h.n_columns, h.p
    half_log_det = eliminate(ints, floats, L, P, kappa, W, v)
    if not np.isfinite(half_log_det):
        return np.nan
    quadratic = yy
    for i in range(p):
        for j in range(p):
            quadratic += m[i] * floats[h.P0 + i * p + j] * m[j]
    for i in range(n):
        quadratic -= v[i] ** 2
    value = floats[h.constants] - half_log_det - 0.5 * quadratic
    none = np.empty(0)
    if mode == GRADIENT:
        total = np.zeros(L.size + h.n_kinds)
        go_back(ints, floats, L, P, kappa, W, v, none, none, total, adjoint)
        mean = internal_mean(h, ints, L, v)
        for i in range(h.n_kinds):
            grad[first + i] = -total[L.size + i]
        gradient_products(h, ints, delta, mean, adjoint)
        gradient_factors(h, ints, floats, c, v, total, grad)
        if h.r > 0:
            gradient_sampled(h, ints, floats, P, left, m, mean, grad[x.size - h.r :])
    elif mode == DRAW:
        if effects.size > 0:
            for k in range(h.n_nodes):
                t = ints[h.term + k]
                for a in range(ints[h.q + t]):
                    if t < h.K:
                        v[ints[h.col + k] + a] += effects[ints[h.effect + k] + a]
        for i in range(p):
            v[n - p + i] += beta[i]
        last = 0 if effects.size > 0 else h.n_fronts - 1
        solve_tree(ints, floats, L, P, kappa, W, v, last)
        for i in range(p):
            beta[i] = v[n - p + i]
        if effects.size > 0:
            read_effects(h, ints, x, v, 0, 1, effects, 0, 1)
    elif mode == MOMENTS:
        between = np.empty(n * p)
        go_back(ints, floats, L, P, kappa, W, v, between, cov, none, none)
        read_effects(h, ints, x, v, 0, 1, effects, 0, 1)
        read_covariances(h, ints, x, cov, np.empty(h.widest**2))
        for i in range(p):
            read_effects(h, ints, x, between, i, p, cross, i, p)
            beta[i] = v[n - p + i]
            for j in range(p):
                beta[(i + 1) * p + j] = between[(n - p + i) * p + j]
    return value
