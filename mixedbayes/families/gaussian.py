"""Normal response."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Exponential, Prior
from mixedbayes.families import support
from mixedbayes.families.base import Elsewhere, Family, Parameter, Values, per_row, weights_of
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Identity, Inverse, Link, Log
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import log_ndtr


@compiled
def _once(parameters):
    return (math.log(parameters[0]),)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of mean t, its variance divided by size."""
    sigma = parameters[0]
    z = (y - t) / sigma
    square = size * z * z
    value = -shared[0] - 0.5 * square
    return value, size * z / sigma, ((square - 1.0) / sigma,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """log Phi of the bound's distance from the mean, or of its opposite."""
    root = math.sqrt(size) / parameters[0]
    z = (bound - t) * root
    sign = -1.0 if upper else 1.0
    value, hazard = log_ndtr(sign * z)
    return value, -sign * hazard * root, (-sign * hazard * z / parameters[0],)


NORMAL = RowDensity(_row, Identity, _once, tails=_tails)


def normal_rows(y: Floats, design: Design) -> Rows:
    """Normal responses y (n,), the variance divided by the weights."""
    w = weights_of(design)
    return Rows.of(y, w, 0.5 * np.log(w).sum() - design.n * 0.5 * np.log(2 * np.pi))


@dataclass(frozen=True)
class Gaussian(Family):
    """y ~ Normal(mu, sigma / sqrt(weight)), mu = g^-1(eta).

    `weights(w)` means, as in lme4, that the residual variance of a row is sigma^2 / w.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()` by default; or `mb.Log()` or `mb.Inverse()`.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    StudentT : With heavier tails.
    SkewNormal : With one longer tail.
    Lognormal : Of positive responses whose effects multiply.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="gaussian")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                 prior
    0   Intercept  at the predictors' means  Normal(298.5, 140.8)
    1       fixef                      Days      Normal(0, 48.89)
    2  sd_Subject                 Intercept  Exponential(0.01775)
    3       sigma                            Exponential(0.01775)
    """

    name: ClassVar[str] = "gaussian"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("sigma", r"\sigma"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "gaussian", "gaussian", "gaussian", {"sigma": "sigma"},
        mgcv=InMgcv(
            'gaussian(link = "{link}")',
            scale='gaulss(link = list("{link}", "logb"), b = 0)', scaled=("sigma",),
        ),
        names=("normal", "gauss", "norm", "linear", "lm"),
    )  # fmt: skip
    dispersion: ClassVar[str | None] = "sigma"
    wider: ClassVar[str | None] = "student_t"
    skewed: ClassVar[tuple[str, ...]] = ("lognormal", "gamma", "skew_normal")
    normal: ClassVar[bool] = True
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity, Log, Inverse)
    repeats_rows: ClassVar[bool] = False
    link: Link = field(default_factory=Identity)

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        support.refuse_constant(design)
        if not isinstance(self.link, Identity):
            reason = f"positive values on average, with the {self.link.name} link"
            support.require(design, np.full(design.n, np.mean(design.y) > 0), self.name, reason)

    @property
    def correlates(self) -> bool:
        return self.closed_form

    @property
    def row_density(self) -> RowDensity:
        return NORMAL

    def rows(self, design: Design) -> Rows:
        return normal_rows(design.y, design)

    def row_sd(self, parameters: Values, weights: Floats | None) -> Floats:
        """(S, 1) or (S, n) sd of each row; the scale of a family without it."""
        return row_sd(parameters, weights)

    def moments(self, design: Design) -> tuple[float, float]:
        """Centre and spread of the response, beyond the offset where the link is the identity."""
        y = beyond_offset(self.link, design)
        return float(design.mu.average(y)), sd(y, design.mu.counts)

    def location(self, design: Design) -> float:
        centre = float(self.link.link(self.moments(design)[0], np))
        return centre if isinstance(self.link, Identity) else centre - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        """The spread on the link scale, by the delta method."""
        centre, spread = self.moments(design)
        return float(spread / abs(self.link.slope(np.asarray(self.link.link(centre, np)), np)))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        spread = self.moments(design)[1]
        return scale_prior(spread, self.spread_name(design), self.typical_weight(design))

    def spread_name(self, design: Design) -> str:
        return f"sd({design.response})"

    def scale_origin(self, design: Design) -> str:
        unit = self.spread_name(design)
        return unit if isinstance(self.link, Identity) else f"{unit} on the {self.link.name} scale"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        spread = self.moments(design)[1]
        return float(np.log(spread) + 0.5 * np.log(self.typical_weight(design))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        sigma = parameters["sigma"]
        if design.weights is not None:
            sigma = sigma / xp.sqrt(design.weights)
        return "Normal", {"mu": self.inverse(eta, xp), "sigma": sigma}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        return rf"{y} &\sim \mathcal{{N}}(\mu_i,\, {symbol('sigma')}^2{divided})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return rng.normal(mu, self.row_sd(parameters, weights))

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return special.ndtr((y - mu) / self.row_sd(parameters, weights))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        sd = self.row_sd(parameters, weights)
        found = (y - mu) / sd
        found *= found
        found *= -0.5
        found -= np.log(sd) + 0.5 * np.log(2 * np.pi)
        return found

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """mu + sd (phi(a) - phi(b)) / P(a < z <= b)."""
        if not self.normal:
            return None
        sd = self.row_sd(parameters, weights)
        at = (-0.5 * ((end - mu) / sd) ** 2 - 0.5 * np.log(2 * np.pi) for end in (low, high))
        left, right = (np.exp(x - log_mass) for x in at)
        return mu + sd * (left - right)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return np.broadcast_to(self.row_sd(parameters, weights) ** 2, np.shape(mu))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """2, about log(sigma)."""
        return np.full(np.shape(eta), 2.0)

    def weighted(self, parameters: Values, weights: Any) -> Values:
        return with_row_sd(parameters, weights)

    def residual_variance(self, parameters: Values) -> Floats:
        return np.asarray(parameters["sigma"]) ** 2

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """sigma^2 in units of the link: by the delta method where that is not the identity."""
        slope = self.link.slope(self.link.link(mean, np), np)
        return self.residual_variance(parameters) / slope**2


def beyond_offset(link: Link, design: Design) -> Floats:
    """The response, less the offset where that is on the same scale."""
    offset = design.mu.offset
    return design.y if offset is None or not isinstance(link, Identity) else design.y - offset


def scale_prior(spread: float, name: str, weight: float) -> tuple[Prior, str]:
    """Exponential prior of sigma with mean spread sqrt(weight), and where that comes from.

    sigma / sqrt(weight), the residual sd of a row with the typical weight, has the mean `spread`.
    """
    mean = spread * float(np.sqrt(weight))
    if weight != 1.0:
        name = f"{name} x sqrt(typical weight {weight:.4g})"
    return Exponential(1 / mean), f"mean {name} = {mean:.4g}"


def with_row_sd(parameters: Values, weights: Any) -> Values:
    """Parameters with sigma that of rows of these weights."""
    if weights is None:
        return parameters
    sigma = np.asarray(parameters["sigma"])
    sd = row_sd(parameters, weights) if np.ndim(weights) else sigma / np.sqrt(weights)
    return {**parameters, "sigma": sd}


def row_sd(parameters: Values, weights: Floats | None) -> Floats:
    """(S, 1) or (S, n) sigma / sqrt(w) of each row."""
    sd = per_row(parameters["sigma"])
    return sd if weights is None else sd / np.sqrt(weights)
