"""The joint log density and its gradient as one compiled function of a `theta.record`."""

from __future__ import annotations

import math

import numpy as np

from mixedbayes import jit
from mixedbayes.joint import partially_centred
from mixedbayes.joint.loop import call
from mixedbayes.joint.operator import add_from_rows, add_to_rows, mix
from mixedbayes.joint.ordered import order_slopes, put_in_order
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
    # d, h, n rows, p columns, intercept?, prior of what takes its place at zero?, address of the
    # loop over the rows, coordinates of the family's parameters, vectors of thresholds, which
    # have formulas (see loop), number of thresholds, the last of those coordinates, and of
    # population effects, p unless some are monotonic
    "sizes",
    # (K, 13) q, J, place in roots, first effect, how rows have columns (see operator), place in
    # refs, Z and information, levels that a row lies in, first of its rows and the one after the
    # last, place in mixes or -1, place in shares or -1
    "factors",
    "blocks",  # as terms.roots reads them
    "refs",  # (m, k) of each factor, for the m rows that it has columns in
    "nests",  # (N, 5) finer and coarser factor, term of each, place in maps; by finer factor
    "maps",  # for each nest the coarser factor's level of each level of the finer one
    "codes",  # (h + coefficients, 2) priors, see logpriors
    "numbers",  # (h + coefficients, 6)
    "Z",  # (m, k, q) of each factor, or (m, J)
    "X",  # (n, p) centred columns
    "means",  # (p,)
    "plain",  # (P, 2) column and population effect, of those that are one another's
    # of each monotonic effect the number D of its steps, which effect it is, the coordinate of its
    # first share, and its D columns; see theta.simplex
    "steps",
    "offset",  # (n,)
    "y", "size", "extra",  # (n,)
    "information",  # K (J, q, q) of each factor, see coordinates
    "scores",  # h (J, q) likewise
    "mixes",  # (J, J) of those factors that have one, see coordinates
    "shares",  # (J,) likewise
    "falls",  # (D, 3) factor, finer factor, and place in `rates` of v_0 and m (J,), see coordinates
    "rates",
    "tails",  # (h, 3) a, m, s; see theta.tails
    "constant",  # (1,)
    "vectors",  # (V, 2) how many thresholds each vector has, and whether they increase
    *whitening.SECTIONS,
)  # fmt: skip
(SIZES, FACTORS, BLOCKS, REFS, NESTS, MAPS, CODES, NUMBERS, ZED, EX, MEANS, PLAIN, STEPS, OFFSET,
 WHY, SIZE, EXTRA, INFORMATION, SCORES, MIXES, SHARES, FALLS, RATES, TAILS, CONSTANT, VECTORS,
 WHITENING, *_) = places(SECTIONS).values()  # fmt: skip
LOG_DET = WHITENING + whitening.LOG_DET


@jit.inner
def _share(t):
    """What a share is of its coordinate."""
    e = math.exp(-abs(t))
    return (1.0 if t > 0 else e) / (1.0 + e)


