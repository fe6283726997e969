"""The density over theta as a compiled function of a record, see `theta.record`.

The record says everything, with the addresses and lengths of the likelihood's two arrays, so that
only two arrays cross from Python on each call. See `density._Maps`, `theta.tails`,
`theta.whitening` and `surrogate` for the meaning of its sections.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, types

from mixedbayes import jit
from mixedbayes.terms.roots import root_slopes, roots
from mixedbayes.theta import whitening
from mixedbayes.theta.logpriors import log_prior
from mixedbayes.theta.record import (
    DENSITY_SIGNATURE,
    as_c,
    copy,
    finite_or_none,
    ints,
    places,
    reals,
)
from mixedbayes.theta.shares import apply_share, share_slopes
from mixedbayes.theta.simplex import put_steps, step_slopes
from mixedbayes.theta.tails import apply_tails
from mixedbayes.theta.whitening import call_to_theta, call_to_z

__all__ = ["LIKELIHOOD_SIGNATURE", "SECTIONS", "c_density", "density"]

SECTIONS = (
    "likelihood",  # address of its compiled function, addresses and lengths of ints and floats
    # n_x and n_v, what the likelihood takes: (L_1, ..., L_K, roots of chains' neighbours and of the
    # residual's correlations, sigma or the coefficients of its log, v), and of these v; entries of
    # the L of sampled factors, kept after those; the coordinate of sigma; the length of the W of
    # all blocks; and the first coordinate of the sampled coefficients
    "sizes",
    "codes", "numbers",  # (d, 2), (d, 6) priors, see logpriors
    "blocks",  # see terms.roots
    "sampled",  # (n_sampled, 4)
    "steps",  # of monotonic effects, see theta.simplex
    "tails",  # see theta.tails
    "share",  # (3,) or (0,), see theta.shares
    "terms", "coefficients", "square",  # of the surrogate, and the square of its radius
    *whitening.SECTIONS,
)  # fmt: skip
(LIKELIHOOD, SIZES, CODES, NUMBERS, BLOCKS, SAMPLED, STEPS, TAILS, SHARE, TERMS, COEFFICIENTS,
 SQUARE, WHITENING, *_) = places(SECTIONS).values()  # fmt: skip
LOG_DET = WHITENING + whitening.LOG_DET

# log likelihood at x, which writes its gradient: f(x, gradient, ints, floats); an empty gradient
# asks for the value alone
LIKELIHOOD_SIGNATURE = types.float64(
    types.float64[::1], types.float64[::1], types.int64[::1], types.float64[::1]
)


_call = jit.caller(LIKELIHOOD_SIGNATURE)


@jit.inner
def _parameters(work, blocks, W, sampled, steps, sigma, first, x, at):
    """Fill x: all L and roots, sigma before `at`, v from `at` on, and the L of sampled factors.

    `sigma` and `first` are the coordinates of sigma, or of the first coefficient of its log, at
    `first` where it is 1, and of v.
    """
    roots(work, blocks, W, x)
    x[at - 1] = 1.0
    for c in range(sigma, first):
        x[at - first + c] = work[0, c]
    end, start = sampled[0, 0] if len(sampled) > 0 else work.shape[1], at
    for c in range(first, end):
        x[at] = work[0, c]
        at += 1
    put_steps(steps, x, start)
    for s in range(len(sampled)):
        u, levels, q, L = sampled[s, 0], sampled[s, 1], sampled[s, 2], sampled[s, 3]
        for g in range(levels):
            for i in range(q):
                for k in range(i + 1):
                    x[at] += x[L + i * q + k] * work[0, u + g * q + k]
                at += 1


@jit.inner
def _derivatives(work, blocks, W, sampled, steps, sigma, first, x, dx, at):
    """Add the likelihood's derivatives dx, in theta, to row 2 of work."""
    grad = work[2]
    for c in range(sigma, first):
        grad[c] += dx[at - first + c] * work[1, c]
    end = sampled[0, 0] if len(sampled) > 0 else work.shape[1]
    step_slopes(steps, work[0, first:], dx, at)
    for c in range(first, end):
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


@jit.inner
def polynomial_gradient(eta, terms, coefficients, out):
    """Gradient of sum_t c_t e_i e_j e_k e_l, (i, j, k, l) = terms[t] and e = (eta, 1)."""
    d = eta.size
    e, full = np.ones(d + 1), np.zeros(d + 1)
    copy(eta, e[:d])
    for t in range(len(terms)):
        i, j, k, l = terms[t, 0], terms[t, 1], terms[t, 2], terms[t, 3]  # noqa: E741
        first, last = coefficients[t] * e[i] * e[j], coefficients[t] * e[k] * e[l]
        full[i] += e[j] * last
        full[j] += e[i] * last
        full[k] += first * e[l]
        full[l] += first * e[k]
    copy(full, out)


@jit.njit(DENSITY_SIGNATURE, short_loops=True, nogil=True, error_model="numpy")
def density(eta, gradient, record):
    """Log density at eta (d,), and its gradient (d,); -inf and zeros where one is not finite.

    An empty `gradient` asks for the value alone. Within the surrogate's radius the gradient is the
    surrogate's.
    """
    d, sizes, given = eta.size, ints(record, SIZES), ints(record, LIKELIHOOD)
    n_x, n_v, n_L, sigma, first = sizes[0], sizes[1], sizes[2], sizes[3], sizes[5]
    blocks, W = ints(record, BLOCKS), np.empty(sizes[4])
    sampled, terms = ints(record, SAMPLED).reshape(-1, 4), ints(record, TERMS).reshape(-1, 4)
    steps = ints(record, STEPS)
    square = 0.0
    for i in range(d):
        square += eta[i] * eta[i]
    near = len(terms) > 0 and square <= reals(record, SQUARE)[0]
    exact = gradient.size > 0 and not near

    work, x, dx = np.empty((3, d)), np.zeros(n_x + n_L), np.zeros(n_x + n_L)
    theta, slopes = np.empty(d), np.empty((d, 2))
    call_to_theta(eta, record, WHITENING, theta)
    jacobian = apply_tails(theta, reals(record, TAILS), theta, slopes)
    share = reals(record, SHARE)
    apply_share(theta, share)
    codes, numbers = ints(record, CODES).reshape(d, 2), reals(record, NUMBERS).reshape(d, 6)
    prior = log_prior(theta, codes, numbers, work)
    gradient[:] = 0.0
    if not math.isfinite(prior):
        return -math.inf
    _parameters(work, blocks, W, sampled, steps, sigma, first, x, n_x - n_v)
    whole = carray(jit.pointer(given[1]), (given[2],), np.int64)  # type: ignore[call-arg]
    real = carray(jit.pointer(given[3]), (given[4],), np.float64)
    likelihood = _call(given[0], x[:n_x], dx[: n_x if exact else 0], whole, real)
    if exact:
        _derivatives(work, blocks, W, sampled, steps, sigma, first, x, dx, n_x - n_v)
        share_slopes(work[2], theta, share)
        for i in range(d):
            work[2, i] = work[2, i] * slopes[i, 0] + slopes[i, 1]
        call_to_z(work[2], record, WHITENING, gradient)
    elif near and gradient.size > 0:
        polynomial_gradient(eta, terms, reals(record, COEFFICIENTS), gradient)
    total = prior + likelihood + reals(record, LOG_DET)[0] + jacobian
    return finite_or_none(total, gradient)


c_density = as_c(density)
