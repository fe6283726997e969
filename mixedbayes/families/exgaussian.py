"""Response times: a normal part, and an exponential one that makes the right tail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.gaussian import Gaussian, scale_prior
from mixedbayes.families.links import Identity, Link, Log, Probit
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.families.tabulated import Information
from mixedbayes.numerics.exgaussian import log_exgaussian_tail
from mixedbayes.numerics.special import log_ndtr, mills

_HALF = math.sqrt(0.5)


@compiled
def _once(parameters):
    return (math.log(parameters[1]),)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of mean t that counts size times.

    With v = (y - t + beta) / sigma and k = sigma / beta,

        log p + log beta = k^2 / 2 - k v + log Phi(v - k) = -v^2 / 2 + log(Phi(x) / phi(x)) - c,

    x = v - k; the second form where x < 0, so that nothing large is subtracted.
    """
    sigma, beta = parameters[0], parameters[1]
    v, k = (y - t + beta) / sigma, sigma / beta
    x = v - k
    if x < 0.0:
        ratio, hazard, rest = mills(x)
        value = ratio - 0.5 * v * v - 0.9189385332046728
        d_v, d_k = rest - v, -rest
    else:
        value, hazard = log_ndtr(x)
        value -= k * (v - 0.5 * k)
        d_v, d_k = hazard - k, -x - hazard
    d_sigma = size * (d_k / beta - d_v * v / sigma)
    d_beta = size * (d_v / sigma - (1.0 + d_k * k) / beta)
    return size * (value - shared[0]), -size * d_v / sigma, (d_sigma, d_beta)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response."""
    sigma, beta = parameters[0], parameters[1]
    v, k = (bound - t + beta) / sigma, sigma / beta
    value, d_v, d_k = log_exgaussian_tail(v, k, upper)
    d_beta = d_v / sigma - d_k * k / beta
    return value, -d_v / sigma, (d_k / beta - d_v * v / sigma, d_beta)


@dataclass(frozen=True)
class Exgaussian(Gaussian):
    """y = normal + exponential, of mean mu: Normal(mu - beta, sigma) and Exponential(mean beta).

    Var[y] = sigma^2 + beta^2. mu is the mean of y, as in brms; other packages have the mean of the
    normal part, mu - beta, under that name.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()` by default; or `mb.Log()`.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma and
        beta: positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    ShiftedLognormal : Another law of response times.
    SkewNormal : Skewness to either side.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="exgaussian")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                 prior
    0   Intercept  at the predictors' means  Normal(298.5, 140.8)
    1       fixef                      Days      Normal(0, 48.89)
    2  sd_Subject                 Intercept  Exponential(0.01775)
    3       sigma                            Exponential(0.02511)
    4        beta                            Exponential(0.02511)
    """

    name: ClassVar[str] = "exgaussian"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("sigma", r"\sigma"),
        Parameter("beta", r"\beta", averages=False),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "exgaussian", names=("ex_gaussian", "exgauss", "exponnorm", "emg")
    )
    dispersion_words: ClassVar[str] = "sd of the normal part"
    residual: ClassVar[bool] = False
    wider: ClassVar[str | None] = None
    normal: ClassVar[bool] = False
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity, Log)
    repeats_rows: ClassVar[bool] = True

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Identity, _once, tails=_tails)

    def rows(self, design: Design) -> Rows:
        return Rows.of(design.y, weights_of(design), 0.0)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        spread = self.moments(design)[1]
        return scale_prior(_HALF * spread, f"0.71 {self.spread_name(design)}", 1.0)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return float(np.log(_HALF * self.moments(design)[1])), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        """PyMC's own has the mean of the normal part, and is normal where beta is small."""
        args = {"mu": self.inverse(eta, xp), "sigma": parameters["sigma"]}
        return "ExGaussianOfMean", {**args, "beta": parameters["beta"]}

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        sigma, beta = arguments["sigma"], arguments["beta"]
        v, k = (y - arguments["mu"] + beta) / sigma, sigma / beta
        x = v - k
        near = -0.5 * v**2 + xp.log(0.5 * xp.erfcx(-xp.minimum(x, 0.0) * _HALF))
        far = -k * (v - 0.5 * k) + Probit().log_inverse(xp.maximum(x, 0.0), xp)
        return xp.switch(x < 0, near, far) - xp.log(beta)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        beta = symbol("beta")
        normal = rf"\mathcal{{N}}(\mu_i - {beta},\, {symbol('sigma')}^2)"
        return rf"{y} &\sim {normal} + \mathrm{{Exponential}}(\text{{mean }}{beta})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        sigma, beta = per_row(parameters["sigma"]), per_row(parameters["beta"])
        late = rng.standard_exponential(np.shape(mu)) - 1
        return mu + sigma * rng.standard_normal(np.shape(mu)) + beta * late

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        v, k = _standardised(y, mu, parameters)
        return np.clip(special.ndtr(v) - np.exp(_log_tail(v, k)), 0.0, 1.0)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        log_beta = np.log(per_row(parameters["beta"]))
        return repeated(_log_tail(*_standardised(y, mu, parameters)) - log_beta, weights)

    def weighted(self, parameters: Values, weights: Any) -> Values:
        return parameters

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """By the integral of v dF(v), [F / k - v E - phi] with E = phi(v) R(v - k)."""
        k = per_row(parameters["sigma"]) / per_row(parameters["beta"])

        def edge(end: Floats) -> Floats:
            v, _ = _standardised(end, mu, parameters)
            v = np.broadcast_to(v, np.shape(log_mass))
            inside = np.where(np.isfinite(v), v, 0.0)
            part = np.exp(_log_tail(inside, k) - log_mass)
            phi = np.exp(-0.5 * inside**2 - 0.5 * np.log(2 * np.pi) - log_mass)
            return np.where(np.isfinite(v), inside * part + phi, 0.0)

        v = 1 / k + edge(low) - edge(high)
        return mu - per_row(parameters["beta"]) + per_row(parameters["sigma"]) * v

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        variance = per_row(parameters["sigma"]) ** 2 + per_row(parameters["beta"]) ** 2
        return np.broadcast_to(variance, np.shape(mu))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        found = _information()(_place(parameters), 0) / self.variance(eta, parameters)
        return self.link.slope(eta, np) ** 2 * found

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(sigma), and about log(beta), each given the other parameters."""
        which = 1 + self.parameters.index(name)
        return np.broadcast_to(_information()(_place(parameters), which), np.shape(eta))

    def residual_variance(self, parameters: Values) -> Floats:
        """sigma^2 + beta^2."""
        return np.asarray(parameters["sigma"]) ** 2 + np.asarray(parameters["beta"]) ** 2


def _standardised(y: Floats | float, mu: Floats, parameters: Values) -> tuple[Floats, Floats]:
    """v and k of the row density."""
    sigma, beta = per_row(parameters["sigma"]), per_row(parameters["beta"])
    return (y - mu + beta) / sigma, sigma / beta


def _log_tail(v: Floats, k: Floats) -> Floats:
    """k^2 / 2 - k v + log Phi(v - k)."""
    x = v - k
    with np.errstate(over="ignore", invalid="ignore"):
        near = -0.5 * v**2 + np.log(0.5 * special.erfcx(-np.minimum(x, 0.0) * _HALF))
        far = -k * (v - 0.5 * k) + special.log_ndtr(np.maximum(x, 0.0))
    return np.where(x < 0, near, far)


def _place(parameters: Values) -> Floats:
    """log(sigma / beta)."""
    return np.log(per_row(parameters["sigma"])) - np.log(per_row(parameters["beta"]))


@cache
def _information() -> Information:
    """About the mean, times the variance, about log(sigma) and about log(beta)."""
    family = Exgaussian()

    def at(place: float, moved: Floats) -> Values:
        return {"sigma": np.exp(place + moved[1:2]), "beta": np.exp(moved[2:3])}

    def log_density(y: Floats, place: float, moved: Floats) -> Floats:
        return family.log_density(y, np.full((1, 1), moved[0]), at(place, moved))[0]

    def grid(place: float) -> Floats:
        sigma = float(np.exp(place))
        near = np.linspace(-9 * sigma, 9 * sigma, 1500)
        return np.union1d(near, np.linspace(9 * sigma, 9 * sigma + 40, 1500)) - 1

    found = Information.of(log_density, tuple(np.linspace(-5, 5, 41)), grid, 3)
    found.values[:, 0] *= 1 + np.exp(2 * found.at)
    return found
