"""The residual's inverse covariance and the products that it makes, compiled.

R = D C D / (known weights), with standard deviations sigma_a of classes of rows and correlations C
of the rows of each group, has few distinct entries, which are linear in few *bases* B,

    R^-1 = sum_m w_m E_m,    w_m = B_m / (sigma_a sigma_b),

and the products that `core` takes are G w, with a sparse G that the data make, see `accumulate`;
beside them b t t' of groups whose rows have equal correlations and several sigmas, with t the sum
of their rows x_i / sigma_i, which takes as many steps as they have rows.
B_0 is 1. Of correlations of a chain, r_g over a distance g and s_g^2 = 1 - r_g^2, the bases are
1 / s_g^2, r_g^2 / s_g^2 and -r_g / s_g^2; of equal ones, whose inverse for m rows is
a I + b_m 1 1', a and each b_m; of others the lower triangle of the inverse for each set of
positions that occurs, which `entries` names. Roots of correlations are in the parameter vector.
"""

import numpy as np
from numba import types

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.sparse.fronts import factor, minus_product, read_header, regression
from mixedbayes.marginal.sparse.unit import FLOATS, INTS, PLACE, unit

CHAIN, EQUAL = 0, -1  # in a record of correlations, where others have their number of positions


@inner
def correlations(x, root, T, R):
    """R (T, T) from its root W (T, T), row by row at x[root]."""
    for i in range(T):
        for j in range(i + 1):
            total = 0.0
            for k in range(j + 1):
                total += x[root + i * T + k] * x[root + j * T + k]
            R[i * T + j] = R[j * T + i] = total


@unit(types.float64, INTS, FLOATS, FLOATS, PLACE, *(3 * (FLOATS,)))
def find_weights(ints, floats, x, at, B, u, w):
    """Fill the bases B, u = 1 / sigma of the classes, and w; returns -log|R| / 2 without the known
    weights, NaN where there is no such R. The residual's parameters are in x from `at` on.
    """
    h = read_header(ints)
    value, scale = 0.0, at + h.n_roots
    for a in range(h.n_classes):
        if h.n_scales == 0:
            log_sigma = np.log(x[scale])
        else:
            log_sigma = floats[h.scale_0 + a]
            for j in range(h.n_scales):
                log_sigma += floats[h.scale_X + a * h.n_scales + j] * x[scale + j]
        value -= floats[h.class_n + a] * log_sigma
        u[a] = np.exp(-log_sigma)
    B[0] = 1.0
    e, base = h.errors, 1
    while e < h.errors + h.n_errors:
        T, root = ints[e], at + ints[e + 1]
        if T == CHAIN:
            r, s = x[root + 2], x[root + 3]
            value -= ints[e + 2] * np.log(s)
            B[base], B[base + 1], B[base + 2] = 1.0 / s**2, (r / s) ** 2, -r / s**2
            base += 3
            e += 3
            continue
        many = ints[e + 2]
        if T == EQUAL:
            r = x[root + 2]
            B[base] = 1.0 / (1.0 - r)
            base += 1
            e += 3
            for _ in range(many):
                m, whole = ints[e], 1.0 + (ints[e] - 1) * r
                B[base] = -r / ((1.0 - r) * whole)
                value -= 0.5 * ints[e + 1] * ((m - 1) * np.log(1.0 - r) + np.log(whole))
                base += 1
                e += 2
            continue
        R, S = np.empty(T * T), np.empty(T * T)
        correlations(x, root, T, R)
        e += 3
        for _ in range(many):
            m, place = ints[e], e + 2
            for i in range(m):
                for j in range(m):
                    S[i * m + j] = R[ints[place + i] * T + ints[place + j]]
            value -= ints[e + 1] * factor(S, 0, m, m, 0)
            if not np.isfinite(value):
                return np.nan
            regression(S, 0, m, m, 0)
            for i in range(m):
                for j in range(i + 1):
                    B[base] = S[j * m + i]
                    base += 1
            e += 2 + m
    for m in range(h.n_sets):
        of = h.w_of + 3 * m
        w[m] = B[ints[of]] * u[ints[of + 1]] * u[ints[of + 2]]
    return value if np.isfinite(value) else np.nan


@inner
def read_sum(h, ints, floats, u, g, t):
    """Fill t of a group of `entries.RankOne`; how many columns it has."""
    first = ints[h.one_ptr + g]
    m = ints[h.one_ptr + g + 1] - first
    for i in range(m):
        total = 0.0
        for k in range(ints[h.sum_ptr + first + i], ints[h.sum_ptr + first + i + 1]):
            total += floats[h.sum_val + k] * u[ints[h.sum_class + k]]
        t[i] = total
    return m


@unit(types.void, INTS, FLOATS, *(4 * (FLOATS,)))
def make_products(ints, floats, B, u, w, P):
    """P = G w, and what is of rank one."""
    h = read_header(ints)
    for i in range(P.size):
        P[i] = 0.0
    for m in range(h.n_sets):
        x = w[m]
        for k in range(ints[h.g_ptr + m], ints[h.g_ptr + m + 1]):
            P[ints[h.g_row + k]] += floats[h.g_val + k] * x
    t, at = np.empty(h.n_one), h.one_at
    for g in range(h.n_ones):
        m, b = read_sum(h, ints, floats, u, g, t), B[ints[h.one_base + g]]
        for i in range(m):
            for j in range(i + 1):
                x = b * t[i] * t[j]
                P[ints[at]] += x
                if ints[at + 1] >= 0:
                    P[ints[at + 1]] += x
                at += 2


