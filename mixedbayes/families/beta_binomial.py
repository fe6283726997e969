"""Counts of successes among trials whose probability varies from row to row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numba import types
from scipy import special

from mixedbayes import jit
from mixedbayes.design.counted import mean, sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.families.base import (
    Elsewhere,
    Family,
    Parameter,
    Values,
    per_row,
    repeated,
    weights_of,
)
from mixedbayes.families.binomial import Trials, log_ways, needed
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.links import Logit
from mixedbayes.families.negative_binomial import SHAPE_PRIOR
from mixedbayes.families.negative_binomial import rising as rising_of
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import logs_of_share, rising

_REALS, _LEAST, _LARGEST = types.float64[::1], 1e-22, 1e250


@jit.inner(inline="never")
def _sum_of_ratios(first, n, a, b, upward):
    """log sum_j P(Y = j) / P(Y = first), j from there to an end, and its slopes in a and b."""
    j, term, total, scale = first, 1.0, 1.0, 0.0
    by_a, by_b, sum_a, sum_b = 0.0, 0.0, 0.0, 0.0  # of log P(Y = j) / P(Y = first), and their sums
    declines = (b if upward else a) >= 1.0  # ratios below 1 stay there
    while (j < n) if upward else (j > 0.0):
        if upward:
            over, under = j + a, n - j - 1.0 + b
            ratio = (n - j) * over / ((j + 1.0) * under)
            by_a, by_b, j = by_a + 1.0 / over, by_b - 1.0 / under, j + 1.0
        else:
            over, under = n - j + b, j - 1.0 + a
            ratio = j * over / ((n - j + 1.0) * under)
            by_a, by_b, j = by_a - 1.0 / under, by_b + 1.0 / over, j - 1.0
        term *= ratio
        total, sum_a, sum_b = total + term, sum_a + term * by_a, sum_b + term * by_b
        if declines and ratio < 1.0 and term < _LEAST * total:
            break
        if total > _LARGEST:
            term, sum_a, sum_b = term / total, sum_a / total, sum_b / total
            total, scale = 1.0, scale + math.log(total)
    return scale + math.log(total), sum_a / total, sum_b / total


@compiled
def _of_trials(y, size, extra, parameters, shared):
    return rising(parameters[0], extra)


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y successes among extra trials, t the log odds of their mean; it counts size times."""
    phi, e = parameters[0], math.exp(-abs(t))
    large, small = 1.0 / (1.0 + e), e / (1.0 + e)
    log_large = -math.log1p(e)
    log_small = log_large - abs(t)
    mu, rest, log_mu, log_rest = large, small, log_large, log_small
    if t < 0.0:
        mu, rest, log_mu, log_rest = small, large, log_small, log_large
    a, d_a = rising(mu * phi, y)
    b, d_b = rising(rest * phi, extra - y)
    if a == -math.inf or b == -math.inf:
        return -math.inf, 0.0, (0.0,)
    c, d_c = shared
    value = a + b - c
    if y > 0.0:
        value += y * log_mu
    if y < extra:
        value += (extra - y) * log_rest
    d_phi = size * (mu * d_a + rest * d_b - d_c)
    return size * value, size * phi * mu * rest * (d_a - d_b), (d_phi,)


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At k of size trials, t the log odds of the mean: sums of P(Y = j) from k, or k + 1, on."""
    phi = parameters[0]
    _, _, mu, rest = logs_of_share(t)
    a, b = mu * phi, rest * phi
    first = bound + 1.0 if upper else bound
    kept = _of_trials(first, 1.0, size, parameters, shared)
    log_p, d_t, d = _row(t, first, 1.0, size, parameters, kept)
    log_p += math.lgamma(size + 1.0) - math.lgamma(first + 1.0) - math.lgamma(size - first + 1.0)
    value, d_a, d_b = _sum_of_ratios(first, size, a, b, upper)
    return log_p + value, d_t + phi * mu * rest * (d_a - d_b), (d[0] + mu * d_a + rest * d_b,)


@dataclass(frozen=True)
class BetaBinomial(Trials):
    """y ~ Binomial(n, p), p ~ Beta(mu phi, (1 - mu) phi), written `successes | trials(n)`.

    Var[y / n] = mu (1 - mu) (1 + (n - 1) rho) / n, with the correlation of two trials of a row
    rho = 1 / (1 + phi). Skellam (1948), doi:10.1111/j.2517-6161.1948.tb00014.x.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Binomial : Independent trials.
    ZeroInflatedBetaBinomial : With more zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> model = mb.Model(formula, data, family="beta_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means     Normal(-2.011, 2.5)
    1      fixef                 period[2]        Normal(0, 2.871)
    2      fixef                 period[3]         Normal(0, 2.86)
    3      fixef                 period[4]        Normal(0, 2.818)
    4    sd_herd                 Intercept          Exponential(1)
    5        phi                            InverseGamma(0.4, 0.3)
    """

    name: ClassVar[str] = "beta_binomial"
    title: ClassVar[str] = "beta-binomial"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("phi", r"\phi"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "beta_binomial", None, "beta_binomial", {"phi": "kappa"}, glmmtmb="betabinomial",
        names=("betabinomial", "bb", "beta_binomial2"),
    )  # fmt: skip
    inflated: ClassVar[str | None] = "zero_inflated_beta_binomial"
    dispersion: ClassVar[str | None] = "phi"

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Logit, kept=_of_trials, n_kept=2, concave=False, tails=_tails)

    def rows(self, design: Design) -> Rows:
        w, y, n = weights_of(design), design.y, np.asarray(needed(design.trials), float)
        return Rows.of(y, w, float(w @ log_ways(y, n)), n)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return SHAPE_PRIOR, "from nearly all or none to nearly binomial; as in brms for shapes"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the precision that all variation of shares would have without predictors."""
        n = np.asarray(needed(design.trials), float)
        successes, trials = self._successes(design)
        share = (successes + 0.5) / (trials + 1)
        average = float(mean(n, design.repeats))
        ratio = sd(design.y / n, design.repeats) ** 2 * average / (share * (1 - share))
        rho = np.clip((ratio - 1) / max(average - 1, 1.0), 0.01, 0.9)
        return float(np.log(1 / rho - 1)), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        mu, rest, phi = self.inverse(eta, xp), self.link.rest(eta, xp), parameters["phi"]
        return "BetaBinomial", {"n": design.trials, "alpha": mu * phi, "beta": rest * phi}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        phi = symbol("phi")
        law = rf"n_i,\, \mu_i {phi},\, (1 - \mu_i) {phi}"
        return rf"{y} &\sim \mathrm{{BetaBinomial}}({law})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        phi, tiny = per_row(parameters["phi"]), np.finfo(float).tiny
        p = rng.beta(np.maximum(mu * phi, tiny), np.maximum((1 - mu) * phi, tiny))
        return rng.binomial(needed(trials), p).astype(float)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """By the sum of probabilities, from 0 or from all successes, whichever is nearer to y."""
        n, phi = np.asarray(needed(trials), float), per_row(parameters["phi"])
        below, mean = np.floor(np.asarray(y, float)), np.asarray(mu, float)
        below, n, mean, phi = np.broadcast_arrays(below, n, mean, phi)
        near, successes, failures = below < n / 2, mean * phi, (1 - mean) * phi
        found = _lower(
            np.maximum(np.where(near, below, n - below - 1), -1.0), n,
            np.where(near, successes, failures), np.where(near, failures, successes),
        )  # fmt: skip
        found = np.where(near, found, 1 - found)
        return np.where(below < 0, 0.0, np.where(below >= n, 1.0, found))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return repeated(_log_mass(y, mu, per_row(parameters["phi"]), needed(trials)), weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + successes among one trial less, of Beta(mu phi + 1, (1 - mu) phi)."""
        phi, n = per_row(parameters["phi"]), needed(trials) - 1
        mean = (mu * phi + 1) / (phi + 1)
        return SizeBiased(self, mean, {"phi": phi + 1}, None, n, shift=1.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        n, rho = needed(trials), 1 / (1 + per_row(parameters["phi"]))
        return mu * (1 - mu) * (1 + (n - 1) * rho) / n

    def row_information(self, eta: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """That of quasi-likelihood: slope^2 / Var[y / n]."""
        mu = self.inverse(eta, np)
        variance = self.variance(mu, parameters, trials=needed(trials))
        return self.link.slope(eta, np) ** 2 / np.maximum(variance, np.finfo(float).tiny)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        return self.row_parameter_information(name, eta, parameters, np.ones(1, np.int64))

    def row_parameter_information(
        self, name: str, eta: Floats, parameters: Values, trials: Ints | None
    ) -> Floats:
        """About log(phi), with successes that are above 0 all at their mean, failures as well.

        An upper bound, by Jensen's inequality; 0 of one trial.
        """
        mu, phi = self.inverse(eta, np), per_row(parameters["phi"])
        n = np.asarray(needed(trials), float)

        def side(share: Floats, other: Floats) -> Floats:
            a, b = share * phi, other * phi
            some = -np.expm1(rising_of(n, b) - rising_of(n, phi) + n * np.log(other))
            change = special.polygamma(1, a) - special.polygamma(1, a + n * share / some)
            return share**2 * some * change

        whole = special.polygamma(1, phi) - special.polygamma(1, phi + n)
        return phi**2 * np.maximum(side(mu, 1 - mu) + side(1 - mu, mu) - whole, 0.0)

    def residual_variance(self, parameters: Values) -> Floats:
        return Family.residual_variance(self, parameters)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Var[logit p] of the row's own probability, and that of the tolerance of a trial.

        On the logit link trigamma(mu phi) + trigamma((1 - mu) phi) + pi^2 / 3; elsewhere Var[p] by
        the delta method.
        """
        phi = parameters["phi"]
        if isinstance(self.link, Logit):
            own = special.polygamma(1, mean * phi) + special.polygamma(1, (1 - mean) * phi)
        else:
            slope = self.link.slope(self.link.link(mean, np), np)
            own = mean * (1 - mean) / (1 + phi) / slope**2
        return own + self.link.variance


def _log_mass(y: Floats, mu: Floats, phi: Floats, trials: Ints) -> Floats:
    n = np.asarray(trials, float)
    with np.errstate(all="ignore"):
        a = np.where(y == 0, 0.0, rising_of(y, mu * phi) + special.xlogy(y, mu))
        b = np.where(y == n, 0.0, rising_of(n - y, (1 - mu) * phi) + special.xlog1py(n - y, -mu))
    return log_ways(y, n) + a + b - rising_of(n, phi)


@cache
def _sums() -> Any:
    """log sum_{j <= k} P(Y = j) / P(Y = 0) of many rows, by ratios; writes into the last array."""

    def sums(k, n, a, b, out):
        for i in range(k.size):
            term, total, scale = 1.0, 1.0, 0.0
            for j in range(int(k[i])):
                ratio = (n[i] - j) * (j + a[i]) / ((j + 1) * (n[i] - j - 1 + b[i]))
                term *= ratio
                total += term
                if ratio < 1.0 <= b[i] and term < _LEAST * total:  # and so are those that follow
                    break
                if total > _LARGEST:
                    term, total, scale = term / total, 1.0, scale + math.log(total)
            out[i] = scale + math.log(total)

    loop = jit.njit(types.void(*(_REALS,) * 5), nogil=True, error_model="numpy")
    return loop(sums)


def _lower(k: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(Y <= k) for k < n / 2; any number for k < 0."""
    with np.errstate(all="ignore"):
        log_p = rising_of(n, b) - rising_of(n, a + b) + n * np.log(b / (a + b))
        log_p = np.where(b > 0, log_p, -np.inf)  # of no successes at all
    out = np.empty(k.size)
    _sums()(*(np.array(x, float).ravel() for x in (k, n, a, b)), out)
    return np.exp(np.minimum(log_p + out.reshape(k.shape), 0.0))
