"""Effects drawn near their mode, and weighed: importance sampling within each posterior draw.

Proposals are multivariate t about the mode, in units of the curvature there. Their tails are
heavier than the normal ones of the effects' distribution, so that for a bounded likelihood the
weights are bounded. They come in pairs on opposite sides of the mode, which cancels skewness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.predict.newton import Given, Peak, peak

FREEDOM = 8.0  # degrees of freedom of the t


def directions(rng: np.random.Generator, draws: int, count: int, size: int) -> Floats:
    """(S, K / 2, D) standard t: what K proposals in each of S draws are made of, in pairs."""
    shape = (draws, count // 2)
    scale = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, shape))
    return rng.standard_normal((*shape, size)) * scale[:, :, None]


@dataclass(frozen=True, eq=False)
class Proposed:
    """K effects in each of S draws, and log f(u) / q(u) with q the density they come from.

    The mean of the ratios over K estimates p(rows | draw), effects integrated out, without bias.
    """

    u: Floats  # (S, K, D)
    log_ratio: Floats  # (S, K)

    @property
    def log_density(self) -> Floats:
        """(S,) log of the mean ratio."""
        return special.logsumexp(self.log_ratio, axis=1) - np.log(self.log_ratio.shape[1])


def propose(given: Given, z: Floats) -> Proposed:
    """Proposals in each draw from `directions` (S, K / 2, D)."""
    at = peak(given)
    steps = z @ at.root.transpose(0, 2, 1)
    u = at.mode[:, None, :] + np.concatenate([steps, -steps], axis=1)
    both = np.concatenate([z, z], axis=1)
    values = np.stack([given.value(u[:, k]) for k in range(u.shape[1])], axis=1)
    log_prior = values - 0.5 * given.size * np.log(2 * np.pi)
    return Proposed(u, log_prior - _log_t(both, at))


def _log_t(z: Floats, at: Peak) -> Floats:
    """(S, K) log density of proposals whose standard numbers are z (S, K, D)."""
    d = z.shape[2]
    constant = (
        special.gammaln((FREEDOM + d) / 2)
        - special.gammaln(FREEDOM / 2)
        - 0.5 * d * np.log(FREEDOM * np.pi)
    )
    tail = -0.5 * (FREEDOM + d) * np.log1p(np.sum(z**2, axis=2) / FREEDOM)
    return constant + tail - at.log_det[:, None]
