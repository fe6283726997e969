"""The density over theta as a compiled function of flat memory, callable from Python and from C.

One array of integers, the *record*, says everything: addresses and lengths of the likelihood's
data and of the reals below, sizes, and the maps from coordinates to parameters. A function
compiled once therefore serves every model and every data set, and only two arrays cross from
Python on each call.

Record: the header's entries, then codes (d, 2), blocks (n_blocks,) as `terms.roots` reads them,
sampled (n_sampled, 4) and terms (n_terms, 4). Reals: numbers (d, 6), a bend (d, 3) of theta, mode
(d,), C (m, m), scales (d - m,), log |C|, of the map t = mode + C eta, and the coefficients
(n_terms,) and the squared radius of a surrogate of the gradient. See `density._Maps`, `theta.bend`
and `surrogate` for the meaning of each.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, njit, types

from mixedbayes import jit
from mixedbayes.terms.roots import root_slopes, roots
from mixedbayes.theta.bend import bent
from mixedbayes.theta.logpriors import log_prior

__all__ = ["HEADER", "LIKELIHOOD_SIGNATURE", "c_density", "density"]

HEADER = (
    "length",  # of the record
    "likelihood",  # address of its compiled function
    "ints", "n_ints", "floats", "n_floats",  # addresses and lengths of its data
    "reals", "n_reals",
    "d", "m",  # coordinates, and how many of them C mixes
    "n_blocks", "n_W", "n_sampled",  # length of the blocks, and of their W
    "n_x", "n_v",  # what the likelihood takes: (L_1, ..., L_K, sigma, v), and of these v
    "n_L",  # entries of the L of sampled factors, kept after those
    "sigma",  # its coordinate; the sampled coefficients follow it
    "n_terms",  # of the surrogate; 0 where there is none
)  # fmt: skip
_CODES = len(HEADER)

# log likelihood at x, which writes its gradient: f(x, gradient, ints, floats); an empty gradient
# asks for the value alone
LIKELIHOOD_SIGNATURE = types.float64(
    types.float64[::1], types.float64[::1], types.int64[::1], types.float64[::1]
)


_call = jit.caller(LIKELIHOOD_SIGNATURE)


@njit(error_model="numpy", nogil=True)
def _to_t(eta, mode, C, scales):
    m, t = len(C), mode.copy()
    for i in range(m):
        for j in range(i + 1):
            t[i] += C[i, j] * eta[j]
    for i in range(m, eta.size):
        t[i] += scales[i - m] * eta[i]
    return t


@njit(error_model="numpy", nogil=True)
def _unbend(theta, bend, slopes):
    """Turn t into theta; fill d theta / dt and the derivative of its log, whose sum it returns."""
    jacobian = 0.0
    for i in range(theta.size):
        slopes[i, 0], slopes[i, 1] = 1.0, 0.0
        if bend[i, 0] != 0.0:
            theta[i], slopes[i, 0], slopes[i, 1] = bent(
                theta[i], bend[i, 0], bend[i, 1], bend[i, 2]
            )
            jacobian += math.log(slopes[i, 0])
    return jacobian


@njit(error_model="numpy", nogil=True)
def _to_gradient(grad, C, scales, out):
    m = len(C)
    for i in range(m):
        for j in range(i + 1):
            out[j] += C[i, j] * grad[i]
    for i in range(m, grad.size):
        out[i] = scales[i - m] * grad[i]


@njit(error_model="numpy", nogil=True)
def _parameters(work, blocks, W, sampled, sigma, x, at):
    """Fill x: all L, sigma before `at`, v from `at` on, and the L of sampled factors."""
    roots(work, blocks, W, x)
    x[at - 1] = work[0, sigma]
    end = sampled[0, 0] if len(sampled) > 0 else work.shape[1]
    for c in range(sigma + 1, end):
        x[at] = work[0, c]
        at += 1
    for s in range(len(sampled)):
        u, levels, q, L = sampled[s, 0], sampled[s, 1], sampled[s, 2], sampled[s, 3]
        for g in range(levels):
            for i in range(q):
                for k in range(i + 1):
                    x[at] += x[L + i * q + k] * work[0, u + g * q + k]
                at += 1


@njit(error_model="numpy", nogil=True)
def _derivatives(work, blocks, W, sampled, sigma, x, dx, at):
    """Add the likelihood's derivatives dx, in theta, to row 2 of work."""
    grad = work[2]
    grad[sigma] += dx[at - 1] * work[1, sigma]
    end = sampled[0, 0] if len(sampled) > 0 else work.shape[1]
    for c in range(sigma + 1, end):
        grad[c] += dx[at] * work[1, c]
        at += 1
    for s in range(len(sampled)):
        u, levels, q, L = sampled[s, 0], sampled[s, 1], sampled[s, 2], sampled[s, 3]
        for g in range(levels):
            for i in range(q):
                for k in range(i + 1):
                    dx[L + i * q + k] += dx[at] * work[0, u + g * q + k]
                    grad[u + g * q + k] += dx[at] * x[L + i * q + k]
                at += 1
    root_slopes(work, blocks, W, dx)


