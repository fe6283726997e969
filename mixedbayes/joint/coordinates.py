"""How effects and variance parameters are written, so that what is walked is nearly normal.

With u ~ N(0, I) and b = diag(sd) W u, W the Cholesky factor of the correlations, an effect given
those before it in its level is b = m + s u, with m = sd (W u - W_ii u_i) and s = sd W_ii. It is
written as

    x = g u + pull (m + rho' (effects before it) + sum of the same effect of coarser factors),
    g = sqrt(1 + s^2 I),  pull = s I / g,

where I is the information that the level's rows have about b, and -rho how their estimate of b
moves with the effects before it in the level; coarser factors are those that contain the level.
Given such rows u has the variance 1 / g^2, and moves by -pull / g with what is in brackets: to
first order x has unit variance and depends neither on s nor on the other effects. Where the rows
say little, s^2 I << 1, x is u (not centred); where they say much it is b in units of its standard
error (centred), the total effect of a nested level rather than its deviation. As s changes, one
goes over into the other. Partial centring: Papaspiliopoulos, Roberts & Sköld (2007),
doi:10.1214/088342307000000014.

A log standard deviation tau may have a long left tail where the
data cannot tell it from zero; it is written as t with

    tau = t - a / 2 softplus((m - t) / s)^2,

which is close to t on the right and falls like a square on the left, so that a density which decays
like exp(tau) decays like a normal one in t. A partial correlation's inverse hyperbolic tangent may
have such a tail on either side; with a and s negative it is the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        """t (h,) at phi (h,), by Newton's method from the side that is nearly straight."""
        t = np.where(self.a < 0, np.minimum(phi, self.m), np.maximum(phi, self.m)) + self.a
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

    information: Floats  # 0: not centred
    coupling: tuple[Floats, ...]  # rho (J, q, q) of each factor, strictly lower triangular
    bend: Bend

    @classmethod
    def plain(cls, h: int, shapes: Sequence[tuple[int, int]]) -> Coordinates:
        """Nothing centred, nothing bent; shapes (J, q) of the factors' effects."""
        n_effects = sum(J * q for J, q in shapes)
        coupling = tuple(np.zeros((J, q, q)) for J, q in shapes)
        return cls(np.zeros(n_effects), coupling, Bend.straight(h))


def scales(information: Floats, s: Floats) -> tuple[Floats, Floats]:
    """g and pull."""
    g = np.sqrt(1 + information * s**2)
    return g, information * s / g


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0.0, x)
