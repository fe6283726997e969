"""Conditional means and covariances of all effects given y, L, sigma and v, compiled.

Covariances: of the effects of one level with each other, of the population effects with each other,
and between the two.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.backward import node_moments, read_dense, read_front
from mixedbayes.marginal.bordered import bordered_inverse, bordered_mean
from mixedbayes.marginal.conditional import (
    read_crossed,
    read_population,
    read_values,
    to_original,
)
from mixedbayes.marginal.factor import call_factor
from mixedbayes.marginal.forward import chain_base
from mixedbayes.marginal.fronts import find_places, read_header, regression
from mixedbayes.marginal.inner import inner


@inner
def _moments(h, ints, floats, L, scale, shift, F, S, dense, mean, cov, cross):
    front, E, A = np.empty(h.n_front), np.empty(h.n_front), np.empty(h.n_front)
    inverse, moments = np.empty(h.n_front), np.empty(F.size)
    values = np.empty(h.n_rows)
    place = np.empty((h.n_chain + 1, h.n_rows), np.int64)
    base, end = chain_base(h, ints), cov.size
    for k in range(h.K - 1, -1, -1):
        q, rows = ints[h.q + k], 0
        end -= ints[h.levels + k] * q * q
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            if rows == 0 or h.n_blocks > 0:
                rows = find_places(h, ints, k, q, node, place)
            level = node - ints[h.node0 + k]
            if k >= h.n_chain:
                read_dense(S, place, rows, q, E)
            else:
                read_front(h, ints, floats, L, scale, shift, k, q, node, base, F, front)
                regression(front, q, rows, inverse, A)
                node_moments(h, ints, k, q, node, rows, place, base, S, moments, inverse, A, E)
                read_values(h, ints, k, q, node, rows, place, dense, mean, values)
                at = ints[h.var0 + k] + level * q
                for t in range(q):
                    mean[at + t] = 0.0
                    for i in range(q, rows):
                        mean[at + t] -= A[i * q + t] * values[i]
            for t in range(q * q):
                cov[end + level * q * q + t] = E[t]
            start = (ints[h.var0 + k] + level * q) * h.p
            for i in range(h.p):
                for t in range(q):
                    cross[start + t * h.p + i] = E[(rows - 1 - h.p + i) * q + t]


@inner
def _to_original_cov(h, ints, x, cov):
    """L cov L', in place."""
    start = 0
    for k in range(h.K):
        q, l0 = ints[h.q + k], ints[h.l0 + k]
        left = np.empty((q, q))
        for _ in range(ints[h.levels + k]):
            for i in range(q):
                for j in range(q):
                    left[i, j] = 0.0
                    for s in range(i + 1):
                        left[i, j] += x[l0 + i * q + s] * cov[start + s * q + j]
            for i in range(q):
                for j in range(q):
                    total = 0.0
                    for s in range(j + 1):
                        total += left[i, s] * x[l0 + j * q + s]
                    cov[start + i * q + j] = total
            start += q * q


@jit.njit(
    "b1(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    short_loops=True,
    nogil=True,
    error_model="numpy",
)
def moments_core(x, mean, cov, cross, beta, ints, floats):
    """Conditional mean (n_effects,) and covariance (sum of J q^2,) of every level's effects.

    On their original scale, in the order of elimination, q x q blocks one after the other.
    `cross` (n_effects, p) receives their covariances with the population effects, and `beta`
    (p + 1, p) the mean and covariance of these, in the internal basis.
    Returns False where the precision matrix is not positive definite.
    """
    h = read_header(ints)
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    half_log_det, L, F, S, _, _, shift = call_factor(x, ints, floats)
    dense = np.full(h.D + 1, -1.0)
    mu = bordered_mean(h, ints, S)
    bordered_inverse(h, ints, S)
    for i in range(h.D):
        dense[i] = mu[i]
        S[i, h.D] = 0.0
    S[h.D, h.D] = 0.0
    read_population(h, mu, S, beta)
    read_crossed(h, ints, dense, mean)
    _moments(h, ints, floats, L, scale, shift, F, S, dense, mean, cov, cross)
    to_original(h, ints, x, mean, 1)
    to_original(h, ints, x, cross, h.p)
    _to_original_cov(h, ints, x, cov)
    return np.isfinite(half_log_det)
