"""How effects and variance parameters are written, so that what is walked is nearly normal.

With u ~ N(0, I) and b = diag(sd) W u, W the Cholesky factor of the correlations, an effect given
those before it in its level is b = m + s u, with m = sd (W u - W_ii u_i) and s = sd W_ii. It is
written as

    x = s^c u + pull (m + sum of the same effect b of the coarser factors that contain the level),

with a centring c between 0 (non-centred) and 1 (centred), and a pull, for each effect of each
level. With both at their largest, x is the total effect of a nested level rather than its
deviation. Gelfand, Sahu & Carlin (1995), doi:10.1093/biomet/82.3.479; Papaspiliopoulos, Roberts &
Sköld (2007), doi:10.1214/088342307000000014.

A log standard deviation tau may have a long left tail where the
data cannot tell it from zero; it is written as t with

    tau = t - a / 2 softplus((m - t) / s)^2,

which is close to t on the right and falls like a square on the left, so that a density which decays
like exp(tau) decays like a normal one in t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats


@dataclass(frozen=True, eq=False)
class Bend:
    """a, m and s of every coordinate of phi, (h,) each; a = 0 leaves it as it is."""

    a: Floats
    m: Floats
    s: Floats

    @classmethod
    def straight(cls, h: int) -> Bend:
        return cls(np.zeros(h), np.zeros(h), np.ones(h))

    def phi(self, t: Floats) -> Floats:
        """phi (..., h) at t (..., h)."""
        return t - self.a / 2 * _softplus((self.m - t) / self.s) ** 2

    def log_slope(self, t: Floats) -> Floats:
        """Sum of log d tau / d t, (...)."""
        w = (self.m - t) / self.s
        return np.log1p(self.a / self.s * _softplus(w) * special.expit(w)).sum(axis=-1)

    def t(self, phi: Floats) -> Floats:
        """t (h,) at phi (h,), by Newton's method from the right, where the map is concave."""
        t = np.maximum(phi, self.m) + self.a
        for _ in range(100):
            w = (self.m - t) / self.s
            slope = 1 + self.a / self.s * _softplus(w) * special.expit(w)
            step = (self.phi(t) - phi) / slope
            t = t - step
            if np.all(np.abs(step) < 1e-12 * (1 + np.abs(t))):
                break
        return t


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How one model's parameters are written; effects in theta's order (effects,)."""

    centring: Floats
    pull: Floats
    bend: Bend

    @classmethod
    def plain(cls, h: int, n_effects: int) -> Coordinates:
        """Nothing centred, nothing bent."""
        return cls(np.zeros(n_effects), np.zeros(n_effects), Bend.straight(h))


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0.0, x)
