"""Response times that are lognormal beyond a shortest one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior, Uniform
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, weights_of
from mixedbayes.families.gaussian import row_sd, scale_prior
from mixedbayes.families.links import Identity
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.families.within import mean_within
from mixedbayes.interrupts import later
from mixedbayes.numerics.special import log_ndtr

stats = later("scipy.stats")

_MOST = 20.0  # in units of `_reach`, how far ndt may be below the smallest response


@compiled
def _once(parameters):
    return (math.log(parameters[0]),)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of which log(y - ndt) has mean t, its variance divided by size."""
    sigma, beyond = parameters[0], y - parameters[1]
    if not beyond > 0.0:
        return -math.inf, 0.0, (0.0, 0.0)
    log = math.log(beyond)
    z = (log - t) / sigma
    square = size * z * z
    d_ndt = (1.0 + size * z / sigma) / beyond
    return -shared[0] - 0.5 * square - log, size * z / sigma, ((square - 1.0) / sigma, d_ndt)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    sigma, beyond = parameters[0], bound - parameters[1]
    if not beyond > 0.0:
        return (0.0 if upper else -math.inf), 0.0, (0.0, 0.0)
    root = math.sqrt(size) / sigma
    z = (math.log(beyond) - t) * root
    sign = -1.0 if upper else 1.0
    value, hazard = log_ndtr(sign * z)
    slope = -sign * hazard * root
    return value, slope, (-sign * hazard * z / sigma, slope / beyond)


