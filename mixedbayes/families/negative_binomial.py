"""Counts that vary more than Poisson's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import InverseGamma, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Log
from mixedbayes.families.poisson import Counts, count_variance, poisson_draws
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.elementary import exp, log1p_share
from mixedbayes.numerics.incomplete import log_beta_tail
from mixedbayes.numerics.special import digamma

_SUMMED = 60  # count up to which a sum of probabilities is quicker than the beta function's ratio
_LARGE = 1e5  # shape beyond which Stirling's series is exact

SHAPE_PRIOR = InverseGamma(0.4, 0.3)
SHAPE_ORIGIN = "95 % of the relative dispersion 1 / shape below about 6; as in brms"


@compiled
def of_shape(parameters):
    """What rows of one shape share."""
    return math.log(parameters[0]), math.lgamma(parameters[0]), digamma(parameters[0])


@compiled
def of_count(y, size, extra, parameters, shared):
    """log(Gamma(y + shape) / Gamma(shape)), and its derivative by the shape."""
    shape = parameters[0]
    if y > 0.0 and shape <= _LARGE:
        return math.lgamma(y + shape) - shared[1], digamma(y + shape) - shared[2]
    return 0.0, 0.0


@compiled
def shape_row(t, y, size, extra, parameters, shared):
    """A count y of mean exp(t) that counts size times."""
    shape = parameters[0]
    if shape > _LARGE:
        return _nearly_poisson(t, y, size, shape)
    log_shape, _, _, ways, d_ways = shared
    # log(shape / (mu + shape)), to all digits however close to 0, and log(mu / (mu + shape))
    x = t - log_shape
    e = exp(-abs(x))
    large, small, log_large = 1.0 / (1.0 + e), e / (1.0 + e), -log1p_share(e)
    log_rest, log_share = (log_large, x + log_large) if x < 0.0 else (log_large - x, log_large)
    share, rest = (small, large) if x < 0.0 else (large, small)
    d_shape = size * (d_ways + log_rest + share - y * rest / shape)
    value = ways + shape * log_rest + y * log_share
    return size * value, size * (y - (y + shape) * share), (d_shape,)


@compiled
def _nearly_poisson(t, y, size, shape):
    """A row of large shape a; nothing of size a is subtracted.

    With Stirling's series, log Gamma(x) = (x - 1/2) log x - x + 1 / 12 x + constant,

        y t - y - (a + y) log(1 + (mu - y) / (a + y)) - log(1 + y / a) / 2 - y / 12 a (a + y).
    """
    mu = math.exp(t) if t < 700.0 else math.inf
    above, q = shape + y, (y - mu) / (shape + mu)
    step = y / (shape * above)
    value = y * (t - 1.0) - above * math.log1p((mu - y) / above)
    rest = math.log1p(q) - q if abs(q) > 1e-4 else -q * q * (0.5 - q / 3.0)
    d_shape = size * (rest + 0.5 * step + step * (1.0 / shape + 1.0 / above) / 12.0)
    value -= 0.5 * math.log1p(y / shape) + step / 12.0
    return size * value, size * shape * q, (d_shape,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a count k: P(Y <= k) = P(X <= p) for X ~ Beta(shape, k + 1), p / (1 - p) = shape / mu."""
    shape = parameters[0]
    value, d_v, d_a, _ = log_beta_tail(shape, bound + 1.0, math.log(shape) - t, upper)
    return value, -d_v, (d_a + d_v / shape,)


@dataclass(frozen=True)
class NegativeBinomial(Counts):
    """y ~ NegativeBinomial(mean mu, shape): Var[y] = mu + mu^2 / shape.

    A Poisson count whose mean varies by a gamma factor of mean 1 and variance 1 / shape.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    NegativeBinomial1 : With a variance in proportion to the mean.
    Poisson : Without more variance.
    ZeroInflatedNegativeBinomial : With more zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="negative_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means      Normal(1.852, 2.5)
    1      fixef                  YEAR[96]         Normal(0, 2.99)
    2      fixef                  YEAR[97]         Normal(0, 2.99)
    3   sd_BROOD                 Intercept          Exponential(1)
    4      shape                            InverseGamma(0.4, 0.3)
    """

    name: ClassVar[str] = "negative_binomial"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("shape", r"\alpha"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "negbinomial", "glmer.nb", "negativebinomial", {"shape": "alpha"}, bambi_weights=True,
        glmmtmb="nbinom2", mgcv=InMgcv('nb(link = "{link}")'),
        names=("nbinom2", "nbinom", "nbinomial", "negbinomial", "negbin", "nb", "nb2",
               "neg_binomial", "neg_binomial_2", "negative_binomial_2"),
    )  # fmt: skip
    inflated: ClassVar[str | None] = "zero_inflated_negative_binomial"
    hurdle: ClassVar[str | None] = "hurdle_negative_binomial"
    dispersion: ClassVar[str | None] = "shape"
    largest: ClassVar[float] = 1e11

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(shape_row, Log, of_shape, of_count, 2, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y, w, -w @ special.gammaln(design.y + 1))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return SHAPE_PRIOR, SHAPE_ORIGIN

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return 0.0, 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "NegativeBinomial", {"mu": self.inverse(eta, xp), "alpha": parameters["shape"]}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"\text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}"
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
        shape = per_row(parameters["shape"])
        return poisson_draws(mu * rng.gamma(shape, 1 / shape, np.shape(mu)), rng)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        a, k = per_row(parameters["shape"]), np.floor(np.maximum(y, 0.0))
        if np.max(k, initial=0.0) <= _SUMMED:
            return np.where(np.asarray(y) < 0, 0.0, sum_of_counts(k, mu, a))
        return np.where(np.asarray(y) < 0, 0.0, special.betaincc(k + 1, a, mu / (a + mu)))

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
        value = rising(y, a) - special.gammaln(y + 1)
        value = value - (a + y) * np.log1p(mu / a) + special.xlogy(y, mu)
        return repeated(value, weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + a count of shape + 1 and the same probabilities."""
        shape = per_row(parameters["shape"])
        return SizeBiased(self, mu * (1 + 1 / shape), {"shape": shape + 1}, shift=1.0)

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


def sum_of_counts(k: Floats, mu: Floats, a: Floats) -> Floats:
    """P(Y <= k) as a sum of probabilities, for shapes a."""
    share = mu / (a + mu)
    each = np.exp(-a * np.log1p(mu / a))
    total, least = each, np.min(k, initial=np.inf)
    for j in range(int(np.max(k, initial=0.0))):
        each = each * (share * ((a + j) / (j + 1)))
        total = total + (each if j < least else np.where(k > j, each, 0.0))
    return np.minimum(total, 1.0)


def rising(y: Floats, a: Floats) -> Floats:
    """log(Gamma(y + a) / Gamma(a) a^y), by Stirling's series where a is large."""
    if not np.any(y):  # averages of P(Y = 0) ask for it at many places
        return np.zeros(np.broadcast_shapes(np.shape(y), np.shape(a)))
    b = np.maximum(a, _LARGE)
    series = (b + y - 0.5) * np.log1p(y / b) - y - y / (12 * b * (b + y))
    exact = special.gammaln(y + a) - special.gammaln(a) - y * np.log(a)
    return np.where(a > _LARGE, series, exact)
