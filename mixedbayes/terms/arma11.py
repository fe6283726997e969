"""Correlations of an autoregression with a moving average: `arma11(visit | g)`, of residuals.

e_t = rho e_(t - 1) + a_t + theta a_(t - 1), with independent a_t, has the correlations

    R_h = R_1 rho^(h - 1),    R_1 = (1 + rho theta) (rho + theta) / (1 + 2 rho theta + theta^2),

of values h steps apart (Box, Jenkins, Reinsel & Ljung 2015, Time Series Analysis, section 3.4).
With theta = 0 it is the autoregression, with theta = -rho there are none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes import jit
from mixedbayes.distributions import Prior
from mixedbayes.numerics.correlation import CLOSEST
from mixedbayes.terms.autoregressive import Autoregressive
from mixedbayes.terms.covariance import Floats, Scaled, Written, bounded


def _first(rho: Any, theta: Any) -> Any:
    """R_1; arrays or graphs."""
    return (1 + rho * theta) * (rho + theta) / (1 + 2 * rho * theta + theta**2)


@jit.inner
def _lags(rho, theta, at, R):
    """R (k, k), lower triangle, at whole steps."""
    first = (1 + rho * theta) * (rho + theta) / (1 + 2 * rho * theta + theta**2)
    for i in range(len(R)):
        R[i, i] = 1.0
        for j in range(i):
            R[i, j] = first * rho ** (int(at[i] - at[j]) - 1)


@jit.inner
def _factor(R):
    """The root W of R, in its place."""
    for j in range(len(R)):
        for k in range(j):
            for i in range(j, len(R)):
                R[i, j] -= R[i, k] * R[j, k]
        root = math.sqrt(max(R[j, j], 1e-16))
        for i in range(j, len(R)):
            R[i, j] /= root
        R[j, j] = root
        for i in range(j):
            R[i, j] = 0.0


@jit.inner
def _factor_slopes(W, d):
    """Derivatives in the lower triangle of R in the place of those in W (Murray 2016,
    arXiv:1602.07527).
    """
    k = len(W)
    for j in range(k - 1, -1, -1):
        for i in range(j + 1, k):
            d[j, j] -= W[i, j] * d[i, j] / W[j, j]
        for i in range(j, k):
            d[i, j] /= W[j, j]
        for m in range(j):
            for i in range(j, k):
                d[j, m] -= d[i, j] * W[i, m]
            for i in range(j + 1, k):
                d[i, m] -= d[i, j] * W[j, m]
        d[j, j] *= 0.5


@dataclass(frozen=True)
class AutoregressiveMovingAverage(Autoregressive):
    """R_st = R_1 rho^(|s - t| - 1), s - t in steps, see `Autoregressive`, -1 < rho, theta < 1."""

    name: ClassVar[str] = "arma11"
    chain: ClassVar[bool] = False
    symbols: ClassVar[tuple[str, ...]] = ("rho", "theta")
    elsewhere: ClassVar[Mapping[str, str]] = {}
    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {
        "brms": Written(
            "arma(time = {time}, gr = {group}, p = 1, q = 1, cov = TRUE)", ("ar[1]", "ma[1]"),
            "sqrt((1 + square(ma[1]) + 2 * ar[1] * ma[1]) / (1 - square(ar[1])))",
            consecutive=True,
        )
    }  # fmt: skip
    latex: ClassVar[str] = r"_{st} = R_1 \rho^{|s - t| - 1}"
    about: ClassVar[str] = "autoregression and moving average"
    said: ClassVar[str] = "an autoregression with a moving average"

    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        return bounded(prior), bounded(prior)

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        (rho, theta), at = z, self.positions(k).astype(int).tolist()
        first, rows = _first(rho, theta), list[list[Any]]()
        for i in range(k):
            row: list[Any] = []
            for j in range(i):
                step = at[i] - at[j] - 1
                own = first if step == 0 else first * rho**step
                own = own - sum(a * b for a, b in zip(row, rows[j][:j], strict=True))
                row.append(own / rows[j][j])
            rest = one - sum(a**2 for a in row)
            rows.append([*row, rest**0.5])
        return rows

    def inverse(self, cor: Floats) -> Floats:
        # two lags, an odd number of steps apart, say rho; then R_1 follows, and theta
        k = cor.shape[-1]
        at = self.positions(k).astype(int)
        lags = {int(at[i] - at[j]): cor[..., i, j] for i in range(k) for j in range(i)}
        low, high = min(
            ((a, b) for a in lags for b in lags if b > a and (b - a) % 2),
            key=lambda pair: (pair[1] - pair[0], pair[0]),
            default=(min(lags), min(lags)),
        )
        near, far = lags[low], lags[high]
        safe = np.where(near == 0, 1.0, near)
        ratio = np.where((near == 0) | (low == high), 0.0, far / safe)
        rho = np.sign(ratio) * np.abs(ratio) ** (1 / max(high - low, 1))
        rho = np.clip(rho, -CLOSEST, CLOSEST)
        scale = np.where(rho == 0, 1.0, rho) ** (low - 1)
        a = near / scale - rho
        b = 1 + rho**2 - 2 * rho * near / scale
        theta = 2 * a / (b + np.sqrt(np.maximum(b**2 - 4 * a**2, 0.0)))
        return np.stack([rho, np.clip(theta, -CLOSEST, CLOSEST)], axis=-1)

    def labels(self, k: int) -> tuple[str, ...]:
        return self.symbols

    def matrix(self, numbers: Floats, k: int) -> Floats:
        return self.among(numbers, np.arange(k), k)

    def among(self, numbers: Floats, places: Any, k: int) -> Floats:
        at = self.positions(k)[places]
        rho, theta = (numbers[..., m, None, None] for m in range(2))
        steps = np.abs(np.subtract.outer(at, at))
        return np.where(steps == 0, 1.0, _first(rho, theta) * rho ** np.maximum(steps - 1, 0))

    def graph(self, z: Sequence[Any], k: int, xp: Any) -> Any:
        at = self.positions(k)
        steps = np.abs(np.subtract.outer(at, at))
        return xp.where(steps == 0, 1.0, _first(*z) * z[0] ** np.maximum(steps - 1, 0))

    @staticmethod
    def fill(work, z, at, W):
        _lags(work[0, z], work[0, z + 1], at, W)
        _factor(W)

    @staticmethod
    def slopes(work, z, at, W, dW):
        rho, theta = work[0, z], work[0, z + 1]
        top, below = (1 + rho * theta) * (rho + theta), 1 + 2 * rho * theta + theta**2
        d, first = dW.copy(), top / below
        _factor_slopes(W, d)
        d_first, d_rho = 0.0, 0.0
        for i in range(len(W)):
            for j in range(i):
                step = int(at[i] - at[j]) - 1
                d_first += d[i, j] * rho**step
                if step > 0:
                    d_rho += d[i, j] * first * step * rho ** (step - 1)
        both = 1 + rho * theta
        d_rho += d_first * (theta * (rho + theta) + both - first * 2 * theta) / below
        d_theta = d_first * (rho * (rho + theta) + both - first * 2 * (rho + theta)) / below
        work[2, z] += d_rho * work[1, z]
        work[2, z + 1] += d_theta * work[1, z + 1]
