"""From the parameters to what the elimination takes, and from its results to the gradient."""

import numpy as np

from mixedbayes.marginal.inner import inner


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
def sampled_point(h, floats, x):
    """delta (r,), v from its least-squares fit in the internal basis; m (p,), the prior mean."""
    r, rx = h.r, h.rx
    delta, m = x[x.size - r :].copy(), floats[h.m0 : h.m0 + h.p].copy()
    for i in range(rx):
        delta[i] = -floats[h.v0 + i]
        for j in range(rx):
            delta[i] += floats[h.TV + i * rx + j] * x[x.size - r + j]
    for i in range(h.p):
        for j in range(rx):
            m[i] += floats[h.R + i * rx + j] * delta[j]
    return delta, m


@inner
def sampled_shift(h, ints, floats, x):
    """What the sampled coefficients v change.

    Returns delta (r,), v from its least-squares fit in the internal basis; m (p,), the prior mean;
    the (var0[K] + p + r,) reduction of all products with the response; and y'Wy.
    """
    p, r, yy = h.p, h.r, floats[h.P0 - 1]
    delta, m = sampled_point(h, floats, x)
    if r == 0:
        return delta, m, np.empty(0), yy
    shift = np.zeros(h.n_effects + p + r)
    for i in range(shift.size):
        for at in range(ints[h.v_ptr + i], ints[h.v_ptr + i + 1]):
            shift[i] += floats[h.v_val + at] * delta[ints[h.v_idx + at]]
    start = h.n_effects + p
    for i in range(r):
        yy += delta[i] * (shift[start + i] - 2.0 * floats[h.vy + i])
    return delta, m, shift, yy


@inner
def prior_moment(h, ints, floats, S, beta, m):
    """E[(beta - m)' P0 (beta - m) | y]; S holds E[beta beta']."""
    total, start = 0.0, h.D - h.p
    for i in range(h.p):
        for j in range(h.p):
            central = S[start + min(i, j), start + max(i, j)] - beta[i] * beta[j]
            total += floats[h.P0 + i * h.p + j] * (central + (beta[i] - m[i]) * (beta[j] - m[j]))
    return total


@inner
def gradient_factors(h, ints, floats, Q, sigma, grad):
    for k in range(h.K):
        q, at, t0 = ints[h.q + k], ints[h.l0 + k], ints[h.t0 + k]
        for i in range(q):
            for j in range(i + 1):
                total = 0.0
                for u in range(q):
                    total += floats[h.T + t0 + u * q + i] * Q[t0 + u * q + j]
                grad[at + i * q + j] = -total / sigma**2


@inner
def gradient_sampled(h, ints, floats, delta, w, beta, m, sigma, grad):
    """d/dv, through the residual and through the prior mean of the population effects."""
    n_u, p, r = h.n_effects, h.p, h.r
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
    finish_sampled(h, floats, total, beta, m, grad)


@inner
def finish_sampled(h, floats, total, beta, m, grad):
    """d/dv from that of the residual in the internal basis, total (r,); adds the prior mean's."""
    p, rx = h.p, h.rx
    for i in range(p):
        pull = 0.0
        for j in range(p):
            pull += floats[h.P0 + i * p + j] * (beta[j] - m[j])
        for j in range(rx):
            total[j] += floats[h.R + i * rx + j] * pull
    for j in range(h.r):
        grad[j] = total[j]
    for j in range(rx):
        grad[j] = 0.0
        for i in range(rx):
            grad[j] += floats[h.TV + i * rx + j] * total[i]
