"""Positive response whose standard deviation grows with its mean."""

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
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Identity, Inverse, Link, Log
from mixedbayes.families.negative_binomial import SHAPE_PRIOR
from mixedbayes.families.positive import PositiveMean
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.interrupts import later
from mixedbayes.numerics.incomplete import log_gamma_tail
from mixedbayes.numerics.special import digamma

stats = later("scipy.stats")


@compiled
def _once(parameters):
    return _of_shape(parameters[0])


@compiled
def _of_shape(a):
    return math.log(a), math.lgamma(a), digamma(a)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of mean exp(t), its variance divided by size; extra = log y."""
    a = parameters[0] * size
    log_a, lgamma_a, digamma_a = shared if size == 1.0 else _of_shape(a)
    ratio = y * math.exp(-t)
    log_ratio = log_a + extra - t
    d_shape = size * (log_ratio + 1.0 - digamma_a - ratio)
    return a * (log_ratio - ratio) - lgamma_a, a * (ratio - 1.0), (d_shape,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response; the shape is parameters[0] size."""
    value, d_q, d_a = log_gamma_tail(parameters[0] * size, math.log(bound) - t, upper)
    return value, -d_q, (size * d_a,)


@dataclass(frozen=True)
class GammaFamily(PositiveMean):
    """y ~ Gamma(mean mu, shape): Var[y] = mu^2 / shape; the relative sd is 1 / sqrt(shape).

    `weights(w)` means that the variance of a row is divided by w: its shape is shape w.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Inverse()` or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Lognormal : With a heavier tail.
    InverseGaussian : With one between.
    HurdleGamma : With zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="gamma")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                   prior
    0   Intercept  at the predictors' means   Normal(5.699, 0.4635)
    1       fixef                      Days       Normal(0, 0.1609)
    2  sd_Subject                 Intercept      Exponential(5.394)
    3       shape                            InverseGamma(0.4, 0.3)
    """

    name: ClassVar[str] = "gamma"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("shape", r"\alpha"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "Gamma", "Gamma", "gamma", {"shape": "alpha"}, mgcv=InMgcv('Gamma(link = "{link}")')
    )
    dispersion: ClassVar[str | None] = "shape"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Log, Inverse, Identity)
    repeats_rows: ClassVar[bool] = False

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, _once, tails=_tails)

    def rows(self, design: Design) -> Rows:
        logs = np.log(design.y)
        return Rows.of(design.y, weights_of(design), -logs.sum(), logs)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        said = "relative sd 1 / sqrt(shape) between about 0.01 and 2.5"
        weight = self.typical_weight(design)
        if weight == 1.0:
            return SHAPE_PRIOR, said
        prior = InverseGamma(SHAPE_PRIOR.alpha, SHAPE_PRIOR.beta / weight)
        return prior, f"{said}, at the typical weight {weight:.4g}"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the shape that all variation would have without predictors."""
        relative = sd(design.y, design.mu.counts) / design.mu.average(design.y)
        return float(-2 * np.log(relative) - np.log(self.typical_weight(design))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        shape = parameters["shape"]
        if design.weights is not None:
            shape = shape * design.weights
        return "Gamma", {"alpha": shape, "beta": shape / self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        times = r"\,w_i" if weighted else ""
        law = rf"\text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}{times}"
        return rf"{y} &\sim \mathrm{{Gamma}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        shape = _shape(parameters, weights)
        return rng.gamma(shape, mu / shape)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        shape = _shape(parameters, weights)
        return special.gammainc(shape, np.maximum(y, 0.0) * shape / mu)

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
        return stats.gamma.logpdf(y, shape, scale=mu / shape)

    def weighted(self, parameters: Values, weights: Any) -> Values:
        if weights is None:
            return parameters
        shape = np.asarray(parameters["shape"])
        own = _shape(parameters, weights) if np.ndim(weights) else shape * weights
        return {**parameters, "shape": own}

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """A gamma variable of the same rate, whose shape is larger by 1."""
        shape = per_row(parameters["shape"])
        shape = shape if weights is None else shape * weights
        return SizeBiased(self, mu * (1 + 1 / shape), {"shape": shape + 1})

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu**2 / _shape(parameters, weights)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """a^2 trigamma(a) - a, about log(a), a the shape."""
        a = np.broadcast_to(per_row(parameters["shape"]), np.shape(eta))
        return np.where(a > 1e4, 0.5, a**2 * special.polygamma(1, a) - a)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """trigamma(shape), the exact variance of log y, on the log link; else the delta method."""
        if isinstance(self.link, Log):
            return special.polygamma(1, parameters["shape"])
        return self.by_delta_method(mean**2 / parameters["shape"], mean)


def _shape(parameters: Values, weights: Floats | None) -> Floats:
    shape = per_row(parameters["shape"])
    return shape if weights is None else shape * weights
