"""The distribution function of a normal plus an exponential variable, exact in its tails."""

from __future__ import annotations

import math

from mixedbayes import jit
from mixedbayes.numerics.legendre import legendre
from mixedbayes.numerics.special import log_ndtr, mills

_NODES, _WEIGHTS = legendre(24)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_SQRT_HALF = math.sqrt(0.5)
_LOG_HALF = math.log(0.5)
_SMOOTH = 6.0  # beyond it Phi is 1 to nine digits

_never = jit.inner(inline="never")


@_never
def log_exgaussian_tail(v, k, upper):
    """log P(Z + E > v) if upper, else log P(Z + E <= v), and its derivatives by v and k.

    Z is standard normal, E exponential with the rate k. With R = Phi / phi and x = v - k,

        P(Z + E > v) = Phi(-v) + phi(v) R(x),  P(Z + E <= v) = phi(v) (R(v) - R(x)),

    and of the latter the derivatives are k phi(v) R(x) and phi(v) R'(x), R'(x) = 1 + x R(x). Where
    R(v) - R(x) loses digits it is the integral of R'.
    """
    x = v - k
    log_phi = -0.5 * v * v - _LOG_SQRT_2PI
    below, _ = log_ndtr(v)
    if x < 0.0:
        ratio, hazard, rest = mills(x)
        part = ratio + log_phi  # log(phi(v) R(x))
    else:
        hazard, rest = 1.0, 1.0
        part = log_ndtr(x)[0] - k * (v - 0.5 * k)
    if upper:
        other, _ = log_ndtr(-v)
        value = max(other, part) + math.log1p(math.exp(-abs(other - part)))
        sign = -1.0
    else:
        sign, gap = 1.0, part - below
        if gap < _LOG_HALF:
            value = below + math.log1p(-math.exp(gap))
        elif v <= _SMOOTH:
            total = 0.0
            for i in range(_NODES.size):
                total += _WEIGHTS[i] * _ratio_slope(x + k * _NODES[i])
            value = log_phi + math.log(k * total)
        else:
            between = 0.5 * (math.erfc(x * _SQRT_HALF) - math.erfc(v * _SQRT_HALF))
            value = math.log(between - math.expm1(-k * (v - 0.5 * k)) * math.exp(log_ndtr(x)[0]))
    d_v = sign * k * math.exp(part - value)
    if x < 0.0:
        return value, d_v, sign * math.exp(log_phi - value) * rest / hazard
    return value, d_v, sign * (math.exp(log_phi - value) + x * math.exp(part - value))


@_never
def _ratio_slope(x):
    """1 + x Phi(x) / phi(x), for x up to 6."""
    _, hazard, rest = mills(x)
    return rest / hazard
