"""The log density of variance parameters, family's parameters and coefficients, effects integrated.

One compiled function of a `theta.record`. theta holds the joint density's coordinates without the
effects: variances, family's parameters, the intercept at the columns' means, slopes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.joint.ordered import order_slopes, put_in_order
from mixedbayes.marginal.evaluate import polynomial_gradient
from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.integral import call_integrate
from mixedbayes.quadrature.nested import call_nested, scales_of
from mixedbayes.quadrature.proposals import draw_each
from mixedbayes.quadrature.sections import (
    ACTING,
    BLOCKS,
    CODES,
    COEFFICIENTS,
    CONSTANT,
    EX,
    EXTRA,
    FIRSTS,
    GROUPS,
    LOG_DET,
    MEANS,
    MODES,
    NODES,
    NUMBERS,
    PLACES,
    RATIOS,
    SIZE,
    SIZES,
    SLOTS,
    SQUARE,
    STEPS,
    TAILS,
    TERMS,
    WHITENING,
    WHY,
    ZED,
    call_stepped,
    coefficients,
    first_modes,
    keep,
    linear_predictor,
    parameters_of,
)
from mixedbayes.terms.roots import root_slopes, roots
from mixedbayes.theta.logpriors import log_prior
from mixedbayes.theta.record import (
    DENSITY_SIGNATURE,
    as_c,
    copy,
    finite_or_none,
    ints,
    reals,
)
from mixedbayes.theta.tails import apply_tails
from mixedbayes.theta.whitening import call_to_theta, call_to_z

_u = np.uint64  # of indices, see `integral`
_REALS = types.float64[::1]
MARGINAL_SIGNATURE = types.float64(*(_REALS,) * 4, types.int64[::1])
_marginal = jit.caller(MARGINAL_SIGNATURE)


@inner
def total_of(x, first, n):
    total = 0.0
    for i in range(first, first + n):
        total += x[_u(i)]
    return total


@jit.njit(MARGINAL_SIGNATURE, short_loops=True, nogil=True, error_model="numpy")
def marginal(theta, grad, each, found, record):
    """Log density at theta (d,), and its gradient (d,) unless that is empty.

    Of the groups log p into each (J,), and the modes of the standardised effects into found (q, J).
    """
    sizes = ints(record, SIZES)
    h, m, q, intercept, at_zero, k = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[10]
    effects = theta[h + intercept :]
    blocks, means = ints(record, BLOCKS), reals(record, MEANS)
    work, point, slopes = np.empty((3, theta.size)), theta.copy(), np.empty((h, 2))
    jacobian = apply_tails(theta, reals(record, TAILS), point, slopes)
    first_modes(record, point, found, each.size, 0, each.size)
    beta = coefficients(record, effects, point)
    cuts = np.empty(k)
    if sizes[11]:
        jacobian += put_in_order(theta[h - k : h], cuts)
        copy(cuts, point[h - k : h])
    else:
        copy(point[h - k : h], cuts)
    if at_zero:
        shift = 0.0
        for j in range(beta.size):
            shift += means[j] * beta[j]
        if intercept:
            point[h] -= shift
        for i in range(h - k, h):
            point[i] += shift
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    total = log_prior(point, codes, numbers, work) + jacobian
    if not math.isfinite(total):
        return -math.inf
    levels = ints(record, PLACES)
    D = levels.size
    wide = D if D > 0 else q
    W, L, d_L = np.empty(wide * wide), np.zeros(wide * wide), np.zeros(wide * wide)
    roots(work, blocks, W, L)
    n, J = reals(record, WHY).size, each.size
    eta = linear_predictor(record, theta, h, intercept, beta, 0, n)
    parameters, wanted = np.empty(m), grad.size > 0
    copy(work[0, h - m : h], parameters)
    copy(cuts, parameters[m - k :])
    kept = keep(record, parameters, 0, n)
    d_eta = np.zeros(eta.size if wanted else 0)
    if D > 0:
        scales, by_scale, d_own = scales_of(record, L), np.zeros(D), np.zeros(m)
        total += call_nested(
            sizes[9], scales, parameters, kept, eta, each, found, d_eta, by_scale, d_own, record
        )
        for d in range(D):
            d_L[levels[d] * (D + 1)] = by_scale[d]
    else:
        rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
        family = (*rows, parameters, kept, reals(record, STEPS))
        d_each, d_own = np.empty((q * q + m) * J if wanted else 0), np.empty(m)
        total += call_integrate(
            family, ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS),
            reals(record, NODES), reals(record, RATIOS), ints(record, ACTING), sizes[8],
            reals(record, ZED), L, eta, each, found, d_eta, d_each,
        )  # fmt: skip
        for i in range(q * q if wanted else 0):
            d_L[i] = total_of(d_each, i * J, J)
        for i in range(m if wanted else 0):
            d_own[i] = total_of(d_each, (q * q + i) * J, J)
    if not wanted:
        return total + reals(record, CONSTANT)[0]
    copy(work[2], grad)
    d_effects = grad[h + intercept :]
    d_beta = d_effects if sizes[12] == 0 else np.zeros(beta.size)
    if at_zero:
        d_shift = -work[2, h] if intercept else 0.0
        for i in range(h - k, h):
            d_shift += work[2, i]
        for j in range(beta.size):
            d_beta[j] += means[j] * d_shift
    X = reals(record, EX)
    if intercept:
        for i in range(n):
            grad[h] += d_eta[i]
    for j in range(beta.size):
        for i in range(d_eta.size):
            d_beta[j] += X[_u(j * d_eta.size + i)] * d_eta[i]
    if sizes[12] != 0:
        call_stepped(sizes[12], effects, point, beta, d_beta, d_effects, work[2], record)
    for i in range(m):
        work[2, h - m + i] += d_own[i] * work[1, h - m + i]
    if sizes[11]:
        order_slopes(theta[h - k : h], work[2, h - k : h])
    root_slopes(work, blocks, W, d_L)
    for i in range(h):
        grad[i] = work[2, i] * slopes[i, 0] + slopes[i, 1]
    return total + reals(record, CONSTANT)[0]


@jit.njit(
    "float64(float64[::1], int64, int64, uint64, int64, float64[::1], int64[::1])",
    nogil=True, error_model="numpy",
)  # fmt: skip
def draw_effects(phi, from_, to, key, tries, out, record):
    """u of the groups of some blocks given (phi, coefficients), without tails or units.

    See `draw_each`.
    """
    sizes = ints(record, SIZES)
    h, q, intercept = sizes[0], sizes[2], sizes[3]
    work, W, L = np.empty((3, phi.size)), np.empty(q * q), np.zeros(q * q)
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    log_prior(phi, codes, numbers, work)
    roots(work, ints(record, BLOCKS), W, L)
    blocks, firsts, slots = ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS)
    r0, r1 = slots[firsts[from_]], slots[firsts[to]]
    beta = coefficients(record, phi[h + intercept :], phi)
    eta = linear_predictor(record, phi, h, intercept, beta, r0, r1)
    parameters = parameters_of(record, work[0])
    kept = keep(record, parameters, r0, r1)
    u = np.empty(reals(record, MODES).size)
    first_modes(record, phi, u, u.size // q, blocks[from_], blocks[to])
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family = (*rows, parameters, kept, reals(record, STEPS))
    return draw_each(
        family, blocks, firsts, slots, from_, to, u.size // q, ints(record, ACTING), sizes[8],
        reals(record, ZED), L, eta, u, key, tries, out,
    )  # fmt: skip


@jit.njit(DENSITY_SIGNATURE, short_loops=True, nogil=True, error_model="numpy")
def density(z, gradient, record):
    """Log density of z (d,), theta = mode + M z, and its gradient; -inf where it is not finite.

    An empty `gradient` asks for the value alone. Within the surrogate's radius the gradient is the
    surrogate's.
    """
    terms, square = ints(record, TERMS).reshape(-1, 4), 0.0
    for i in range(z.size):
        square += z[i] * z[i]
    near = len(terms) > 0 and square <= reals(record, SQUARE)[0]
    exact = gradient.size > 0 and not near
    theta, grad = np.empty(z.size), np.zeros(z.size if exact else 0)
    call_to_theta(z, record, WHITENING, theta)
    found = np.empty(reals(record, MODES).size)
    each = np.empty(found.size // ints(record, SIZES)[2])
    total = (
        _marginal(ints(record, SIZES)[6], theta, grad, each, found, record)
        + reals(record, LOG_DET)[0]
    )
    if exact:
        call_to_z(grad, record, WHITENING, gradient)
    elif near and gradient.size > 0:
        polynomial_gradient(z, terms, reals(record, COEFFICIENTS), gradient)
    return finite_or_none(total, gradient)


c_density = as_c(density)


def address() -> int:
    """That of `marginal`."""
    return jit.address(marginal, MARGINAL_SIGNATURE)
