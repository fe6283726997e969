"""Normal-like response with outliers."""

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
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.gaussian import Gaussian, beyond_offset
from mixedbayes.families.links import Identity
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.interrupts import later
from mixedbayes.numerics.incomplete import log_beta_tail
from mixedbayes.numerics.special import digamma

stats = later("scipy.stats")

_LOG_2 = math.log(2.0)


@compiled
def _once(parameters):
    sigma, nu = parameters[0], parameters[1]
    half = 0.5 * (nu + 1.0)
    if nu < 1e5:
        value = math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu)
        slope = 0.5 * (digamma(half) - digamma(0.5 * nu) - 1.0 / nu)
    else:  # of Gamma(x + 1/2) to Gamma(x), by its series
        value = -0.5 * math.log(2.0) - 0.25 / nu
        slope = 0.25 / (nu * nu)
    return value - math.log(sigma), slope


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of location t, its squared scale divided by size."""
    sigma, nu = parameters[0], parameters[1]
    z = (y - t) / sigma
    square = size * z * z
    log, ratio = math.log1p(square / nu), (nu + 1.0) / (nu + square)
    d_sigma = (ratio * square - 1.0) / sigma
    d_nu = shared[1] - 0.5 * log + 0.5 * ratio * square / nu
    return shared[0] - 0.5 * (nu + 1.0) * log, size * ratio * z / sigma, (d_sigma, d_nu)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response: P(T > z) = P(X <= x) / 2 for X ~ Beta(nu / 2, 1 / 2) at odds nu / z^2 of x."""
    sigma, nu = parameters[0], parameters[1]
    root = math.sqrt(size) / sigma
    z = (bound - t) * root
    far = max(abs(z), 1e-140)
    v = math.log(nu) - 2.0 * math.log(far)
    value, d_v, d_a, _ = log_beta_tail(0.5 * nu, 0.5, v, False)
    value, d_z, d_nu = value - _LOG_2, -2.0 * d_v / far, 0.5 * d_a + d_v / nu
    if (z > 0.0) != upper:  # the larger tail
        odds = -1.0 / math.expm1(-value)
        value, d_z, d_nu = math.log1p(-math.exp(value)), odds * d_z, odds * d_nu
    d_z = d_z if z > 0.0 else -d_z
    return value, -d_z * root, (-d_z * z / sigma, d_nu)


