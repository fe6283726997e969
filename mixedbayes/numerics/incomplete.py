"""Logarithms of the incomplete gamma and beta functions, with derivatives by all they depend on.

Each is the mass of one tail of a log-concave density: of the logarithm of a gamma variable, and of
the log odds of a beta variable. With h the density at the end of the tail, the smaller tail is

    T = h integral from 0 of exp(g(s)) ds, with g(0) = 0 and g concave:

for shapes above 60 by Gauss-Legendre's rule, and so are its derivatives, as means of those of g
over the tail; else T / h is a power series or a continued fraction, with its derivatives by the
same recurrences (Abramowitz & Stegun 6.5.29, 6.5.31; DiDonato & Morris 1992,
doi:10.1145/131766.131776). The larger tail is 1 - T. Everything of the size of the shapes cancels
before it is computed; of a shape of 1e-6, where the smaller tail is 1 - (1 - T), ten
digits are left.
"""

from __future__ import annotations

import math

from mixedbayes import jit
from mixedbayes.numerics.legendre import legendre
from mixedbayes.numerics.special import digamma, lgamma1p

_LARGE = 60.0  # shapes from which the integral is smooth over its range
_STIRLING = 10.0
_RANGE = 60.0  # -g at the end of the range, at least about 40 when g is skew
_NODES, _WEIGHTS = legendre(40)
_EPS = 1e-16
_MOST = 20_000
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

_never = jit.inner(inline="never")


@_never
def expm1_beyond(x):
    """exp(x) - 1 - x."""
    if abs(x) > 0.5:
        return math.expm1(x) - x
    total = 0.0
    for k in range(18, 1, -1):
        total = (1.0 + total) * x / k
    return total * x


@_never
def log1p_beyond(x):
    """log(1 + x) - x."""
    if abs(x) > 0.1:
        return math.log1p(x) - x
    r = x / (2.0 + x)  # log(1 + x) = 2 atanh(r), and 2 r - x = -r x
    square, total = r * r, 0.0
    for k in range(17, 1, -2):
        total = square * (1.0 / k + total)
    return r * (2.0 * total - x)


@_never
def _size(z):
    """z log z - z - log Gamma(z), and log z - digamma(z): its derivative."""
    if z < _STIRLING:
        log = math.log(z)
        if z < 0.5:
            log_gamma, d = lgamma1p(z)
            return z * log - z - log_gamma + log, log - d + 1.0 / z
        return z * log - z - math.lgamma(z), log - digamma(z)
    w = 1.0 / (z * z)
    series = 1 / 12 - w * (
        1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * 691 / 360360)))
    )
    slope = w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132)))))
    return 0.5 * math.log(z) - _HALF_LOG_2PI - series / z, 0.5 / z + slope


@_never
def _other(value, d_x, d_a, d_b):
    """log(1 - T) with its derivatives, from log T with its."""
    if value >= 0.0:  # T is 1 to all digits
        return -math.inf, 0.0, 0.0, 0.0
    odds = -1.0 / math.expm1(-value)  # -T / (1 - T)
    rest = math.log1p(-math.exp(value)) if value < -0.7 else math.log(-math.expm1(value))
    return rest, odds * d_x, odds * d_a, odds * d_b


# ---- gamma ---------------------------------------------------------------------------------------


@_never
def log_gamma_tail(a, q, upper):
    """log P(X > x) if upper, else log P(X <= x), of X ~ Gamma(shape a, rate 1) at x = a exp(q).

    With the derivatives by q, given a, and by a, given q.
    """
    if q > 700.0:
        return (-math.inf if upper else 0.0), 0.0, 0.0
    above = math.expm1(q)
    x = a * (1.0 + above) if q > -0.5 else a * math.exp(q)
    size, d_size = _size(a)
    density = size - a * expm1_beyond(q)
    if a > _LARGE:
        right = q >= 0.0
        value, d_q, d_a = _gamma_integral(a, q, x, abs(a * above), right)
    elif x >= a + 1.0:
        right = True
        value, d_q, d_a = _gamma_fraction(a, x)
    else:
        right = False
        value, d_q, d_a = _gamma_series(a, x)
    # d_a is given x; of log h, given x, it is q + log a - digamma(a)
    value, d_a = value + density, d_a + q + d_size + d_q / a
    if right == upper:
        return value, d_q, d_a
    value, d_q, d_a, _ = _other(value, d_q, d_a, 0.0)
    return value, d_q, d_a