@njit(error_model="numpy", nogil=True)
def _polynomial_gradient(eta, terms, coefficients, out):
    """Gradient of sum_t c_t e_i e_j e_k e_l, (i, j, k, l) = terms[t] and e = (eta, 1)."""
    d = eta.size
    e, full = np.ones(d + 1), np.zeros(d + 1)
    e[:d] = eta
    for t in range(len(terms)):
        i, j, k, l = terms[t, 0], terms[t, 1], terms[t, 2], terms[t, 3]  # noqa: E741
        first, last = coefficients[t] * e[i] * e[j], coefficients[t] * e[k] * e[l]
        full[i] += e[j] * last
        full[j] += e[i] * last
        full[k] += first * e[l]
        full[l] += first * e[k]
    out[:] = full[:d]


@jit.njit("float64(float64[::1], float64[::1], int64[::1])", nogil=True, error_model="numpy")
def density(eta, gradient, record):
    """Log density at eta (d,), and its gradient (d,); -inf and zeros where one is not finite.

    An empty `gradient` asks for the value alone. Within the surrogate's radius the gradient is the
    surrogate's.
    """
    d, m, n_blocks, n_W, n_sampled = record[8], record[9], record[10], record[11], record[12]
    n_x, n_v, n_L, sigma, n_terms = record[13], record[14], record[15], record[16], record[17]
    at = _CODES
    codes = record[at : at + 2 * d].reshape(d, 2)
    at += 2 * d
    blocks, W = record[at : at + n_blocks], np.empty(n_W)
    at += n_blocks
    sampled = record[at : at + 4 * n_sampled].reshape(n_sampled, 4)
    terms = record[at + 4 * n_sampled :].reshape(n_terms, 4)
    reals = carray(jit.pointer(record[6]), (record[7],), np.float64)  # type: ignore[call-arg]
    bend, mode, at = reals[6 * d : 9 * d].reshape(d, 3), reals[9 * d : 10 * d], 10 * d
    C, scales = reals[at : at + m * m].reshape(m, m), reals[at + m * m : at + m * m + d - m]
    at += m * m + d - m
    log_det, coefficients = reals[at], reals[at + 1 : at + 1 + n_terms]
    near = n_terms > 0 and np.sum(eta**2) <= reals[at + 1 + n_terms]
    exact = gradient.size > 0 and not near

    work, x, dx = np.empty((3, d)), np.zeros(n_x + n_L), np.zeros(n_x + n_L)
    theta, slopes = _to_t(eta, mode, C, scales), np.empty((d, 2))
    jacobian = _unbend(theta, bend, slopes)
    prior = log_prior(theta, codes, reals[: 6 * d].reshape(d, 6), work)
    gradient[:] = 0.0
    if not math.isfinite(prior):
        return -math.inf
    _parameters(work, blocks, W, sampled, sigma, x, n_x - n_v)
    ints = carray(jit.pointer(record[2]), (record[3],), np.int64)
    floats = carray(jit.pointer(record[4]), (record[5],), np.float64)
    likelihood = _call(record[1], x[:n_x], dx[: n_x if exact else 0], ints, floats)
    if exact:
        _derivatives(work, blocks, W, sampled, sigma, x, dx, n_x - n_v)
        for i in range(d):
            work[2, i] = work[2, i] * slopes[i, 0] + slopes[i, 1]
        _to_gradient(work[2], C, scales, gradient)
    elif near and gradient.size > 0:
        _polynomial_gradient(eta, terms, coefficients, gradient)
    total = prior + likelihood + log_det + jacobian
    finite = math.isfinite(total)
    for i in range(gradient.size):
        finite = finite and math.isfinite(gradient[i])
    if not finite:
        gradient[:] = 0.0
        return -math.inf
    return total


@jit.cfunc(jit.LOGP_SIGNATURE, error_model="numpy")
def c_density(n, eta, gradient, value, record):
    length = carray(record, (1,), np.int64)[0]
    value[0] = density(
        carray(eta, (n,)), carray(gradient, (n,)), carray(record, (length,), np.int64)
    )
    return 0 if math.isfinite(value[0]) else 1
