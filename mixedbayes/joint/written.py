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
def scales(J, q, sd, W, information, g, pull):
    """Fill g and pull (J q); see `coordinates`."""
    for level in range(J):
        for i in range(q):
            at, s = level * q + i, sd[i] * W[i, i]
            g[at] = math.sqrt(1.0 + information[at] * s * s)
            pull[at] = information[at] * s / g[at]


@njit(error_model="numpy", nogil=True)
def effects(x, J, q, sd, W, g, pull, rho, b, u):
    """Fill u and b (J q) from x, coarser factors taken off; log densities without constants.

    Given the terms before it b_i = m_i + s_i u_i, m_i = sd_i sum_{j<i} W_ij u_j, s_i = sd_i W_ii.
    """
    total = 0.0
    for level in range(J):
        for i in range(q):
            at, m, others = level * q + i, 0.0, 0.0
            for j in range(i):
                m += W[i, j] * u[level * q + j]
                others += rho[at * q + j] * b[level * q + j]
            m *= sd[i]
            u[at] = (x[at] - pull[at] * (m + others)) / g[at]
            b[at] = m + sd[i] * W[i, i] * u[at]
            total -= math.log(g[at]) + 0.5 * u[at] * u[at]
    return total


@njit(error_model="numpy", nogil=True)
def effect_slopes(x, dx, J, q, sd, W, g, pull, rho, b, u, db, dsd, dW):
    """Derivatives in x, here with the coarser factors in it, in sd and in W, from those in b.

    dg / ds = pull, and d pull / ds = pull / (s g^2).
    """
    du = np.empty(q)
    for level in range(J):
        first = level * q
        du[:] = 0.0
        for i in range(q - 1, -1, -1):
            at, s = first + i, sd[i] * W[i, i]
            inner = du[i] + db[at] * s - u[at]
            dx[at] = inner / g[at]
            pulled = (x[at] - g[at] * u[at]) / (g[at] * g[at])
            d_log = s * (db[at] * u[at] - (inner * u[at] + 1.0) * pull[at] / g[at])
            d_log -= dx[at] * pulled
            dm = db[at] - pull[at] * dx[at]
            dsd[i] += (d_log + dm * (b[at] - s * u[at])) / sd[i]
            dW[i, i] += d_log / W[i, i]
            for j in range(i):
                dW[i, j] += dm * sd[i] * u[first + j]
                du[j] += dm * sd[i] * W[i, j]
                db[first + j] -= pull[at] * dx[at] * rho[at * q + j]
