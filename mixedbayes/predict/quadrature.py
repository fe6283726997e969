"""The mean over a population of groups: a normal linear predictor through the inverse link."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.families.links import Identity, Link

_STEP, _MOST = 16, 208


def population_mean(link: Link, eta: Floats, variance: Floats) -> Floats:
    """E[g^-1(h)] for h ~ N(eta, variance), elementwise, by Gauss-Hermite quadrature.

    The number of nodes grows with the largest sd: 32 at sd 1, 112 at sd 6, at most 208. Up to sd 3
    the error is below 1e-5 for the logit, probit, complementary log-log and log (relative) links.
    Exact for the identity.
    """
    if isinstance(link, Identity):
        return eta
    sd = np.sqrt(variance)
    nodes, weights = _rule(float(sd.max(initial=0.0)))
    total = np.zeros(np.broadcast_shapes(eta.shape, sd.shape))
    for node, weight in zip(nodes, weights, strict=True):
        total += weight * link.inverse(eta + node * sd, np)
    return total


def _rule(sd: float) -> tuple[Floats, Floats]:
    count = _STEP * (1 + int(min(np.ceil(sd), _MOST // _STEP - 1)))
    return _nodes(count)


@lru_cache
def _nodes(count: int) -> tuple[Floats, Floats]:
    nodes, weights = special.roots_hermitenorm(count)
    kept = weights > 0  # the outermost underflow
    return nodes[kept], weights[kept] / weights.sum()