@_never
def _gamma_series(a, x):
    """log(P / h), its slope in log x, h / P, and its derivative by a."""
    term, total, sums, slope = 1.0, 1.0, 0.0, 0.0
    for n in range(1, _MOST):
        term *= x / (a + n)
        sums += 1.0 / (a + n)
        total += term
        slope -= term * sums
        if term * (1.0 + sums) < _EPS * total:
            break
    return math.log(total / a), a / total, slope / total - 1.0 / a


@_never
def _gamma_fraction(a, x):
    """log(Q / h), its slope in log x, -h / Q, and its derivative by a."""
    b = x + 1.0 - a
    d, d_d = 1.0 / b, 1.0 / (b * b)
    c, d_c = 1e300, 0.0
    f, slope = d, d_d / d
    for i in range(1, _MOST):
        p = -i * (i - a)
        b += 2.0
        base = p * d + b
        d_base = i * d + p * d_d - 1.0
        d, d_d = 1.0 / base, -d_base / (base * base)
        c, d_c = b + p / c, -1.0 + i / c - p * d_c / (c * c)
        change = d_d / d + d_c / c
        f *= d * c
        slope += change
        if abs(d * c - 1.0) < 2.0 * _EPS and abs(change) < 2.0 * _EPS * (1.0 + abs(slope)):
            break
    return math.log(f), -1.0 / f, slope


@_never
def _gamma_integral(a, q, x, gap, right):
    """The same of either tail: log(T / h), slope in log x, derivative by a."""
    length = 2.0 * _RANGE / (gap + math.sqrt(gap * gap + 2.0 * x * _RANGE))
    sign = 1.0 if right else -1.0
    total, first = 0.0, 0.0
    for k in range(_NODES.size):
        s = length * _NODES[k]
        mass = _WEIGHTS[k] * math.exp(-gap * s - x * expm1_beyond(sign * s))
        total += mass
        first += mass * s
    return math.log(length * total), -sign / (length * total), sign * first / total


# ---- beta ----------------------------------------------------------------------------------------


@_never
def log_beta_tail(a, b, v, upper):
    """log P(X > x) if upper, else log P(X <= x), of X ~ Beta(a, b) at log odds v of x.

    With the derivatives by v, a and b.
    """
    n = a + b
    gap = v - math.log(a / b)  # log odds beyond those of the mean
    if gap > 0.0:
        value, d_v, d_b, d_a = _beta_lower(b, a, n, -v, -gap)
        d_v = -d_v
    else:
        value, d_v, d_a, d_b = _beta_lower(a, b, n, v, gap)
    if (gap > 0.0) == upper:
        return value, d_v, d_a, d_b
    return _other(value, d_v, d_a, d_b)


@_never
def _beta_lower(a, b, n, v, gap):
    """log P(X <= x) with derivatives by v, a and b, for x below the mean."""
    p, q = a / n, b / n
    small = math.exp(-abs(v))
    x, y = (1.0 if v > 0.0 else small) / (1.0 + small), (small if v > 0.0 else 1.0) / (1.0 + small)
    # log(x / p) and log(y / q), of the smaller shape first
    if p <= q:
        w = p * math.expm1(gap)
        log_y = -math.log1p(w)
        log_x = gap + log_y
        density = (
            -a * expm1_beyond(gap) - n * log1p_beyond(w) if gap > -0.5 else a * gap + n * log_y
        )
    else:
        w = q * math.expm1(-gap) if gap > -700.0 else math.inf
        log_x = -math.log1p(w) if w < math.inf else gap - math.log(q)
        log_y = log_x - gap
        if gap > -0.5:
            density = -b * expm1_beyond(-gap) - n * log1p_beyond(w)
        else:
            density = n * log_x - b * gap
    (of_a, d_a), (of_b, d_b), (of_n, d_n) = _size(a), _size(b), _size(n)
    density += of_a + of_b - of_n
    below = -a * y * math.expm1(gap)  # a - n x
    if min(a, b) > _LARGE:
        value, slope, by_a, by_b = _beta_integral(a, n, x, y, below)
    else:
        value, slope, by_a, by_b = _beta_fraction(a, b, x, y, below)
    return (
        value + density,
        slope,
        by_a + log_x + d_a - d_n,
        by_b + log_y + d_b - d_n,
    )


