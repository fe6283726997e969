"""What a few rows say about new levels and about the parameters: exact for a Gaussian model.

Given one posterior draw of everything else, the rows are

    y = e + A b + noise,   b = R u,   u ~ N(0, I),   noise ~ N(0, sigma^2 W^-1)

with e what is known of their means: u | y is normal, see `numerics.woodbury` with B = A R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, Ints
from mixedbayes.numerics import woodbury
from mixedbayes.predict.few import Few
from mixedbayes.predict.importance import Importance, smooth
from mixedbayes.predict.mixture import describe_mixture
from mixedbayes.predict.streams import EFFECTS, RESAMPLING, stream


@dataclass(frozen=True, eq=False)
class Exact:
    """The new effects: normal in each draw, draws having weights."""

    few: Few
    importance: Importance
    mean: Floats  # (S, D)
    sd: Floats  # (S, D)

    def describe(self, at: slice, shift: Floats | float, prob: float) -> dict[str, Floats]:
        """Mean, sd and interval of some effects, shifted by (S, k); without random numbers."""
        mean, sd = self.mean[:, at] + shift, self.sd[:, at]
        return describe_mixture(mean, sd, self.importance.weights, prob)

    def drawn(self, seed: int) -> tuple[Ints, Floats]:
        """(S,) draws of equal weight, by resampling, and their effects (S, D)."""
        index = self.importance.resample(stream(seed, RESAMPLING))
        z = stream(seed, EFFECTS).standard_normal(self.mean.shape)
        parts = []
        for at in self.few.blocks(len(index)):
            u = update(self.few, index[at])
            parts.append(u.mean + np.einsum("sij,si->sj", u.root, z[at]))
        return index, np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Update:
    """Distribution of the D effects b given the rows and the draw, and the rows' density."""

    mean: Floats  # (S, D)
    root: Floats  # (S, D, D), covariance root' root
    log_density: Floats  # (S,) log p(y | draw), b integrated

    @property
    def sd(self) -> Floats:
        """(S, D)"""
        return np.sqrt((self.root**2).sum(axis=1))


def exact(few: Few) -> Exact:
    """Every draw's update, and the draws' weights: the rows' density, effects integrated out."""
    updates = [update(few, at) for at in few.blocks(few.n_draws)]
    mean, sd, log_density = (
        np.concatenate([getattr(u, name) for u in updates])
        for name in ("mean", "sd", "log_density")
    )
    return Exact(few, smooth(log_density), mean, sd)


def update(few: Few, draws: Ints) -> Update:
    """The update at some of the posterior draws."""
    w = np.ones(few.n) if few.weights is None else few.weights
    r = few.y - few.eta[:, draws].T  # (S, m)
    variance = few.parameters[names.SIGMA][draws] ** 2
    u = woodbury.given(r, few.design(draws), w, variance)
    R = few.root(draws)
    return Update(
        (R @ u.mean[:, :, None])[:, :, 0],
        np.linalg.solve(u.root, R.transpose(0, 2, 1)),
        u.log_density,
    )
