"""Shares with zeros and ones of a process of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats
from mixedbayes.distributions import Prior, Uniform
from mixedbayes.families.arrays import below_one
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row
from mixedbayes.families.beta import beta_once, beta_row
from mixedbayes.families.ends import Ends, ends_mass
from mixedbayes.families.links import Link, Logit, Probit
from mixedbayes.families.rows import RowDensity, compiled
from mixedbayes.numerics.special import logs_of_share


@compiled
def _once(parameters):
    return beta_once((parameters[0],)), logs_of_share(parameters[1]), logs_of_share(parameters[2])


@compiled
def _row(t, y, size, extra, parameters, shared):
    """A share of log odds t in the mean, y its log, extra log(1 - share); zoi and coi by odds."""
    log_end, log_rest, end, rest = shared[1]
    log_one, log_zero, one, zero = shared[2]
    if y == -math.inf:
        return size * (log_end + log_zero), 0.0, (0.0, size * rest, -size * one)
    if extra == -math.inf:
        return size * (log_end + log_one), 0.0, (0.0, size * rest, size * zero)
    value, d_t, d = beta_row(t, y, size, extra, (parameters[0],), shared[0])
    return value + size * log_rest, d_t, (d[0], -size * end, 0.0)


@compiled
def _parts(t, parameters, shared):
    log_end, log_rest, end, rest = shared[1]
    log_one, log_zero, one, zero = shared[2]
    return (
        (log_end + log_zero, 0.0, rest, -one),
        (log_rest, 0.0, -end, 0.0),
        (log_end + log_one, 0.0, rest, zero),
    )


@dataclass(frozen=True)
class ZeroOneInflatedBeta(Ends):
    """y is 0 or 1 with probability zoi, 1 with probability coi of these, and else Beta(mu, phi).

    mu is the mean of the shares between 0 and 1, as in brms: E[y] = zoi coi + (1 - zoi) mu. Ospina
    & Ferrari (2012), doi:10.1016/j.csda.2011.10.005.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()`.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi:
        positive, `mb.Log()` or `mb.Softplus()`. zoi and coi: a share, `mb.Logit()`, `mb.Probit()`
        or `mb.Cloglog()`.

    See Also
    --------
    OrderedBeta : One predictor for all.
    Beta : Without 0 and 1.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> true = {"phi": 5, "zoi": 0.2, "coi": 0.5}
    >>> data = mb.simulate(formula, **plan, family="zero_one_inflated_beta", **true)
    >>> model = mb.Model(formula, data, family="zero_one_inflated_beta")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means   Normal(0.1604, 3.024)
    1      fixef                         x        Normal(0, 3.025)
    2       sd_g                 Intercept     Exponential(0.8266)
    3        phi                            InverseGamma(0.4, 0.3)
    4        zoi                                     Uniform(0, 1)
    5        coi                                     Uniform(0, 1)
    """

    name: ClassVar[str] = "zero_one_inflated_beta"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("phi", r"\phi"),
        Parameter("zoi", r"\pi", Logit()),
        Parameter("coi", r"\gamma", Logit()),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere("zero_one_inflated_beta", names=("zoib", "zoi_beta"))
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit, Probit)

    @property
    def mixing(self) -> tuple[str, ...]:
        return ("zoi",)

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(
            _row, Logit, _once, concave=False, odds=(1, 2), mass=ends_mass(_parts)
        )  # fmt: skip

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "phi":
            return super().parameter_prior(name, design)
        return Uniform(0, 1), "any share"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre of zoi and coi: the shares of the response's zeros and ones."""
        zero, between, one = self.shares(design)
        if name == "zoi":
            return float(np.log((zero + one) / between)), 1.0
        return (
            (float(np.log(one / zero)), 1.0)
            if name == "coi"
            else super().parameter_scale(name, design)
        )

    def log_parts(self, mu: Any, parameters: Mapping[str, Any], xp: Any) -> tuple[Any, Any, Any]:
        zoi, coi = parameters["zoi"], parameters["coi"]
        ends = xp.log(zoi) + 0 * mu
        return ends + xp.log1p(-coi), xp.log1p(-zoi) + 0 * mu, ends + xp.log(coi)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "ZeroOneInflatedBeta", {"mu": self.inverse(eta, xp), **parameters}

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Var[y] / ((1 - zoi) d mu / d eta)^2, where mu has this mean."""
        own = {name: per_row(value) for name, value in parameters.items()}
        own["zoi"] = below_one(own["zoi"])
        mu = per_row(np.asarray(mean))
        slope = (1 - own["zoi"]) * self.link.slope(self.link.link(mu, np), np)
        return (self.variance(mu, own) / slope**2)[:, 0]

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"\mu_i,\, {symbol('phi')},\, {symbol('zoi')},\, {symbol('coi')}"
        return rf"{y} &\sim \mathrm{{ZOIB}}({law})"

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(phi), and about the log odds of zoi and coi."""
        if name == "phi":
            return super().parameter_information(name, eta, parameters)
        zoi, coi = per_row(parameters["zoi"]), per_row(parameters["coi"])
        found = zoi * (1 - zoi) if name == "zoi" else zoi * coi * (1 - coi)
        return np.broadcast_to(found, np.shape(eta))
