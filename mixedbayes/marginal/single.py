"""One grouping factor with one or two effects: the same elimination, unrolled.

Most mixed models are of this kind, and a small function of their own compiles in a fraction of the
time and runs several times faster than the general kernel, with the same arguments and results.
Fronts are (own q x q | p population rows | response), all of one length.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.dense import add_means, dense_factor, dense_inverse, dense_mean
from mixedbayes.marginal.forward import load_population
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.likelihood import (
    gradient_factors,
    gradient_sampled,
    internal_factors,
    prior_moment,
    sampled_shift,
)


@inner
def front_1(floats, at, rows, L, scale, shift, node, Y):
    """Y (rows,) = B / C of one level; returns 1 / C."""
    root = 1.0 / (1.0 + floats[at] * L[0] * L[0] * scale) ** 0.5
    factor = L[0] * scale * root
    for s in range(rows):
        Y[s] = floats[at + 1 + s] * factor
    if shift.size > 0:
        Y[rows - 1] -= shift[node] * factor
    return root


@inner
def front_2(floats, at, rows, L, scale, shift, node, Y):
    """Y (rows * 2,) = B C^-T of one level; returns C as (1 / c00, c10, 1 / c11)."""
    a, b, c, d = L[0], L[1], L[2], L[3]
    m00, m01, m11 = floats[at] * scale, floats[at + 1] * scale, floats[at + 3] * scale
    u0, u1 = m00 * a + m01 * c, m01 * a + m11 * c
    w0, w1 = m00 * b + m01 * d, m01 * b + m11 * d
    r0 = 1.0 / (1.0 + a * u0 + c * u1) ** 0.5
    c10 = (b * u0 + d * u1) * r0
    r1 = 1.0 / (1.0 + b * w0 + d * w1 - c10 * c10) ** 0.5
    at += 4
    for s in range(rows):
        x, y = floats[at + 2 * s] * scale, floats[at + 2 * s + 1] * scale
        if shift.size > 0 and s == rows - 1:
            x -= shift[2 * node] * scale
            y -= shift[2 * node + 1] * scale
        first = (x * a + y * c) * r0
        Y[2 * s] = first
        Y[2 * s + 1] = (x * b + y * d - first * c10) * r1
    return r0, c10, r1


@inner
def eliminate_1(floats, start, J, rows, L, scale, shift, Y, S):
    half_log_det, det = 0.0, 1.0
    for node in range(J):
        det *= front_1(floats, start + node * (rows + 1), rows, L, scale, shift, node, Y)
        for i in range(rows):
            for j in range(i, rows):
                S[i, j] -= Y[i] * Y[j]
        if not det > 1e-200:  # also where it is NaN
            half_log_det -= np.log(det)
            det = 1.0
    return half_log_det - np.log(det)


@inner
def eliminate_2(floats, start, J, rows, L, scale, shift, Y, S):
    half_log_det, det = 0.0, 1.0
    for node in range(J):
        at = start + node * (2 * rows + 4)
        r0, _, r1 = front_2(floats, at, rows, L, scale, shift, node, Y)
        det *= r0 * r1
        for i in range(rows):
            for j in range(i, rows):
                S[i, j] -= Y[2 * i] * Y[2 * j] + Y[2 * i + 1] * Y[2 * j + 1]
        if not det > 1e-200:
            half_log_det -= np.log(det)
            det = 1.0
    return half_log_det - np.log(det)


@inner
def backward_1(floats, start, J, rows, L, scale, shift, S, Y, Q, w):
    """Q = sum_g (M Lambda E[v v'])_gg; returns the trace of E[u u']. S is symmetric here."""
    trace, total = 0.0, 0.0
    for node in range(J):
        at = start + node * (rows + 1)
        root = front_1(floats, at, rows, L, scale, shift, node, Y)
        own = root * root
        for i in range(rows):
            x = 0.0
            for j in range(rows):
                x += S[i, j] * Y[j]
            own += x * Y[i] * root * root
            total -= floats[at + 1 + i] * x * root
            if i == rows - 1 and shift.size > 0:
                total += shift[node] * x * root
                w[node] = L[0] * x * root
        trace += own
        total += floats[at] * L[0] * own
    Q[0] = total
    return trace


@inner
def backward_2(floats, start, J, rows, L, scale, shift, S, Y, Q, w):
    a, b, c, d = L[0], L[1], L[2], L[3]
    trace, q00, q01, q10, q11 = 0.0, 0.0, 0.0, 0.0, 0.0
    for node in range(J):
        at = start + node * (2 * rows + 4)
        r0, c10, r1 = front_2(floats, at, rows, L, scale, shift, node, Y)
        i10 = -c10 * r0 * r1  # C^-1 = [[r0, 0], [i10, r1]]
        e00, e01, e11 = r0 * r0 + i10 * i10, i10 * r1, r1 * r1
        for i in range(rows):
            Y[2 * i] = Y[2 * i] * r0 + Y[2 * i + 1] * i10
            Y[2 * i + 1] *= r1
        for i in range(rows):
            x0, x1 = 0.0, 0.0
            for j in range(rows):
                x0 += S[i, j] * Y[2 * j]
                x1 += S[i, j] * Y[2 * j + 1]
            e00 += Y[2 * i] * x0
            e01 += Y[2 * i] * x1
            e11 += Y[2 * i + 1] * x1
            m0, m1 = floats[at + 4 + 2 * i], floats[at + 5 + 2 * i]
            if shift.size > 0 and i == rows - 1:
                m0 -= shift[2 * node]
                m1 -= shift[2 * node + 1]
                w[2 * node] = a * x0 + b * x1
                w[2 * node + 1] = c * x0 + d * x1
            q00 -= m0 * x0
            q01 -= m0 * x1
            q10 -= m1 * x0
            q11 -= m1 * x1
        trace += e00 + e11
        u0, w0 = a * e00 + b * e01, a * e01 + b * e11
        u1, w1 = c * e00 + d * e01, c * e01 + d * e11
        m00, m01, m11 = floats[at], floats[at + 1], floats[at + 3]
        q00 += m00 * u0 + m01 * u1
        q01 += m00 * w0 + m01 * w1
        q10 += m01 * u0 + m11 * u1
        q11 += m01 * w0 + m11 * w1
    Q[0], Q[1], Q[2], Q[3] = q00, q01, q10, q11
    return trace


@inner
def eliminate(h, ints, floats, L, scale, shift, Y, S):
    """S -= the updates of all levels; half the log determinant of their blocks."""
    J, rows = ints[h.levels], h.p + 1
    if ints[h.q] == 1:
        return eliminate_1(floats, h.fronts, J, rows, L, scale, shift, Y, S)
    return eliminate_2(floats, h.fronts, J, rows, L, scale, shift, Y, S)


@jit.njit(
    "f8(f8[::1], f8[::1], i8[::1], f8[::1])", short_loops=True, nogil=True, error_model="numpy"
)
def single_core(x, grad, ints, floats):
    """The same function of the same arguments as `general_core`, for one factor of q = 1 or 2."""
    h = read_header(ints)
    n, D, J, at = floats[h.constants + 1], h.p, ints[h.levels], x.size - h.r - 1
    for i in range(grad.size):
        grad[i] = 0.0
    sigma = x[at]
    if not (sigma > 0.0 and np.isfinite(sigma)):
        return -np.inf
    scale = 1.0 / sigma**2
    L = internal_factors(h, ints, floats, x)
    delta, m, shift, yy = sampled_shift(h, ints, floats, x)
    S, Y = np.empty((D + 1, D + 1)), np.empty(2 * (D + 1))
    load_population(h, floats, scale, shift, yy, m, S)
    half_log_det = eliminate(h, ints, floats, L, scale, shift, Y, S)
    half_log_det += dense_factor(S, 0, D)
    if not np.isfinite(half_log_det):
        return -np.inf
    quadratic = S[D, D]
    value = floats[h.constants] - n * np.log(sigma) - half_log_det - 0.5 * quadratic
    if grad.size == 0:
        return value
    mu = dense_mean(S, 0, D)
    dense_inverse(S, 0, D)
    add_means(S, mu, D)
    for i in range(D + 1):
        for j in range(i):
            S[i, j] = S[j, i]
    Q, w = np.zeros(L.size), np.empty(h.n_effects if h.r > 0 else 0)
    if ints[h.q] == 1:
        trace = backward_1(floats, h.fronts, J, D + 1, L, scale, shift, S, Y, Q, w)
    else:
        trace = backward_2(floats, h.fronts, J, D + 1, L, scale, shift, S, Y, Q, w)
    gradient_factors(h, ints, floats, Q, sigma, grad)
    prior = prior_moment(h, ints, floats, S, mu, m)
    grad[at] = (h.n_effects + D + quadratic - trace - prior - n) / sigma
    if h.r > 0:
        gradient_sampled(h, ints, floats, delta, w, mu, m, sigma, grad[at + 1 :])
    return value
