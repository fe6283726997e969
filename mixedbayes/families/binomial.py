"""Counts of successes among a known number of trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Elsewhere, Family, Values, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.fronts import gumbel_odds, normal_odds
from mixedbayes.families.links import Cloglog, Link, Logit, Probit, ShareLink
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.elementary import exp, log1p_share
from mixedbayes.numerics.incomplete import log_beta_tail
from mixedbayes.numerics.special import log_ndtr


@compiled
def _logit_row(t, y, size, extra, parameters, shared):
    """y successes among size trials."""
    e = exp(-abs(t))
    p = (1.0 if t > 0 else e) / (1.0 + e)
    return y * t - size * (max(t, 0.0) + log1p_share(e)), y - size * p, ()


@compiled
def _probit_row(t, y, size, extra, parameters, shared):
    value, slope = 0.0, 0.0
    if y > 0:
        log_p, hazard = log_ndtr(t)
        value += y * log_p
        slope += y * hazard
    if y < size:
        log_p, hazard = log_ndtr(-t)
        value += (size - y) * log_p
        slope -= (size - y) * hazard
    return value, slope, ()


@compiled
def _cloglog_row(t, y, size, extra, parameters, shared):
    hazard = math.exp(min(t, 700.0))
    value, slope = -(size - y) * hazard, -(size - y) * hazard
    if y > 0:
        if hazard < 1e-300:
            value += y * t
            slope += y
        else:
            value += y * math.log(-math.expm1(-hazard))
            slope += y * hazard * math.exp(-hazard) / -math.expm1(-hazard)
    return value, slope, ()


_ROWS = {Logit: _logit_row, Probit: _probit_row, Cloglog: _cloglog_row}


@compiled
def _logit_odds(t):
    """The log odds of a success, and their slope in t."""
    return t, 1.0


@cache
def _tails_of(odds: Any) -> Any:
    """The tails of a binomial count, with the log odds of a success as a function of t."""

    @compiled
    def tails(t, bound, upper, size, parameters, shared):
        """At k of size trials: P(Y > k) = P(X <= p) for X ~ Beta(k + 1, size - k)."""
        v, rate = odds(t)
        value, slope, _, _ = log_beta_tail(bound + 1.0, size - bound, v, not upper)
        return value, slope * rate, ()

    return tails


_TAILS = {
    Logit: _tails_of(_logit_odds),
    Probit: _tails_of(normal_odds),
    Cloglog: _tails_of(gumbel_odds),
}


@dataclass(frozen=True)
class Shares(Family):
    """What families of successes have in common: mu is the probability of a success."""

    discrete: ClassVar[bool] = True
    probability: ClassVar[bool] = True
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit, Probit, Cloglog)
    link: ShareLink = field(default_factory=Logit)

    @property
    def row_density(self) -> RowDensity:
        kind = type(self.link)
        return RowDensity(_ROWS[kind], kind, merges="sum", tails=_TAILS[kind])

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Whole numbers; infinite below 0 and from the number of trials on."""
        n = 1 if trials is None else np.asarray(trials)
        return np.where(y < 0, -np.inf, np.where(y >= n, np.inf, np.floor(y)))

    def rows(self, design: Design) -> Rows:
        """y successes among size trials."""
        w = weights_of(design)
        n = np.ones(design.n) if design.trials is None else np.asarray(design.trials, float)
        y = design.y
        return Rows.of(w * y, w * n, float(w @ log_ways(y, n)))

    def _successes(self, design: Design) -> tuple[float, float]:
        """Successes and trials in all rows."""
        counts = design.mu.counts
        weights = np.ones(design.n) if counts is None else counts
        share = design.y if design.trials is None else design.y / design.trials
        return float(weights @ share), float(weights.sum())

    def location(self, design: Design) -> float:
        """Link of the overall share, half a success and half a failure added."""
        successes, trials = self._successes(design)
        share = (successes + 0.5) / (trials + 1)
        return float(self.link.link(share, np)) - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        """One unit of the logit link, on this link: a ratio of sds of the latent tolerances."""
        return float(np.sqrt(self.link.variance / Logit.variance))

    def scale_origin(self, design: Design) -> str:
        return f"unit of {self.link.name}"

    def information(self, eta: Floats, parameters: Values) -> Floats:
        mu = self.inverse(eta, np)
        return self.link.slope(eta, np) ** 2 / np.maximum(mu * (1 - mu), np.finfo(float).tiny)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        return np.full(np.shape(mean), self.link.variance)

    def residual_variance(self, parameters: Values) -> Floats:
        """Variance of the latent tolerance, such as pi^2 / 3; () for all draws alike.

        Goldstein, Browne & Rasbash (2002), doi:10.1207/S15328031US0104_02.
        """
        return np.asarray(self.link.variance)


