"""Correlations that fall with the number of steps: `ar1(visit | g)`, and `hetar1(visit | g)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.distributions import LKJ, Prior
from mixedbayes.terms.chain import SMALLEST, chain_rows, chain_slopes, fill_chain
from mixedbayes.terms.covariance import (
    Axis,
    Covariance,
    Floats,
    Scaled,
    Written,
    bounded,
    bounded_refusal,
)


@dataclass(frozen=True)
class Autoregressive(Covariance):
    """R_st = rho^|s - t|, -1 < rho < 1, s - t in steps; (rho + 1) / 2 ~ Beta(eta, eta).

    A step is the greatest that all distances of the effects are multiples of: in months 0, 6, 18
    it is 6. So the sign of rho is known.
    """

    name: ClassVar[str] = "ar1"
    one_sd: ClassVar[bool] = True
    apart: ClassVar[bool] = True
    extends: ClassVar[bool] = True
    chain: ClassVar[bool] = True
    axis: ClassVar[Axis] = "steps"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "ar1({effects} | {group})", "glmmTMB": "ar1({effects} | {group})",
    }  # fmt: skip
    nearest: ClassVar[Mapping[str, str]] = {
        "brms": 'residual="ar1({of} | g)", ar() in brms: the same correlations of the rows, but no '
        "sigma of their own beside"
    }
    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {
        "brms": Written(
            "ar(time = {time}, gr = {group}, p = 1, cov = TRUE)", ("ar[1]",),
            "sqrt(1 / (1 - square(ar[1])))", consecutive=True,
        )
    }  # fmt: skip
    latex: ClassVar[str] = r"_{st} = \rho^{|s - t|}"
    about: ClassVar[str] = "correlation"
    said: ClassVar[str] = "a correlation that falls geometrically with the steps between"

    def default(self) -> tuple[Prior, str]:
        return LKJ(2.0), "favours weak correlations a little"

    def refusal(self, prior: Prior) -> str:
        return bounded_refusal(prior)

    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        return (bounded(prior),)

    def positions(self, k: int) -> Floats:
        return super().positions(k) / self.step(k)

    def beyond(self, at: Sequence[float]) -> str:
        if not self.extends:
            return (
                f"each level has an sd of its own in {self.name}, and that of others is not known"
            )
        step = self.step(len(self.at))
        odd = [v for v in at if (v - self.at[0]) % step]
        if not odd:
            return ""
        return (
            f"levels are {step:g} apart in the fitted data, and {odd[0]:g} lies between: a "
            f"correlation of levels {step:g} apart says nothing of it; ou({self.of} | g) does"
        )

    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        (rho,), (rest,) = z, left
        steps = np.diff(self.positions(k)).astype(int).tolist()
        r = [rho if step == 1 else rho**step for step in steps]
        s = [
            rest if step == 1 else ((one - own) * (one + own)) ** 0.5
            for step, own in zip(steps, r, strict=True)
        ]
        return chain_rows(r, s, one)

    def between(self, z: Sequence[Any], distances: Floats) -> Any:
        (rho,) = z
        return rho**distances

    def inverse(self, cor: Floats) -> Floats:
        # of an odd number of steps, so that the sign is known; the steps have one by design
        k = cor.shape[-1]
        at = self.positions(k)
        steps = {
            int(at[i] - at[j]): (i, j)
            for i in range(k)
            for j in range(i)
            if (at[i] - at[j]) % 2 == 1
        }
        i, j = steps[min(steps)]
        own = cor[..., i, j]
        return (np.sign(own) * np.abs(own) ** (1 / min(steps)))[..., None]

    def margin(self, k: int, prior: Prior) -> Scaled:
        return bounded(prior)

    def labels(self, k: int) -> tuple[str, ...]:
        return (f"lag {self.step(k):g}",)

    def matrix(self, numbers: Floats, k: int) -> Floats:
        at = self.positions(k)
        return numbers[..., None] ** np.abs(np.subtract.outer(at, at))

    def among(self, numbers: Floats, places: Any, k: int) -> Floats:
        at = self.positions(k)[places]
        return numbers[..., None] ** np.abs(np.subtract.outer(at, at))

    def graph(self, z: Sequence[Any], k: int, xp: Any) -> Any:
        at = self.positions(k)
        return z[0] ** np.abs(np.subtract.outer(at, at))

    @staticmethod
    def fill(work, z, at, W):
        r, s = np.empty(len(W)), np.empty(len(W))
        for i in range(1, len(W)):
            r[i] = work[0, z] ** int(at[i] - at[i - 1])
            s[i] = np.sqrt(max((1.0 - r[i]) * (1.0 + r[i]), SMALLEST))
        fill_chain(r, s, W)

    @staticmethod
    def slopes(work, z, at, W, dW):
        r, s = np.empty(len(W)), np.empty(len(W))
        for i in range(1, len(W)):
            r[i], s[i] = work[0, z] ** int(at[i] - at[i - 1]), W[i, i]
        found, total = chain_slopes(r, s, W, dW), 0.0
        for i in range(1, len(W)):
            step = int(at[i] - at[i - 1])
            total += found[i] * step * work[0, z] ** (step - 1)
        work[2, z] += total * work[1, z]


@dataclass(frozen=True)
class HeterogeneousAutoregressive(Autoregressive):
    """The same correlations, with an sd for each effect."""

    name: ClassVar[str] = "hetar1"
    one_sd: ClassVar[bool] = False
    extends: ClassVar[bool] = False
    elsewhere: ClassVar[Mapping[str, str]] = {
        "lme4": "ar1({effects} | {group}, hom = FALSE)", "glmmTMB": "hetar1({effects} | {group})",
    }  # fmt: skip
    nearest: ClassVar[Mapping[str, str]] = {}
    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {}
