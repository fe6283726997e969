"""Exact draws of the effects of one factor with one or two effects; see `draws` and `single`."""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.dense import dense_factor, dense_mean
from mixedbayes.marginal.forward import load_population
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.likelihood import internal_factors, sampled_shift
from mixedbayes.marginal.single import eliminate, front_1, front_2


@inner
def draw_1(floats, start, J, rows, L, left, scale, shift, values, Y, b):
    """b = left u, u = (z - Y' values) / C, in place of z."""
    for node in range(J):
        root = front_1(floats, start + node * (rows + 1), rows, L, scale, shift, node, Y)
        x = b[node]
        for i in range(rows):
            x -= Y[i] * values[i]
        b[node] = left * x * root


@inner
def draw_2(floats, start, J, rows, L, left, scale, shift, values, Y, b):
    l00, l01, l10, l11 = left
    for node in range(J):
        at = start + node * (2 * rows + 4)
        r0, c10, r1 = front_2(floats, at, rows, L, scale, shift, node, Y)
        x, y = b[2 * node], b[2 * node + 1]
        for i in range(rows):
            x -= Y[2 * i] * values[i]
            y -= Y[2 * i + 1] * values[i]
        y *= r1
        x = (x - c10 * y) * r0
        b[2 * node] = l00 * x + l01 * y
        b[2 * node + 1] = l10 * x + l11 * y


@inner
def draw_one(h, x, beta, effects, T, ints, floats):
    D, J = h.p, ints[h.levels]
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    L = internal_factors(h, ints, floats, x)
    _, m, shift, yy = sampled_shift(h, ints, floats, x)
    S, Y = np.empty((D + 1, D + 1)), np.empty(2 * (D + 1))
    load_population(h, floats, scale, shift, yy, m, S)
    half_log_det = eliminate(h, ints, floats, L, scale, shift, Y, S)
    half_log_det += dense_factor(S, 0, D)
    for i in range(D):
        S[i, D] += beta[i]
    mean, values = dense_mean(S, 0, D), np.full(D + 1, -1.0)
    for i in range(D):
        beta[i] = mean[i]
        values[i] = mean[i]
    if effects.size > 0:
        if ints[h.q] == 1:
            own = T[0] * x[0]
            draw_1(floats, h.fronts, J, D + 1, L, own, scale, shift, values, Y, effects)
        else:
            a, c, d = x[0], x[2], x[3]
            left = (T[0] * a + T[1] * c, T[1] * d, T[2] * a + T[3] * c, T[3] * d)
            draw_2(floats, h.fronts, J, D + 1, L, left, scale, shift, values, Y, effects)
    return np.isfinite(half_log_det)


@jit.njit(
    "i8(f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], i8[::1], f8[::1])",
    short_loops=True,
    nogil=True,
    error_model="numpy",
)
def single_draw_core(x, beta, effects, T, ints, floats):
    """What `draw_core` does at each row of x, beta and effects, which become T b; T (q, q).

    Returns how many of the precision matrices are positive definite.
    """
    h, fine = read_header(ints), 0
    for row in range(len(x)):
        fine += draw_one(h, x[row], beta[row], effects[row], T, ints, floats)
    return fine
