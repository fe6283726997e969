"""Shares strictly between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import (
    Bools,
    Elsewhere,
    Family,
    Parameter,
    Values,
    per_row,
    repeated,
    weights_of,
)
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Cloglog, Link, Logit, Probit, ShareLink
from mixedbayes.families.negative_binomial import SHAPE_PRIOR
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.interrupts import later
from mixedbayes.numerics.incomplete import log_beta_tail
from mixedbayes.numerics.special import digamma

stats = later("scipy.stats")


@compiled
def beta_once(parameters):
    return math.lgamma(parameters[0]), digamma(parameters[0])


@compiled
def beta_row(t, y, size, extra, parameters, shared):
    """A share of log odds t in the mean; y its log, extra log(1 - share). It counts size times."""
    phi, e = parameters[0], math.exp(-abs(t))
    mu, rest = 1.0 / (1.0 + e), e / (1.0 + e)
    if t < 0:
        mu, rest = rest, mu
    a, b = mu * phi, rest * phi
    if a < 1e-300 or b < 1e-300:
        return -math.inf, 0.0, (0.0,)
    d_a, d_b = y - digamma(a), extra - digamma(b)
    d_phi = size * (shared[1] + mu * d_a + rest * d_b)
    value = shared[0] - math.lgamma(a) - math.lgamma(b) + a * y + b * extra
    return size * value, size * phi * (d_a - d_b) * mu * rest, (d_phi,)


@compiled
def beta_tails(t, bound, upper, size, parameters, shared):
    """At the log odds of a share, for log odds t of the mean."""
    phi, small = parameters[0], math.exp(-abs(t))
    mean = (1.0 if t > 0.0 else small) / (1.0 + small)
    rest = (small if t > 0.0 else 1.0) / (1.0 + small)
    value, _, d_a, d_b = log_beta_tail(mean * phi, rest * phi, bound, upper)
    return value, phi * mean * rest * (d_a - d_b), (mean * d_a + rest * d_b,)


@dataclass(frozen=True)
class Beta(Family):
    """y ~ Beta(mu phi, (1 - mu) phi): Var[y] = mu (1 - mu) / (1 + phi).

    Ferrari & Cribari-Neto (2004), doi:10.1080/0266476042000214501.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    OrderedBeta : With 0 and 1.
    ZeroOneInflatedBeta : With predictors of their own for 0 and 1.
    Binomial : Of counts out of trials.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> data = mb.simulate(formula, **plan, family="beta", phi=5)
    >>> model = mb.Model(formula, data, family="beta")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means   Normal(0.1556, 2.941)
    1      fixef                         x        Normal(0, 2.942)
    2       sd_g                 Intercept       Exponential(0.85)
    3        phi                            InverseGamma(0.4, 0.3)
    """

    name: ClassVar[str] = "beta"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("phi", r"\phi"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "Beta", None, "beta", {"phi": "kappa"}, glmmtmb="beta_family",
        mgcv=InMgcv('betar(link = "{link}")'),
        names=("beta_family", "betareg", "beta_regression"),
    )  # fmt: skip
    dispersion: ClassVar[str | None] = "phi"
    takes: ClassVar[str] = "shares strictly between 0 and 1"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit, Probit, Cloglog)
    link: ShareLink = field(default_factory=Logit)

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(beta_row, Logit, beta_once, tails=beta_tails)

    def rows(self, design: Design) -> Rows:
        w, logs, rest = weights_of(design), np.log(design.y), np.log1p(-design.y)
        return Rows.of(logs, w, -w @ (logs + rest), rest)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Its log odds."""
        with np.errstate(divide="ignore"):
            share = np.clip(y, 0.0, 1.0)
            return np.log(share) - np.log1p(-share)

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        y = design.y
        edge = (y == 0) | (y == 1)
        if edge.any() and not edge.all() and y.min() >= 0 and y.max() <= 1:
            first = int(np.argmax(edge))
            raise DataError(
                f"the response {design.response!r} is {y[first]:g} in row {design.index[first]!r} "
                f"({int(edge.sum())} of {design.n} rows are 0 or 1): the beta family takes shares "
                "strictly between 0 and 1; family='ordered_beta' or 'zero_one_inflated_beta' takes "
                "zeros and ones too, and if these are counts out of n, family='binomial' with "
                "successes | trials(n)"
            )
        self.require_support(design)
        support.refuse_constant(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return (y > 0) & (y < 1)

    def location(self, design: Design) -> float:
        return float(self.link.link(design.mu.average(design.y), np)) - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        return sd(self.link.link(design.y, np), design.mu.counts)

    def scale_origin(self, design: Design) -> str:
        return f"sd({self.link.name}({design.response}))"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return SHAPE_PRIOR, "from nearly 0 or 1 to nearly constant; as in brms for shapes"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the precision that all variation would have without predictors."""
        mean = float(design.mu.average(design.y))
        variance = sd(design.y, design.mu.counts) ** 2
        return float(np.log(max(mean * (1 - mean) / variance - 1, 0.1))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        phi, mu = parameters["phi"], self.inverse(eta, xp)
        return "Beta", {"alpha": mu * phi, "beta": self.link.rest(eta, xp) * phi}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        phi = symbol("phi")
        return rf"{y} &\sim \mathrm{{Beta}}(\mu_i {phi},\, (1 - \mu_i) {phi})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi = per_row(parameters["phi"])
        tiny = np.finfo(float).tiny  # a shape that underflows to 0 is no distribution
        y = rng.beta(np.maximum(mu * phi, tiny), np.maximum((1 - mu) * phi, tiny))
        return np.clip(y, tiny, 1 - np.finfo(float).epsneg)  # a draw rounded to 0 or 1 is no share

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi = per_row(parameters["phi"])
        return special.betainc(mu * phi, (1 - mu) * phi, np.clip(y, 0.0, 1.0))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi = per_row(parameters["phi"])
        return repeated(stats.beta.logpdf(y, mu * phi, (1 - mu) * phi), weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """Beta(mu phi + 1, (1 - mu) phi)."""
        phi = per_row(parameters["phi"])
        return SizeBiased(self, (mu * phi + 1) / (phi + 1), {"phi": phi + 1})

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu * (1 - mu) / (1 + per_row(parameters["phi"]))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        mu, phi = self.inverse(eta, np), per_row(parameters["phi"])
        spread = special.polygamma(1, mu * phi) + special.polygamma(1, (1 - mu) * phi)
        return (self.link.slope(eta, np) * phi) ** 2 * spread

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(phi), given the mean."""
        mu, phi = self.inverse(eta, np), per_row(parameters["phi"])
        ends = mu**2 * special.polygamma(1, mu * phi)
        ends = ends + (1 - mu) ** 2 * special.polygamma(1, (1 - mu) * phi)
        return phi**2 * (ends - special.polygamma(1, phi))

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """On the logit link the exact Var[logit y] = trigamma(mu phi) + trigamma((1 - mu) phi).

        Elsewhere the variance on the response scale by the delta method.
        """
        phi = parameters["phi"]
        if isinstance(self.link, Logit):
            return special.polygamma(1, mean * phi) + special.polygamma(1, (1 - mean) * phi)
        slope = self.link.slope(self.link.link(mean, np), np)
        return mean * (1 - mean) / (1 + phi) / slope**2
