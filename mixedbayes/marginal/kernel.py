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
from mixedbayes.marginal.eliminate import eliminate
from mixedbayes.marginal.fronts import read_index, read_values
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem


@njit(nogil=True)
def chain_work(ix):
    """Length of the fronts of the chain but for its finest factor."""
    if ix.n_chain < 2:
        return 0
    return ix.off[ix.node0[ix.n_chain]] - ix.off[ix.node0[1]]


@njit(nogil=True)
def internal_factors(ix, va, x):
    """T_k L_k of every factor, row by row at t0[k]."""
    L = np.empty(va.T.size)
    for k in range(ix.K):
        q, at, t0 = ix.q[k], ix.l0[k], ix.t0[k]
        for i in range(q):
            for j in range(q):
                total = 0.0
                for u in range(j, q):
                    total += va.T[t0 + i * q + u] * x[at + u * q + j]
                L[t0 + i * q + j] = total
    return L


@njit(nogil=True)
def sampled_shift(ix, va, x):
    """What the sampled coefficients v change.

    Returns delta (r,), v from its least-squares fit in the internal basis; m (p,), the prior mean;
    the (var0[K] + p + r,) reduction of all products with the response; and y'Wy.
    """
    p, r, rx, yy = ix.p, ix.r, ix.rx, va.XX[ix.p, ix.p]
    m = va.m0.copy()
    if r == 0:
        return np.empty(0), m, np.empty(0), yy
    delta = x[x.size - r :].copy()
    for i in range(rx):
        delta[i] = -va.v0[i]
        for j in range(rx):
            delta[i] += va.TV[i, j] * x[x.size - r + j]
    for i in range(p):
        for j in range(rx):
            m[i] += va.R[i, j] * delta[j]
    shift = np.zeros(ix.v_ptr.size - 1)
    for i in range(shift.size):
        for at in range(ix.v_ptr[i], ix.v_ptr[i + 1]):
            shift[i] += va.v_val[at] * delta[ix.v_idx[at]]
    start = ix.var0[ix.K] + p
    for i in range(r):
        yy += delta[i] * (shift[start + i] - 2.0 * va.vy[i])
    return delta, m, shift, yy


@njit(nogil=True)
def _prior_moment(ix, va, S, beta, m):
    """E[(beta - m)' P0 (beta - m) | y]; S holds E[beta beta']."""
    total, start = 0.0, ix.D - ix.p
    for i in range(ix.p):
        for j in range(ix.p):
            central = S[start + min(i, j), start + max(i, j)] - beta[i] * beta[j]
            total += va.P0[i, j] * (central + (beta[i] - m[i]) * (beta[j] - m[j]))
    return total


@njit(nogil=True)
def _gradient_factors(ix, va, Q, sigma, grad):
    for k in range(ix.K):
        q, at, t0 = ix.q[k], ix.l0[k], ix.t0[k]
        for i in range(q):
            for j in range(i + 1):
                total = 0.0
                for u in range(q):
                    total += va.T[t0 + u * q + i] * Q[t0 + u * q + j]
                grad[at + i * q + j] = -total / sigma**2


@njit(nogil=True)
def _gradient_sampled(ix, va, delta, w, beta, m, sigma, grad):
    """d/dv, through the residual and through the prior mean of the population effects."""
    n_u, p, r, rx = ix.var0[ix.K], ix.p, ix.r, ix.rx
    total = va.vy.copy()
    for i in range(n_u + p + r):
        if i < n_u:
            x = w[i]
        elif i < n_u + p:
            x = beta[i - n_u]
        else:
            x = delta[i - n_u - p]
        for at in range(ix.v_ptr[i], ix.v_ptr[i + 1]):
            total[ix.v_idx[at]] -= va.v_val[at] * x
    for i in range(r):
        total[i] /= sigma**2
    for i in range(p):
        pull = 0.0
        for j in range(p):
            pull += va.P0[i, j] * (beta[j] - m[j])
        for j in range(rx):
            total[j] += va.R[i, j] * pull
    for j in range(r):
        grad[j] = total[j]
    for j in range(rx):
        grad[j] = 0.0
        for i in range(rx):
            grad[j] += va.TV[i, j] * total[i]


@njit("f8(f8[::1], f8[::1], i8[::1], f8[::1])", cache=True, nogil=True)
def kernel_core(x, grad, ints, floats):
    """log p at x = (L_1 row by row, ..., L_K, sigma, v); writes the gradient into `grad`.

    `ints` and `floats` are those of a Problem. Upper triangles of x are ignored, and zero in grad.
    """
    ix, va = read_index(ints), read_values(ints, floats)
    grad[:] = 0.0
    sigma = x[x.size - ix.r - 1]
    if not (sigma > 0.0 and np.isfinite(sigma)):
        return -np.inf
    L = internal_factors(ix, va, x)
    delta, m, shift, yy = sampled_shift(ix, va, x)
    F = np.empty(chain_work(ix))
    S = np.empty((ix.D + 1, ix.D + 1))
    half_log_det = eliminate(ix, va, L, sigma, shift, yy, m, F, S)
    half_log_det += dense_factor(S, ix.D)
    if not np.isfinite(half_log_det):
        return -np.inf
    quadratic = S[ix.D, ix.D]
    mu = dense_moments(S, ix.D)
    Q = np.zeros(L.size)
    w = np.empty(ix.var0[ix.K] if ix.r > 0 else 0)
    trace = backward(ix, va, L, sigma, shift, F, S, Q, w)

    _gradient_factors(ix, va, Q, sigma, grad)
    beta = mu[ix.D - ix.p :]
    prior = _prior_moment(ix, va, S, beta, m)
    grad[x.size - ix.r - 1] = (
        ix.var0[ix.K] + ix.p + quadratic - trace - prior - va.n
    ) / sigma
    if ix.r > 0:
        _gradient_sampled(ix, va, delta, w, beta, m, sigma, grad[x.size - ix.r :])
    return va.constant - va.n * np.log(sigma) - half_log_det - 0.5 * quadratic


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
