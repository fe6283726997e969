"""How effects and variance parameters are written, so that the posterior is nearly normal.

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

Levels that are related, or of which every row has all, are not known apart: their u are turned
first, by an orthogonal matrix between the levels that makes what the rows say of u diagonal (for a
smooth, Demmler & Reinsch 1975, doi:10.1007/BF01437407). b is then a *mix* of the effects of such
levels, b = R V u S' with R R' the known covariance between levels.

Variance parameters and the family's own are transformed where a tail is long, see `theta.tails`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.theta.tails import TailTransform


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How one model's parameters are written."""

    information: tuple[Floats, ...]  # K (J, q, q) of each factor's levels; 0: not centred
    tails: TailTransform
    # (J, J) R V of each factor; None: the identity. Without any: of no factor
    mixes: tuple[Floats | None, ...] = ()

    @classmethod
    def plain(
        cls, h: int, shapes: Sequence[tuple[int, int]], mixes: Sequence[Floats | None] = ()
    ) -> Coordinates:
        """Nothing centred, no tail transformed; shapes (J, q) of the factors' effects."""
        information = tuple(np.zeros((J, q, q)) for J, q in shapes)
        return cls(information, TailTransform.identity(h), tuple(mixes))

    def mix(self, k: int) -> Floats | None:
        """That of the k-th factor."""
        return self.mixes[k] if self.mixes else None

    def sections(self) -> dict[str, Floats]:
        """As the compiled density reads them."""
        information = np.concatenate([np.zeros(0), *(K.ravel() for K in self.information)])
        mixes = np.concatenate([np.zeros(0), *(R.ravel() for R in self.mixes if R is not None)])
        return {"information": information, "mixes": mixes, "tails": self.tails.table}


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
