"""Effects of which each depends on the one before it alone, as a structure of one's own."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixedbayes.distributions import LKJ
from mixedbayes.terms.covariance import Covariance, Scaled


@dataclass(frozen=True)
class Antedependence(Covariance):
    """R_ij = rho_(j + 1) ... rho_i for j < i: a correlation for each two neighbours."""

    name: ClassVar[str] = "ante"
    axis: ClassVar[str] = "order"
    latex: ClassVar[str] = r"\text{: each effect depends on the one before it}"

    def default(self):
        return LKJ(2.0), "favours weak correlations a little"

    def refusal(self, prior):
        return "" if isinstance(prior, LKJ) else "the prior of a correlation is LKJ(eta)"

    def parameters(self, k, prior):
        return (Scaled(prior.eta, prior.eta),) * (k - 1)

    def rows(self, z, left, one, k):
        rows = [[one]]
        for rho, rest in zip(z, left, strict=True):
            rows.append([*(w * rho for w in rows[-1]), rest])
        return rows

    def inverse(self, cor):
        return np.diagonal(cor, -1, -2, -1)

    def margin(self, k, prior):
        return self.parameters(k, prior)[0]

    def labels(self, k):
        return tuple(f"{i} and {i + 1}" for i in range(1, k))

    @staticmethod
    def fill(work, z, at, W):
        W[0, 0] = 1.0
        for i in range(1, len(W)):
            for j in range(i):
                W[i, j] = W[i - 1, j] * work[0, z + i - 1]
            W[i, i] = math.sqrt(work[1, z + i - 1])

    @staticmethod
    def slopes(work, z, at, W, dW):
        d_next = np.zeros(len(W))
        for i in range(len(W) - 1, 0, -1):
            rho, slope = work[0, z + i - 1], 0.0
            d_own = dW[i] + d_next
            for j in range(i):
                slope += d_own[j] * W[i - 1, j]
                d_next[j] = d_own[j] * rho
            d_next[i] = 0.0
            work[2, z + i - 1] += slope * work[1, z + i - 1] - d_own[i] * rho * W[i, i]
