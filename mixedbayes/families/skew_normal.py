"""Normal-like response with one tail longer than the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Normal, Prior
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, weights_of
from mixedbayes.families.gaussian import Gaussian, row_sd
from mixedbayes.families.links import Identity, Link, Probit
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.families.tabulated import Information
from mixedbayes.numerics.skew_normal import log_skew_tail
from mixedbayes.numerics.special import log_ndtr
from mixedbayes.priors.types import Assigned

_B = math.sqrt(2 / math.pi)  # mean of |N(0, 1)|
_WIDEST = 4.0  # prior sd of alpha, as brms's


@compiled
def _once(parameters):
    sigma, alpha = parameters[0], parameters[1]
    root = math.sqrt(1.0 + alpha * alpha)
    delta, d_delta = alpha / root, 1.0 / (root * root * root)
    c = math.sqrt(1.0 - (_B * delta) ** 2)  # sigma / omega
    d_c = -_B * _B * delta * d_delta / c
    return c, d_c, _B * delta, _B * d_delta, math.log(c / sigma)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y of mean t, its variance divided by size."""
    sigma, alpha = parameters[0], parameters[1]
    c, d_c, shift, d_shift, log_scale = shared
    rate = math.sqrt(size) / sigma
    u = (y - t) * rate
    z = c * u + shift
    value, hazard = log_ndtr(alpha * z)
    d_z = alpha * hazard - z
    d_alpha = d_z * (u * d_c + d_shift) + d_c / c + hazard * z
    d_sigma = (-1.0 - d_z * c * u) / sigma
    return value + log_scale - 0.5 * z * z, -d_z * c * rate, (d_sigma, d_alpha)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response; the variance is divided by size."""
    sigma, alpha = parameters[0], parameters[1]
    c, d_c, shift, d_shift, _ = shared
    rate = math.sqrt(size) / sigma
    u = (bound - t) * rate
    value, d_z, d_alpha = log_skew_tail(c * u + shift, alpha, upper)
    return value, -d_z * c * rate, (-d_z * c * u / sigma, d_alpha + d_z * (u * d_c + d_shift))


@dataclass(frozen=True)
class SkewNormal(Gaussian):
    """y ~ SkewNormal of mean mu, sd sigma / sqrt(weight) and skewness parameter alpha.

    y = xi + omega z, z of density 2 phi(z) Phi(alpha z): alpha > 0 has the longer tail on the
    right, alpha = 0 is the normal distribution; the skewness is below 0.995 in size. Azzalini
    (1985), Scandinavian Journal of Statistics 12, 171-178. Near alpha = 0 the data say little about
    alpha: the skewness grows with its cube.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma:
        positive, `mb.Log()` or `mb.Softplus()`. alpha: any number, `mb.Identity()`.

    See Also
    --------
    Exgaussian : With a heavier right tail.
    Gaussian : Without skewness.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", data, family="skew_normal")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter                      term                 prior
    0   Intercept  at the predictors' means  Normal(298.5, 140.8)
    1       fixef                      Days      Normal(0, 48.89)
    2  sd_Subject                 Intercept  Exponential(0.01775)
    3       sigma                            Exponential(0.01775)
    4       alpha                                    Normal(0, 4)
    """

    name: ClassVar[str] = "skew_normal"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter("sigma", r"\sigma"),
        Parameter("alpha", r"\alpha", Identity(), averages=False),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere("skew_normal", names=("skewnormal", "sn"))
    wider: ClassVar[str | None] = None
    normal: ClassVar[bool] = False
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity,)

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Identity, _once, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w, n = weights_of(design), design.n
        constant = 0.5 * np.log(w).sum() + n * (np.log(2.0) - 0.5 * np.log(2 * np.pi))
        return Rows.of(design.y, w, constant)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "alpha":
            return Normal(0.0, _WIDEST), "skewed to either side; as in brms"
        return super().parameter_prior(name, design)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return (0.0, _WIDEST / 2.5) if name == "alpha" else super().parameter_scale(name, design)

    def typical(self, name: str, design: Design, assigned: Assigned | None) -> Floats:
        """alpha: that of the response's own skewness, at least 1/2 in size."""
        if name != "alpha":
            return super().typical(name, design, assigned)
        y = design.y - np.mean(design.y)
        skewness = np.mean(y**3) / np.mean(y**2) ** 1.5
        part = np.clip(np.abs(skewness), 0.0, 0.9) ** (2 / 3)
        delta = np.sqrt(np.pi / 2 * part / (part + ((4 - np.pi) / 2) ** (2 / 3)))
        return np.asarray(np.copysign(max(delta / np.sqrt(1 - delta**2), 0.5), skewness))

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        """PyMC's own has the location in the mean's place, and no digits in the short tail."""
        _, args = super().pymc(eta, parameters, design, xp)
        return "SkewNormalOfMean", {**args, "alpha": parameters["alpha"]}

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        sigma, alpha = arguments["sigma"], arguments["alpha"]
        shift = _B * alpha / xp.sqrt(1 + alpha**2)
        root = xp.sqrt(1 - shift**2)
        z = root * (y - arguments["mu"]) / sigma + shift
        other = Probit().log_inverse(alpha * z, xp)
        return np.log(2 / np.sqrt(2 * np.pi)) + xp.log(root / sigma) - 0.5 * z**2 + other

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        law = rf"\mu_i,\, {symbol('sigma')}^2{divided},\, {symbol('alpha')}"
        return rf"{y} &\sim \mathrm{{SkewNormal}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        delta = _delta(parameters)
        half = np.abs(rng.standard_normal(np.shape(mu))) - _B
        z = delta * half + np.sqrt(1 - delta**2) * rng.standard_normal(np.shape(mu))
        return mu + z * row_sd(parameters, weights) / np.sqrt(1 - (_B * delta) ** 2)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        z, _ = _standardised(y, mu, parameters, weights)
        below = special.ndtr(z) - 2 * special.owens_t(z, per_row(parameters["alpha"]))
        return np.clip(below, 0.0, 1.0)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        z, omega = _standardised(y, mu, parameters, weights)
        log_phi = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
        other = special.log_ndtr(per_row(parameters["alpha"]) * z)
        return np.log(2 / omega) + log_phi + other

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """By the integral of z 2 phi(z) Phi(alpha z)."""
        alpha = per_row(parameters["alpha"])
        root, delta = np.sqrt(1 + alpha**2), _delta(parameters)

        def edge(end: Floats) -> tuple[Floats, Floats]:
            z, _ = _standardised(end, mu, parameters, weights)
            log = np.log(2) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)
            log = log + special.log_ndtr(alpha * z) - log_mass
            return np.where(np.isfinite(z), np.exp(log), 0.0), root * z

        (left, low_z), (right, high_z) = edge(low), edge(high)
        upper = low_z > 0  # the difference is taken in the nearer tail
        one, two = np.where(upper, -high_z, low_z), np.where(upper, -low_z, high_z)
        between = np.exp(special.log_ndtr(two) - log_mass) - np.exp(
            special.log_ndtr(one) - log_mass
        )
        z = left - right + delta * _B * between
        shift = _B * delta
        return mu + (z - shift) * row_sd(parameters, weights) / np.sqrt(1 - shift**2)

    def information(self, eta: Floats, parameters: Values) -> Floats:
        alpha = np.abs(per_row(parameters["alpha"]))
        found = _information()(alpha, 0) / per_row(parameters["sigma"]) ** 2
        return np.broadcast_to(found, np.shape(eta))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(sigma), and about alpha, each given the other parameters."""
        alpha, which = np.abs(per_row(parameters["alpha"])), self.parameters.index(name)
        return np.broadcast_to(_information()(alpha, 1 + which), np.shape(eta))


def _delta(parameters: Values) -> Floats:
    alpha = per_row(parameters["alpha"])
    return alpha / np.sqrt(1 + alpha**2)


def _standardised(
    y: Floats | float, mu: Floats, parameters: Values, weights: Floats | None
) -> tuple[Floats, Floats]:
    """(y - xi) / omega, and omega."""
    shift = _B * _delta(parameters)
    omega = row_sd(parameters, weights) / np.sqrt(1 - shift**2)
    return (y - mu) / omega + shift, omega


@cache
def _information() -> Information:
    """About the mean and log(sigma), where sigma is 1, and about alpha, by alpha."""
    family = SkewNormal()

    def log_density(y: Floats, alpha: float, moved: Floats) -> Floats:
        at = {"sigma": np.exp(moved[1:2]), "alpha": alpha + moved[2:3]}
        return family.log_density(y, np.full((1, 1), moved[0]), at)[0]

    grid = np.concatenate([np.linspace(-9, -3, 200), np.linspace(-2.99, 9, 4000)])
    return Information.of(log_density, tuple(np.linspace(0, 7, 40) ** 2), lambda alpha: grid, 3)
