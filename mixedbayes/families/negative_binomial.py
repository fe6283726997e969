"""Counts that vary more than Poisson's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Values, per_row, repeated
from mixedbayes.families.poisson import Counts, count_variance, poisson_draws
from mixedbayes.priors.distributions import InverseGamma, Prior

SHAPE_PRIOR = InverseGamma(0.4, 0.3)
SHAPE_ORIGIN = "95 % of the relative dispersion 1 / shape below about 6; as in brms"


@dataclass(frozen=True)
class NegativeBinomial(Counts):
    """y ~ NegativeBinomial(mean mu, shape): Var[y] = mu + mu^2 / shape.

    A Poisson count whose mean varies by a gamma factor of mean 1 and variance 1 / shape.
    """

    name: ClassVar[str] = "negative_binomial"
    parameters: ClassVar[tuple[str, ...]] = ("shape",)
    largest: ClassVar[float] = 1e11

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return SHAPE_PRIOR, SHAPE_ORIGIN

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return 0.0, 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "NegativeBinomial", {"mu": self.inverse(eta, xp), "alpha": parameters["shape"]}

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        shape = per_row(parameters["shape"])
        return poisson_draws(mu * rng.gamma(shape, 1 / shape, np.shape(mu)), rng)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        a = per_row(parameters["shape"])
        value = _ways(y, a) - special.gammaln(y + 1)
        value = value - (a + y) * np.log1p(mu / a) + special.xlogy(y, mu)
        return repeated(value, weights)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu + mu**2 / per_row(parameters["shape"])

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(a), a the shape, with the counts above 0 all at their mean.

        a^2 (trigamma(a) - E trigamma(a + y)) - a mu / (mu + a).
        """
        mu, a = self.inverse(eta, np), per_row(parameters["shape"])
        some = -np.expm1(-a * np.log1p(mu / a))  # P(y > 0)
        change = special.polygamma(1, a) - special.polygamma(1, a + mu / some)
        return a**2 * some * change - a * mu / (mu + a)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """log(1 + 1 / mean + 1 / shape) on the log link."""
        return count_variance(self.link, mean, mean + mean**2 / parameters["shape"])


def _ways(y: Floats, a: Floats) -> Floats:
    """log(Gamma(y + a) / Gamma(a) a^y), by Stirling's series where the shape a is large."""
    b = np.maximum(a, 1e5)
    series = (b + y - 0.5) * np.log1p(y / b) - y - y / (12 * b * (b + y))
    exact = special.gammaln(y + a) - special.gammaln(a) - y * np.log(a)
    return np.where(a > 1e5, series, exact)
