"""A smooth over data: what adds to the population, and what bends, in units of the response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.smooths.basis import Floats
from mixedbayes.smooths.space import Space


@dataclass(frozen=True, eq=False)
class Curve:
    """f(x) = sum_m beta_m N_m(x) + sum_j Z_j(x) u_j, u_j ~ N(0, sd_j^2 I).

    N are the unpenalised functions around their means over the rows, so that there is no constant
    among them. Z_j are the penalised ones without what least squares over the rows makes of them by
    a constant and N: the curve without them is its own least-squares fit by N. They are scaled so
    that their variances for sd = 1 are 1 on average over the rows. An sd is thus the root mean
    square of how far the curve bends away from N, expected over the rows.

    Neither step changes which curves there are, nor their penalty: with flat priors of the constant
    and of beta the curve is that of the basis as it was.
    """

    space: Space
    means: Floats  # (M - 1,)
    shares: tuple[Floats, ...]  # (M, r) of each block: what is taken away
    units: Floats  # (B,) that blocks are divided by

    @classmethod
    def fit(cls, space: Space, x: Floats, by: Floats | None = None) -> Curve:
        """For rows x (n, d); `by` (n,) multiplies the curve."""
        N, blocks = space.null(x), space.blocks(x)
        weights = np.ones((len(x), 1)) if by is None else by[:, None]
        size = np.maximum(np.abs(N).max(axis=0, initial=0), 1e-300)
        shares, units = [], []
        for P in blocks:
            share = np.linalg.lstsq(weights * (N / size), weights * P)[0] / size[:, None]
            rest = weights * (P - N @ share)
            shares.append(share)
            units.append(np.sqrt(np.mean(np.sum(rest**2, axis=1))))
        return cls(space, N[:, 1:].mean(axis=0), tuple(shares), np.array(units))

    def null(self, x: Floats) -> Floats:
        """(m, M - 1)."""
        return self.space.null(x)[:, 1:] - self.means

    def blocks(self, x: Floats) -> tuple[Floats, ...]:
        """Z_j(x), (m, r) each."""
        N = self.space.null(x)
        return tuple(
            (P - N @ share) / unit
            for P, share, unit in zip(self.space.blocks(x), self.shares, self.units, strict=True)
        )
