"""Mixtures of normal distributions, one of each draw: their moments and distribution functions.

Sums over draws are made in place, one pass over the effects for each draw.
"""

import math

from mixedbayes import jit
from mixedbayes.numerics.elementary import exp

_PER_ROOT_2_PI = 1.0 / math.sqrt(2.0 * math.pi)


@jit.njit(
    "void(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1], f8[::1], f8[::1])",
    short_loops=True,
    nogil=True,
    error_model="numpy",
)
def move(mean, cov, cross, sizes, given, out_mean, out_sd):
    """Means and sds of T b, and after them of T b + A beta + constant where that is asked for.

    Parameters
    ----------
    mean, cov, cross
        (n,), (q, q) of each level, (n, p): moments given one draw, see `_Moments`.
    sizes
        p, whether the second is wanted; of each factor its levels, q, width w of T b, and whether
        it has a T.
    given
        Of each factor T (q, q) or nothing; where the second is wanted A (w, p), the mean (w,) of
        A beta + constant, and the variance (w,) of A beta.
    """
    n, p, shifted = mean.size, sizes[0], sizes[1] > 0
    start, own, at = 0, 0, 0
    for k in range((sizes.size - 2) // 4):
        J, q, w = sizes[2 + 4 * k], sizes[3 + 4 * k], sizes[4 + 4 * k]
        mapped = sizes[5 + 4 * k] > 0
        A = at + q * q if mapped else at
        row = -1
        for level in range(J):
            first = start + level * q
            for t in range(q):
                row = row + 1 if row + 1 < w else 0
                if mapped:
                    m, v = 0.0, 0.0
                    for i in range(q):
                        m += given[at + t * q + i] * mean[first + i]
                        x = 0.0
                        for j in range(q):
                            x += cov[own + i * q + j] * given[at + t * q + j]
                        v += given[at + t * q + i] * x
                else:
                    m, v = mean[first + t], cov[own + t * q + t]
                out_mean[first + t] = m
                out_sd[first + t] = math.sqrt(max(v, 0.0))
                if shifted:
                    between = 0.0
                    for i in range(p):
                        if mapped:
                            x = 0.0
                            for j in range(q):
                                x += given[at + t * q + j] * cross[(first + j) * p + i]
                        else:
                            x = cross[(first + t) * p + i]
                        between += given[A + row * p + i] * x
                    out_mean[n + first + t] = m + given[A + w * p + row]
                    v += given[A + w * p + w + row] + 2.0 * between
                    out_sd[n + first + t] = math.sqrt(max(v, 0.0))
            own += q * q
        start += J * q
        at = A + (w * p + 2 * w if shifted else 0)


@jit.njit("void(f8[::1], f8[::1], f8[::1], f8[:, ::1])", nogil=True, error_model="numpy")
def add_powers(mean, sd, origin, total):
    """Add the first four moments of N(m, s^2) about the origin to total (4, n)."""
    for i in range(mean.size):
        d, v = mean[i] - origin[i], sd[i] * sd[i]
        square = d * d
        total[0, i] += d
        total[1, i] += square + v
        total[2, i] += d * (square + 3.0 * v)
        total[3, i] += square * (square + 6.0 * v) + 3.0 * v * v


@jit.njit("void(f8[::1], f8[::1], f8[::1], f4[::1], f4[::1])", nogil=True, error_model="numpy")
def add_distribution(mean, sd, at, below, density):
    """Add distribution function and density of N(m, s^2) at points (n,) to sums of theirs (n,).

    The function by Abramowitz & Stegun's (1964) 26.2.17, which is within 1e-7.
    """
    for i in range(mean.size):
        scale = 1.0 / (sd[i] + 1e-30)
        z = (at[i] - mean[i]) * scale
        height = _PER_ROOT_2_PI * exp(-0.5 * z * z)
        t = 1.0 / (1.0 + 0.2316419 * math.fabs(z))
        series = -1.821255978 + t * 1.330274429
        series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * series)))
        below[i] += 0.5 + math.copysign(0.5 - height * series, z)  # without a branch
        density[i] += height * scale
