"""Waiting times of constant hazard."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Elsewhere, Values, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.links import Log
from mixedbayes.families.positive import PositiveMean
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import exponential_tail


@compiled
def _row(t, y, size, extra, parameters, shared):
    """Times of sum y and mean exp(t), size of them."""
    ratio = y * math.exp(-t)
    return -size * t - ratio, ratio - size, ()


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a time."""
    value, slope = exponential_tail(math.log(bound) - t, upper)
    return value, -slope, ()


@dataclass(frozen=True)
class ExponentialFamily(PositiveMean):
    """y ~ Exponential(mean mu): Var[y] = mu^2.

    The Weibull and the gamma distribution of shape 1.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        None: there are no further parameters with formulas.

    See Also
    --------
    Weibull : With a hazard that rises or falls.
    Gamma : Of any shape.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("kidney")
    >>> formula = "time | cens(censored) ~ age + (1 | patient)"
    >>> model = mb.Model(formula, data, family="exponential")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                prior
    0   Intercept  at the predictors' means  Normal(4.621, 3.39)
    1       fixef                       age      Normal(0, 0.23)
    2  sd_patient                 Intercept  Exponential(0.7375)
    """

    name: ClassVar[str] = "exponential"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "exponential", None, "exponential", names=("exp", "expon")
    )
    wider: ClassVar[str | None] = "weibull"

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, merges="sum", tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y * w, w, 0.0)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "Exponential", {"lam": 1 / self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{Exponential}}(\text{{mean }}\mu_i)"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        drawn = mu * rng.standard_exponential(np.shape(mu))
        return np.maximum(drawn, np.finfo(float).tiny)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return -np.expm1(-np.maximum(y, 0.0) / mu)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return repeated(-np.log(mu) - y / mu, weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """A gamma variable of shape 2."""
        return SizeBiased(GammaFamily(), 2 * mu, {"shape": np.full((1, 1), 2.0)})

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu**2

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """pi^2 / 6, the exact variance of log y, on the log link; else by the delta method."""
        if isinstance(self.link, Log):
            return np.full(np.shape(mean), np.pi**2 / 6)
        return self.by_delta_method(mean**2, mean)
