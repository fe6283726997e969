"""The joint log density and its gradient as one compiled function of a `theta.record`."""

from __future__ import annotations

import math

import numpy as np

from mixedbayes import jit
from mixedbayes.joint.levels import call_from_rows, call_to_rows
from mixedbayes.joint.loop import call
from mixedbayes.joint.ordered import order_slopes, put_in_order
from mixedbayes.joint.sections import (
    BLOCKS,
    CODES,
    CONSTANT,
    EX,
    EXTRA,
    FACTORS,
    FALLS,
    INFORMATION,
    LOG_DET,
    MEANS,
    NUMBERS,
    OFFSET,
    PLAIN,
    RATES,
    SCORES,
    SHARES,
    SIZE,
    SIZES,
    STEPS,
    TAILS,
    VECTORS,
    WHITENING,
    WHY,
)
from mixedbayes.joint.stepped import column_slopes, columns_of
from mixedbayes.terms.roots import root_slopes, roots
from mixedbayes.theta.logpriors import log_prior
from mixedbayes.theta.record import (
    DENSITY_SIGNATURE,
    as_c,
    copied,
    copy,
    finite_or_none,
    ints,
    reals,
    total_of,
)
from mixedbayes.theta.tails import apply_tails
from mixedbayes.theta.whitening import call_to_theta, call_to_z


@jit.inner
def joint(theta, grad, record):
    """Log density at theta (d,), and its gradient (d,)."""
    sizes = ints(record, SIZES)
    h, n, p, intercept, at_zero = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    factors = ints(record, FACTORS).reshape(-1, 13)
    blocks = ints(record, BLOCKS)
    X, means = reals(record, EX).reshape(n, p), reals(record, MEANS)
    information, scores = reals(record, INFORMATION), reals(record, SCORES)
    shares = reals(record, SHARES)
    n_effects = sizes[11]
    K, k0 = len(factors), theta.size - n_effects - intercept
    plain, steps = ints(record, PLAIN), ints(record, STEPS)
    work = np.empty((3, h + intercept + n_effects))
    point = np.empty(h + intercept + n_effects)
    tail_slopes = np.empty((h, 2))
    jacobian = apply_tails(theta, reals(record, TAILS), point, tail_slopes)
    copy(theta[k0:], point[h:])
    beta, d_beta = np.empty(p), np.zeros(p)
    columns_of(plain, steps, theta[k0 + intercept :], point, beta)
    m, levels = sizes[7], h - sizes[10]  # thresholds begin there
    vectors, cuts = ints(record, VECTORS).reshape(-1, 2), np.empty(h - levels)
    first = levels
    for v in range(len(vectors)):
        last = first + vectors[v, 0]
        own = cuts[first - levels : last - levels]
        if vectors[v, 1]:
            jacobian += put_in_order(theta[first:last], own)
            copy(own, point[first:last])
        else:
            copy(point[first:last], own)
        first = last
    if at_zero:
        shift = 0.0
        for j in range(p):
            shift += means[j] * beta[j]
        if intercept:
            point[h] -= shift
        for i in range(levels, h):
            point[i] += shift
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    total = log_prior(point, codes, numbers, work) + jacobian
    if not math.isfinite(total):
        return -math.inf
    # forward: effects, then the predictor
    eta = copied(reals(record, OFFSET))
    if intercept:
        for i in range(eta.size):
            eta[i] += theta[k0]
    for i in range(n):
        for j in range(p):
            eta[i] += X[i, j] * beta[j]
    squares = 0
    for k in range(K):
        squares += factors[k, 0] ** 2
    W, root, d_root = np.empty(squares), np.zeros(squares), np.zeros(squares)
    roots(work, blocks, W, root)
    falls, rates = ints(record, FALLS).reshape(-1, 3), reals(record, RATES)
    if falls.size:
        information, scores = copied(information), copied(scores)
    for f in range(len(falls)):
        k, at, s = falls[f, 0], falls[f, 2], factors[falls[f, 1], 2]
        c, o = factors[k, 7], factors[k, 3] - h
        for g in range(factors[k, 1]):
            kept = 1.0 / (1.0 + (root[s] ** 2 - rates[at]) * rates[at + 1 + g])
            information[c + g] *= kept
            scores[o + g] *= kept
    b, u, above = np.zeros(k0 - h), np.zeros(k0 - h), np.zeros(k0 - h)
    total, common = call_to_rows(
        total, theta, root, information, scores, b, u, above, eta, h, record
    )
    if shares.size:
        own_prior = np.empty((3, 1))
        total -= log_prior(point[h : h + 1], codes[h : h + 1], numbers[h : h + 1], own_prior)
        point[h] -= common
        total += log_prior(point[h : h + 1], codes[h : h + 1], numbers[h : h + 1], own_prior)
        for i in range(3):
            work[i, h] = own_prior[i, 0]
    # the rows
    slope, d_parameters = np.empty(n), np.zeros(m)
    y, size, extra = reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    parameters = np.empty(m)
    copy(work[0, h - m : h], parameters)
    copy(cuts, parameters[m - cuts.size :])
    total += call(sizes[6], sizes[9], eta, y, size, extra, parameters, slope, d_parameters)
    # backward
    copy(work[2, h:], grad[k0:])
    if at_zero:
        d_shift = total_of(work[2, levels:h])
        if intercept:
            d_shift -= work[2, h]
        for j in range(p):
            d_beta[j] += means[j] * d_shift
    for i in range(m):
        work[2, h - m + i] += d_parameters[i] * work[1, h - m + i]
    first = levels
    for v in range(len(vectors)):
        last = first + vectors[v, 0]
        if vectors[v, 1]:
            order_slopes(theta[first:last], work[2, first:last])
        first = last
    if intercept:
        grad[k0] += total_of(slope)
    for i in range(n):
        for j in range(p):
            d_beta[j] += X[i, j] * slope[i]
    effects, d_effects = theta[k0 + intercept :], grad[k0 + intercept :]
    column_slopes(plain, steps, effects, point, d_beta, d_effects, work[2])
    pull = work[2, h] if shares.size else 0.0
    call_from_rows(slope, root, information, scores, u, above, d_root, grad, pull, h, record)
    root_slopes(work, blocks, W, d_root)
    for i in range(h):
        grad[i] = work[2, i] * tail_slopes[i, 0] + tail_slopes[i, 1]
    return total + reals(record, CONSTANT)[0]


@jit.njit(DENSITY_SIGNATURE, short_loops=True, nogil=True, error_model="numpy")
def density(z, gradient, record):
    """Log density of z (d,), theta = mode + M z, and its gradient; -inf where it is not finite."""
    theta, grad = np.empty(z.size), np.zeros(z.size)
    call_to_theta(z, record, WHITENING, theta)
    total = joint(theta, grad, record) + reals(record, LOG_DET)[0]
    call_to_z(grad, record, WHITENING, gradient)
    return finite_or_none(total, gradient)


c_density = as_c(density)