@_never
def _beta_integral(a, n, x, y, below):
    """log(T / h), its slope h / T in v, derivatives by a and b."""
    length = 2.0 * _RANGE / (below + math.sqrt(below * below + 2.0 * n * x * y * _RANGE))
    total, by_a, by_b = 0.0, 0.0, 0.0
    for k in range(_NODES.size):
        s = length * _NODES[k]
        w = x * math.expm1(-s)
        log = math.log1p(w)
        mass = -below * s - n * log1p_beyond(w) - n * x * expm1_beyond(-s)
        mass = _WEIGHTS[k] * math.exp(mass)
        total += mass
        by_a -= mass * (s + log)
        by_b -= mass * log
    return math.log(length * total), 1.0 / (length * total), by_a / total, by_b / total


@_never
def _beta_fraction(a, b, x, y, below):
    """The same by DiDonato and Morris's continued fraction.

    Its numerators and denominators are f0, f1 and g0, g1, each with derivatives by a and b.
    """
    first, c1 = 1.0 + below, 1.0 + 1.0 / a
    # d (1 + below) is y by a and -x by b
    f0, f0a, f0b, f1, f1a, f1b = 0.0, 0.0, 0.0, 1.0, 0.0, 0.0
    g0, g0a, g0b = 1.0, 0.0, 0.0
    g1, g1a, g1b = first / c1, (y + first / (a * a * c1)) / c1, -x / c1
    r, ra, rb = 1.0 / g1, -g1a / g1, -g1b / g1  # its value, and derivatives of its logarithm
    for m in range(1, _MOST):
        s = a + 2.0 * m - 1.0
        w = m * (b - m) * x
        # alpha = (a + m - 1) (n + m - 1) w x / s^2
        near, far = a + m - 1.0, a + b + m - 1.0
        alpha = near * far * w * x / (s * s)
        scale = near * far * x / (s * s)
        aa = alpha * (1.0 / near + 1.0 / far - 2.0 / s)
        ab = alpha / far + scale * m * x
        # beta = m + w / s + (a + m) / (s + 2) (1 + below + m (1 + y))
        e, inside = (a + m) / (s + 2.0), first + m * (1.0 + y)
        beta = m + w / s + e * inside
        ba = -w / (s * s) + inside * (1.0 - e) / (s + 2.0) + e * y
        bb = m * x / s - e * x
        f2 = alpha * f0 + beta * f1
        f2a = aa * f0 + alpha * f0a + ba * f1 + beta * f1a
        f2b = ab * f0 + alpha * f0b + bb * f1 + beta * f1b
        g2 = alpha * g0 + beta * g1
        g2a = aa * g0 + alpha * g0a + ba * g1 + beta * g1a
        g2b = ab * g0 + alpha * g0b + bb * g1 + beta * g1b
        f0, f0a, f0b = f1 / g2, f1a / g2, f1b / g2
        g0, g0a, g0b = g1 / g2, g1a / g2, g1b / g2
        f1, f1a, f1b = f2 / g2, f2a / g2, f2b / g2
        g1, g1a, g1b = 1.0, g2a / g2, g2b / g2
        old, olda, oldb = r, ra, rb
        r, ra, rb = f1, f1a / f1 - g1a, f1b / f1 - g1b
        settled = abs(ra - olda) + abs(rb - oldb) < 8.0 * _EPS * (1.0 + abs(ra) + abs(rb))
        if abs(r - old) <= 4.0 * _EPS * r and settled:
            break
    return math.log(r), 1.0 / r, ra, rb
