"""Waiting times whose hazard rises or falls with a power of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import InverseGamma, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.links import Log
from mixedbayes.families.positive import PositiveMean
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import exponential_tail, lgamma1p

_GUMBEL_SD = math.pi / math.sqrt(6.0)  # of the logarithm of an exponential variable
_FLAT = 1e4  # shape from which the relative variance is a series


@compiled
def _once(parameters):
    shape = parameters[0]
    return math.log(shape), *lgamma1p(1.0 / shape)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """A time of logarithm y and mean exp(t) that counts size times."""
    shape = parameters[0]
    log_shape, at_mean, d_at_mean = shared  # log(mean / scale), and its derivative in 1 / shape
    log_ratio = y - t + at_mean
    z = shape * log_ratio
    hazard = math.exp(z) if z < 700.0 else math.inf  # cumulated up to y
    excess = math.expm1(z) if z < 700.0 else math.inf
    d_shape = size / shape - size * excess * (log_ratio - d_at_mean / shape)
    return size * (log_shape + z - hazard), size * shape * excess, (d_shape,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At the logarithm of a time."""
    shape = parameters[0]
    log_ratio = bound - t + shared[1]
    value, slope = exponential_tail(shape * log_ratio, upper)
    return value, -slope * shape, (slope * (log_ratio - shared[2] / shape),)


@dataclass(frozen=True)
class Weibull(PositiveMean):
    """y ~ Weibull(shape, scale) of mean mu: scale = mu / Gamma(1 + 1 / shape).

    P(Y > y) = exp(-(y / scale)^shape); the hazard rises where shape > 1 and falls where it is below
    1. On the log link effects are those of an accelerated failure time model, and -shape times
    them log hazard ratios; where the location is the logarithm of the scale, as in R's survreg,
    only the intercept differs, by log Gamma(1 + 1 / shape), and survreg's scale is 1 / shape.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Exponential : With a constant hazard.
    Gamma : Another positive law.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("kidney")
    >>> model = mb.Model("time | cens(censored) ~ age + (1 | patient)", data, family="weibull")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                    prior
    0   Intercept  at the predictors' means      Normal(4.621, 3.39)
    1       fixef                       age          Normal(0, 0.23)
    2  sd_patient                 Intercept      Exponential(0.7375)
    3       shape                            InverseGamma(1, 0.9459)
    """

    name: ClassVar[str] = "weibull"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("shape", r"\alpha"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "weibull", None, "weibull", {"shape": "alpha"}, names=("survreg", "weibull_aft")
    )
    dispersion: ClassVar[str | None] = "shape"

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, _once, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w, logs = weights_of(design), np.log(design.y)
        return Rows.of(logs, w, -float(w @ logs))

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Its logarithm."""
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(y, 0.0))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        spread = sd(np.log(design.y), design.mu.counts) / _GUMBEL_SD
        origin = f"1 / shape has mean 0.78 sd(log({design.response})) = {spread:.4g}"
        return InverseGamma(1.0, 1 / spread), origin

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the shape that all variation would have without predictors."""
        return float(np.log(_GUMBEL_SD / sd(np.log(design.y), design.mu.counts))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        shape = parameters["shape"]
        scale = self.inverse(eta, xp) * xp.exp(-xp.gammaln(1 + 1 / shape))
        return "Weibull", {"alpha": shape, "beta": scale}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"\text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}"
        return rf"{y} &\sim \mathrm{{Weibull}}({law})"

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
        with np.errstate(divide="ignore"):
            logs = np.log(rng.standard_exponential(np.shape(mu)))
        log_y = np.log(mu) - special.gammaln(1 + 1 / shape) + logs / shape
        number = np.finfo(float)
        return np.exp(np.clip(log_y, np.log(number.tiny), np.log(number.max)))

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        with np.errstate(divide="ignore", over="ignore"):
            logs = np.log(np.maximum(y, 0.0))
            return -np.expm1(-np.exp(_log_hazard(logs, mu, per_row(parameters["shape"]))))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        logs, shape = np.log(y), per_row(parameters["shape"])
        z = _log_hazard(logs, mu, shape)
        with np.errstate(over="ignore"):
            return repeated(np.log(shape) - logs + z - np.exp(z), weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """(y / scale)^shape is a gamma variable of shape 1 + 1 / shape then."""
        k = per_row(parameters["shape"])
        scale = mu / special.gamma(1 + 1 / k)

        def moved(low: Floats, high: Floats) -> tuple[Floats, Floats]:
            return np.maximum(low / scale, 0.0) ** k, np.maximum(high / scale, 0.0) ** k

        shape = np.broadcast_to(1 + 1 / k, np.shape(mu))
        return SizeBiased(GammaFamily(), shape, {"shape": shape}, moved=moved)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu**2 * _relative_variance(per_row(parameters["shape"]))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """shape^2 about log mu."""
        mu, shape = self.inverse(eta, np), per_row(parameters["shape"])
        return (shape * self.link.slope(eta, np) / mu) ** 2

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """pi^2 / 6 + (digamma(2) - digamma(1 + 1 / shape))^2, about log(shape), given the mean."""
        shape = np.broadcast_to(per_row(parameters["shape"]), np.shape(eta))
        return np.pi**2 / 6 + (special.digamma(2.0) - special.digamma(1 + 1 / shape)) ** 2

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """pi^2 / (6 shape^2), the exact variance of log y, on the log link; else by the delta
        method."""
        shape = np.asarray(parameters["shape"])
        if isinstance(self.link, Log):
            return np.pi**2 / (6 * shape**2)
        return self.by_delta_method(mean**2 * _relative_variance(shape), mean)


def _log_hazard(logs: Floats, mu: Floats, shape: Floats) -> Floats:
    """log of the hazard cumulated up to y, of logarithm `logs`."""
    return shape * (logs - np.log(mu) + special.gammaln(1 + 1 / shape))


def _relative_variance(shape: Floats) -> Floats:
    """Var[y] / mu^2 = Gamma(1 + 2 / a) / Gamma(1 + 1 / a)^2 - 1, infinite beyond all numbers."""
    x = 1 / np.asarray(shape, float)
    with np.errstate(over="ignore"):
        exact = np.expm1(special.gammaln(1 + 2 * x) - 2 * special.gammaln(1 + x))
    series = x**2 * (special.zeta(2.0) - 2 * special.zeta(3.0) * x)
    return np.where(x < 1 / _FLAT, series, exact)
