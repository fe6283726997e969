"""Quantile regression: a response whose quantile, of a given order or estimated, is mu."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design import counted
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior, Uniform
from mixedbayes.errors import ModelError
from mixedbayes.families import chosen
from mixedbayes.families.base import Elsewhere, Parameter, Values, per_row, repeated, weights_of
from mixedbayes.families.gaussian import Gaussian, scale_prior
from mixedbayes.families.links import Identity, Link, Log, Logit
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import log_rest

_SIGMA = Parameter("sigma", r"\sigma")
_QUANTILE = Parameter("quantile", "q", Logit(), averages=False)


@compiled
def _of_sigma(parameters):
    return (math.log(parameters[0]),)


@compiled
def _fixed_row(t, y, size, extra, parameters, shared):
    """y, whose quantile of order `extra` is t, that counts size times."""
    sigma = parameters[0]
    u = (y - t) / sigma
    slope = extra if u > 0.0 else extra - 1.0
    if u == 0.0:
        slope = 0.0
    loss = slope * u
    return -size * (shared[0] + loss), size * slope / sigma, (size * (loss - 1.0) / sigma,)


@compiled
def _of_both(parameters):
    q = parameters[1]
    return math.log(parameters[0]), math.log(q) + math.log1p(-q), 1.0 / q - 1.0 / (1.0 - q)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y, whose quantile of the second parameter's order is t, that counts size times."""
    value, d_t, d = _fixed_row(t, y, size, parameters[1], parameters, shared)
    d_q = size * (shared[2] - (y - t) / parameters[0])
    return value + size * shared[1], d_t, (d[0], d_q)


@compiled
def _laplace_tail(u, q, upper):
    """log P(U > u) if upper, else log P(U <= u), with its derivatives by u and q."""
    rest = 1.0 - q
    if u < 0.0:  # P(U <= u) = q exp((1 - q) u)
        value, d_u, d_q = math.log(q) + rest * u, rest, 1.0 / q - u
    else:  # P(U > u) = (1 - q) exp(-q u)
        value, d_u, d_q = math.log1p(-q) - q * u, -q, -1.0 / rest - u
    if (u < 0.0) == upper:
        value, odds = log_rest(value)
        return value, odds * d_u, odds * d_q
    return value, d_u, d_q


