"""The marginal likelihood and its gradient, compiled: blocked elimination and selected inverse.

With v = (u, beta, -1) the extended vector of effects, population effects and response, the joint
density is exp(-v' H v / 2) up to constants, H = Lambda' M Lambda / sigma^2 + P with the response as
its last row and column. Eliminating all but the last variable gives log|H| and the quadratic form
(the last pivot). Walking back gives the second moments E[v v' | y] on the pattern of M, effects and
response alike, and with them every derivative:

    d log p / d L_k = -tril sum_g (M Lambda E[v v'])_gg / sigma^2

The compiled functions take the flat arrays of a problem (see `layout`), allocate their own work
space, hold no state and release the interpreter lock: threads may call them at the same time.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from mixedbayes.marginal.backward import backward
from mixedbayes.marginal.dense import dense_factor, dense_moments
from mixedbayes.marginal.forward import chain_work, eliminate
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem


@inner
def internal_factors(h, ints, floats, x):
    """T_k L_k of every factor, row by row at t0[k]."""
    L = np.empty(h.XX - h.T)
    for k in range(h.K):
        q, at, t0 = ints[h.q + k], ints[h.l0 + k], ints[h.t0 + k]
        for i in range(q):
            for j in range(q):
                total = 0.0
                for u in range(j, q):
                    total += floats[h.T + t0 + i * q + u] * x[at + u * q + j]
                L[t0 + i * q + j] = total
    return L


@inner
def sampled_shift(h, ints, floats, x):
    """What the sampled coefficients v change.

    Returns delta (r,), v from its least-squares fit in the internal basis; m (p,), the prior mean;
    the (var0[K] + p + r,) reduction of all products with the response; and y'Wy.
    """
    p, r, rx, yy = h.p, h.r, h.rx, floats[h.P0 - 1]
    m = floats[h.m0 : h.R].copy()
    if r == 0:
        return np.empty(0), m, np.empty(0), yy
    delta = x[x.size - r :].copy()
    for i in range(rx):
        delta[i] = -floats[h.v0 + i]
        for j in range(rx):
            delta[i] += floats[h.TV + i * rx + j] * x[x.size - r + j]
    for i in range(p):
        for j in range(rx):
            m[i] += floats[h.R + i * rx + j] * delta[j]
    shift = np.zeros(h.n_effects + p + r)
    for i in range(shift.size):
        for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
            shift[i] += floats[h.v_val + at] * delta[ints[h.v_idx + at]]
    start = h.n_effects + p
    for i in range(r):
        yy += delta[i] * (shift[start + i] - 2.0 * floats[h.vy + i])
    return delta, m, shift, yy


@inner
def _prior_moment(h, ints, floats, S, beta, m):
    """E[(beta - m)' P0 (beta - m) | y]; S holds E[beta beta']."""
    total, start = 0.0, h.D - h.p
    for i in range(h.p):
        for j in range(h.p):
            central = S[start + min(i, j), start + max(i, j)] - beta[i] * beta[j]
            total += floats[h.P0 + i * h.p + j] * (central + (beta[i] - m[i]) * (beta[j] - m[j]))
    return total


@inner
def _gradient_factors(h, ints, floats, Q, sigma, grad):
    for k in range(h.K):
        q, at, t0 = ints[h.q + k], ints[h.l0 + k], ints[h.t0 + k]
        for i in range(q):
            for j in range(i + 1):
                total = 0.0
                for u in range(q):
                    total += floats[h.T + t0 + u * q + i] * Q[t0 + u * q + j]
                grad[at + i * q + j] = -total / sigma**2


@inner
def _gradient_sampled(h, ints, floats, delta, w, beta, m, sigma, grad):
    """d/dv, through the residual and through the prior mean of the population effects."""
    n_u, p, r, rx = h.n_effects, h.p, h.r, h.rx
    total = floats[h.vy : h.v_val].copy()
    for i in range(n_u + p + r):
        if i < n_u:
            x = w[i]
        elif i < n_u + p:
            x = beta[i - n_u]
        else:
            x = delta[i - n_u - p]
        for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
            total[ints[h.v_idx + at]] -= floats[h.v_val + at] * x
    for i in range(r):
        total[i] /= sigma**2
    for i in range(p):
        pull = 0.0
        for j in range(p):
            pull += floats[h.P0 + i * h.p + j] * (beta[j] - m[j])
        for j in range(rx):
            total[j] += floats[h.R + i * rx + j] * pull
    for j in range(r):
        grad[j] = total[j]
    for j in range(rx):
        grad[j] = 0.0
        for i in range(rx):
            grad[j] += floats[h.TV + i * rx + j] * total[i]


@njit("f8(f8[::1], f8[::1], i8[::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def kernel_core(x, grad, ints, floats):
    """log p at x = (L_1 row by row, ..., L_K, sigma, v); writes the gradient into `grad`.

    `ints` and `floats` are those of a Problem. Upper triangles of x are ignored, and zero in grad.
    """
    h = read_header(ints)
    n = floats[h.constants + 1]
    grad[:] = 0.0
    sigma = x[x.size - h.r - 1]
    if not (sigma > 0.0 and np.isfinite(sigma)):
        return -np.inf
    scale = 1.0 / sigma**2
    L = internal_factors(h, ints, floats, x)
    delta, m, shift, yy = sampled_shift(h, ints, floats, x)
    F = np.zeros(chain_work(h, ints))
    S = np.empty((h.D + 1, h.D + 1))
    half_log_det = eliminate(h, ints, floats, L, scale, shift, yy, m, F, S)
    half_log_det += dense_factor(S, h.D)
    if not np.isfinite(half_log_det):
        return -np.inf
    quadratic = S[h.D, h.D]
    mu = dense_moments(S, h.D)
    Q = np.zeros(L.size)
    w = np.empty(h.n_effects if h.r > 0 else 0)
    trace = backward(h, ints, floats, L, scale, shift, F, S, Q, w)

    _gradient_factors(h, ints, floats, Q, sigma, grad)
    beta = mu[h.D - h.p :]
    prior = _prior_moment(h, ints, floats, S, beta, m)
    grad[x.size - h.r - 1] = (h.n_effects + h.p + quadratic - trace - prior - n) / sigma
    if h.r > 0:
        _gradient_sampled(h, ints, floats, delta, w, beta, m, sigma, grad[x.size - h.r :])
    return floats[h.constants] - n * np.log(sigma) - half_log_det - 0.5 * quadratic


def value_and_grad(
    problem: Problem, L: Sequence[Floats], sigma: float, v: Floats | None = None
) -> tuple[float, list[Floats], float, Floats]:
    """log p(y | L, sigma, v) and its gradient (dL_1..dL_K lower-triangular, dsigma, dv).

    Minus infinity, with zero gradient, where sigma is not positive or the precision matrix is
    numerically not positive definite.
    """
    x = problem.pack(L, sigma, v)
    grad = np.empty_like(x)
    logp = kernel_core(x, grad, problem.ints, problem.floats)
    dL, dsigma, dv = problem.unpack(grad)
    return logp, dL, dsigma, dv
