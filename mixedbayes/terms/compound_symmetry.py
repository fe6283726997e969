"""One correlation for all pairs: `cs(visit | g)`, and with one sd `homcs(visit | g)`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.distributions import LKJ, Prior
from mixedbayes.terms.covariance import (
    Covariance,
    Floats,
    Scaled,
    Written,
    bounded,
    bounded_refusal,
)


@dataclass(frozen=True)
class CompoundSymmetry(Covariance):
    """R = (1 - rho) I + rho 1 1', -1 / (k - 1) < rho < 1; Beta(eta, eta) over that interval."""

    name: ClassVar[str] = "cs"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "cs({effects} | {group})", "glmmTMB": "cs({effects} | {group})",
    }  # fmt: skip
    latex: ClassVar[str] = r"\text{: one correlation for all pairs}"
    about: ClassVar[str] = "correlation"
    said: ClassVar[str] = "one correlation for all pairs"
    apart: ClassVar[bool] = True
    equal: ClassVar[bool] = True

    def default(self) -> tuple[Prior, str]:
        lower = self._lower(len(self.at)) if len(self.at) > 1 else -1.0
        return LKJ(2.0), f"Beta(2, 2) over all that are possible, {lower:.2g} to 1"

    def refusal(self, prior: Prior) -> str:
        return bounded_refusal(prior, self._lower(len(self.at)) if self.at else -1.0)

    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        return (bounded(prior, self._lower(k)),)

    @staticmethod
    def _lower(k: int) -> float:
        return -1 / (k - 1)

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        (rho,), used, diagonal, below = z, 0.0, [], []
        for _ in range(k):  # w_ij depends on the column j alone
            diagonal.append((one - used) ** 0.5)
            below.append((rho - used) / diagonal[-1])
            used = used + below[-1] ** 2
        return [[*below[:i], diagonal[i]] for i in range(k)]

    def inverse(self, cor: Floats) -> Floats:
        return cor[..., 1:2, 0]

    def margin(self, k: int, prior: Prior) -> Scaled:
        return self.parameters(k, prior)[0]

    def labels(self, k: int) -> tuple[str, ...]:
        return ("all pairs",)

    def matrix(self, numbers: Floats, k: int) -> Floats:
        return np.where(np.eye(k, dtype=bool), 1.0, numbers[..., None])

    def among(self, numbers: Floats, places: Any, k: int) -> Floats:
        return self.matrix(numbers, len(places))

    def graph(self, z: Sequence[Any], k: int, xp: Any) -> Any:
        (rho,) = z
        return rho + (1 - rho) * np.eye(k)

    def between(self, z: Sequence[Any], distances: Floats) -> Any:
        (rho,) = z
        return rho + 0.0 * distances

    @staticmethod
    def fill(work, z, at, W):
        used = 0.0
        for j in range(len(W)):
            W[j, j] = math.sqrt(1.0 - used)
            for i in range(j + 1, len(W)):
                W[i, j] = (work[0, z] - used) / W[j, j]
            if j + 1 < len(W):
                used += W[j + 1, j] ** 2

    @staticmethod
    def slopes(work, z, at, W, dW):
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


@dataclass(frozen=True)
class HomogeneousCompoundSymmetry(CompoundSymmetry):
    """The same with one sd: a level's own intercept, and independent deviations from it."""

    name: ClassVar[str] = "homcs"
    one_sd: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    exchangeable: ClassVar[bool] = True
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "cs({effects} | {group}, hom = TRUE)", "glmmTMB": "homcs({effects} | {group})",
    }  # fmt: skip
    nearest: ClassVar[Mapping[str, str]] = {
        "mgcv": "(1 | {group}) + (1 | {group}:{of}), the same where the correlation is positive"
    }
    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {
        "brms": Written("cosy(gr = {group})", ("cosy",), lower=0.0)
    }
