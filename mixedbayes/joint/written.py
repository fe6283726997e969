"""Correlations, standard deviations and effects from what is walked, compiled, with derivatives.

`coordinates` says how they are written.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(error_model="numpy", nogil=True)
def correlations(work, first, q, before, at, W):
    """Fill W (q, q) from the partial correlations after the q sds; the next place in before."""
    z = first + q
    for i in range(q):
        left = 1.0
        count = before[at]
        for k in range(count):
            W[i, before[at + 1 + k]] = work[0, z] * left
            left *= math.sqrt(work[1, z])  # dx/dt of a partial correlation is 1 - x^2
            z += 1
        W[i, i] = left
        at += 1 + count
    return at


@njit(error_model="numpy", nogil=True)
def correlation_slopes(work, first, q, before, at, W, dW):
    """Add the derivatives dW, in theta, to row 2 of work; the next place in before."""
    z = first + q
    for i in range(q):
        count = before[at]
        later, left = dW[i, i] * W[i, i], 1.0
        for k in range(count):
            j = before[at + 1 + k]
            later += dW[i, j] * W[i, j]
        for k in range(count):
            # d w_ij / dt = left (1 - z^2), d w_ik / dt = -z w_ik for k after j
            j = before[at + 1 + k]
            later -= dW[i, j] * W[i, j]
            work[2, z] += dW[i, j] * left * work[1, z] - work[0, z] * later
            left *= math.sqrt(work[1, z])
            z += 1
        at += 1 + count
    return at


@njit(error_model="numpy", nogil=True)
def bend(t, a, m, s):
    """tau, d tau / dt, and the derivative of its logarithm."""
    w = (m - t) / s
    e = math.exp(-abs(w))
    plus = max(w, 0.0) + math.log1p(e)
    p = (1.0 if w > 0 else e) / (1.0 + e)
    slope = 1.0 + a / s * plus * p
    change = -a / (s * s) * p * (p + plus * (1.0 - p))
    return t - 0.5 * a * plus * plus, slope, change / slope


@njit(error_model="numpy", nogil=True)
def effects(x, J, q, sd, W, c, pull, b, u):
    """Fill u and b (J q) from x, coarser factors taken off; log densities without constants.

    Given the terms before it b_i = m_i + s_i u_i, m_i = sd_i sum_{j<i} W_ij u_j, s_i = sd_i W_ii.
    """
    total, logs = 0.0, np.empty(q)
    for i in range(q):
        logs[i] = math.log(sd[i] * W[i, i])
    for g in range(J):
        for i in range(q):
            at, m = g * q + i, 0.0
            for j in range(i):
                m += W[i, j] * u[g * q + j]
            m *= sd[i]
            u[at] = (x[at] - pull[at] * m) * math.exp(-c[at] * logs[i])
            b[at] = m + sd[i] * W[i, i] * u[at]
            total -= c[at] * logs[i] + 0.5 * u[at] * u[at]
    return total


@njit(error_model="numpy", nogil=True)
def effect_slopes(dx, J, q, sd, W, c, pull, b, u, db, dsd, dW):
    """Derivatives in x, in sd and in W, from those in b."""
    logs, du = np.empty(q), np.empty(q)
    for i in range(q):
        logs[i] = math.log(sd[i] * W[i, i])
    for g in range(J):
        first = g * q
        du[:] = 0.0
        for i in range(q - 1, -1, -1):
            at, s = first + i, sd[i] * W[i, i]
            inner = du[i] + db[at] * s - u[at]
            dx[at] = inner * math.exp(-c[at] * logs[i])
            d_log = db[at] * s * u[at] - c[at] * (inner * u[at] + 1.0)
            dm = db[at] - pull[at] * dx[at]
            dsd[i] += (d_log + dm * (b[at] - s * u[at])) / sd[i]
            dW[i, i] += d_log / W[i, i]
            for j in range(i):
                dW[i, j] += dm * sd[i] * u[first + j]
                du[j] += dm * sd[i] * W[i, j]
