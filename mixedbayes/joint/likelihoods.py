"""Log densities of rows and their derivatives, one compiled loop for each family and link.

Every loop takes eta, y, size and extra (n,) and the family's parameters, writes d log p / d eta
into slope (n,), adds d log p / d parameter to d_parameters, and returns the sum of log p without
the terms that depend on the data alone. What size and extra are depends on the family:

binomial: y successes among size trials; poisson: y counts in size rows, and
extra the log of their mean; negative binomial and beta:
size is how many times a row counts; normal, Student t and gamma: variance divided by size.
gamma: y, and extra = log y; beta: y = log(share), extra = log(1 - share); cumulative: y is the code
of a category, 0, 1, ..., and size how many times the row counts.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mixedbayes.joint.special import digamma, log_ndtr

BINOMIAL_LOGIT, BINOMIAL_PROBIT, BINOMIAL_CLOGLOG, POISSON, NEGATIVE_BINOMIAL = range(5)
NORMAL, STUDENT, GAMMA, BETA, CUMULATIVE_LOGIT, CUMULATIVE_PROBIT = range(5, 11)


@njit(error_model="numpy", nogil=True)
def _binomial_logit(eta, y, size, slope):
    total = 0.0
    for i in range(eta.size):
        e = math.exp(-abs(eta[i]))
        p = (1.0 if eta[i] > 0 else e) / (1.0 + e)
        total += y[i] * eta[i] - size[i] * (max(eta[i], 0.0) + math.log1p(e))
        slope[i] = y[i] - size[i] * p
    return total


@njit(error_model="numpy", nogil=True)
def _binomial_probit(eta, y, size, slope):
    total = 0.0
    for i in range(eta.size):
        slope[i] = 0.0
        if y[i] > 0:
            value, hazard = log_ndtr(eta[i])
            total += y[i] * value
            slope[i] += y[i] * hazard
        if y[i] < size[i]:
            value, hazard = log_ndtr(-eta[i])
            total += (size[i] - y[i]) * value
            slope[i] -= (size[i] - y[i]) * hazard
    return total


@njit(error_model="numpy", nogil=True)
def _binomial_cloglog(eta, y, size, slope):
    total = 0.0
    for i in range(eta.size):
        hazard = math.exp(min(eta[i], 700.0))
        total -= (size[i] - y[i]) * hazard
        slope[i] = -(size[i] - y[i]) * hazard
        if y[i] > 0:
            if hazard < 1e-300:
                total += y[i] * eta[i]
                slope[i] += y[i]
            else:
                total += y[i] * math.log(-math.expm1(-hazard))
                slope[i] += y[i] * hazard * math.exp(-hazard) / -math.expm1(-hazard)
    return total


@njit(error_model="numpy", nogil=True)
def _poisson(eta, y, size, extra, slope):
    total = 0.0
    for i in range(eta.size):
        mean = size[i] * math.exp(eta[i]) if eta[i] < 700.0 else math.inf
        total += y[i] * (eta[i] - extra[i]) - (mean - y[i])  # small beside large counts
        slope[i] = y[i] - mean
    return total


@njit(error_model="numpy", nogil=True)
def _nearly_poisson(eta, y, size, shape, slope):
    """The negative binomial of a large shape a, with d log p / da; nothing of size a is subtracted.

    With Stirling's series, log Gamma(x) = (x - 1/2) log x - x + 1 / 12 x + constant,

        y eta - y - (a + y) log(1 + (mu - y) / (a + y)) - log(1 + y / a) / 2 - y / 12 a (a + y).
    """
    total, derivative = 0.0, 0.0
    for i in range(eta.size):
        mu = math.exp(eta[i]) if eta[i] < 700.0 else math.inf
        above, q = shape + y[i], (y[i] - mu) / (shape + mu)
        step = y[i] / (shape * above)
        log_p = y[i] * (eta[i] - 1.0) - above * math.log1p((mu - y[i]) / above)
        total += size[i] * (log_p - 0.5 * math.log1p(y[i] / shape) - step / 12.0)
        slope[i] = size[i] * shape * q
        rest = math.log1p(q) - q if abs(q) > 1e-4 else -q * q * (0.5 - q / 3.0)
        derivative += size[i] * (rest + 0.5 * step + step * (1.0 / shape + 1.0 / above) / 12.0)
    return total, derivative


@njit(error_model="numpy", nogil=True)
def _negative_binomial(eta, y, size, parameters, slope, d_parameters):
    shape = parameters[0]
    if shape > 1e5:
        total, derivative = _nearly_poisson(eta, y, size, shape, slope)
        d_parameters[0] += derivative
        return total
    log_shape, at_zero, d_at_zero = math.log(shape), math.lgamma(shape), digamma(shape)
    total, derivative = 0.0, 0.0
    for i in range(eta.size):
        # log(mu + shape) without overflow
        high = max(eta[i], log_shape)
        log_sum = high + math.log1p(math.exp(-abs(eta[i] - log_shape)))
        share = math.exp(eta[i] - log_sum)  # mu / (mu + shape)
        ways, d_ways = 0.0, 0.0
        if y[i] > 0:
            ways = math.lgamma(y[i] + shape) - at_zero
            d_ways = digamma(y[i] + shape) - d_at_zero
        total += size[i] * (ways + shape * (log_shape - log_sum) + y[i] * (eta[i] - log_sum))
        slope[i] = size[i] * (y[i] - (y[i] + shape) * share)
        rest = math.exp(-log_sum)
        derivative += size[i] * (d_ways + log_shape - log_sum + 1.0 - (y[i] + shape) * rest)
    d_parameters[0] += derivative
    return total


@njit(error_model="numpy", nogil=True)
def _normal(eta, y, size, parameters, slope, d_parameters):
    sigma = parameters[0]
    square = 0.0
    for i in range(eta.size):
        z = (y[i] - eta[i]) / sigma
        square += size[i] * z * z
        slope[i] = size[i] * z / sigma
    d_parameters[0] += (square - eta.size) / sigma
    return -eta.size * math.log(sigma) - 0.5 * square


@njit(error_model="numpy", nogil=True)
def _student(eta, y, size, parameters, slope, d_parameters):
    sigma, nu = parameters[0], parameters[1]
    logs, ratios = 0.0, 0.0
    for i in range(eta.size):
        z = (y[i] - eta[i]) / sigma
        square = size[i] * z * z
        logs += math.log1p(square / nu)
        ratio = (nu + 1.0) / (nu + square)
        ratios += ratio * square
        slope[i] = size[i] * ratio * z / sigma
    half = 0.5 * (nu + 1.0)
    n = eta.size
    d_parameters[0] += (ratios - n) / sigma
    if nu < 1e5:
        d_constant = 0.5 * (digamma(half) - digamma(0.5 * nu) - 1.0 / nu)
        log_ratio = math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu)
    else:  # of Gamma(x + 1/2) to Gamma(x), by its series
        d_constant = 0.25 / (nu * nu)
        log_ratio = -0.5 * math.log(2.0) - 0.25 / nu
    d_parameters[1] += n * d_constant - 0.5 * logs + 0.5 * ratios / nu
    return n * (log_ratio - math.log(sigma)) - half * logs


@njit(error_model="numpy", nogil=True)
def _gamma(eta, y, size, extra, parameters, slope, d_parameters):
    total, derivative = 0.0, 0.0
    before, log_a, lgamma_a, digamma_a = -1.0, 0.0, 0.0, 0.0
    for i in range(eta.size):
        a = parameters[0] * size[i]
        if a != before:
            before, log_a, lgamma_a, digamma_a = a, math.log(a), math.lgamma(a), digamma(a)
        ratio = y[i] * math.exp(-eta[i])
        total += a * (log_a + extra[i] - eta[i] - ratio) - lgamma_a
        slope[i] = a * (ratio - 1.0)
        derivative += size[i] * (log_a + 1.0 - digamma_a + extra[i] - eta[i] - ratio)
    d_parameters[0] += derivative
    return total


@njit(error_model="numpy", nogil=True)
def _beta(eta, y, size, extra, parameters, slope, d_parameters):
    phi = parameters[0]
    lgamma_phi, digamma_phi = math.lgamma(phi), digamma(phi)
    total, derivative = 0.0, 0.0
    for i in range(eta.size):
        e = math.exp(-abs(eta[i]))
        mu, rest = 1.0 / (1.0 + e), e / (1.0 + e)
        if eta[i] < 0:
            mu, rest = rest, mu
        a, b = mu * phi, rest * phi
        if a < 1e-300 or b < 1e-300:
            return -math.inf
        d_a, d_b = y[i] - digamma(a), extra[i] - digamma(b)
        log_p = lgamma_phi - math.lgamma(a) - math.lgamma(b) + a * y[i] + b * extra[i]
        total += size[i] * log_p
        slope[i] = size[i] * phi * (d_a - d_b) * mu * rest
        derivative += size[i] * (digamma_phi + mu * d_a + rest * d_b)
    d_parameters[0] += derivative
    return total


@njit(error_model="numpy", nogil=True)
def _cumulative_logit(eta, y, size, cuts, slope, d_cuts):
    """log(F(b) - F(a)) = log(1 - exp(a - b)) + log F(b) + log(1 - F(a)), F logistic."""
    m, total = cuts.size, 0.0
    logs, rests = np.zeros(m + 1), np.zeros(m + 1)  # of the gap of each category, and its slope
    for k in range(1, m):
        gap = cuts[k] - cuts[k - 1]
        logs[k] = math.log(-math.expm1(-gap))
        rests[k] = 1.0 / math.expm1(gap) if gap < 700.0 else 0.0
    for i in range(eta.size):
        k = int(y[i])
        value, slope[i] = logs[k], 0.0
        if k < m:
            b = cuts[k] - eta[i]
            e = math.exp(-abs(b))
            above = (e if b > 0 else 1.0) / (1.0 + e)  # 1 - F(b)
            value -= max(-b, 0.0) + math.log1p(e)
            slope[i] -= size[i] * above
            d_cuts[k] += size[i] * (rests[k] + above)
        if k > 0:
            a = cuts[k - 1] - eta[i]
            e = math.exp(-abs(a))
            below = (1.0 if a > 0 else e) / (1.0 + e)  # F(a)
            value -= max(a, 0.0) + math.log1p(e)
            slope[i] += size[i] * below
            d_cuts[k - 1] -= size[i] * (rests[k] + below)
        total += size[i] * value
    return total


@njit(error_model="numpy", nogil=True)
def interval_probit(low, high):
    """log(Phi(high) - Phi(low)) and its derivatives in low and high, from the lighter tail."""
    if low == -math.inf:
        value, hazard = log_ndtr(high)
        return value, 0.0, hazard
    if high == math.inf:
        value, hazard = log_ndtr(-low)
        return value, -hazard, 0.0
    flip = low + high > 0.0
    a, b = (-high, -low) if flip else (low, high)
    (log_a, hazard_a), (log_b, hazard_b) = log_ndtr(a), log_ndtr(b)
    ratio = math.exp(log_a - log_b)
    share = -math.expm1(log_a - log_b)  # of Phi(b)
    d_a, d_b = -hazard_a * ratio / share, hazard_b / share
    if flip:
        d_a, d_b = -d_b, -d_a
    return log_b + math.log(share), d_a, d_b


@njit(error_model="numpy", nogil=True)
def _cumulative_probit(eta, y, size, cuts, slope, d_cuts):
    m, total = cuts.size, 0.0
    for i in range(eta.size):
        k = int(y[i])
        low = cuts[k - 1] - eta[i] if k > 0 else -math.inf
        high = cuts[k] - eta[i] if k < m else math.inf
        value, d_low, d_high = interval_probit(low, high)
        total += size[i] * value
        slope[i] = -size[i] * (d_low + d_high)
        if k > 0:
            d_cuts[k - 1] += size[i] * d_low
        if k < m:
            d_cuts[k] += size[i] * d_high
    return total


@njit(error_model="numpy", nogil=True)
def rows(code, eta, y, size, extra, parameters, slope, d_parameters):
    """The family's loop."""
    if code == BINOMIAL_LOGIT:
        return _binomial_logit(eta, y, size, slope)
    if code == BINOMIAL_PROBIT:
        return _binomial_probit(eta, y, size, slope)
    if code == BINOMIAL_CLOGLOG:
        return _binomial_cloglog(eta, y, size, slope)
    if code == POISSON:
        return _poisson(eta, y, size, extra, slope)
    if code == NEGATIVE_BINOMIAL:
        return _negative_binomial(eta, y, size, parameters, slope, d_parameters)
    if code == NORMAL:
        return _normal(eta, y, size, parameters, slope, d_parameters)
    if code == STUDENT:
        return _student(eta, y, size, parameters, slope, d_parameters)
    if code == GAMMA:
        return _gamma(eta, y, size, extra, parameters, slope, d_parameters)
    if code == BETA:
        return _beta(eta, y, size, extra, parameters, slope, d_parameters)
    if code == CUMULATIVE_LOGIT:
        return _cumulative_logit(eta, y, size, parameters, slope, d_parameters)
    return _cumulative_probit(eta, y, size, parameters, slope, d_parameters)


