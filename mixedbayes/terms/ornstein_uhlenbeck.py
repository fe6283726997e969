"""Correlations that fall exponentially with the distance of times: `ou(time | g)`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import optimize

from mixedbayes.distributions import InverseGamma, Prior, Uniform
from mixedbayes.numerics import univariate
from mixedbayes.terms.chain import SMALLEST, chain_rows, chain_slopes, fill_chain
from mixedbayes.terms.covariance import Axis, Covariance, Floats, Positive

_ENDS = 0.025, 0.975
_WEAK = 1e-3  # a correlation from which a range is read with few digits


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Covariance):
    """R_st = exp(-|s - t| / range) at any times s and t; the range is in their units.

    Times one range apart have the correlation 0.37. By default 95 % of the range's inverse gamma
    prior lie between half of the typical step (the median distance of neighbouring times) and twice
    the distance of the first time and the last.
    """

    name: ClassVar[str] = "ou"
    one_sd: ClassVar[bool] = True
    apart: ClassVar[bool] = True
    extends: ClassVar[bool] = True
    chain: ClassVar[bool] = True
    axis: ClassVar[Axis] = "times"
    elsewhere: ClassVar[Mapping[str, str]] = {"glmmTMB": "ou({effects} | {group})"}
    nearest: ClassVar[Mapping[str, str]] = {
        "brms": 'gp({of}, by = g, cov = "exponential", scale = FALSE) there: the same curves, with '
        "an sd and a range for each level"
    }
    latex: ClassVar[str] = r"_{st} = \exp(-|s - t| / \rho)"
    about: ClassVar[str] = "range"
    said: ClassVar[str] = "a correlation that falls exponentially with the distance of times"
    kind: ClassVar[str] = "range"
    symbols: ClassVar[tuple[str, ...]] = ("range",)

    def default(self) -> tuple[Prior, str]:
        at = self.positions(max(len(self.at), 2))
        step, span = float(np.median(np.diff(at))), float(at[-1] - at[0])
        said = f"95 % from half of the typical step, {step:.4g}, to twice the span, {span:.4g}"
        return inverse_gamma(step / 2, 2 * span), said

    def refusal(self, prior: Prior) -> str:
        positive = prior.support == "positive" and prior.proper
        if positive or (isinstance(prior, Uniform) and prior.lower >= 0):
            return ""
        return (
            "the prior is that of the range, a positive number in units of the times, at which the "
            "correlation is exp(-1): InverseGamma, Gamma, HalfNormal, Exponential, ..."
        )

    def parameters(self, k: int, prior: Prior) -> tuple[Positive, ...]:
        return (Positive(prior),)

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        (reach,) = z
        steps = np.diff(self.positions(k)).tolist()
        r = [math.e ** (-step / reach) for step in steps]  # of arrays and of graphs
        return chain_rows(r, [((one - own) * (one + own)) ** 0.5 for own in r], one)

    def between(self, z: Sequence[Any], distances: Floats) -> Any:
        (reach,) = z
        return math.e ** (-distances / reach)

    def inverse(self, cor: Floats) -> Floats:
        # from the first time and the last, or where they have nothing in common from neighbours
        at = self.positions(cor.shape[-1])
        i = int(np.argmin(np.diff(at)))
        far, near = cor[..., -1, 0], cor[..., i + 1, i]
        tiny, below = np.finfo(float).tiny, 1 - np.finfo(float).epsneg
        distance = np.where(far > _WEAK, at[-1] - at[0], at[i + 1] - at[i])
        own = np.clip(np.where(far > _WEAK, far, near), tiny, below)
        return (-distance / np.log(own))[..., None]

    def margin(self, k: int, prior: Prior) -> Positive:
        return Positive(prior)

    def labels(self, k: int) -> tuple[str, ...]:
        return ("range",)

    def matrix(self, numbers: Floats, k: int) -> Floats:
        return self.among(numbers, np.arange(k), k)

    def graph(self, z: Sequence[Any], k: int, xp: Any) -> Any:
        at = self.positions(k)
        return xp.exp(-np.abs(np.subtract.outer(at, at)) / z[0])

    def among(self, numbers: Floats, places: Any, k: int) -> Floats:
        at = self.positions(k)[places]
        with np.errstate(over="ignore", divide="ignore"):
            return np.exp(-np.abs(np.subtract.outer(at, at)) / numbers[..., None])

    @staticmethod
    def fill(work, z, at, W):
        r, s = np.empty(len(W)), np.empty(len(W))
        for i in range(1, len(W)):
            distance = (at[i] - at[i - 1]) / work[0, z]
            r[i] = math.exp(-distance)
            s[i] = math.sqrt(max(-math.expm1(-2.0 * distance), SMALLEST))
        fill_chain(r, s, W)

    @staticmethod
    def slopes(work, z, at, W, dW):
        r, s = np.empty(len(W)), np.empty(len(W))
        for i in range(1, len(W)):
            r[i], s[i] = math.exp(-(at[i] - at[i - 1]) / work[0, z]), W[i, i]
        found, total = chain_slopes(r, s, W, dW), 0.0
        for i in range(1, len(W)):
            if r[i] > 0.0:
                total += found[i] * r[i] * (at[i] - at[i - 1]) / work[0, z]
        work[2, z] += total * (work[1, z] / work[0, z])


def inverse_gamma(low: float, high: float) -> InverseGamma:
    """That with 95 % between two numbers, to three digits."""

    def spread(log_shape: float) -> float:
        ends = univariate.InverseGamma(shapes=(math.exp(log_shape),)).ppf(_ENDS)
        return float(np.log(ends[1] / ends[0])) - math.log(high / low)

    shape = math.exp(optimize.brentq(spread, math.log(0.05), math.log(1e4)))
    scale = low / float(univariate.InverseGamma(shapes=(shape,)).ppf(_ENDS[0]))
    return InverseGamma(float(f"{shape:.3g}"), float(f"{scale:.3g}"))
