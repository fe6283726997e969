"""Two log standard deviations that trade variance with each other, as their ratio and a total.

Where the data tell little of which of two parts the variance is in, as of a heritability, log sd
and log sigma lie on a curve. In

    eta = log sd - log sigma,    tau = log(sigma^2 + c^2 sd^2) / 2

they are nearly independent. The change of coordinates has Jacobian 1, whatever c is; eta takes all
real values, and its tails are what `tails` bends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes import jit

__all__ = ["ShareTransform", "apply_share", "share_slopes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ShareTransform:
    """Coordinate `sd` of theta is eta, `sigma` is tau; c^2 = exp(2 log_c)."""

    sd: int
    sigma: int
    log_c: float

    @classmethod
    def at(cls, sd: int, sigma: int, theta: Floats, cov: Floats) -> ShareTransform:
        """That whose coordinates are not correlated, for a mode theta (d,) and a covariance there
        (m, m) with the two correlated negatively.
        """
        own, other, both = cov[sd, sd], cov[sigma, sigma], cov[sd, sigma]
        h = (other - both) / (own - 2 * both + other)
        return cls(sd, sigma, 0.5 * math.log(h / (1 - h)) - float(theta[sd] - theta[sigma]))

    @property
    def table(self) -> Floats:
        """(3,) as compiled functions read it; that of none is empty."""
        return np.array([self.sd, self.sigma, self.log_c])

    def theta(self, t: Floats) -> Floats:
        """theta (..., d) at t (..., d)."""
        out = np.array(t, float)
        eta = out[..., self.sd]
        out[..., self.sigma] -= 0.5 * np.logaddexp(0.0, 2 * (eta + self.log_c))
        out[..., self.sd] = eta + out[..., self.sigma]
        return out

    def t(self, theta: Floats) -> Floats:
        """t (..., d) at theta (..., d)."""
        out = np.array(theta, float)
        eta = out[..., self.sd] - out[..., self.sigma]
        out[..., self.sigma] += 0.5 * np.logaddexp(0.0, 2 * (eta + self.log_c))
        out[..., self.sd] = eta
        return out


@jit.inner
def apply_share(theta, table):
    """t becomes theta (d,), in place."""
    if table.size > 0:
        i, j = int(table[0]), int(table[1])
        x = 2.0 * (theta[i] + table[2])
        theta[j] -= 0.5 * (max(x, 0.0) + math.log1p(math.exp(-abs(x))))
        theta[i] += theta[j]


@jit.inner
def share_slopes(gradient, theta, table):
    """Derivatives in theta become those in t, in place."""
    if table.size > 0:
        i, j = int(table[0]), int(table[1])
        x = 2.0 * (theta[i] - theta[j] + table[2])
        e = math.exp(-abs(x))
        h = (1.0 if x > 0 else e) / (1.0 + e)
        both = gradient[i] + gradient[j]
        gradient[i] -= h * both
        gradient[j] = both