@inner
def rank_slopes(h, ints, floats, B, u, adjoint, dB, d_log):
    """Add the derivatives in the bases and in log sigma of what is of rank one."""
    t, dt, at = np.empty(h.n_one), np.empty(h.n_one), h.one_at
    for g in range(h.n_ones):
        m, base = read_sum(h, ints, floats, u, g, t), ints[h.one_base + g]
        slope, b = 0.0, B[base]
        for i in range(m):
            dt[i] = 0.0
            for j in range(i + 1):
                x = adjoint[ints[at]]
                if ints[at + 1] >= 0:
                    x += adjoint[ints[at + 1]]
                at += 2
                slope += x * t[i] * t[j]
                dt[i] += x * t[j]
                dt[j] += x * t[i]
        dB[base] += slope
        for i in range(m):
            own = ints[h.one_ptr + g] + i
            for k in range(ints[h.sum_ptr + own], ints[h.sum_ptr + own + 1]):
                a = ints[h.sum_class + k]
                d_log[a] -= b * dt[i] * floats[h.sum_val + k] * u[a]


@unit(types.void, INTS, FLOATS, FLOATS, PLACE, *(4 * (FLOATS,)))
def weight_slopes(ints, floats, x, at, B, u, adjoint, grad):
    """Fill the derivatives in the residual's parameters, grad, from those in the products."""
    h = read_header(ints)
    dB, d_log, scale = np.zeros(h.n_bases), np.empty(h.n_classes), at + h.n_roots
    for a in range(h.n_classes):
        d_log[a] = -floats[h.class_n + a]
    for m in range(h.n_sets):
        slope = 0.0
        for k in range(ints[h.g_ptr + m], ints[h.g_ptr + m + 1]):
            slope += floats[h.g_val + k] * adjoint[ints[h.g_row + k]]
        of = h.w_of + 3 * m
        base, a, b = ints[of], ints[of + 1], ints[of + 2]
        slope *= u[a] * u[b]
        dB[base] += slope
        d_log[a] -= slope * B[base]
        d_log[b] -= slope * B[base]
    rank_slopes(h, ints, floats, B, u, adjoint, dB, d_log)
    if h.n_scales == 0:
        grad[h.n_roots] = d_log[0] / x[scale]
    for j in range(h.n_scales):
        total = 0.0
        for a in range(h.n_classes):
            total += floats[h.scale_X + a * h.n_scales + j] * d_log[a]
        grad[h.n_roots + j] = total
    e, base = h.errors, 1
    while e < h.errors + h.n_errors:
        T, own = ints[e], ints[e + 1]
        if T == CHAIN:
            r, s = x[at + own + 2], x[at + own + 3]
            one, two, both = dB[base], dB[base + 1], dB[base + 2]
            grad[own] = grad[own + 1] = 0.0
            grad[own + 2] = (2.0 * r * two - both) / s**2
            grad[own + 3] = 2.0 * (r * both - one - r * r * two) / s**3 - ints[e + 2] / s
            base += 3
            e += 3
            continue
        many = ints[e + 2]
        if T == EQUAL:
            r = x[at + own + 2]
            total = dB[base] * B[base] ** 2
            base += 1
            e += 3
            for _ in range(many):
                m, whole = ints[e], 1.0 + (ints[e] - 1) * r
                both = (1.0 - r) * whole
                change = (m - 2 - 2.0 * (m - 1) * r) / both
                total -= dB[base] * (1.0 / both + B[base] * change)
                total += 0.5 * ints[e + 1] * (m - 1) * (1.0 / (1.0 - r) - 1.0 / whole)
                base += 1
                e += 2
            grad[own] = grad[own + 1] = grad[own + 3] = 0.0
            grad[own + 2] = total
            continue
        dR, V = np.zeros(T * T), np.empty(3 * T * T)
        D, X = T * T, 2 * T * T  # after S, in V
        e += 3
        for _ in range(many):
            m, place = ints[e], e + 2
            for i in range(m):
                for j in range(i + 1):
                    V[i * m + j] = V[j * m + i] = B[base]
                    slope = dB[base] if i == j else 0.5 * dB[base]
                    V[D + i * m + j] = V[D + j * m + i] = slope
                    base += 1
            minus_product(V, 0, m, D, m, m, X)
            for i in range(m):
                for j in range(m):
                    V[D + i * m + j] = V[X + j * m + i]
            minus_product(V, 0, m, D, m, m, X)  # S D S
            for i in range(m):
                for j in range(m):
                    found = V[X + i * m + j] + 0.5 * ints[e + 1] * V[i * m + j]
                    dR[ints[place + i] * T + ints[place + j]] -= found
            e += 2 + m
        for i in range(T):
            for j in range(T):
                total = 0.0
                for k in range(T if j <= i else 0):
                    total += 2.0 * dR[i * T + k] * x[at + own + k * T + j]
                grad[own + i * T + j] = total