@dataclass(frozen=True)
class ShiftedLognormal(Lognormal):
    """log(y - ndt) ~ Normal(mu, sigma / sqrt(weight)): mu is the log of the median of y - ndt.

    ndt, the non-decision time of response times, is the shortest response that there can be,
    0 < ndt < min(y), where of a censored response the upper end counts. Where responses are far
    from 0 and close together, by default ndt is not further below them than 20 times the distance
    of their upper quartile from the smallest: further away the shape is nearly normal.
    E[y] = ndt + exp(mu + sigma^2 / 2).

    Parameters
    ----------
    link
        Of mu: `mb.Identity()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma and
        ndt: positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Lognormal : From 0.
    Exgaussian : Another law of response times.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="shifted_lognormal")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                  prior
    0   Intercept  at the predictors' means  Normal(5.266, 0.6995)
    1       fixef                      Days      Normal(0, 0.2428)
    2  sd_Subject                 Intercept     Exponential(3.574)
    3       sigma                               Exponential(3.574)
    4         ndt                                Uniform(0, 194.3)
    """

    name: ClassVar[str] = "shifted_lognormal"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("sigma", r"\sigma"),
        Parameter("ndt", r"\delta"),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "shifted_lognormal", names=("shifted_log_normal", "shiftedlognormal", "lognormal3")
    )
    beyond: ClassVar[str] = " beyond ndt"
    extremes: ClassVar[bool] = True

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Identity, _once, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y, w, 0.5 * np.log(w).sum() - 0.5 * design.n * np.log(2 * np.pi))

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        return np.where(np.asarray(y) > 0, y, -np.inf)

    def on_link_scale(self, design: Design) -> Floats:
        """(n,) log(y - ndt), less the offset, at an ndt as far below as `_reach` says.

        NaN of a censored response that is known to be above less than the smallest one.
        """
        return np.where(design.y < _smallest(design), np.nan, self._logs(design))

    def _logs(self, design: Design) -> Floats:
        """`on_link_scale`, where that is NaN of the smallest response."""
        smallest = _smallest(design)
        logs = np.log(np.maximum(design.y, smallest) - (smallest - _reach(design)))
        return logs if design.mu.offset is None else logs - design.mu.offset

    def location(self, design: Design) -> float:
        return float(np.mean(self._logs(design)))

    def scale(self, design: Design) -> float:
        """The sd; 1 where no response is known to be beyond the smallest."""
        return sd(self._logs(design), None) or 1.0

    def scale_origin(self, design: Design) -> str:
        return f"sd(log({design.response} - {_written(design)}))"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "ndt":
            smallest, most = _smallest(design), _MOST * _reach(design)
            said = f"any below the smallest {design.response}"
            if smallest <= most:
                return Uniform(0, smallest), said
            return Uniform(smallest - most, smallest), f"{said}, by up to {most:.4g}"
        weight = self.typical_weight(design)
        return scale_prior(self.scale(design), self.scale_origin(design), weight)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Of ndt about half the smallest response, or `_reach` below it."""
        if name == "ndt":
            smallest, reach = _smallest(design), _reach(design)
            return float(np.log(smallest - reach)), 0.5 * min(1.0, reach / (smallest - reach))
        return super().parameter_scale(name, design)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        _, args = super().pymc(eta, parameters, design, xp)
        return "ShiftedLogNormal", {**args, "ndt": parameters["ndt"]}

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        sigma, beyond = arguments["sigma"], y - arguments["ndt"]
        log = xp.log(xp.switch(beyond > 0, beyond, 1.0))
        z = (log - arguments["mu"]) / sigma
        value = -0.5 * z**2 - xp.log(sigma) - 0.5 * np.log(2 * np.pi) - log
        return xp.switch(beyond > 0, value, -np.inf)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        law = rf"\mathcal{{N}}(\mu_i,\, {symbol('sigma')}^2{divided})"
        return rf"\log({y} - {symbol('ndt')}) &\sim {law}"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        beyond = super().simulate(mu, parameters, rng, weights=weights)
        return per_row(parameters["ndt"]) + beyond

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        beyond = y - per_row(parameters["ndt"])
        return super().cdf(beyond, mu, parameters, weights=weights)

    def transition(
        self,
        y: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:
        beyond = y - per_row(parameters["ndt"])
        return super().transition(beyond, parameters, weights=weights)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        beyond = y - per_row(parameters["ndt"])
        logs = np.log(np.where(beyond > 0, beyond, 1.0))
        value = stats.norm.logpdf(logs, mu, row_sd(parameters, weights)) - logs
        return np.where(beyond > 0, value, -np.inf)

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """ndt + the mean of the lognormal part."""
        ndt = per_row(parameters["ndt"])
        own = {"sigma": parameters["sigma"]}
        return ndt + mean_within(Lognormal(), low - ndt, high - ndt, mu, own, weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return per_row(parameters["ndt"]) + super().expectation(mu, parameters)

    def observation_mean(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        beyond = super().observation_mean(mu, parameters, weights=weights)
        return per_row(parameters["ndt"]) + beyond

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """2 about log(sigma); of ndt, ndt^2 (1 + 1 / sigma^2) exp(2 sigma^2 - 2 mu)."""
        if name == "sigma":
            return super().parameter_information(name, eta, parameters)
        variance = per_row(parameters["sigma"]) ** 2
        return (
            per_row(parameters["ndt"]) ** 2
            * (1 + 1 / variance)
            * np.exp(np.minimum(2 * variance - 2 * eta, 600.0))
        )


def _smallest(design: Design) -> float:
    """The smallest response; of a censored one the upper end counts, as Y > 0.1 allows any ndt."""
    if design.limits is None:
        return float(design.y.min())
    _, upper = design.limits.range(design.y)
    return float(upper.min())  # some response is known, or there would be no model


def _reach(design: Design) -> float:
    """How far below the smallest response ndt may well be: halfway to 0, or less.

    Of responses far from 0 that are close together, as far as three of four of them are above the
    smallest: log(y - ndt) would tell nothing of their shape at an ndt further away.
    """
    smallest = _smallest(design)
    above = np.maximum(design.y, smallest) - smallest
    spread = float(np.quantile(above, 0.75)) or float(above.mean())
    return min(spread or smallest / 2, smallest / 2)


def _written(design: Design) -> str:
    """The ndt of `on_link_scale`, in as many digits as the data's spread asks for."""
    reach = _reach(design)
    ndt = _smallest(design) - reach
    return f"{ndt:.{max(4, 3 + math.ceil(math.log10(ndt / reach)))}g}"
