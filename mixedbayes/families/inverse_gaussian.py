"""Positive response whose variance grows with the cube of its mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import InverseGamma, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Inverse, Link, Log
from mixedbayes.families.negative_binomial import SHAPE_PRIOR
from mixedbayes.families.positive import PositiveMean
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import log_ndtr

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@compiled
def _once(parameters):
    return (0.5 * math.log(parameters[0]),)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of mean exp(t), its variance divided by size; extra = log y."""
    shape = parameters[0]
    gap = extra - t
    excess = math.expm1(gap) if gap < 700.0 else math.inf  # y / mean - 1
    half = 0.5 * size * excess * (excess / y)
    slope = size * shape * excess * math.exp(-t)
    return shared[0] - shape * half, slope, (0.5 / shape - half,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response b, for a row's shape l and mean m: with u, w = sqrt(l / b) (b / m -+ 1),

    P(Y <= b) = Phi(u) + R and P(Y > b) = Phi(-u) - R, where R = exp(2 l / m) Phi(-w) is
    phi(u) over the hazard of a normal at w.
    """
    shape, mean = parameters[0] * size, math.exp(t)
    root, ratio = math.sqrt(shape / bound), math.expm1(math.log(bound) - t)
    u = root * ratio
    at_u = -0.5 * u * u - _LOG_SQRT_2PI
    rest = at_u - math.log(log_ndtr(-root * (ratio + 2.0))[1])
    if upper:
        whole = log_ndtr(-u)[0]
        value = whole + math.log(-math.expm1(rest - whole))
    else:
        whole = log_ndtr(u)[0]
        high, low = max(whole, rest), min(whole, rest)
        value = high + math.log1p(math.exp(low - high))
    share = 2.0 / mean * math.exp(rest - value)
    d_t, d_shape = -shape * share, share - math.exp(at_u - value) / math.sqrt(shape * bound)
    sign = -1.0 if upper else 1.0
    return value, sign * d_t, (sign * size * d_shape,)


@dataclass(frozen=True)
class InverseGaussian(PositiveMean):
    """y ~ InverseGaussian(mean mu, shape): Var[y] = mu^3 / shape.

    The time at which Brownian motion with drift first passes a level. The shape has the unit of y:
    the relative variance is mu / shape. `weights(w)` means, as in R, that the variance of a row is
    divided by w: its shape is shape w. The link is the logarithm, where brms and R's glm have
    1/mu^2: with that a linear predictor below 0 has no mean.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Inverse()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Gamma : With a lighter tail.
    Lognormal : With a log of constant variance.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="inverse_gaussian")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                     prior
    0   Intercept  at the predictors' means     Normal(5.699, 0.4635)
    1       fixef                      Days         Normal(0, 0.1609)
    2  sd_Subject                 Intercept        Exponential(5.394)
    3       shape                            InverseGamma(0.4, 89.55)
    """

    name: ClassVar[str] = "inverse_gaussian"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("shape", r"\lambda"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "inverse.gaussian", "inverse.gaussian", "wald", {"shape": "lam"}, glmmtmb="",
        mgcv=InMgcv('inverse.gaussian(link = "{link}")'),
        names=("wald", "invgauss", "inversegaussian", "ig"),
    )  # fmt: skip
    dispersion: ClassVar[str | None] = "shape"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Log, Inverse)
    repeats_rows: ClassVar[bool] = False

    @property
    def row_density(self) -> RowDensity:
        """Not concave in log mu where y is far below it."""
        return RowDensity(_row, Log, _once, concave=False, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w, logs = weights_of(design), np.log(design.y)
        constant = 0.5 * np.log(w).sum() - 1.5 * logs.sum() - 0.5 * design.n * np.log(2 * np.pi)
        return Rows.of(design.y, w, constant, logs)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        """The shape over the mean has the prior that a gamma's shape has."""
        weight, mean = self.typical_weight(design), float(np.mean(design.y))
        said = f"relative sd sqrt(mu / shape) between about 0.01 and 2.5 at mu = {mean:.4g}"
        if weight != 1.0:
            said += f", at the typical weight {weight:.4g}"
        return InverseGamma(SHAPE_PRIOR.alpha, SHAPE_PRIOR.beta * mean / weight), said

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the shape that all variation would have without predictors."""
        centre = np.log(np.mean(1 / design.y) - 1 / np.mean(design.y))
        return float(-centre - np.log(self.typical_weight(design))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        shape = parameters["shape"]
        if design.weights is not None:
            shape = shape * design.weights
        return "Wald", {"mu": self.inverse(eta, xp), "lam": shape}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        times = r"\,w_i" if weighted else ""
        law = rf"\text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}{times}"
        return rf"{y} &\sim \mathrm{{InverseGaussian}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return np.maximum(rng.wald(mu, _shape(parameters, weights)), np.finfo(float).tiny)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        y = np.maximum(y, np.finfo(float).tiny)
        with np.errstate(over="ignore"):  # at a response near 0
            root = np.sqrt(_shape(parameters, weights) / y)
            below, above = root * (y / mu - 1), root * (y / mu + 1)
            # exp(2 shape / mu) Phi(-above), without the large factor
            rest = 0.5 * special.erfcx(above / np.sqrt(2)) * np.exp(-0.5 * below**2)
        return np.clip(special.ndtr(below) + rest, 0.0, 1.0)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        shape = _shape(parameters, weights)
        with np.errstate(over="ignore"):
            half = 0.5 * shape * ((y - mu) / mu) ** 2 / y
        return 0.5 * np.log(shape / (2 * np.pi)) - 1.5 * np.log(y) - half

    def weighted(self, parameters: Values, weights: Any) -> Values:
        if weights is None:
            return parameters
        shape = np.asarray(parameters["shape"])
        own = _shape(parameters, weights) if np.ndim(weights) else shape * weights
        return {**parameters, "shape": own}

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """mu^2 / y is distributed as y then."""

        def moved(low: Floats, high: Floats) -> tuple[Floats, Floats]:
            return mu**2 / high, np.where(low > 0, mu**2 / np.maximum(low, 1e-300), np.inf)

        return SizeBiased(self, mu, parameters, weights, moved=moved)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu**3 / _shape(parameters, weights)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """1 / 2, about log(shape)."""
        return np.full(np.shape(eta), 0.5)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """log(1 + mean / shape) on the log link, as if y were lognormal; else the delta method."""
        if isinstance(self.link, Log):
            return np.log1p(mean / parameters["shape"])
        return self.by_delta_method(mean**3 / parameters["shape"], mean)


def _shape(parameters: Values, weights: Floats | None) -> Floats:
    shape = per_row(parameters["shape"])
    return shape if weights is None else shape * weights
