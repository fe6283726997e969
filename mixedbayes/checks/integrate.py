"""Group effects integrated out by adaptive Gauss-Hermite quadrature, where there is no closed form.

log p(y_g | theta) = log of the integral over u of exp(f(u)) / (2 pi)^(q/2), with
f(u) = sum over rows of log p(y_i | eta_i + z_i' L u, theta) - u'u / 2. In every draw the nodes are
placed at the mode of f in units of its curvature there. Pinheiro & Bates (1995),
doi:10.1080/10618600.1995.10474663.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats

NODES = {1: 15, 2: 9, 3: 7}  # per dimension, by number of effects per level
_STEP = 1e-3  # of the differences in eta
_LONGEST = 3.0  # Newton step, in sds of the effects
_ENOUGH = 1e-3
_MOST_ITERATIONS = 50

Density = Callable[[Floats], Floats]  # log p(y_i | eta_i), (S, m) to (S, m)


@dataclass(frozen=True, eq=False)
class Level:
    """The rows of one level: all but its effects in eta, and what these add."""

    density: Density
    eta: Floats  # (S, m) without the level's effects
    A: Floats  # (S, m, q) Z L: what a unit of each spherical effect adds

    def at(self, u: Floats) -> Floats:
        """(S, m) eta with effects u (S, q)."""
        return self.eta + np.einsum("smq,sq->sm", self.A, u)

    def value(self, u: Floats) -> Floats:
        """(S,) f(u)."""
        return self.density(self.at(u)).sum(axis=1) - 0.5 * np.sum(u**2, axis=1)


def log_integral(level: Level) -> Floats:
    """(S,) log p(y_g | theta), the level's effects integrated out."""
    u, root = _mode(level)
    q = u.shape[1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[q])
    terms = []
    for at in product(range(len(nodes)), repeat=q):
        z = nodes[list(at)]
        shift = np.log(weights[list(at)]).sum() + 0.5 * z @ z
        terms.append(level.value(u + root @ z) + shift)
    half_log_det = np.linalg.slogdet(root)[1]
    return special.logsumexp(terms, axis=0) + half_log_det - 0.5 * q * np.log(2 * np.pi)


def _mode(level: Level) -> tuple[Floats, Floats]:
    """The mode (S, q) of f and a root (S, q, q) of its inverse curvature, by Newton's method.

    Rows where the log density is convex count as flat; steps are shortened until f rises.
    """
    u = np.zeros((len(level.eta), level.A.shape[2]))
    value = level.value(u)
    for _ in range(_MOST_ITERATIONS):
        step, _ = _newton(level, u)
        length = np.sqrt(np.sum(step**2, axis=1, keepdims=True))
        step = step * np.minimum(1.0, _LONGEST / np.maximum(length, 1e-300))
        new = level.value(u + step)
        worse = ~(new >= value - 1e-9)
        for _ in range(20):
            if not worse.any():
                break
            step[worse] /= 2
            new = level.value(u + step)
            worse = ~(new >= value - 1e-9)
        step[worse] = 0.0
        u, value = u + step, np.where(worse, value, new)
        if np.max(np.abs(step)) < _ENOUGH:
            break
    return u, _newton(level, u)[1]


def _newton(level: Level, u: Floats) -> tuple[Floats, Floats]:
    """Newton's step (S, q) and a root of the inverse curvature (S, q, q) at u."""
    eta = level.at(u)
    low, middle, high = (level.density(eta + h) for h in (-_STEP, 0.0, _STEP))
    slope = (high - low) / (2 * _STEP)
    curvature = np.maximum(-(high - 2 * middle + low) / _STEP**2, 0.0)
    gradient = np.einsum("smq,sm->sq", level.A, slope) - u
    H = np.eye(u.shape[1]) + np.einsum("smq,sm,smr->sqr", level.A, curvature, level.A)
    factor = np.linalg.cholesky(H)
    root = np.swapaxes(np.linalg.inv(factor), 1, 2)  # root root' = H^-1
    step = np.einsum("sqr,str,st->sq", root, root, gradient)
    return step, root
