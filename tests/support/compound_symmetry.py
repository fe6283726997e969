"""Compound symmetry of the effects, as a structure of one's own: one correlation for all pairs."""

import math
from dataclasses import dataclass
from typing import ClassVar

from mixedbayes.distributions import LKJ
from mixedbayes.terms.covariance import Covariance, Scaled


@dataclass(frozen=True)
class CompoundSymmetry(Covariance):
    """R = (1 - rho) I + rho 1 1', -1 / (k - 1) < rho < 1; an LKJ prior stretched over that."""

    name: ClassVar[str] = "cs"
    elsewhere: ClassVar[dict[str, str]] = {"R": "cs({effects} | {group})"}
    latex: ClassVar[str] = r"\text{: one correlation for all pairs}"

    def default(self):
        return LKJ(2.0), "favours weak correlations a little"

    def refusal(self, prior):
        return "" if isinstance(prior, LKJ) else "the prior of a correlation is LKJ(eta)"

    def parameters(self, k, prior):
        return (Scaled(prior.eta, prior.eta, lower=-1 / (k - 1)),)

    def rows(self, z, left, one, k):
        (rho,), used, diagonal, below = z, 0.0, [], []
        for _ in range(k):  # w_ij depends on the column j alone
            diagonal.append((one - used) ** 0.5)
            below.append((rho - used) / diagonal[-1])
            used = used + below[-1] ** 2
        return [[*below[:i], diagonal[i]] for i in range(k)]

    def inverse(self, cor):
        return cor[..., 1:2, 0]

    def margin(self, k, prior):
        return self.parameters(k, prior)[0]

    @staticmethod
    def fill(work, z, W):
        used = 0.0
        for j in range(len(W)):
            W[j, j] = math.sqrt(1.0 - used)
            for i in range(j + 1, len(W)):
                W[i, j] = (work[0, z] - used) / W[j, j]
            if j + 1 < len(W):
                used += W[j + 1, j] ** 2

    @staticmethod
    def slopes(work, z, W, dW):
        total, d_used = 0.0, 0.0
        for j in range(len(W)):
            d_diagonal = -0.5 * d_used / W[j, j]
            total += dW[j, j] * d_diagonal
            if j + 1 < len(W):
                below = W[j + 1, j]
                d_below = (1.0 - d_used - below * d_diagonal) / W[j, j]
                for i in range(j + 1, len(W)):
                    total += dW[i, j] * d_below
                d_used += 2.0 * below * d_below
        work[2, z] += total * work[1, z]
