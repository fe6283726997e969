"""Where the variance of a response comes from, per posterior draw, on the link scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes.families.gaussian import Gaussian
from mixedbayes.results.moments import covariance, mean_square, quadratic, trace_product
from mixedbayes.results.posterior import Posterior

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Components:
    """Variances per draw, all (S,)."""

    fixed: Floats  # of the population part over the rows, the offset not counted
    groups: Mapping[str, Floats]  # mean over the rows of each grouping factor's own variance
    residual: Floats

    @property
    def random(self) -> Floats:
        """All grouping factors together."""
        return sum(self.groups.values(), np.zeros_like(self.residual))

    @property
    def total(self) -> Floats:
        return self.fixed + self.random + self.residual


def components(post: Posterior) -> Components:
    """Variance of the mean's linear predictor, by source, and of the residual.

    fixed = beta' Cov(X) beta; for each grouping factor, the mean over the rows of z' Sigma z, which
    is tr(Sigma Z'Z / n). Nothing of the size rows x draws is formed.
    Johnson (2014), doi:10.1111/2041-210X.12225.
    """
    mu = post.design.mu
    groups = {g.name: trace_product(post.cov(g.name), mean_square(g.Z)) for g in mu.groups}
    return Components(fixed_variance(post), groups, residual_variance(post))


def fixed_variance(post: Posterior) -> Floats:
    """(S,) variance over the rows of X beta."""
    return quadratic(post.fixef(), covariance(post.design.mu.X))


def residual_variance(post: Posterior) -> Floats:
    """(S,) residual variance on the link scale; with gaussian weights its mean over the rows."""
    variance = np.asarray(post.family.residual_variance(post.parameters()), float)
    weights = post.design.weights
    if weights is not None and isinstance(post.family, Gaussian):
        variance = variance * np.mean(1 / weights)
    return np.broadcast_to(variance, (post.n_draws,))


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole in [0, 1]; NaN where there is no variance at all."""
    some = whole > 0
    return np.where(some, np.minimum(part / np.where(some, whole, 1.0), 1.0), np.nan)
