"""The distribution function of the skew normal distribution, without loss of digits in its tails.

The standard one has the density 2 phi(z) Phi(alpha z). Its distribution function is
Phi(z) - 2 T(z, alpha) with Owen's T (Azzalini 1985, Scandinavian Journal of Statistics 12, 171-178;
Owen 1956, doi:10.1214/aoms/1177728074).
"""

from __future__ import annotations

import math

from mixedbayes import jit
from mixedbayes.numerics.legendre import legendre
from mixedbayes.numerics.special import log_ndtr, log_rest, mills

_NODES, _WEIGHTS = legendre(48)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_SQRT_HALF = math.sqrt(0.5)
_RANGE = 60.0  # -log of the integrand at the end of the range
_REACH = 9.0  # beyond it a normal density has no digits

_never = jit.inner(inline="never")


@_never
def log_skew_tail(z, alpha, upper):
    """log P(Z > z) if upper, else log P(Z <= z), with its derivatives by z and alpha."""
    if upper:
        value, d_z, d_alpha = _log_lower(-z, -alpha)
        return value, -d_z, -d_alpha
    return _log_lower(z, alpha)


@_never
def _log_lower(z, alpha):
    """Of the lower tail, which is the long one where alpha < 0."""
    if z > 0.0:
        value, _ = log_rest(_log_below(z, -alpha))
        if value < -0.7 and alpha > 1.0:  # little of 1 is left, and both parts are positive
            at, part = alpha * z, math.erf(z * _SQRT_HALF)
            below = part * 0.5 * math.erfc(-at * _SQRT_HALF)
            value = math.log(below + 2.0 * _owen(at, 1.0 / alpha))
    else:
        value = _log_below(-z, alpha)
    # of F: 2 phi(z) Phi(alpha z) and -exp(-z^2 (1 + alpha^2) / 2) / (pi (1 + alpha^2))
    other, _ = log_ndtr(alpha * z)
    d_z = math.exp(math.log(2.0) - 0.5 * z * z - _LOG_SQRT_2PI + other - value)
    one = 1.0 + alpha * alpha
    return value, d_z, -math.exp(-0.5 * z * z * one - value) / (math.pi * one)


@_never
def _log_below(h, alpha):
    """log P(Z <= -h) for h >= 0."""
    _, hazard, _ = mills(-h)  # phi(h) / Q(h)
    log_phi = -0.5 * h * h - _LOG_SQRT_2PI
    if alpha <= 0.0:
        size = -alpha
        if size <= 1.0:
            share = 1.0 / hazard + 2.0 * _scaled_owen(h, size)
        else:  # T(h, a) + T(a h, 1 / a) is (Q(h) + Q(a h)) / 2 - Q(h) Q(a h)
            at = size * h
            other = 0.5 * math.erfc(at * _SQRT_HALF) * (1.0 - math.erfc(h * _SQRT_HALF))
            if log_phi > -690.0:
                other = (other - 2.0 * _owen(at, 1.0 / size)) * math.exp(-log_phi)
            else:
                other = 0.0
            share = 2.0 / hazard + other
        return log_phi + math.log(share)
    # 2 integral from h of phi(r) Q(alpha r) dr, log-concave: by its own decline
    at = alpha * h
    first, there, _ = mills(-at)
    slope = h + alpha * there
    curvature = 1.0 + 0.6 * alpha * alpha
    length = 2.0 * _RANGE / (slope + math.sqrt(slope * slope + 2.0 * curvature * _RANGE))
    total = 0.0
    for k in range(_NODES.size):
        s = length * _NODES[k]
        value, _, _ = mills(-(at + alpha * s))
        step = -s * (h + alpha * at) - 0.5 * s * s * (1.0 + alpha * alpha)
        total += _WEIGHTS[k] * math.exp(step + value - first)
    tail = first - 0.5 * at * at - _LOG_SQRT_2PI
    return math.log(2.0 * length * total) + log_phi + tail


@_never
def _scaled_owen(h, a):
    """T(h, a) / phi(h) for h >= 0 and 0 <= a <= 1."""
    length = min(a, _REACH / h) if h > 0.0 else a
    total = 0.0
    for k in range(_NODES.size):
        x = length * _NODES[k]
        total += _WEIGHTS[k] * math.exp(-0.5 * (h * x) ** 2) / (1.0 + x * x)
    return total * length * 0.3989422804014327


@_never
def _owen(h, a):
    """T(h, a) for h >= 0 and 0 <= a <= 1."""
    return math.exp(-0.5 * h * h - _LOG_SQRT_2PI) * _scaled_owen(h, a)