@dataclass(frozen=True)
class StudentTFamily(Gaussian):
    """y ~ StudentT(nu, mu, sigma / sqrt(weight)): sigma is a scale, not the standard deviation.

    The sd is sigma sqrt(nu / (nu - 2)) for nu > 2 and infinite otherwise. Default scales are
    robust: the median, and 1.48 times the median absolute deviation.

    The default prior of nu is InverseGamma(1, 4): 1 / nu, by which a t departs from the normal,
    is exponential with mean 1/4. Half of it lies below nu = 5.8, 14 % below 2 and 13 % above 30.
    For large nu it has the form of a penalised complexity prior (Simpson et al. 2017,
    doi:10.1214/16-STS576) and the tail 1 / nu^2 of Jeffreys' (Fonseca, Ferreira & Migon 2008,
    doi:10.1093/biomet/asn001), like which it behaves in samples of a hundred rows. A prior that
    falls exponentially, such as the common Gamma(2, 0.1) of mean 20 (Juárez & Steel 2010,
    doi:10.1198/jbes.2009.07145), hides heavy tails in such samples: nu and, with it, sigma come
    out too large.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()` by default; or `mb.Log()` or `mb.Inverse()`.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma and
        nu: positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Gaussian : Without outliers.
    SkewNormal : With one longer tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="student_t")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                 prior
    0   Intercept  at the predictors' means  Normal(288.7, 148.3)
    1       fixef                      Days       Normal(0, 51.5)
    2  sd_Subject                 Intercept  Exponential(0.01685)
    3       sigma                            Exponential(0.01685)
    4          nu                              InverseGamma(1, 4)
    """

    name: ClassVar[str] = "student_t"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("sigma", r"\sigma"),
        Parameter("nu", r"\nu", averages=False),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "student", None, "t", {"sigma": "sigma", "nu": "nu"},
        mgcv=InMgcv('scat(link = "{link}", min.df = 1)'),
        names=("t", "student", "students_t", "tdist", "t_family"),
    )  # fmt: skip
    dispersion_words: ClassVar[str] = "residual scale"  # the sd is infinite below nu = 2
    wider: ClassVar[str | None] = None
    normal: ClassVar[bool] = False

    @property
    def row_density(self) -> RowDensity:
        """Not concave: at its peak the curvature is (nu + 3) / nu times the expected one, and far
        out it has the other sign."""
        return RowDensity(_row, Identity, _once, concave=False, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y, w, 0.5 * np.log(w).sum() - design.n * 0.5 * np.log(np.pi))

    def moments(self, design: Design) -> tuple[float, float]:
        """Median, and robust sd."""
        y = beyond_offset(self.link, design)
        return float(np.median(y)), robust_sd(y)

    def spread_name(self, design: Design) -> str:
        return f"1.48 mad({design.response})"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "nu":
            return InverseGamma(1.0, 4.0), "1 / nu has mean 1/4; half of it below nu = 5.8"
        return super().parameter_prior(name, design)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Of nu the centre and spread of its default prior, on the log scale."""
        return (float(np.log(6.0)), 1.0) if name == "nu" else super().parameter_scale(name, design)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        _, args = super().pymc(eta, parameters, design, xp)
        return "StudentT", {**args, "nu": parameters["nu"]}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        law = rf"{symbol('nu')},\, \mu_i,\, {symbol('sigma')}^2{divided}"
        return rf"{y} &\sim \mathrm{{StudentT}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        noise = rng.standard_t(np.broadcast_to(per_row(parameters["nu"]), np.shape(mu)))
        return mu + self.row_sd(parameters, weights) * noise

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return special.stdtr(per_row(parameters["nu"]), (y - mu) / self.row_sd(parameters, weights))

    def transition(
        self,
        y: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:
        return y, np.broadcast_to(self.row_sd(parameters, weights), np.shape(y))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return stats.t.logpdf(y, per_row(parameters["nu"]), mu, self.row_sd(parameters, weights))

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """mu + s ((nu + a^2) f(a) - (nu + b^2) f(b)) / ((nu - 1) P(a < z <= b)), if nu > 1."""
        scale, nu = self.row_sd(parameters, weights), per_row(parameters["nu"])

        def edge(end: Floats) -> Floats:
            z = (end - mu) / scale
            part = np.exp(stats.t.logpdf(z, nu) + np.log(nu + z**2) - log_mass)
            return np.where(np.isfinite(z), part, 0.0)

        found = mu + scale * (edge(low) - edge(high)) / (nu - 1)
        exists = (nu > 1) | (np.isfinite(low) & np.isfinite(high))
        return np.where(exists, found, np.nan)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        inflation = per_row(_inflation(parameters["nu"]))
        return np.broadcast_to(self.row_sd(parameters, weights) ** 2 * inflation, np.shape(mu))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """(nu + 1) / ((nu + 3) sigma^2) of the location."""
        nu, sigma = per_row(parameters["nu"]), per_row(parameters["sigma"])
        return self.link.slope(eta, np) ** 2 * (nu + 1) / ((nu + 3) * sigma**2)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(sigma), and about log(nu), each given the other parameters."""
        nu = np.broadcast_to(per_row(parameters["nu"]), np.shape(eta))
        if name == "sigma":
            return 2 * nu / (nu + 3)
        change = special.polygamma(1, nu / 2) - special.polygamma(1, (nu + 1) / 2)
        return nu**2 / 4 * (change - 2 * (nu + 5) / (nu * (nu + 1) * (nu + 3)))

    def residual_variance(self, parameters: Values) -> Floats:
        """sigma^2 nu / (nu - 2), infinite for nu <= 2."""
        return np.asarray(parameters["sigma"]) ** 2 * _inflation(parameters["nu"])


def robust_sd(y: Floats) -> float:
    """1.48 times the median absolute deviation; the sd where more than half the values agree."""
    mad = float(stats.median_abs_deviation(y, scale="normal"))
    return mad if mad > 0 else float(np.std(y, ddof=1))


def _inflation(nu: Floats) -> Floats:
    nu = np.asarray(nu, float)
    return np.where(nu > 2, nu / np.where(nu > 2, nu - 2, 1.0), np.inf)
