"""Counts with more zeros than Poisson's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special, stats

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior, Uniform
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.links import Log, Logit
from mixedbayes.families.poisson import Counts, count_variance, poisson_draws
from mixedbayes.families.rows import RowDensity, Rows, compiled


@compiled
def _row(t, y, size, extra, parameters, shared):
    """log p of a row, its derivative in t = log mean, and that in zi; y counts size times."""
    zi = parameters[0]
    mean = math.exp(t) if t < 700.0 else math.inf
    if y > 0:
        return size * (math.log1p(-zi) + y * t - mean), size * (y - mean), (-size / (1.0 - zi),)
    empty = math.exp(-mean)
    p = zi + (1.0 - zi) * empty
    return size * math.log(p), -size * (1.0 - zi) * empty * mean / p, (size * (1.0 - empty) / p,)


@dataclass(frozen=True)
class ZeroInflatedPoisson(Counts):
    """y is 0 with probability zi, and Poisson(mu) otherwise."""

    name: ClassVar[str] = "zero_inflated_poisson"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("zi", r"\pi", Logit()),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere("zero_inflated_poisson", names=("zip",))

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, concave=False)

    def rows(self, design: Design) -> Rows:
        w, y = weights_of(design), design.y
        return Rows.of(y, w, -w @ special.gammaln(y + 1))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return Uniform(0, 1), "any share of zeros"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return 0.0, 1.5

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "ZeroInflatedPoisson", {"psi": 1 - parameters["zi"], "mu": self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{ZIP}}({symbol('zi')},\, \mu_i)"

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        return poisson_draws(mu, rng) * (rng.uniform(size=np.shape(mu)) > per_row(parameters["zi"]))

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        zi = per_row(parameters["zi"])
        count = np.log1p(-zi) + stats.poisson.logpmf(y, mu)
        return repeated(np.where(y == 0, np.logaddexp(np.log(zi), count), count), weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return (1 - per_row(parameters["zi"])) * mu

    def variance(
        self, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        zi = per_row(parameters["zi"])
        return (1 - zi) * mu * (1 + zi * mu)

    def information(self, eta: Floats, parameters: Values) -> Floats:
        zi, mu = per_row(parameters["zi"]), self.inverse(eta, np)
        p = zi + (1 - zi) * np.exp(-mu)
        return mu * (1 - zi) * (1 - zi * mu * np.exp(-mu) / p)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        zi, mu = per_row(parameters["zi"]), self.inverse(eta, np)
        p = zi + (1 - zi) * np.exp(-mu)
        about_zi = (1 - np.exp(-mu)) ** 2 / p + (1 - np.exp(-mu)) / (1 - zi)
        return (zi * (1 - zi)) ** 2 * about_zi

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        zi = parameters["zi"]
        return count_variance(self.link, mean, mean * (1 + zi / (1 - zi) * mean))
