"""Shares with zeros and ones by the same predictor: a beta cut at both ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats
from mixedbayes.distributions import Gamma, Normal, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row
from mixedbayes.families.beta import beta_once, beta_row
from mixedbayes.families.ends import Ends, ends_mass
from mixedbayes.families.links import Identity, Link, Logit
from mixedbayes.families.rows import RowDensity, compiled

_WIDEST = 2.5  # prior sd of the lower cut
_GAP = 4.0  # prior mean of the distance of the cuts


@compiled
def _expit(x):
    """expit(x), and its logarithm."""
    e = math.exp(-abs(x))
    log, p = math.log1p(e), 1.0 / (1.0 + e)
    return (p, -log) if x >= 0.0 else (e * p, x - log)


@compiled
def _once(parameters):
    gap = parameters[2]
    return beta_once((parameters[0],)), math.log(-math.expm1(-gap)), 1.0 / math.expm1(gap)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """A share of log odds t in the mean; y its log, extra log(1 - share). It counts size times.

    expit(t - c) - expit(t - d) = expit(t - c) expit(d - t) (1 - exp(c - d)).
    """
    above = t - parameters[1]
    over = above - parameters[2]
    if y == -math.inf:
        slope, value = _expit(above)[0], _expit(-above)[1]
        return size * value, -size * slope, (0.0, size * slope, 0.0)
    if extra == -math.inf:
        slope, value = _expit(-over)[0], _expit(over)[1]
        return size * value, size * slope, (0.0, -size * slope, -size * slope)
    value, d_t, d = beta_row(t, y, size, extra, (parameters[0],), shared[0])
    value += size * (_expit(above)[1] + _expit(-over)[1] + shared[1])
    one = _expit(over)[0]
    slope = size * (_expit(-above)[0] - one)
    return value, d_t + slope, (d[0], -slope, size * (one + shared[2]))


@compiled
def _parts(t, parameters, shared):
    above = t - parameters[1]
    over = above - parameters[2]
    (some, log_some), (none, log_none) = _expit(above), _expit(-above)
    (one, log_one), (less, log_less) = _expit(over), _expit(-over)
    slope = none - one
    return (
        (log_none, -some, some, 0.0),
        (log_some + log_less + shared[1], slope, -slope, one + shared[2]),
        (log_one, less, -less, -less),
    )


@dataclass(frozen=True)
class OrderedBeta(Ends):
    """y is 0 below a cut of a latent share, 1 above another, and else Beta(mu phi, (1 - mu) phi).

    With eta = logit(mu) and the cuts cutzero and cutzero + gap on that scale,
    P(y = 0) = 1 - expit(eta - cutzero), P(y = 1) = expit(eta - cutzero - gap). One predictor moves
    zeros, shares and ones together, where zero_one_inflated_beta has a predictor for each. Kubinec
    (2022), doi:10.1017/pan.2022.20.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi and gap:
        positive, `mb.Log()` or `mb.Softplus()`. cutzero: any number, `mb.Identity()`.

    See Also
    --------
    ZeroOneInflatedBeta : With predictors of their own.
    Beta : Without 0 and 1.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> data = mb.simulate(formula, **plan, family="ordered_beta", phi=5, cutzero=-2, gap=4)
    >>> model = mb.Model(formula, data, family="ordered_beta")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means   Normal(0.1592, 3.022)
    1      fixef                         x        Normal(0, 3.022)
    2       sd_g                 Intercept     Exponential(0.8274)
    3        phi                            InverseGamma(0.4, 0.3)
    4    cutzero                               Normal(-1.773, 2.5)
    5        gap                                     Gamma(2, 0.5)
    """

    name: ClassVar[str] = "ordered_beta"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("phi", r"\phi"),
        Parameter("cutzero", r"\kappa", Identity(), averages=False),
        Parameter("gap", r"\delta", averages=False),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(names=("ordbeta", "ordbetareg", "ord_beta_reg"))
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit,)

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Logit, _once, concave=False, mass=ends_mass(_parts))

    def _centre(self, design: Design) -> float:
        """The lower cut with the response's share of zeros, at its centre."""
        zero, between, one = self.shares(design)
        return self.location(design) + float(np.log(zero / (between + one)))

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "cutzero":
            centre = self._centre(design)
            return Normal(centre, _WIDEST), f"centre of the zeros = {centre:.4g}"
        if name == "gap":
            return Gamma(2.0, 2.0 / _GAP), f"mean {_GAP:g} on the logit scale"
        return super().parameter_prior(name, design)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        if name == "cutzero":
            return self._centre(design), 1.0
        return (math.log(_GAP), 0.5) if name == "gap" else super().parameter_scale(name, design)

    def log_parts(self, mu: Any, parameters: Mapping[str, Any], xp: Any) -> tuple[Any, Any, Any]:
        with np.errstate(divide="ignore"):
            above = xp.log(mu) - xp.log1p(-mu) - parameters["cutzero"]
        gap, log_expit = parameters["gap"], Logit().log_inverse
        between = log_expit(above, xp) + log_expit(gap - above, xp) + xp.log(-xp.expm1(-gap))
        return log_expit(-above, xp), between, log_expit(above - gap, xp)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "OrderedBeta", {"mu": self.inverse(eta, xp), **parameters}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"\mu_i,\, {symbol('phi')},\, {symbol('cutzero')},\, {symbol('gap')}"
        return rf"{y} &\sim \mathrm{{OrderedBeta}}({law})"

    def _ordinal(self, eta: Floats, parameters: Values) -> tuple[Floats, Floats]:
        """Information of being 0, between or 1, about the lower cut and about log(gap)."""
        zero, between, one = self.parts(self.inverse(eta, np), parameters)
        gap = per_row(parameters["gap"])
        above = eta - per_row(parameters["cutzero"])
        over, below = special.expit(above - gap), special.expit(-above)
        cut = zero * (1 - below) ** 2 + one * (1 - over) ** 2 + between * (below - over) ** 2
        inner = over + 1 / np.expm1(gap)
        return cut, gap**2 * (one * (1 - over) ** 2 + between * inner**2)

    def information(self, eta: Floats, parameters: Values) -> Floats:
        return super().information(eta, parameters) + self._ordinal(eta, parameters)[0]

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(phi), about cutzero and about log(gap), each given the others."""
        if name == "phi":
            return super().parameter_information(name, eta, parameters)
        return self._ordinal(eta, parameters)[name == "gap"]