@compiled
def _fixed_tails(t, bound, upper, size, parameters, shared):
    """At a response, where the order is fixed at `size`."""
    value, slope, _ = _laplace_tail((bound - t) / parameters[0], size, upper)
    return value, -slope / parameters[0], (-slope * (bound - t) / parameters[0] ** 2,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a response."""
    value, slope, d_q = _laplace_tail((bound - t) / parameters[0], parameters[1], upper)
    return value, -slope / parameters[0], (-slope * (bound - t) / parameters[0] ** 2, d_q)


@dataclass(frozen=True)
class AsymmetricLaplace(Gaussian):
    """log p(y) = log(q (1 - q) / sigma) - rho((y - mu) / sigma), rho(u) = u (q - [u < 0]).

    P(Y <= mu) = q, the order of the quantile, which is fixed by `AsymmetricLaplace(quantile=0.9)`
    and else a parameter, as in brms. With a fixed one the mode of the posterior under flat priors
    is quantile regression's estimate (Koenker & Bassett 1978, doi:10.2307/1913643; Yu & Moyeed
    2001, doi:10.1016/S0167-7152(01)00124-9): what the likelihood says of quantiles of other orders
    is not meant, and sigma sets how wide intervals are, so that these are no more than roughly
    right (Yang, Wang & He 2016, doi:10.1111/insr.12114). Predictions, means and comparisons are
    of the quantile then; of the mean, mu + sigma (1 - 2 q) / (q (1 - q)), where q is estimated.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()` by default; or `mb.Log()`.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma:
        positive, `mb.Log()` or `mb.Softplus()`. quantile: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.
    quantile
        Order of the quantile, between 0 and 1; estimated if None.

    See Also
    --------
    StudentT : Of the mean, robustly.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.families.AsymmetricLaplace(quantile=0.9).fixed
    {'quantile': 0.9}
    """

    name: ClassVar[str] = "asymmetric_laplace"
    declared: ClassVar[tuple[Parameter, ...]] = (_SIGMA, _QUANTILE)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "asym_laplace",
        names=("asym_laplace", "asymmetriclaplace", "ald", "quantile", "quantile_regression", "rq"),
    )
    dispersion_words: ClassVar[str] = "residual scale"
    wider: ClassVar[str | None] = None
    normal: ClassVar[bool] = False
    mean_is_mu: ClassVar[bool] = False
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity, Log)
    repeats_rows: ClassVar[bool] = True
    quantile: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantile is None:
            return
        q = self.quantile
        if isinstance(q, bool) or not isinstance(q, int | float | np.number) or not 0 < q < 1:
            raise ModelError(
                f"AsymmetricLaplace: quantile={q!r} is no number between 0 and 1; the median is "
                "quantile=0.5, and None estimates it"
            )
        object.__setattr__(self, "quantile", float(q))
        object.__setattr__(self, "declared", (_SIGMA,))
        object.__setattr__(self, "parameters", (_SIGMA.name,))
        object.__setattr__(self, "links", chosen.checked(self.name, self.declared, self.links))

    @property
    def fixed(self) -> dict[str, float]:
        return {} if self.quantile is None else {"quantile": self.quantile}

    def _order(self, parameters: Values) -> Floats:
        """The order of the quantile, against rows."""
        if self.quantile is None:
            return per_row(parameters["quantile"])
        return np.full((1, 1), self.quantile)

    @property
    def row_density(self) -> RowDensity:
        """Concave, but without the curvature that plain Fisher scoring relies on."""
        if self.quantile is None:
            return RowDensity(
                _row, Identity, _of_both, concave=False, smooth=False, tails=_tails
            )  # fmt: skip
        return RowDensity(
            _fixed_row, Identity, _of_sigma, concave=False, smooth=False, tails=_fixed_tails
        )

    def tail_size(self, n: int, weights: Floats | None, trials: Ints | None) -> Floats:
        """The order, where it is fixed."""
        return np.full(n, 1.0 if self.quantile is None else self.quantile)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        if self.quantile is None:
            return Rows.of(design.y, w, 0.0)
        q = self.quantile
        constant = float(w.sum()) * (np.log(q) + np.log1p(-q))
        return Rows.of(design.y, w, constant, np.full(design.n, q))

    def _typical_sigma(self, design: Design) -> float:
        """The sigma with the response's variance, at the fixed order or at 1/2."""
        q = 0.5 if self.quantile is None else self.quantile
        return self.moments(design)[1] / float(np.sqrt(_variance(np.asarray(q))))

    def location(self, design: Design) -> float:
        """At the response's own quantile, where the order is fixed."""
        if self.quantile is None:
            return super().location(design)
        at = counted.quantile(design.y, design.mu.counts, self.quantile)
        if isinstance(self.link, Identity):
            return float(at - design.mu.mean_offset)
        least = 0.1 * float(design.mu.average(design.y))
        return float(np.log(max(at, least))) - design.mu.mean_offset

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == "quantile":
            return Uniform(0, 1), "any order"
        spread, sigma = self.moments(design)[1], self._typical_sigma(design)
        return scale_prior(sigma, f"{sigma / spread:.2g} {self.spread_name(design)}", 1.0)

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        if name == "quantile":
            return 0.0, 1.0
        return float(np.log(self._typical_sigma(design))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        q = parameters.get("quantile", self.quantile)
        rest, mu = 1 - q, self.inverse(eta, xp)
        scale = xp.sqrt(q * rest) / parameters["sigma"]
        return "AsymmetricLaplace", {"kappa": xp.sqrt(q / rest), "mu": mu, "b": scale}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        q = symbol("quantile") if self.quantile is None else f"{self.quantile:g}"
        law = rf"\mu_i,\, {symbol('sigma')},\, {q}"
        return rf"{y} &\sim \mathrm{{AsymmetricLaplace}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        q, size = self._order(parameters), np.shape(mu)
        right, left = rng.standard_exponential(size) / q, rng.standard_exponential(size) / (1 - q)
        return mu + per_row(parameters["sigma"]) * (right - left)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        u, q = (y - mu) / per_row(parameters["sigma"]), self._order(parameters)
        left = q * np.exp((1 - q) * np.minimum(u, 0.0))
        return np.where(u < 0, left, 1 - (1 - q) * np.exp(-q * np.maximum(u, 0.0)))

    def transition(
        self,
        y: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:
        q = self._order(parameters)
        wide = np.broadcast_to(per_row(parameters["sigma"]) / np.sqrt(q * (1 - q)), np.shape(y))
        if isinstance(self.link, Identity):
            return y, wide
        y = np.maximum(y, np.finfo(float).tiny)
        return np.log(y), wide / y

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        sigma, q = per_row(parameters["sigma"]), self._order(parameters)
        u = (y - mu) / sigma
        value = np.log(q) + np.log1p(-q) - np.log(sigma) - u * np.where(u < 0, q - 1, q)
        return repeated(value, weights)

    def weighted(self, parameters: Values, weights: Any) -> Values:
        return parameters

    def mean_words(self, response: str) -> str:
        if self.quantile is None:
            return ""
        order = "median" if self.quantile == 0.5 else f"{self.quantile:g} quantile"
        return f"{order} of {response}"

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        """The quantile where its order is fixed, else E[y]."""
        if self.quantile is not None:
            return mu
        return self._mean(mu, parameters)

    def _mean(self, mu: Floats, parameters: Values) -> Floats:
        q = self._order(parameters)
        return mu + per_row(parameters["sigma"]) * (1 - 2 * q) / (q * (1 - q))

    def observation_mean(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return self._mean(mu, parameters)

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """By the means beyond a bound on its own side, u - 1 / (1 - q) and u + 1 / q."""
        sigma, q = per_row(parameters["sigma"]), self._order(parameters)
        a, b = (low - mu) / sigma, (high - mu) / sigma

        def left(u: Floats) -> Floats:  # of U <= u <= 0, over the mass
            inside = np.where(np.isfinite(u), np.minimum(u, 0.0), 0.0)
            part = np.exp(np.log(q) + (1 - q) * inside - log_mass) * (inside - 1 / (1 - q))
            return np.where(u == -np.inf, 0.0, part)

        def right(u: Floats) -> Floats:  # of U > u >= 0
            inside = np.where(np.isfinite(u), np.maximum(u, 0.0), 0.0)
            part = np.exp(np.log1p(-q) - q * inside - log_mass) * (inside + 1 / q)
            return np.where(u == np.inf, 0.0, part)

        below = np.where(a < 0, left(b) - left(a), 0.0)
        above = np.where(b > 0, right(a) - right(b), 0.0)
        return mu + sigma * (below + above)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        found = per_row(parameters["sigma"]) ** 2 * _variance(self._order(parameters))
        return np.broadcast_to(found, np.shape(mu))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """q (1 - q) / sigma^2 about mu."""
        q = self._order(parameters)
        found = q * (1 - q) / per_row(parameters["sigma"]) ** 2
        return np.broadcast_to(self.link.slope(eta, np) ** 2 * found, np.shape(eta))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """1 about log(sigma), and (1 - q)^2 + q^2 about the log odds of q."""
        if name == "sigma":
            return np.ones(np.shape(eta))
        q = self._order(parameters)
        return np.broadcast_to((1 - q) ** 2 + q**2, np.shape(eta))

    def residual_variance(self, parameters: Values) -> Floats:
        """sigma^2 ((1 - q)^2 + q^2) / (q (1 - q))^2."""
        q = np.asarray(parameters["quantile"]) if self.quantile is None else self.quantile
        return np.asarray(parameters["sigma"]) ** 2 * _variance(np.asarray(q))


def _variance(q: Floats) -> Floats:
    """Variance where sigma is 1."""
    return ((1 - q) ** 2 + q**2) / (q * (1 - q)) ** 2
