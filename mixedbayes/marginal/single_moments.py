"""Conditional moments of one factor's one or two effects; see `moments` and `single`."""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.conditional import read_population
from mixedbayes.marginal.dense import dense_factor, dense_inverse, dense_mean
from mixedbayes.marginal.forward import load_population
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.likelihood import internal_factors, sampled_shift
from mixedbayes.marginal.single import eliminate, front_1, front_2


@inner
def moments_1(floats, start, J, rows, L, left, scale, shift, values, S, Y, mean, cov, cross):
    """mean = -left A' values, cov = left (C^-T C^-1 + A' S A) left', with A = Y C^-1."""
    p = rows - 1
    for node in range(J):
        root = front_1(floats, start + node * (rows + 1), rows, L, scale, shift, node, Y)
        m, own = Y[p], 1.0
        for i in range(p):
            m -= Y[i] * values[i]
            x = 0.0
            for j in range(p):
                x += S[i, j] * Y[j]
            own += x * Y[i]
            cross[node * p + i] = -left[0] * x * root
        mean[node] = left[0] * m * root
        cov[node] = left[0] ** 2 * own * root**2


@inner
def moments_2(floats, start, J, rows, L, left, scale, shift, values, S, Y, mean, cov, cross):
    a, c, d, p = left[0], left[2], left[3], rows - 1
    for node in range(J):
        at = start + node * (2 * rows + 4)
        r0, c10, r1 = front_2(floats, at, rows, L, scale, shift, node, Y)
        i10 = -c10 * r0 * r1  # C^-1 = [[r0, 0], [i10, r1]]
        e00, e01, e11 = r0 * r0 + i10 * i10, i10 * r1, r1 * r1
        for i in range(rows):
            Y[2 * i] = Y[2 * i] * r0 + Y[2 * i + 1] * i10
            Y[2 * i + 1] *= r1
        m0, m1 = Y[2 * p], Y[2 * p + 1]
        for i in range(p):
            m0 -= Y[2 * i] * values[i]
            m1 -= Y[2 * i + 1] * values[i]
            x0, x1 = 0.0, 0.0
            for j in range(p):
                x0 += S[i, j] * Y[2 * j]
                x1 += S[i, j] * Y[2 * j + 1]
            e00 += Y[2 * i] * x0
            e01 += Y[2 * i] * x1
            e11 += Y[2 * i + 1] * x1
            cross[2 * node * p + i] = -a * x0
            cross[(2 * node + 1) * p + i] = -c * x0 - d * x1
        mean[2 * node] = a * m0
        mean[2 * node + 1] = c * m0 + d * m1
        between = a * (e00 * c + e01 * d)
        cov[4 * node] = a * a * e00
        cov[4 * node + 1] = between
        cov[4 * node + 2] = between
        cov[4 * node + 3] = c * (c * e00 + d * e01) + d * (c * e01 + d * e11)


@jit.njit(
    "b1(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    short_loops=True,
    nogil=True,
    error_model="numpy",
)
def single_moments_core(x, mean, cov, cross, beta, ints, floats):
    """The same function of the same arguments as `moments_core`."""
    h = read_header(ints)
    D, J = h.p, ints[h.levels]
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    L = internal_factors(h, ints, floats, x)
    _, m, shift, yy = sampled_shift(h, ints, floats, x)
    S, Y = np.empty((D + 1, D + 1)), np.empty(2 * (D + 1))
    load_population(h, floats, scale, shift, yy, m, S)
    half_log_det = eliminate(h, ints, floats, L, scale, shift, Y, S)
    half_log_det += dense_factor(S, 0, D)
    values = dense_mean(S, 0, D)
    dense_inverse(S, 0, D)
    read_population(h, values, S, beta)
    for i in range(D):
        for j in range(i):
            S[i, j] = S[j, i]
    rows = D + 1
    if ints[h.q] == 1:
        moments_1(floats, h.fronts, J, rows, L, x, scale, shift, values, S, Y, mean, cov, cross)
    else:
        moments_2(floats, h.fronts, J, rows, L, x, scale, shift, values, S, Y, mean, cov, cross)
    return np.isfinite(half_log_det)
