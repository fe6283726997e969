"""Nodes and weights of Gauss-Hermite quadrature for the expectation under N(0, I)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from mixedbayes.design.types import Floats


@dataclass(frozen=True, eq=False)
class Rule:
    """sum_k weights_k f(nodes_k) for the mean of f(x), x ~ N(0, I_q); k nodes in each dimension.

    Exact for polynomials of degree 2 k - 1 in each x.
    """

    nodes: Floats  # (K, q)
    log_weights: Floats  # (K,)

    @classmethod
    @lru_cache(maxsize=64)
    def product(cls, k: int, q: int) -> Rule:
        """The product of one-dimensional rules: K = k^q."""
        x, w = hermegauss(k)
        w = w / w.sum()
        nodes = np.array(list(product(x, repeat=q)))
        log_weights = np.array([sum(c) for c in product(np.log(w), repeat=q)])
        return cls(nodes, log_weights)

    @property
    def log_ratios(self) -> Floats:
        """(K,) log weights over the density of the nodes, but for (q / 2) log 2 pi."""
        return self.log_weights + 0.5 * np.sum(self.nodes**2, axis=1)