@jit.inner
def joint(theta, grad, record):
    """Log density at theta (d,), and its gradient (d,)."""
    sizes = ints(record, SIZES)
    h, n, p, intercept, at_zero = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    factors = ints(record, FACTORS).reshape(-1, 13)
    blocks, refs, ez = ints(record, BLOCKS), ints(record, REFS), reals(record, ZED)
    X, means = reals(record, EX).reshape(n, p), reals(record, MEANS)
    information, mixes = reals(record, INFORMATION), reals(record, MIXES)
    shares, scores = reals(record, SHARES), reals(record, SCORES)
    nests, maps = ints(record, NESTS).reshape(-1, 5), ints(record, MAPS)
    n_effects = sizes[11]
    K, k0 = len(factors), theta.size - n_effects - intercept
    plain, steps = ints(record, PLAIN).reshape(-1, 2), ints(record, STEPS)
    work = np.empty((3, h + intercept + n_effects))
    point = np.empty(h + intercept + n_effects)
    tail_slopes = np.empty((h, 2))
    jacobian = apply_tails(theta, reals(record, TAILS).reshape(h, 3), point, tail_slopes)
    copy(theta[k0:], point[h:])
    beta, d_beta = np.empty(p), np.zeros(p)
    for i in range(len(plain)):
        beta[plain[i, 0]] = theta[k0 + intercept + plain[i, 1]]
    at = 0
    while at < steps.size:
        D, left = steps[at], 1.0
        average = theta[k0 + intercept + steps[at + 1]]
        for i in range(D):
            z = _share(point[steps[at + 2] + i]) if i < D - 1 else 1.0
            beta[steps[at + 3 + i]] = average * D * left * z
            left *= 1.0 - z
        at += D + 3
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
        point[levels:h] += shift
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    total = log_prior(point, codes, numbers, work) + jacobian
    if not math.isfinite(total):
        return -math.inf
    # forward: effects, then the predictor
    eta = reals(record, OFFSET).copy()
    if intercept:
        eta += theta[k0]
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
        information, scores = information.copy(), scores.copy()
    for fall in falls:
        c, o, s, at = factors[fall[0], 7], factors[fall[0], 3] - h, factors[fall[1], 2], fall[2]
        for g in range(factors[fall[0], 1]):
            kept = 1.0 / (1.0 + (root[s] ** 2 - rates[at]) * rates[at + 1 + g])
            information[c + g] *= kept
            scores[o + g] *= kept
    b, u, db = np.zeros(k0 - h), np.zeros(k0 - h), np.zeros(k0 - h)
    above, d_above = np.zeros(k0 - h), np.zeros(k0 - h)  # of coarser factors that contain a level
    common = 0.0  # of effects, in the intercept's coordinate
    for k in range(K - 1, -1, -1):  # coarser factors are later
        q, J, s, e, how, r, z, c, pieces, low, high, m0, w0 = factors[k]
        o = e - h
        span = slice(o, o + J * q)
        for nest in nests:
            if nest[0] == k:
                q_up, o_up = factors[nest[1], 0], factors[nest[1], 3] - h + nest[3]
                for g in range(J):
                    above[o + g * q + nest[2]] += b[o_up + maps[nest[4] + g] * q_up]
        S = root[s : s + q * q].reshape(q, q)
        total += partially_centred.effects(
            theta[e : e + J * q], above[span], J, q, S, information[c:], scores[span], b[span],
            u[span],
        )  # fmt: skip
        own_share = 0.0
        if w0 >= 0:
            for g in range(J):
                own_share += shares[w0 + g] * b[o + g * q]
            common += own_share
        if m0 >= 0:
            mix(mixes[m0:], b[span], J, q, False)
        if w0 >= 0:
            for g in range(J):
                b[o + g * q] -= own_share
        add_to_rows(eta, b[span], low, high, how, pieces, q, refs[r:], ez[z:])
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
        d_shift = work[2, levels:h].sum()
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
        grad[k0] += slope.sum()
    for i in range(n):
        for j in range(p):
            d_beta[j] += X[i, j] * slope[i]
    for i in range(len(plain)):
        grad[k0 + intercept + plain[i, 1]] += d_beta[plain[i, 0]]
    at = 0
    while at < steps.size:
        D, effect, first = steps[at], k0 + intercept + steps[at + 1], steps[at + 2]
        # what a unit of that which is left after i shares adds, by the steps that follow
        after = np.empty(D)
        after[D - 1] = d_beta[steps[at + 2 + D]]
        for i in range(D - 2, -1, -1):
            z = _share(point[first + i])
            after[i] = z * d_beta[steps[at + 3 + i]] + (1.0 - z) * after[i + 1]
        grad[effect] += D * after[0]
        left = theta[effect] * D
        for i in range(D - 1):
            z = _share(point[first + i])
            own = d_beta[steps[at + 3 + i]]
            work[2, first + i] += left * (own - after[i + 1]) * z * (1.0 - z)
            left *= 1.0 - z
        at += D + 3
    for k in range(K):
        q, J, s, e, how, r, z, c, pieces, low, high, m0, w0 = factors[k]
        o = e - h
        span = slice(o, o + J * q)
        add_from_rows(slope, db[span], low, high, how, pieces, q, refs[r:], ez[z:])
    for k in range(K):
        q, J, s, e, how, r, z, c, pieces, low, high, m0, w0 = factors[k]
        o = e - h
        span = slice(o, o + J * q)
        S, dS = root[s : s + q * q].reshape(q, q), d_root[s : s + q * q].reshape(q, q)
        d_common = 0.0
        if w0 >= 0:
            d_common = -work[2, h]
            for g in range(J):
                d_common -= db[o + g * q]
        if m0 >= 0:
            mix(mixes[m0:], db[span], J, q, True)
        if w0 >= 0:
            for g in range(J):
                db[o + g * q] += shares[w0 + g] * d_common
        partially_centred.effect_slopes(
            grad[e : e + J * q], above[span], J, q, S, information[c:], scores[span], u[span],
            db[span], d_above[span], dS,
        )  # fmt: skip
        for fall in falls:
            if fall[0] == k:
                s, at = factors[fall[1], 2], fall[2]
                d_root[s] += root[s] * partially_centred.information_slope(
                    above[span], J, S[0, 0], information[c:], scores[span], u[span], db[span],
                    root[s] ** 2 - rates[at], rates[at + 1 :],
                )  # fmt: skip
        for nest in nests:
            if nest[0] == k:
                q_up, o_up = factors[nest[1], 0], factors[nest[1], 3] - h + nest[3]
                for g in range(J):
                    db[o_up + maps[nest[4] + g] * q_up] += d_above[o + g * q + nest[2]]
    root_slopes(work, blocks, W, d_root)
    for i in range(h):
        grad[i] = work[2, i] * tail_slopes[i, 0] + tail_slopes[i, 1]
    return total + reals(record, CONSTANT)[0]


@jit.njit(DENSITY_SIGNATURE, short_loops=True, nogil=True, error_model="numpy")
def density(z, gradient, record):
    """Log density of z (d,), theta = mode + M z, and its gradient; -inf where it is not finite."""
    theta, grad = np.empty(z.size), np.zeros(z.size)
    to_theta(z, record, WHITENING, theta)
    total = joint(theta, grad, record) + reals(record, LOG_DET)[0]
    to_z(grad, record, WHITENING, gradient)
    return finite_or_none(total, gradient)


c_density = as_c(density)
