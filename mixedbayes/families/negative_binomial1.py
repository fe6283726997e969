"""Counts whose variance is a multiple of their mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Exponential, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.links import Log
from mixedbayes.families.negative_binomial import of_count, of_shape, rising, shape_row
from mixedbayes.families.poisson import Counts, count_variance, poisson_draws
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.incomplete import log_beta_tail


@compiled
def _row(t, y, size, extra, parameters, shared):
    """A count y of mean exp(t) that counts size times: a negative binomial of shape mu / phi."""
    phi = parameters[0]
    shape = math.exp(t) / phi if t < 700.0 else math.inf
    if shape < 1e-300 or shape > 1e300:
        if y == 0.0 and shape < 1.0:
            return 0.0, 0.0, (0.0,)
        return -math.inf, 0.0, (0.0,)
    own = (shape,)
    shared = of_shape(own)
    whole = shared + of_count(y, size, extra, own, shared)
    value, d_t, d = shape_row(t, y, size, extra, own, whole)
    return value, d_t + shape * d[0], (-shape / phi * d[0],)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a count k: P(Y <= k) = P(X <= p) for X ~ Beta(mu / phi, k + 1), p / (1 - p) = 1 / phi."""
    phi = parameters[0]
    shape = math.exp(t) / phi if t < 700.0 else math.inf
    if shape < 1e-300:
        return (-math.inf if upper else 0.0), 0.0, (0.0,)
    value, d_v, d_a, _ = log_beta_tail(shape, bound + 1.0, -math.log(phi), upper)
    return value, shape * d_a, (-(shape * d_a + d_v) / phi,)


@dataclass(frozen=True)
class NegativeBinomial1(Counts):
    """y ~ NegativeBinomial(mean mu, shape mu / phi): Var[y] = mu (1 + phi).

    The same factor at all means, where the negative binomial's grows with the mean; phi is that of
    glmmTMB's nbinom1. Hardin & Hilbe (2018), Generalized Linear Models and Extensions, 4th ed.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    NegativeBinomial : With a variance quadratic in the mean.
    Poisson : Without more variance.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="negative_binomial1")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                prior
    0  Intercept  at the predictors' means   Normal(1.852, 2.5)
    1      fixef                  YEAR[96]      Normal(0, 2.99)
    2      fixef                  YEAR[97]      Normal(0, 2.99)
    3   sd_BROOD                 Intercept       Exponential(1)
    4        phi                            Exponential(0.0383)
    """

    name: ClassVar[str] = "negative_binomial1"
    title: ClassVar[str] = "negative binomial (variance proportional to the mean)"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("phi", r"\phi"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        glmmtmb="nbinom1",
        nearest={"mgcv": "nb(), whose variance is mu + mu^2 / theta"},
        names=(
            "nbinom1",
            "nb1",
            "negbinomial1",
            "negbin1",
            "neg_binomial_1",
            "negative_binomial_1",
        ),
    )
    inflated: ClassVar[str | None] = "zero_inflated_negative_binomial"
    hurdle: ClassVar[str | None] = "hurdle_negative_binomial"
    dispersion: ClassVar[str | None] = "phi"
    largest: ClassVar[float] = 1e11

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, concave=False, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y, w, -w @ special.gammaln(design.y + 1))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        mean = max(self._excess(design), 1.0)
        return Exponential(1 / mean), f"mean {mean:.4g}: variance / mean - 1 of all counts, or 1"

    def _excess(self, design: Design) -> float:
        """Var[y] / E[y] - 1 of all responses."""
        mean = float(design.mu.average(design.y))
        return sd(design.y, design.mu.counts) ** 2 / mean - 1 if mean > 0 else 0.0

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: half of the excess variance that there would be without predictors."""
        return float(np.log(max(self._excess(design) / 2, 0.1))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        mu = self.inverse(eta, xp)
        return "NegativeBinomial", {"mu": mu, "alpha": mu / parameters["phi"]}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"\text{{mean }}\mu_i,\, \text{{variance }}\mu_i (1 + {symbol('phi')})"
        return rf"{y} &\sim \mathrm{{NegativeBinomial}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi = per_row(parameters["phi"])
        return poisson_draws(phi * rng.gamma(mu / phi, 1.0, np.shape(mu)), rng)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi, k = per_row(parameters["phi"]), np.floor(np.maximum(y, 0.0))
        tail = special.betaincc(k + 1, mu / phi, phi / (1 + phi))
        return np.where(np.asarray(y) < 0, 0.0, tail)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi = per_row(parameters["phi"])
        a = mu / phi
        value = rising(y, a) - special.gammaln(y + 1)
        value = value - (a + y) * np.log1p(phi) + special.xlogy(y, mu)
        return repeated(value, weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + a count of mean mu + phi and the same factor."""
        return SizeBiased(self, mu + per_row(parameters["phi"]), parameters, shift=1.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu * (1 + per_row(parameters["phi"]))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(phi): what squared residuals say, whose variance is as if y were normal.

        (phi mu)^2 / (2 V^2 + what the fourth moment adds), with V = mu (1 + phi).
        """
        mu, phi = self.inverse(eta, np), per_row(parameters["phi"])
        variance = mu * (1 + phi)
        fourth = variance * (1 + 6 * phi * (1 + phi))  # E(y - mu)^4 - 3 V^2
        return (phi * mu) ** 2 / (2 * variance**2 + fourth)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """log(1 + (1 + phi) / mean) on the log link."""
        return count_variance(self.link, mean, mean * (1 + parameters["phi"]))
