"""Exact draws of all effects given y, L, sigma and v, compiled.

(u, beta) | y ~ N(H^-1 h, H^-1), from the factor that the likelihood uses: with H = C C', a draw is
C^-T (C^-1 h + z), z standard normal, from the coarsest effects to the finest.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.backward import read_front
from mixedbayes.marginal.bordered import bordered_mean
from mixedbayes.marginal.conditional import read_crossed, read_values, to_original
from mixedbayes.marginal.factor import call_factor
from mixedbayes.marginal.forward import chain_base
from mixedbayes.marginal.fronts import find_places, read_header
from mixedbayes.marginal.inner import inner


@inner
def _draw_chain(h, ints, floats, L, scale, shift, F, dense, u):
    """u_g = C^-T (z - Y' v_rows) for every node of the chain."""
    front, values = np.empty(h.n_front), np.empty(h.n_rows)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    base = chain_base(h, ints)
    for k in range(h.n_chain - 1, -1, -1):
        q, rows = ints[h.q + k], 0
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front)
            read_values(h, ints, k, q, node, rows, place, dense, u, values)
            at = ints[h.var0 + k] + (node - ints[h.node0 + k]) * q
            for t in range(q - 1, -1, -1):
                x = u[at + t]
                for i in range(q, rows):
                    x -= front[i * q + t] * values[i]
                for s in range(t + 1, q):
                    x -= front[s * q + t] * u[at + s]
                u[at + t] = x * front[t * q + t]


@inner
def add_crossed(h, ints, z, S):
    """The last column of S += z, the crossed effects in the order of the dense columns."""
    at = h.n_effects - h.D + h.p
    for k in range(h.n_chain, h.K):
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            column = ints[h.col + node - ints[h.node0 + h.n_chain]]
            for s in range(ints[h.q + k]):
                S[column + s, h.D] += z[at]
                at += 1


@jit.njit(
    "b1(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    short_loops=True,
    nogil=True,
    error_model="numpy",
)
def draw_core(x, beta, effects, ints, floats):
    """Turn standard normal numbers, in place, into one draw of all effects at parameters x.

    beta (p,) in the internal basis, from its least-squares fit; effects (n_effects,) on their
    original scale, in the order of elimination; where `effects` is empty beta alone is drawn.
    Returns False where the precision matrix is not positive definite.
    """
    h = read_header(ints)
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    half_log_det, L, F, S, _, _, shift = call_factor(x, ints, floats)
    n_crossed = h.D - h.p
    for i in range(h.p):
        S[n_crossed + i, h.D] += beta[i]
    if effects.size > 0:
        add_crossed(h, ints, effects, S)
    dense = np.full(h.D + 1, -1.0)
    mean = bordered_mean(h, ints, S)
    for i in range(h.D):
        dense[i] = mean[i]
    for i in range(h.p):
        beta[i] = dense[n_crossed + i]
    if effects.size > 0:
        read_crossed(h, ints, dense, effects)
        _draw_chain(h, ints, floats, L, scale, shift, F, dense, effects)
        to_original(h, ints, x, effects, 1)
    return np.isfinite(half_log_det)
