"""Correlations without structure: `(x | g)`.

Row i of W has the partial correlations z_ij of effect i with each effect j before it, given those
before j:

    w_ij = z_ij prod_{k<j} sqrt(1 - z_ik^2),    w_ii = prod_k sqrt(1 - z_ik^2).

They are any numbers between -1 and 1, and under LKJ(eta) independent, (1 + z) / 2 ~ Beta(s, s).
Lewandowski, Kurowicka & Joe (2009), doi:10.1016/j.jmva.2009.04.008.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.distributions import LKJ, Prior
from mixedbayes.numerics import correlation
from mixedbayes.terms.covariance import Covariance, Floats, Scaled, Written


@dataclass(frozen=True)
class Unstructured(Covariance):
    """Every correlation for itself, with an LKJ prior."""

    name: ClassVar[str] = "us"
    closed: ClassVar[bool] = True
    said: ClassVar[str] = "a correlation for each pair"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "({effects} | {group})",
        "glmmTMB": "us({effects} | {group})",
        "brms": "({effects} | {group})",
        "pymc": 'pm.LKJCorr("{variable}", n={k}, eta={prior.eta!r})',
    }

    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {
        "brms": Written("unstr(time = {time}, gr = {group})")
    }

    def default(self) -> tuple[Prior, str]:
        return LKJ(2.0), "favours weak correlations a little"

    def refusal(self, prior: Prior) -> str:
        return "" if isinstance(prior, LKJ) else "a correlation's prior is LKJ(eta)"

    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        return tuple(_partial(prior, k, j, (i, j)) for i in range(1, k) for j in range(i))

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        rows = []
        for i in range(k):
            own = slice(i * (i - 1) // 2, i * (i + 1) // 2)
            rows.append(correlation.row_of(z[own], left[own], one))
        return rows

    def inverse(self, cor: Floats) -> Floats:
        return correlation.decomposed(cor)[1]

    def margin(self, k: int, prior: Prior) -> Scaled:
        return _partial(prior, k, 0, ())

    def log_density(self, cor: Floats, prior: Prior) -> Floats:
        return np.asarray(prior.logpdf(cor), float)

    @staticmethod
    def fill(work, z, at, W):
        for i in range(len(W)):
            left = 1.0
            for j in range(i):
                W[i, j] = left * work[0, z + j]
                left *= math.sqrt(work[1, z + j])
            W[i, i] = left
            z += i

    @staticmethod
    def slopes(work, z, at, W, dW):
        # z = tanh t: d w_ij / dt_ij = left_j (1 - z_ij^2), and d w_ik / dt_ij = -z_ij w_ik after j
        for i in range(len(W)):
            left, later = 1.0, 0.0
            for j in range(i + 1):
                later += dW[i, j] * W[i, j]
            for j in range(i):
                slope = dW[i, j] * left
                later -= slope * work[0, z + j]
                work[2, z + j] += slope * work[1, z + j] - work[0, z + j] * later
                left *= math.sqrt(work[1, z + j])
            z += i


def _partial(prior: Prior, k: int, given: int, of: tuple[int, ...]) -> Scaled:
    """A partial correlation given `given` others, of k effects under LKJ(eta)."""
    assert isinstance(prior, LKJ)
    shape = prior.eta + (k - 2 - given) / 2
    return Scaled(shape, shape, of=of)


UNSTRUCTURED = Unstructured()
