"""Special functions that compiled likelihoods need and the standard library lacks."""

from __future__ import annotations

import math

from mixedbayes import jit

_SQRT_HALF = math.sqrt(0.5)
_FEW = 24.0  # factors of a product that takes less time than two gamma functions
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_EULER = 0.5772156649015329
_ZETA = (  # zeta(2), ..., zeta(8)
    1.6449340668482264, 1.2020569031595943, 1.0823232337111382, 1.03692775514337,
    1.0173430619844491, 1.008349277381923, 1.0040773561979444,
)  # fmt: skip


@jit.inner(inline="never")
def digamma(x):
    """d log Gamma(x) / dx for x > 0: recurrence up to 10, then the asymptotic series."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    w = 1.0 / (x * x)
    series = w * (
        1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132 - w * 691 / 32760))))
    )
    return total + math.log(x) - 0.5 / x - series


@jit.inner(inline="never")
def log_ndtr(x):
    """log Phi(x) and its derivative phi(x) / Phi(x); by a continued fraction far to the left."""
    if x > -6.0:
        p = 0.5 * math.erfc(-x * _SQRT_HALF)
        return math.log(p), math.exp(-0.5 * x * x - _LOG_SQRT_2PI) / p
    t = 0.0
    for k in range(40, 0, -1):
        t = k / (-x + t)
    hazard = -x + t  # phi(x) / Phi(x) = -x + 1/(-x + 2/(-x + ...))
    return -0.5 * x * x - _LOG_SQRT_2PI - math.log(hazard), hazard


@jit.inner(inline="never")
def lgamma1p(x):
    """log Gamma(1 + x) and its derivative, for x > -1; by the series in x where x is small."""
    if abs(x) > 1e-2:
        return math.lgamma(1.0 + x), digamma(1.0 + x)
    value, slope = 0.0, 0.0
    for k in range(8, 1, -1):  # (-x)^k zeta(k) / k
        zeta = _ZETA[k - 2]
        value = zeta / k - x * value
        slope = zeta - x * slope
    return x * (x * value - _EULER), x * slope - _EULER


@jit.inner(inline="never")
def exponential_tail(z, upper):
    """log P(E > h) if upper, else log P(E <= h), of a standard exponential E at h = exp(z).

    With the derivative by z.
    """
    h = math.exp(z) if z < 700.0 else math.inf
    if upper:
        return -h, -h
    if h < 1e-8:
        return z - 0.5 * h, 1.0 - 0.5 * h
    return math.log(-math.expm1(-h)), h / math.expm1(h) if h < 700.0 else 0.0


@jit.inner(forceinline=True)
def log_rest(value):
    """log(1 - p) and its derivative by log p, of a probability p whose logarithm is value."""
    if value >= 0.0:
        return -math.inf, 0.0
    if value < -0.7:
        p = math.exp(value)
        return math.log1p(-p), -p / (1.0 - p)
    rest = math.expm1(value)
    return math.log(-rest), 1.0 + 1.0 / rest


@jit.inner(inline="never")
def mills(x):
    """log(Phi(x) / phi(x)), phi(x) / Phi(x), and the latter plus x, which is positive; x <= 0."""
    if x > -6.0:
        hazard = math.exp(-0.5 * x * x - _LOG_SQRT_2PI) / (0.5 * math.erfc(-x * _SQRT_HALF))
        return -math.log(hazard), hazard, hazard + x
    t = 0.0
    for k in range(40, 0, -1):
        t = k / (-x + t)
    return -math.log(-x + t), -x + t, t


@jit.inner(inline="never")
def bessel(x):
    """log(I0(x) exp(-x)) and 1 - I1(x) / I0(x) for x > 0: by power series, beyond 30 by those in
    1 / x."""
    if x < 30.0:
        q = 0.25 * x * x
        term, zero, one = 1.0, 0.0, 1.0  # I0 - 1, and I1 / (x / 2)
        for k in range(1, 120):
            term *= q / (k * k)
            zero += term
            one += term / (k + 1.0)
            if term < 1e-18 * zero:
                break
        return math.log1p(zero) - x, 1.0 - 0.5 * x * one / (1.0 + zero)
    a, b, zero, gap = 1.0, 1.0, 1.0, 0.0  # terms of I0 and I1 over exp(x) / sqrt(2 pi x)
    for k in range(1, 25):
        odd = (2.0 * k - 1.0) ** 2
        a *= odd / (8.0 * x * k)
        b *= (odd - 4.0) / (8.0 * x * k)
        zero += a
        gap += a - b
    return math.log(zero) - 0.5 * math.log(2 * math.pi * x), gap / zero


@jit.inner(inline="never")
def rising(x, k):
    """log(Gamma(x + k) / (Gamma(x) x^k)), and digamma(x + k) - digamma(x), for x > 0 and k >= 0.

    By Stirling's series where x is large, so that nothing of its size is subtracted.
    """
    if k == 0.0:
        return 0.0, 0.0
    if x < 1e-300:
        return -math.inf, 0.0
    if x > 1e5:
        above = x + k
        value = (above - 0.5) * math.log1p(k / x) - k - k / (12.0 * x * above)
        slope = math.log1p(k / x) + 0.5 * k / (x * above)
        return value, slope + k * (1.0 / x + 1.0 / above) / (12.0 * x * above)
    if k <= _FEW and x > 1e-8 and k == math.floor(k):
        product, slope = 1.0, 0.0
        for j in range(int(k)):
            product *= 1.0 + j / x
            slope += 1.0 / (x + j)
        return math.log(product), slope
    return math.lgamma(x + k) - math.lgamma(x) - k * math.log(x), digamma(x + k) - digamma(x)


@jit.inner(forceinline=True)
def logs_of_share(z):
    """log p, log(1 - p), p and 1 - p for p with log odds z."""
    e = math.exp(-abs(z))
    small, large = e / (1.0 + e), 1.0 / (1.0 + e)
    log_large = -math.log1p(e)
    log_small = log_large - abs(z)
    if z > 0.0:
        return log_large, log_small, large, small
    return log_small, log_large, small, large
