"""The log density of variance parameters, family's parameters and coefficients, effects integrated.

One compiled function of a `theta.record`. theta holds the joint density's coordinates without the
effects: variances, family's parameters, the intercept at the columns' means, slopes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.evaluate import polynomial_gradient
from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.integral import integrate
from mixedbayes.quadrature.nested import draw_outer, integrate_nested
from mixedbayes.quadrature.proposals import draw_each
from mixedbayes.quadrature.rows import call
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
from mixedbayes.theta.tails import apply_tails
from mixedbayes.theta.whitening import to_theta, to_z

# Sections of the record.
SECTIONS = (
    # h variances and family's parameters, of these m the family's, q, intercept?, is its prior at
    # zero?, addresses of the rows' function and
    # of `marginal`, numbers that are kept of a row, are rows concave?
    "sizes",
    "blocks",  # as terms.roots reads them
    # as `blocks.Blocks` has them: first group of each block, and J; first slot of each block; first
    # row of each slot, and n
    "groups", "firsts", "slots",
    "codes", "numbers",  # (d, 2), (d, 6) priors, see logpriors
    "nodes", "ratios",  # (q, K), (K,)
    # (q, J) where the search for the modes of u starts at `centre` (d,), which is theta without
    # tails; and how they move with it (d, q, J), without entries where that is not known
    "modes", "centre", "moves",
    # Rows of P predictors, n each: (q, P n), (p, P n) centred columns, (p,), (P n,); on which of
    # the predictors effects act (R,); and the steps of differences in the predictors (P n,)
    "Z", "X", "means", "offset", "acting", "steps",
    # Of an outer factor, without entries where there is none: the level of each group (J,) and row
    # (n,), what rows have of its effects (n,), where searches for their modes start
    "above", "containing", "within", "tops",
    "y", "size", "extra",  # (n,)
    "tails",  # (h, 3)
    "constant",  # (1,)
    "terms", "coefficients", "square",  # of the surrogate, and the square of its radius
    *whitening.SECTIONS,
)  # fmt: skip
(SIZES, BLOCKS, GROUPS, FIRSTS, SLOTS, CODES, NUMBERS, NODES, RATIOS, MODES, CENTRE, MOVES, ZED,
 EX, MEANS, OFFSET, ACTING, STEPS, ABOVE, OUTER,
 COLUMNS, TOPS, WHY, SIZE, EXTRA, TAILS, CONSTANT, TERMS, COEFFICIENTS, SQUARE,
 WHITENING, *_) = (
    places(SECTIONS).values()
)  # fmt: skip
LOG_DET = WHITENING + whitening.LOG_DET
_u = np.uint64  # of indices, see `integral`
_REALS = types.float64[::1]
MARGINAL_SIGNATURE = types.float64(*(_REALS,) * 4, types.int64[::1])
_marginal = jit.caller(MARGINAL_SIGNATURE)


@inner
def linear_predictor(record, theta, h, intercept, r0, r1):
    """eta (P, n) without the effects, of rows r0 to r1 of each predictor."""
    offset, X = reals(record, OFFSET), reals(record, EX)
    N, n, start = offset.size, reals(record, WHY).size, h + intercept
    eta, level = np.empty(N), theta[h] if intercept else 0.0
    for first in range(0, N, n):
        for i in range(first + r0, first + r1):
            eta[_u(i)] = offset[_u(i)] + level
        for j in range(theta.size - start):
            slope, at = theta[start + j], j * N
            for i in range(first + r0, first + r1):
                eta[_u(i)] += X[_u(at + i)] * slope
    return eta


@inner
def keep(record, parameters, r0, r1):
    """What rows r0 to r1 hold for these parameters, see `RowDensity.kept`, row by row."""
    sizes, y, none = ints(record, SIZES), reals(record, WHY), np.empty(0)
    kept = np.empty(sizes[7] * y.size)
    if sizes[7] > 0:
        call(
            sizes[5], r0, reals(record, OFFSET)[r0:r1], y, reals(record, SIZE),
            reals(record, EXTRA), parameters, kept, none, none, none,
        )  # fmt: skip
    return kept


@inner
def total_of(x, first, n):
    total = 0.0
    for i in range(first, first + n):
        total += x[_u(i)]
    return total


@inner
def first_modes(record, phi, u, J, j0, j1):
    """Fills u (q, J) of groups j0 to j1 with where the searches start."""
    start, moves, centre = reals(record, MODES), reals(record, MOVES), reals(record, CENTRE)
    for a in range(start.size // J):
        for i in range(a * J + j0, a * J + j1):
            u[_u(i)] = start[_u(i)]
        for c in range(phi.size if moves.size > 0 else 0):
            away, at = phi[c] - centre[c], c * start.size
            for i in range(a * J + j0, a * J + j1):
                u[_u(i)] += moves[_u(at + i)] * away


@jit.njit(MARGINAL_SIGNATURE, nogil=True, error_model="numpy")
def marginal(theta, grad, each, found, record):
    """Log density at theta (d,), and its gradient (d,) unless that is empty.

    Of the groups log p into each (J,), and the modes of the standardised effects into found (q, J).
    """
    sizes = ints(record, SIZES)
    h, m, q, intercept, at_zero = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    p, first = theta.size - h - intercept, sizes[0] + sizes[3]
    blocks, means = ints(record, BLOCKS), reals(record, MEANS)
    work, point, slopes = np.empty((3, theta.size)), theta.copy(), np.empty((h, 2))
    jacobian = apply_tails(theta, reals(record, TAILS).reshape(h, 3), point, slopes)
    first_modes(record, point, found, each.size, 0, each.size)
    if at_zero:
        for j in range(p):
            point[h] -= means[j] * theta[first + j]
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    total = log_prior(point, codes, numbers, work) + jacobian
    if not math.isfinite(total):
        return -math.inf
    tops = reals(record, TOPS)
    wide = q + (1 if tops.size > 0 else 0)
    W, L, d_L = np.empty(wide * wide), np.zeros(wide * wide), np.zeros(wide * wide)
    roots(work, blocks, W, L)
    n, J = reals(record, WHY).size, each.size
    eta = linear_predictor(record, theta, h, intercept, 0, n)
    parameters, wanted = np.empty(m), grad.size > 0
    copy(work[0, h - m : h], parameters)
    kept = keep(record, parameters, 0, n)
    d_eta = np.zeros(eta.size if wanted else 0)
    d_each = np.empty((q * q + m) * J if wanted else 0)
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family = (*rows, parameters, kept, reals(record, STEPS))
    by_scale = 0.0
    if tops.size == 0:
        total += integrate(
            family, ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS),
            reals(record, NODES), reals(record, RATIOS), ints(record, ACTING), sizes[8],
            reals(record, ZED), L, eta, each, found, d_eta, d_each,
        )  # fmt: skip
    else:
        found_total, by_scale = integrate_nested(
            family, ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS),
            reals(record, NODES), reals(record, RATIOS), ints(record, ACTING), sizes[8],
            reals(record, ZED), L[: q * q], eta, each, found, d_eta, d_each,
            ints(record, ABOVE), ints(record, OUTER), reals(record, COLUMNS), L[wide * wide - 1],
            tops.copy(),
        )  # fmt: skip
        total += found_total
    if not wanted:
        return total + reals(record, CONSTANT)[0]
    copy(work[2], grad)
    if at_zero:
        for j in range(p):
            grad[first + j] -= means[j] * work[2, h]
    X = reals(record, EX)
    if intercept:
        for i in range(n):
            grad[h] += d_eta[i]
    for j in range(p):
        for i in range(d_eta.size):
            grad[first + j] += X[_u(j * d_eta.size + i)] * d_eta[i]
    for i in range(q * q):
        d_L[i] = total_of(d_each, i * J, J)
    if tops.size > 0:
        d_L[wide * wide - 1] = by_scale
    for i in range(m):
        work[2, h - m + i] += total_of(d_each, (q * q + i) * J, J) * work[1, h - m + i]
    root_slopes(work, blocks, W, d_L)
    for i in range(h):
        grad[i] = work[2, i] * slopes[i, 0] + slopes[i, 1]
    return total + reals(record, CONSTANT)[0]


@jit.njit(
    "float64(float64[::1], uint64, int64, float64[::1], float64[::1], int64[::1])",
    nogil=True, error_model="numpy",
)  # fmt: skip
def draw_nested(phi, key, tries, out, v, record):
    """u of all groups, and v (A,) of the outer levels, as `draw_effects`."""
    sizes = ints(record, SIZES)
    h, m, q, intercept = sizes[0], sizes[1], sizes[2], sizes[3]
    wide = q + 1
    work, W, L = np.empty((3, phi.size)), np.empty(wide * wide), np.zeros(wide * wide)
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    log_prior(phi, codes, numbers, work)
    roots(work, ints(record, BLOCKS), W, L)
    blocks, firsts, slots = ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS)
    n = reals(record, WHY).size
    eta = linear_predictor(record, phi, h, intercept, 0, n)
    parameters = np.empty(m)
    copy(work[0, h - m : h], parameters)
    kept = keep(record, parameters, 0, n)
    u = np.empty(reals(record, MODES).size)
    J = u.size // q
    first_modes(record, phi, u, J, 0, J)
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family, each = (*rows, parameters, kept, reals(record, STEPS)), np.empty(J)
    copy(reals(record, TOPS), v)
    own, Z, acting = L[: q * q], reals(record, ZED), ints(record, ACTING)
    first = draw_outer(
        family, blocks, firsts, slots, reals(record, NODES), reals(record, RATIOS), acting,
        sizes[8], Z, own, eta, each, u, ints(record, ABOVE), ints(record, OUTER),
        reals(record, COLUMNS), L[wide * wide - 1], v, ~key, tries,
    )  # fmt: skip
    if not math.isfinite(first):
        return math.nan
    then = draw_each(
        family, blocks, firsts, slots, 0, blocks.size - 1, J, acting, sizes[8], Z, own, eta, u,
        key, tries, out,
    )  # fmt: skip
    return min(first, then)


@jit.njit(
    "float64(float64[::1], int64, int64, uint64, int64, float64[::1], int64[::1])",
    nogil=True, error_model="numpy",
)  # fmt: skip
def draw_effects(phi, from_, to, key, tries, out, record):
    """u of the groups of some blocks given (phi, coefficients), without tails or units.

    See `draw_each`.
    """
    sizes = ints(record, SIZES)
    h, m, q, intercept = sizes[0], sizes[1], sizes[2], sizes[3]
    work, W, L = np.empty((3, phi.size)), np.empty(q * q), np.zeros(q * q)
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    log_prior(phi, codes, numbers, work)
    roots(work, ints(record, BLOCKS), W, L)
    blocks, firsts, slots = ints(record, GROUPS), ints(record, FIRSTS), ints(record, SLOTS)
    r0, r1 = slots[firsts[from_]], slots[firsts[to]]
    eta = linear_predictor(record, phi, h, intercept, r0, r1)
    parameters = np.empty(m)
    copy(work[0, h - m : h], parameters)
    kept = keep(record, parameters, r0, r1)
    u = np.empty(reals(record, MODES).size)
    first_modes(record, phi, u, u.size // q, blocks[from_], blocks[to])
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family = (*rows, parameters, kept, reals(record, STEPS))
    return draw_each(
        family, blocks, firsts, slots, from_, to, u.size // q, ints(record, ACTING), sizes[8],
        reals(record, ZED), L, eta, u, key, tries, out,
    )  # fmt: skip


@jit.njit(DENSITY_SIGNATURE, nogil=True, error_model="numpy")
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
    to_theta(z, record, WHITENING, theta)
    found = np.empty(reals(record, MODES).size)
    each = np.empty(found.size // ints(record, SIZES)[2])
    total = (
        _marginal(ints(record, SIZES)[6], theta, grad, each, found, record)
        + reals(record, LOG_DET)[0]
    )
    if exact:
        to_z(grad, record, WHITENING, gradient)
    elif near and gradient.size > 0:
        polynomial_gradient(z, terms, reals(record, COEFFICIENTS), gradient)
    return finite_or_none(total, gradient)


c_density = as_c(density)


def address() -> int:
    """That of `marginal`."""
    return jit.address(marginal, MARGINAL_SIGNATURE)
