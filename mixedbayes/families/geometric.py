"""Counts of failures before a success."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Elsewhere, Values, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.links import Log
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.poisson import Counts, count_variance, poisson_draws
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import log_rest, logs_of_share


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y counts in size rows of mean exp(t): log odds of failure."""
    e = math.exp(-abs(t))
    rest = -math.log1p(e)
    log_p, log_failure = (rest, t + rest) if t < 0.0 else (rest - t, rest)
    failure = (e if t < 0.0 else 1.0) / (1.0 + e)
    return size * log_p + y * log_failure, y - (y + size) * failure, ()


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a count k: P(Y > k) = (mu / (1 + mu))^(k + 1)."""
    log_failure, _, _, success = logs_of_share(t)
    value, slope = (bound + 1.0) * log_failure, (bound + 1.0) * success
    if upper:
        return value, slope, ()
    value, odds = log_rest(value)
    return value, odds * slope, ()


@dataclass(frozen=True)
class Geometric(Counts):
    """y ~ Geometric with mean mu: P(y) = p (1 - p)^y, p = 1 / (1 + mu), Var[y] = mu (1 + mu).

    The negative binomial of shape 1: failures before the first success, from 0.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        None: there are no further parameters with formulas.

    See Also
    --------
    NegativeBinomial : Of any shape.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="geometric")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term               prior
    0  Intercept  at the predictors' means  Normal(1.852, 2.5)
    1      fixef                  YEAR[96]     Normal(0, 2.99)
    2      fixef                  YEAR[97]     Normal(0, 2.99)
    3   sd_BROOD                 Intercept      Exponential(1)
    """

    name: ClassVar[str] = "geometric"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("geometric", names=("geom",))
    inflated: ClassVar[str | None] = "zero_inflated_negative_binomial"
    hurdle: ClassVar[str | None] = "hurdle_negative_binomial"
    wider: ClassVar[str | None] = "negative_binomial"
    largest: ClassVar[float] = 1e11

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, merges="sum", tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(w * design.y, w, 0.0)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "NegativeBinomial", {"mu": self.inverse(eta, xp), "alpha": 1.0}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{Geometric}}(\text{{mean }}\mu_i)"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return poisson_draws(mu * rng.standard_exponential(np.shape(mu)), rng)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        k = np.floor(np.maximum(y, 0.0))
        with np.errstate(divide="ignore"):
            return np.where(np.asarray(y) < 0, 0.0, -np.expm1(-(k + 1) * np.log1p(1 / mu)))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return repeated(special.xlogy(y, mu) - (y + 1) * np.log1p(mu), weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + a negative binomial count of shape 2."""
        return SizeBiased(NegativeBinomial(), 2 * mu, {"shape": np.full((1, 1), 2.0)}, shift=1.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu * (1 + mu)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """log(2 + 1 / mean) on the log link."""
        return count_variance(self.link, mean, mean * (1 + mean))
