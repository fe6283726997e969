"""Normal response with identity link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families.base import Family
from mixedbayes.families.links import Identity, Link
from mixedbayes.priors.distributions import Exponential, Prior


@dataclass(frozen=True)
class Gaussian(Family):
    """y ~ Normal(mu, sigma / sqrt(weight)), mu = eta.

    `weights(w)` means, as in lme4, that the residual variance of a row is sigma^2 / w.
    """

    name: ClassVar[str] = "gaussian"
    parameters: ClassVar[tuple[str, ...]] = ("sigma",)
    link: Link = field(default_factory=Identity)

    def check(self, design: Design) -> None:
        if design.trials is not None:
            raise DataError(
                "trials(...) is for binomial counts; the gaussian family does not use it"
            )
        if design.response_levels is not None:
            shown = ", ".join(map(repr, design.response_levels[:3]))
            raise DataError(
                f"the response {design.response!r} is categorical ({shown}, ...); "
                "the gaussian family needs numbers"
            )
        if np.ptp(design.y) == 0:
            raise DataError(
                f"the response {design.response!r} is {design.y[0]:g} in all {design.n} rows: "
                "there is no variation to model"
            )

    def location(self, design: Design) -> float:
        return float(np.mean(_beyond_offset(design)))

    def scale(self, design: Design) -> float:
        return float(np.std(_beyond_offset(design), ddof=1))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        scale = self.scale(design)
        return Exponential(1 / scale), f"mean sd({design.response}) = {scale:.4g}"

    def pymc(
        self, mu: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        sigma = parameters["sigma"]
        if design.weights is not None:
            sigma = sigma / np.sqrt(design.weights)
        return "Normal", {"mu": mu, "sigma": sigma}

    def simulate(
        self,
        mu: Floats,
        parameters: Mapping[str, Floats],
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return rng.normal(mu, _sd(parameters, weights))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Mapping[str, Floats],
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return stats.norm.logpdf(y, mu, _sd(parameters, weights))

    def residual_variance(self, parameters: Mapping[str, Floats]) -> Floats:
        return np.asarray(parameters["sigma"]) ** 2


def _beyond_offset(design: Design) -> Floats:
    offset = design.mu.offset
    return design.y if offset is None else design.y - offset


def _sd(parameters: Mapping[str, Floats], weights: Floats | None) -> Floats:
    """(S, 1) or (S, n) standard deviation of an observation."""
    sd = np.asarray(parameters["sigma"])[:, None]
    return sd if weights is None else sd / np.sqrt(weights)
