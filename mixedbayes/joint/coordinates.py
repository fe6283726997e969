"""How effects and variance parameters are written, so that what is walked is nearly normal.

The effects of a level are b = S u with u ~ N(0, I), S = diag(sd) W and W the Cholesky factor of the
correlations. They are written as

    x = U' u + U^-1 S' K a,  U U' = I + S' K S,  U upper triangular,

with the information K (q, q) that the level's rows have about b, and a, the sum of the same effects
of the coarser factors that contain the level. Given rows with this information u has the precision
U U' and moves with a by -(U U')^-1 S' K a: x has independent coordinates of unit variance, whatever
S and a are. Where the rows say little, S' K S << I, x is u (not centred); where they say much it is
V' (a + b), V V' = K (centred), the total effect of a nested level rather than its deviation, in
units of its standard error. As the variances change, one goes over into the other. (With a lower
triangular root the limit would be a rotation of V' (a + b) that moves with S.) Partial centring:
Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014.

A log standard deviation tau may have a long left tail where the data cannot tell it from zero; it
is written as t with

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
    """How one model's parameters are written."""

    information: tuple[Floats, ...]  # K (J, q, q) of each factor's levels; 0: not centred
    bend: Bend

    @classmethod
    def plain(cls, h: int, shapes: Sequence[tuple[int, int]]) -> Coordinates:
        """Nothing centred, nothing bent; shapes (J, q) of the factors' effects."""
        return cls(tuple(np.zeros((J, q, q)) for J, q in shapes), Bend.straight(h))


def deviations(x: Floats, above: Floats, S: Floats, information: Floats) -> Floats:
    """b (draws, J, q) from x and the coarser factors' a (draws, J, q), for S (draws, q, q)."""
    if x.shape[2] == 1:
        s, k = S[:, :, 0, None], information[:, :, 0]
        square = 1 + s**2 * k
        return s * (np.sqrt(square) * x - s * k * above) / square
    b = np.empty_like(x)
    for g, K in enumerate(information):
        KS = K @ S
        U = upper_root(np.eye(len(K)) + S.transpose(0, 2, 1) @ KS)
        w = np.linalg.solve(U, np.einsum("ski,sk->si", KS, above[:, g])[..., None])
        u = np.linalg.solve(U.transpose(0, 2, 1), x[:, g, :, None] - w)
        b[:, g] = (S @ u)[..., 0]
    return b


def upper_root(P: Floats) -> Floats:
    """U, upper triangular, of U U' = P (..., q, q)."""
    return np.linalg.cholesky(P[..., ::-1, ::-1])[..., ::-1, ::-1]


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0.0, x)
