"""A correlation for each lag: `toep(visit | g)`, and with one sd `homtoep(visit | g)`.

The numbers are the partial autocorrelations p_1, ..., p_(k - 1): that of effects h steps apart
given those between them. Any between -1 and 1 make a positive definite matrix, by the recursion of
Levinson and Durbin: effect i has the coefficients a_ij on the effects i - j before it,

    a_ii = p_i,    a_ij = a_(i-1)j - p_i a_(i-1)(i-j),    s_i^2 = (1 - p_1^2) ... (1 - p_i^2),

and row i of W is the sum of a_ij times row i - j, with s_i on the diagonal. Barndorff-Nielsen &
Schou (1973), doi:10.1016/0047-259X(73)90030-4. Each (p + 1) / 2 ~ Beta(eta, eta), so that
neighbours have the same prior however many effects there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from mixedbayes.distributions import LKJ, Prior
from mixedbayes.interrupts import later
from mixedbayes.names import LAG
from mixedbayes.numerics.correlation import CLOSEST
from mixedbayes.terms.covariance import Axis, Covariance, Floats, Scaled

stats = later("scipy.stats")

_DRAWS = 100_000


@dataclass(frozen=True)
class Toeplitz(Covariance):
    """R_ij depends on |i - j| alone."""

    name: ClassVar[str] = "toep"
    axis: ClassVar[Axis] = "order"
    apart: ClassVar[bool] = True
    elsewhere: ClassVar[Mapping[str, str]] = {"glmmTMB": "toep({effects} | {group})"}
    latex: ClassVar[str] = r"\text{: a correlation for each lag}"
    about: ClassVar[str] = "partial correlations"
    said: ClassVar[str] = "a correlation for each lag"
    dimension: ClassVar[str] = LAG

    def default(self) -> tuple[Prior, str]:
        return LKJ(2.0), "favours weak correlations a little"

    def refusal(self, prior: Prior) -> str:
        return "" if isinstance(prior, LKJ) else "the prior of correlations by lag is LKJ(eta)"

    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        assert isinstance(prior, LKJ)
        return (Scaled(prior.eta, prior.eta),) * (k - 1)

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        rows: list[list[Any]] = [[one]]
        a: list[Any] = []  # of the row at hand, on the effects 1, 2, ... steps before it
        s = one
        for p, rest in zip(z, left, strict=True):
            a = [*(own - p * other for own, other in zip(a, a[::-1], strict=True)), p]
            s = s * rest
            i = len(rows)
            row = [sum(a[i - m - 1] * rows[m][j] for m in range(j, i)) for j in range(i)]
            rows.append([*row, s])
        return rows

    def inverse(self, cor: Floats) -> Floats:
        found: list[Floats] = []
        a: list[Floats] = []
        for h in range(1, cor.shape[-1]):
            # what is left of effects h steps apart given those between them
            shared = [own * cor[..., h - j, 0] for j, own in enumerate(a, 1)]
            left = np.ones(cor.shape[:-2])
            for p in found:
                left = left * (1 - p**2)
            p = (cor[..., h, 0] - sum(shared)) / np.maximum(left, 1e-300)
            p = np.clip(p, -CLOSEST, CLOSEST)
            a = [*(own - p * other for own, other in zip(a, a[::-1], strict=True)), p]
            found.append(p)
        return np.stack(found, axis=-1)

    def margin(self, k: int, prior: Prior) -> Scaled:
        return self.parameters(k, prior)[0]

    def labels(self, k: int) -> tuple[str, ...]:
        return tuple(f"lag {h * self.step(k):g}" for h in range(1, k))

    def numbers(self, cor: Floats) -> Floats:
        return cor[..., 1:, 0]

    def numbers_of(self, z: Floats, k: int) -> Floats:
        return self.root(z, k)[..., 1:, 0]

    def from_numbers(self, numbers: Floats, k: int) -> Floats:
        return self.inverse(self.matrix(numbers, k))

    def told(self, z: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [row[0] for row in rows[1:]]

    def matrix(self, numbers: Floats, k: int) -> Floats:
        lags = np.concatenate([np.ones((*numbers.shape[:-1], 1)), numbers], axis=-1)
        return lags[..., np.abs(np.subtract.outer(np.arange(k), np.arange(k)))]

    def margins(self, k: int, prior: Prior) -> tuple[Any, ...]:
        assert isinstance(prior, LKJ)
        return (self.parameters(k, prior)[0].distribution(), *_margins(k, prior.eta))

    @staticmethod
    def fill(work, z, at, W):
        k = len(W)
        a = np.empty(k)
        W[0, 0] = s = 1.0
        for i in range(1, k):
            p = work[0, z + i - 1]
            for j in range(i // 2):
                own, other = a[j], a[i - 2 - j]
                a[j], a[i - 2 - j] = own - p * other, other - p * own
            a[i - 1] = p
            s *= math.sqrt(work[1, z + i - 1])
            for j in range(i):
                total = 0.0
                for m in range(j, i):
                    total += a[i - m - 1] * W[m, j]
                W[i, j] = total
            W[i, i] = s

    @staticmethod
    def slopes(work, z, at, W, dW):
        k = len(W)
        a, d_a, d_W = np.zeros((k, k)), np.zeros((k, k)), dW.copy()  # a of row i in row i
        for i in range(1, k):
            p = work[0, z + i - 1]
            for j in range(i - 1):
                a[i, j] = a[i - 1, j] - p * a[i - 1, i - 2 - j]
            a[i, i - 1] = p
        later = 0.0  # sum over i of dW_ii s_i, from here on
        for i in range(k - 1, 0, -1):
            p = work[0, z + i - 1]
            for m in range(i):
                own = 0.0
                for j in range(m + 1):
                    own += d_W[i, j] * W[m, j]
                    d_W[m, j] += a[i, i - m - 1] * d_W[i, j]
                d_a[i, i - m - 1] += own
            later += d_W[i, i] * W[i, i]
            slope = d_a[i, i - 1]
            for j in range(i - 1):
                slope -= d_a[i, j] * a[i - 1, i - 2 - j]
                d_a[i - 1, j] += d_a[i, j]
                d_a[i - 1, i - 2 - j] -= p * d_a[i, j]
            work[2, z + i - 1] += slope * work[1, z + i - 1] - p * later


@dataclass(frozen=True)
class HomogeneousToeplitz(Toeplitz):
    """The same correlations, with one sd for all effects."""

    name: ClassVar[str] = "homtoep"
    elsewhere: ClassVar[Mapping[str, str]] = {"glmmTMB": "homtoep({effects} | {group})"}
    one_sd: ClassVar[bool] = True
    apart: ClassVar[bool] = False


@lru_cache
def _margins(k: int, eta: float) -> tuple[Any, ...]:
    """Of the correlations at lags 2, 3, ..., from draws: they have no closed form."""
    W = Toeplitz().draw(k, LKJ(eta), _DRAWS, np.random.default_rng(0))
    lags = (np.sum(W[:, h] * W[:, 0], axis=-1) for h in range(2, k))
    counts = (np.histogram(own, bins=200, range=(-1, 1)) for own in lags)
    return tuple(stats.rv_histogram(own, density=False) for own in counts)
