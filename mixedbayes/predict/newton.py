"""Where the effects of some rows are, given a posterior draw of everything else: mode and spread.

The effects are b = L u with u ~ N(0, I) of D numbers. In every draw

    f(u) = sum over rows of log p(y_i | eta_i + (A u)_i) - u'u / 2

is the log density of rows and effects up to a constant, eta without these effects and A = Z L.
Where further parameters of the family have effects among u, each has an eta and an A of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats

_STEP = 1e-3  # of the differences in eta
_LONGEST = 3.0  # Newton step, in sds of the effects
_ENOUGH = 1e-3
_MOST_ITERATIONS = 50
_MOST_HALVINGS = 20

LogDensity = Callable[
    ..., Floats
]  # log p(y_i | eta_i, ...), one (S, m) for each predictor, to (S, m)


@dataclass(frozen=True, eq=False)
class Given:
    """Rows given some draws: all but the effects in eta, and what these add."""

    density: LogDensity
    eta: Sequence[Floats]  # (S, m) of each predictor
    A: Sequence[Floats]  # (S, m, D) of each predictor

    @property
    def size(self) -> int:
        """D, the number of effects."""
        return self.A[0].shape[2]

    def at(self, u: Floats) -> list[Floats]:
        """(S, m) of each predictor, with effects u (S, D)."""
        return [eta + (A @ u[:, :, None])[:, :, 0] for eta, A in zip(self.eta, self.A, strict=True)]

    def value(self, u: Floats) -> Floats:
        """(S,) f(u)."""
        return self.density(*self.at(u)).sum(axis=1) - 0.5 * np.sum(u**2, axis=1)


@dataclass(frozen=True, eq=False)
class Peak:
    """The mode of f, and a root of its inverse curvature there."""

    mode: Floats  # (S, D)
    root: Floats  # (S, D, D), root root' = H^-1

    @property
    def log_det(self) -> Floats:
        """(S,) log |root|; root is triangular."""
        return np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum(axis=1)


def peak(given: Given) -> Peak:
    """The mode of f by Newton's method; steps are shortened until f rises.

    Rows where the log density is convex count as flat.
    """
    u = np.zeros((len(given.eta[0]), given.size))
    value = given.value(u)
    for _ in range(_MOST_ITERATIONS):
        step, _ = _newton(given, u)
        length = np.sqrt(np.sum(step**2, axis=1, keepdims=True))
        step = step * np.minimum(1.0, _LONGEST / np.maximum(length, 1e-300))
        new = given.value(u + step)
        worse = ~(new >= value - 1e-9)
        for _ in range(_MOST_HALVINGS):
            if not worse.any():
                break
            step[worse] /= 2
            new = given.value(u + step)
            worse = ~(new >= value - 1e-9)
        step[worse] = 0.0
        u, value = u + step, np.where(worse, value, new)
        if np.max(np.abs(step)) < _ENOUGH:
            break
    return Peak(u, _newton(given, u)[1])


def _newton(given: Given, u: Floats) -> tuple[Floats, Floats]:
    """Newton's step (S, D) and a root of the inverse curvature (S, D, D) at u.

    The curvature is that of each predictor by itself, so that it is positive definite.
    """
    eta = given.at(u)
    middle = given.density(*eta)
    gradient, H = -u, np.zeros((len(u), given.size, given.size))
    H[:, range(given.size), range(given.size)] = 1.0
    for k, A in enumerate(given.A):
        low, high = (given.density(*eta[:k], eta[k] + h, *eta[k + 1 :]) for h in (-_STEP, _STEP))
        slope = (high - low) / (2 * _STEP)
        curvature = np.maximum(-(high - 2 * middle + low) / _STEP**2, 0.0)
        across = A.transpose(0, 2, 1)
        gradient = gradient + (across @ slope[:, :, None])[:, :, 0]
        H += across @ (A * curvature[:, :, None])
    root = np.linalg.inv(np.linalg.cholesky(H)).transpose(0, 2, 1)
    step = (root @ (root.transpose(0, 2, 1) @ gradient[:, :, None]))[:, :, 0]
    return step, root


# ---- effects drawn near their mode, and weighed ------------------------------------------------
# Proposals are multivariate t about the mode, in units of the curvature there. Their tails are
# heavier than the normal ones of the effects' distribution, so that for a bounded likelihood the
# weights are bounded. They come in pairs on opposite sides of the mode, which cancels skewness.


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
