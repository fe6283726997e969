"""How effects and variance parameters are written, so that the posterior is nearly normal.

The effects of a level are b = S u with u ~ N(0, I), S = diag(sd) W and W the Cholesky factor of the
correlations. They are written as

    x = U' u + U^-1 S' (K a - h),  U U' = I + S' K S,  U upper triangular,

with the information K (q, q) that the level's rows have about b, and a, the sum of the same effects
of the coarser factors that contain the level; K^-1 h is where the rows alone would have a + b.
Given rows of which this is all u has the precision U U' and the mean (U U')^-1 S' (h - K a): x is
standard normal, whatever S and a are. Where the rows say little, S' K S << I, x is u (not centred);
where they say much it is V' (a + b) less a constant, V V' = K (centred), the total effect of a
nested level rather than its deviation, in units of its standard error. As the variances change, one
goes over into the other. (With a lower triangular root the limit would be a rotation of V' (a + b)
that moves with S.) Partial centring:
Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014.

Levels that are related, or of which every row has all, are not known apart: their u are turned
first, by an orthogonal matrix between the levels that makes what the rows say of u diagonal (for a
smooth, Demmler & Reinsch 1975, doi:10.1007/BF01437407). b is then a *mix* of the effects of such
levels, b = R V u S' with R R' the known covariance between levels.

Effects of related levels, and of few, have much in common: rows know it with the intercept, and
badly apart from it. The intercept's coordinate has it beside it, c = intercept + r'(u S')_0, and
rows have b - (c - intercept) of these effects in its place: r is such that c and u are not
correlated given the rows, and what is known of u is that given c.

What rows say of a level's effect beside those of finer levels within it falls with the sd v^1/2 of
these: K = K_0 / (1 + (v - v_0) m), and h likewise, with m such that K is right at the mode v_0 and
at v = 0.

Variance parameters and the family's own are transformed where a tail is long, see `theta.tails`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.theta.tails import TailTransform


@dataclass(frozen=True, eq=False)
class Fall:
    """How a factor's information falls with the variance of a finer one's effects."""

    finer: int
    variance: float  # v_0
    rates: Floats  # m (J,)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """How one model's parameters are written."""

    information: tuple[Floats, ...]  # K (J, q, q) of each factor's levels; 0: not centred
    tails: TailTransform
    # (J, J) R V of each factor; None: the identity. Without any: of no factor
    mixes: tuple[Floats | None, ...] = ()
    # (J,) r of each factor; None: 0. Without any: of no factor
    shares: tuple[Floats | None, ...] = ()
    # h (J, q) of each factor. Without any: 0
    scores: tuple[Floats, ...] = ()
    # of each factor; None: it does not fall
    falls: tuple[Fall | None, ...] = ()

    @classmethod
    def plain(
        cls, shapes: Sequence[tuple[int, int]], mixes: Sequence[Floats | None] = ()
    ) -> Coordinates:
        """Nothing centred, no tail transformed; shapes (J, q) of the factors' effects."""
        information = tuple(np.zeros((J, q, q)) for J, q in shapes)
        return cls(information, TailTransform.identity(), tuple(mixes))

    def mix(self, k: int) -> Floats | None:
        """That of the k-th factor."""
        return self.mixes[k] if self.mixes else None

    def share(self, k: int) -> Floats | None:
        """r of the k-th factor's first effects in the intercept's coordinate."""
        return self.shares[k] if self.shares else None

    def in_rows(self, k: int, b: Floats) -> Floats:
        """(..., J, q) effects of the k-th factor beside the intercept's coordinate, from u S'."""
        mix, share = self.mix(k), self.share(k)
        out = b if mix is None else np.einsum("jk,...kt->...jt", mix, b, optimize=True)
        if share is not None:
            out = out.copy()
            out[..., 0] -= (b[..., 0] @ share)[..., None]
        return out

    def known(self, k: int, sds: Sequence[Floats]) -> tuple[Floats, Floats]:
        """K (..., J, q, q) and h (..., J, q) of the k-th factor, for sds (..., q) of all."""
        K, fall = self.information[k], self.falls[k] if self.falls else None
        h = self.scores[k] if self.scores else np.zeros(K.shape[:2])
        if fall is None:
            return K, h
        left = 1 / (1 + (sds[fall.finer][..., :1] ** 2 - fall.variance) * fall.rates)[..., None]
        return K * left[..., None], h * left

    def sections(self) -> dict[str, Floats]:
        """As the compiled density reads them."""
        information = np.concatenate([np.zeros(0), *(K.ravel() for K in self.information)])
        mixes = np.concatenate([np.zeros(0), *(R.ravel() for R in self.mixes if R is not None)])
        scores = self.scores or [np.zeros(K.shape[:2]) for K in self.information]
        shares = np.concatenate([np.zeros(0), *(r for r in self.shares if r is not None)])
        falls = [[f.variance, *f.rates] for f in self.falls if f is not None]
        return {
            "rates": np.array([x for f in falls for x in f]),
            "scores": np.concatenate([np.zeros(0), *(h.ravel() for h in scores)]),
            "information": information, "mixes": mixes, "shares": shares,
            "tails": self.tails.table,
        }  # fmt: skip


def deviations(x: Floats, above: Floats, S: Floats, information: Floats, scores: Floats) -> Floats:
    """b (draws, J, q) from x and the coarser factors' a (draws, J, q), for S (draws, q, q).

    K (J, q, q) and h (J, q), or (draws, J, 1, 1) and (draws, J, 1).
    """
    if x.shape[2] == 1:
        s, k = S[:, :, 0, None], information[..., 0]
        square = 1 + s**2 * k
        return s * (np.sqrt(square) * x - s * (k * above - scores)) / square
    b = np.empty_like(x)
    for g, K in enumerate(information):
        KS = K @ S
        U = upper_root(np.eye(len(K)) + S.transpose(0, 2, 1) @ KS)
        pull = np.einsum("ski,sk->si", S, above[:, g] @ K - scores[g])
        w = np.linalg.solve(U, pull[..., None])
        u = np.linalg.solve(U.transpose(0, 2, 1), x[:, g, :, None] - w)
        b[:, g] = (S @ u)[..., 0]
    return b


def upper_root(P: Floats) -> Floats:
    """U, upper triangular, of U U' = P (..., q, q)."""
    return np.linalg.cholesky(P[..., ::-1, ::-1])[..., ::-1, ::-1]