@njit(error_model="numpy", nogil=True)
def stacked_rows(code, own, eta, y, size, extra, parameters, slope, d_parameters):
    """Rows with parameters of their own: bit k of `own` is set for the family's k-th one.

    eta has the mean's predictor in the first n places, and below it the logarithms of these
    parameters, n each; `parameters` are the others.
    """
    m = parameters.size
    for k in range(8):
        m += own >> k & 1
    n = eta.size // (1 + m - parameters.size)
    values, slopes, total = np.empty(m), np.empty(m), 0.0
    e, v, w, x, d = np.empty(1), np.empty(1), np.empty(1), np.empty(1), np.empty(1)
    for i in range(n):
        at, free = i, 0
        for k in range(m):
            slopes[k] = 0.0
            if own >> k & 1:
                at += n
                values[k] = math.exp(eta[at])
            else:
                values[k] = parameters[free]
                free += 1
        e[0], v[0], w[0], x[0] = eta[i], y[i], size[i], extra[i]
        total += rows(code, e, v, w, x, values, d, slopes)
        slope[i], at, free = d[0], i, 0
        for k in range(m):
            if own >> k & 1:
                at += n
                slope[at] = slopes[k] * values[k]
            else:
                d_parameters[free] += slopes[k]
                free += 1
    return total
