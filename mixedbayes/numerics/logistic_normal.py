"""The mean of a probability through the logit link over a normal predictor: E expit(h).

The logistic law is a mixture of normal laws N(0, s_k^2) with weights c_k, so that, for
h ~ N(eta, v), E expit(h) = sum_k c_k Phi(eta / sqrt(s_k^2 + v)). In x = eta sqrt(w) and
w = 1 / (1 + v / V), V = pi^2 / 3 the variance of the logistic law, this is a smooth function on
w in [0, 1], from the normal law at 0 to the logistic law at 1. Between -6 and 6 it is read from a
table, by bicubic Hermite interpolation to 1e-9; beyond, where digits of small probabilities count,
it is summed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from mixedbayes import jit
from mixedbayes.interrupts import later

stats = later("scipy.stats")

Floats = NDArray[np.float64]

VARIANCE = math.pi**2 / 3
_NODES = 16
_END, _PER_X, _PER_W = 6.0, 48, 80  # range of x; steps of the table for each unit of x and w
_SQRT_HALF = math.sqrt(0.5)


def expit_mean(eta: Floats, variance: Floats) -> Floats:
    """E expit(h) for h ~ N(eta, variance), elementwise, to 1e-9."""
    eta, variance = np.broadcast_arrays(np.asarray(eta, float), np.asarray(variance, float))
    turned = bool(eta.flags.f_contiguous)  # values are passed in the order in which they lie
    flat = (np.ascontiguousarray((a.T if turned else a).ravel()) for a in (eta, variance))
    out = np.empty(eta.size)
    _fill(*flat, out, _table(), *mixture())
    return out.reshape(eta.shape[::-1]).T if turned else out.reshape(eta.shape)


@lru_cache
def mixture() -> tuple[Floats, Floats]:
    """sds and weights of normal laws whose mixture is the logistic law, to 1e-11.

    It is the mixture of N(0, (2 k)^2) over k of Kolmogorov's law (Andrews & Mallows 1974,
    doi:10.1111/j.2517-6161.1974.tb00989.x), here by Gauss's rule for log k: the eigenvalues of the
    Jacobi matrix that Lanczos's iteration gives (Golub & Welsch 1969, doi:10.2307/2004418).
    """
    x, w = np.polynomial.legendre.leggauss(600)
    low, high = np.log(0.15), np.log(4.5)  # Kolmogorov's law beyond them is below 1e-16
    logs = low + (x + 1) * (high - low) / 2
    mass = stats.kstwobign.pdf(np.exp(logs)) * np.exp(logs) * w
    basis = [np.sqrt(mass / mass.sum())]
    diagonal, beside = [], []
    for _ in range(_NODES):
        step = logs * basis[-1]
        diagonal.append(basis[-1] @ step)
        for vector in (*basis, *basis):
            step = step - (vector @ step) * vector
        beside.append(np.linalg.norm(step))
        basis.append(step / beside[-1])
    places, vectors = linalg.eigh_tridiagonal(diagonal, beside[:-1])
    return 2 * np.exp(places), vectors[0] ** 2


@lru_cache
def _table() -> Floats:
    """(w, x, 4) the mean at the corners of the table, its derivatives by x, w and both, in steps.

    For x from 0; below, the mean is 1 less that at -x.
    """
    scales, weights = mixture()
    x = np.arange(int(_END * _PER_X) + 2)[:, None] / _PER_X
    w = np.arange(_PER_W + 2)[:, None, None] / _PER_W
    excess = scales**2 - VARIANCE
    root = 1 / np.sqrt(VARIANCE + w * excess)
    u = x * root
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    du = -0.5 * x * root**3 * excess  # by w
    parts = (
        special.ndtr(u),
        density * root / _PER_X,
        density * du / _PER_W,
        density * (-u * du * root - 0.5 * root**3 * excess) / (_PER_X * _PER_W),
    )
    return np.ascontiguousarray(np.stack([part @ weights for part in parts], axis=-1))


@jit.njit(
    "void(f8[::1], f8[::1], f8[::1], f8[:, :, ::1], f8[::1], f8[::1])",
    nogil=True,
    error_model="numpy",
)
def _fill(eta, variance, out, table, scales, weights):
    for i in range(len(eta)):
        w = 1.0 / (1.0 + variance[i] / VARIANCE)
        x = eta[i] * math.sqrt(w)
        if abs(x) < _END:
            a, b = abs(x) * _PER_X, w * _PER_W
            k, j = int(a), int(b)
            a, b = a - k, b - j
            # Cubic Hermite functions of the value and the slope at the far end of a step.
            p, q = a * a * (3.0 - 2.0 * a), a * a * (a - 1.0)
            r = a * (1.0 - a) * (1.0 - a)
            near, far = table[j], table[j + 1]
            low = (1.0 - p) * near[k, 0] + p * near[k + 1, 0] + r * near[k, 1] + q * near[k + 1, 1]
            high = (1.0 - p) * far[k, 0] + p * far[k + 1, 0] + r * far[k, 1] + q * far[k + 1, 1]
            dlow = (1.0 - p) * near[k, 2] + p * near[k + 1, 2] + r * near[k, 3] + q * near[k + 1, 3]
            dhigh = (1.0 - p) * far[k, 2] + p * far[k + 1, 2] + r * far[k, 3] + q * far[k + 1, 3]
            s, t = b * b * (3.0 - 2.0 * b), b * b * (b - 1.0)
            value = (1.0 - s) * low + s * high + b * (1.0 - b) * (1.0 - b) * dlow + t * dhigh
            out[i] = value if x >= 0.0 else 1.0 - value
        else:
            total = 0.0
            for m in range(len(scales)):
                u = eta[i] / math.sqrt(scales[m] * scales[m] + variance[i])
                total += weights[m] * 0.5 * math.erfc(-u * _SQRT_HALF)
            out[i] = min(total, 1.0) if total == total else total
