"""Positive response whose logarithm is normal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Elsewhere, Family, Parameter, Values, per_row
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.gaussian import NORMAL, normal_rows, row_sd, scale_prior, with_row_sd
from mixedbayes.families.links import Identity, Link, Log
from mixedbayes.families.rows import RowDensity, Rows
from mixedbayes.interrupts import later

stats = later("scipy.stats")

_LARGEST = float(np.log(np.finfo(float).max))  # a draw beyond the largest number is that number


@dataclass(frozen=True)
class Lognormal(Family):
    """log y ~ Normal(mu, sigma / sqrt(weight)), mu = eta: mu is the log of the median.

    E[y] = exp(mu + sigma^2 / 2), which is what `fitted` gives.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    ShiftedLognormal : From another start than 0.
    Gamma : Another positive law.
    HurdleLognormal : With zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="lognormal")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                  prior
    0   Intercept  at the predictors' means  Normal(5.682, 0.4635)
    1       fixef                      Days      Normal(0, 0.1609)
    2  sd_Subject                 Intercept     Exponential(5.394)
    3       sigma                               Exponential(5.394)
    """

    name: ClassVar[str] = "lognormal"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("sigma", r"\sigma"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "lognormal", None, "lognormal", {"sigma": "sigma"}, bambi_builtin=False,
        mgcv=InMgcv("gaussian()", "log({y})"),
        names=("log_normal", "lnorm", "loggaussian"),
    )  # fmt: skip
    dispersion: ClassVar[str | None] = "sigma"
    takes: ClassVar[str] = "positive numbers"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity,)
    repeats_rows: ClassVar[bool] = False
    extremes: ClassVar[bool] = False
    infinite_over: ClassVar[tuple[str, ...]] = ("sigma",)
    mean_is_mu: ClassVar[bool] = False
    link: Link = field(default_factory=Identity)

    @property
    def row_density(self) -> RowDensity:
        return NORMAL

    def rows(self, design: Design) -> Rows:
        logs = np.log(design.y)
        rows = normal_rows(logs, design)
        return replace(rows, constant=rows.constant - float(logs.sum()))

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Its logarithm."""
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(y, 0.0))

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        support.refuse_constant(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y > 0)

    def on_link_scale(self, design: Design) -> Floats:
        return _logs(design)

    def location(self, design: Design) -> float:
        return float(design.mu.average(_logs(design)))

    def scale(self, design: Design) -> float:
        return sd(_logs(design), design.mu.counts)

    def scale_origin(self, design: Design) -> str:
        return f"sd(log({design.response}))"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        weight = self.typical_weight(design)
        return scale_prior(self.scale(design), self.scale_origin(design), weight)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return float(np.log(self.scale(design)) + 0.5 * np.log(self.typical_weight(design))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        sigma = parameters["sigma"]
        if design.weights is not None:
            sigma = sigma / xp.sqrt(design.weights)
        return "LogNormal", {"mu": eta, "sigma": sigma}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        return rf"\log {y} &\sim \mathcal{{N}}(\mu_i,\, {symbol('sigma')}^2{divided})"

    @property
    def mean_link(self) -> str:
        """The logarithm, with an identity link on that."""
        return Log.name

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        logs = rng.normal(mu, row_sd(parameters, weights))
        return np.exp(np.minimum(logs, _LARGEST))

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(y, 0.0))
        return special.ndtr((logs - mu) / row_sd(parameters, weights))

    def transition(
        self,
        y: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(y, np.finfo(float).tiny))
        return logs, np.broadcast_to(row_sd(parameters, weights), np.shape(logs))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        logs = np.log(y)
        return stats.norm.logpdf(logs, mu, row_sd(parameters, weights)) - logs

    def weighted(self, parameters: Values, weights: Any) -> Values:
        return with_row_sd(parameters, weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return np.exp(mu + per_row(parameters["sigma"]) ** 2 / 2)

    def observation_mean(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """exp(mu + sigma^2 / (2 w)): a row's weight divides the variance of its logarithm."""
        return np.exp(mu + row_sd(parameters, weights) ** 2 / 2)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """A lognormal variable whose logarithm has a larger mean, by its variance."""
        variance = row_sd(parameters, weights) ** 2
        return SizeBiased(self, mu + variance, parameters, weights)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        variance = row_sd(parameters, weights) ** 2
        return np.expm1(variance) * np.exp(2 * mu + variance)

    def information(self, eta: Floats, parameters: Values) -> Floats:
        return np.broadcast_to(per_row(parameters["sigma"]) ** -2.0, np.shape(eta))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """2, about log(sigma)."""
        return np.full(np.shape(eta), 2.0)

    def residual_variance(self, parameters: Values) -> Floats:
        """sigma^2, of log y."""
        return np.asarray(parameters["sigma"]) ** 2


def _logs(design: Design) -> Floats:
    logs = np.log(design.y)
    return logs if design.mu.offset is None else logs - design.mu.offset