@dataclass(frozen=True)
class Trials(Shares):
    """What families of counts out of trials have in common, `successes | trials(n)`."""

    trials: ClassVar[bool] = True
    takes: ClassVar[str] = "counts from 0 to the number of trials"

    def check(self, design: Design) -> None:
        if design.response_levels != (False, True):
            support.refuse_labels(design, self.name)
        if design.trials is None:
            y, name = design.y, design.response
            if support.whole(y).all() and y.max() <= 1:
                remedy = f"for one trial in each row use family='bernoulli', or {name} | trials(1)"
            elif y.min() >= 0 and y.max() <= 1:
                remedy = (
                    f"{name} looks like shares: with the column of trials write "
                    f"round({design.formula.response.text}*n) | trials(n)"
                )
            else:
                remedy = f"write {name} | trials(n) with the column of trials"
            raise DataError(f"the {self.name} family needs the number of trials: {remedy}")
        self.require_support(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return support.whole(y) & (y <= needed(trials))


@dataclass(frozen=True)
class Binomial(Trials):
    """y ~ Binomial(n, mu), written `successes | trials(n)`.

    `fitted` and `expectation` are shares of successes; `simulate` gives counts.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        None: there are no further parameters with formulas.

    See Also
    --------
    BetaBinomial : Trials of a row that resemble each other.
    Bernoulli : One trial a row.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> model = mb.Model(formula, data, family="binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                prior
    0  Intercept  at the predictors' means  Normal(-2.011, 2.5)
    1      fixef                 period[2]     Normal(0, 2.871)
    2      fixef                 period[3]      Normal(0, 2.86)
    3      fixef                 period[4]     Normal(0, 2.818)
    4    sd_herd                 Intercept       Exponential(1)
    """

    name: ClassVar[str] = "binomial"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "binomial",
        "binomial",
        "binomial",
        mgcv=InMgcv('binomial(link = "{link}")'),
        names=("binom", "aggregated_binomial"),
    )
    inflated: ClassVar[str | None] = "zero_inflated_binomial"
    wider: ClassVar[str | None] = "beta_binomial"

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "Binomial", {"n": design.trials, "logit_p": self.link.log_odds(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{Binomial}}(n_i,\, \mu_i)"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return rng.binomial(needed(trials), mu).astype(float)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        n = needed(trials)
        return np.where(np.asarray(y) < 0, 0.0, special.bdtr(np.clip(np.floor(y), 0, n), n, mu))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        n = needed(trials)
        ways = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        return repeated(ways + special.xlogy(y, mu) + special.xlog1py(n - y, -mu), weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + successes among one trial less."""
        return SizeBiased(self, mu, parameters, None, needed(trials) - 1, shift=1.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu * (1 - mu) / needed(trials)


def log_ways(y: Floats, n: Floats) -> Floats:
    """Logarithm of the number of ways of y successes among n trials."""
    return special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)


def needed(trials: Ints | None) -> Ints:
    """The trials; DataError where there are none."""
    if trials is None:
        raise DataError("a family of counts out of trials needs the number of trials of each row")
    return trials
