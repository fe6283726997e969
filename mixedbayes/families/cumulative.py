"""Ordered categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.independent import dependent
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Normal, Prior
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import (
    Bools,
    Elsewhere,
    Family,
    Parameter,
    Values,
    repeated,
    weights_of,
)
from mixedbayes.families.links import Link, Logit, Probit, ShareLink
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import log_ndtr
from mixedbayes.priors.types import Assigned

THRESHOLDS = "thresholds"
WIDTH = 2.5
_NAMED = 6  # columns in a message


@compiled
def _logit_loop(t, y, size, extra, cuts, slope, d):
    """Categories y, 0, 1, ..., of rows that count size times.

    log(F(b) - F(a)) = log(1 - exp(a - b)) + log F(b) + log(1 - F(a)), F logistic.
    """
    m, total = cuts.size, 0.0
    logs, rests = np.zeros(m + 1), np.zeros(m + 1)  # of the gap of each category, and its slope
    for k in range(1, m):
        gap = cuts[k] - cuts[k - 1]
        logs[k] = math.log(-math.expm1(-gap))
        rests[k] = 1.0 / math.expm1(gap) if gap < 700.0 else 0.0
    for i in range(t.size):
        k = int(y[i])
        value, slope[i] = logs[k], 0.0
        if k < m:
            b = cuts[k] - t[i]
            e = math.exp(-abs(b))
            above = (e if b > 0 else 1.0) / (1.0 + e)  # 1 - F(b)
            value -= max(-b, 0.0) + math.log1p(e)
            slope[i] -= size[i] * above
            d[k] += size[i] * (rests[k] + above)
        if k > 0:
            a = cuts[k - 1] - t[i]
            e = math.exp(-abs(a))
            below = (1.0 if a > 0 else e) / (1.0 + e)  # F(a)
            value -= max(a, 0.0) + math.log1p(e)
            slope[i] += size[i] * below
            d[k - 1] -= size[i] * (rests[k] + below)
        total += size[i] * value
    return total


@compiled
def interval_probit(low, high):
    """log(Phi(high) - Phi(low)) and its derivatives in low and high, from the lighter tail."""
    if low == -math.inf:
        value, hazard = log_ndtr(high)
        return value, 0.0, hazard
    if high == math.inf:
        value, hazard = log_ndtr(-low)
        return value, -hazard, 0.0
    flip = low + high > 0.0
    a, b = (-high, -low) if flip else (low, high)
    (log_a, hazard_a), (log_b, hazard_b) = log_ndtr(a), log_ndtr(b)
    ratio = math.exp(log_a - log_b)
    share = -math.expm1(log_a - log_b)  # of Phi(b)
    d_a, d_b = -hazard_a * ratio / share, hazard_b / share
    if flip:
        d_a, d_b = -d_b, -d_a
    return log_b + math.log(share), d_a, d_b


@compiled
def _probit_loop(t, y, size, extra, cuts, slope, d):
    m, total = cuts.size, 0.0
    for i in range(t.size):
        k = int(y[i])
        low = cuts[k - 1] - t[i] if k > 0 else -math.inf
        high = cuts[k] - t[i] if k < m else math.inf
        value, d_low, d_high = interval_probit(low, high)
        total += size[i] * value
        slope[i] = -size[i] * (d_low + d_high)
        if k > 0:
            d[k - 1] += size[i] * d_low
        if k < m:
            d[k] += size[i] * d_high
    return total


@dataclass(frozen=True)
class Cumulative(Family):
    """P(y <= k) = F(threshold_k - eta), F the distribution function that belongs to the link.

    A latent response eta + noise is cut at ordered thresholds; larger eta means higher categories.
    The thresholds take the intercept's place. The response is an ordered category (of pandas, of
    `pandas.cut`, or C(y, levels=[...])), or whole numbers; text has no order. Predictions and
    fitted values of its mean are `probabilities` of the categories; where one number is needed
    (observed and simulated responses, residuals, variance of the response) it is the code 1, 2,
    ..., K, whose mean is `expectation`; so in the pm.Model. A design counts from 0.
    McCullagh (1980), doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    name: ClassVar[str] = "cumulative"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter(THRESHOLDS, r"\theta", formula=False, ordered=True),
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "cumulative",
        names=("ordinal", "ordered", "ordered_logistic", "ordered_probit", "ordered_model", "clm",
               "clmm", "polr", "cumulative_logit", "proportional_odds"),
    )  # fmt: skip
    discrete: ClassVar[bool] = True
    takes: ClassVar[str] = "ordered categories or whole numbers"
    first_code: ClassVar[int] = 1
    links: ClassVar[tuple[type[Link], ...]] = (Logit, Probit)
    link: ShareLink = field(default_factory=Logit)

    @property
    def row_density(self) -> RowDensity:
        loop = _logit_loop if isinstance(self.link, Logit) else _probit_loop
        return RowDensity(loop=loop, scale=type(self.link), merges="size")

    def rows(self, design: Design) -> Rows:
        return Rows.of(design.y, weights_of(design), 0.0)

    def check(self, design: Design) -> None:
        if design.response_levels is None:
            self.require_support(design)
        found = len(np.unique(design.y))
        if found < 3:
            raise DataError(
                f"the response {design.response!r} has {found} different values in {design.n} "
                "rows: the cumulative family takes three or more ordered categories; "
                f"{support.suggestion(design)} fits"
            )
        if not design.response_ordered:
            support.refuse_unordered(design)
        _refuse_constant(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y == np.floor(y))

    def prepare(self, design: Design) -> Design:
        """Codes 0, 1, ..., K - 1 of the categories that occur, and no intercept."""
        design = super().prepare(design)
        values, codes = np.unique(design.y, return_inverse=True)
        labels = design.response_levels
        levels = tuple(int(v) if labels is None else labels[int(v)] for v in values)
        note = (
            f"{design.response}: ordered {' < '.join(map(str, levels))}; the thresholds between "
            "them take the intercept's place"
        )
        return replace(
            design,
            y=codes.astype(float),
            response_levels=levels,
            predictors=(replace(design.mu, intercept=False), *design.predictors[1:]),
            notes=(*design.notes, note),
        )

    def location(self, design: Design) -> float:
        return 0.0

    def scale(self, design: Design) -> float:
        """One unit of the logit link, on this link."""
        return float(np.sqrt(self.link.variance / Logit.variance))

    def scale_origin(self, design: Design) -> str:
        return f"unit of {self.link.name}"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        scale = self.scale(design)
        return Normal(0.0, WIDTH * scale), (
            f"each, in order; {WIDTH} units of {self.link.name}; at the predictors' means"
        )

    def typical(self, name: str, design: Design, assigned: Assigned | None) -> Floats:
        """The thresholds that give the categories' overall shares."""
        up_to = np.cumsum(np.bincount(design.y.astype(int), design.mu.counts))
        return np.asarray(self.link.link(up_to[:-1] / up_to[-1], np))

    def labels(self, name: str, design: Design) -> tuple[str, ...] | None:
        """Labels of the thresholds: "low|middle", "middle|high"."""
        return tuple(f"{a}|{b}" for a, b in pairwise(self.categories(design)))

    def categories(self, design: Design) -> tuple[Any, ...]:
        """The ordered categories, by the user's labels."""
        if design.response_levels is None:
            raise DataError("the design was not prepared by its family")
        return design.response_levels

    def inverse(self, eta: Any, xp: Any) -> Any:
        """The latent location itself: there is no single mean."""
        return eta

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        edges = parameters[THRESHOLDS] - eta[:, None]  # (n, K - 1)
        return "Categorical", {"logit_p": self._log_probabilities(edges, xp)}

    def probabilities(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K) probability of each category."""
        return np.exp(self._log_probabilities(self._edges(mu, parameters)))

    def _edges(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K - 1) thresholds seen from the latent location."""
        return np.asarray(parameters[THRESHOLDS][:, None, :] - mu[..., None])

    def _log_probabilities(self, edges: Any, xp: Any = np) -> Any:
        """(..., K) log probabilities of the categories between edges (..., K - 1)."""
        first = self.link.log_inverse(edges[..., :1], xp)
        last = self.link.log_inverse(-edges[..., -1:], xp)
        between = log_difference(self.link, edges[..., 1:], edges[..., :-1], xp)
        return xp.concatenate([first, between, last], axis=-1)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"\mathrm{{{self.link.name}}}(\Pr({y} \le k)) &= \theta_k - \mu_i"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """Codes 0, 1, ..., K - 1."""
        if isinstance(self.link, Probit):
            latent = mu + rng.standard_normal(np.shape(mu))
        else:
            latent = mu + rng.logistic(size=np.shape(mu))
        codes = np.zeros(np.shape(mu))
        for cut in parameters[THRESHOLDS].T:  # (S,)
            codes += latent > cut[:, None]
        return codes

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """y are codes 0, 1, ..., K - 1."""
        cut = parameters[THRESHOLDS]
        ends = np.full((len(cut), 1), np.inf)
        edges = np.concatenate([-ends, cut, ends], axis=1)  # (S, K + 1)
        code = np.clip(np.floor(y), -1, cut.shape[1]).astype(int) + 1
        edge = edges[np.arange(len(cut))[:, None], np.broadcast_to(code, np.shape(mu))]
        return self.link.inverse(edge - mu, np)

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """y are codes 0, 1, ..., K - 1."""
        cut = parameters[THRESHOLDS]
        ends = np.full((len(cut), 1), np.inf)
        edges = np.concatenate([-ends, cut, ends], axis=1)  # (S, K + 1)
        code = np.asarray(y, int)
        high, low = edges[:, code + 1] - mu, edges[:, code] - mu
        return repeated(log_difference(self.link, high, low, np), weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n) mean of the codes 1, ..., K."""
        p = self.probabilities(mu, parameters)
        return p @ np.arange(1.0, p.shape[-1] + 1)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        p = self.probabilities(mu, parameters)
        codes = np.arange(1.0, p.shape[-1] + 1)
        return p @ codes**2 - (p @ codes) ** 2

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """Sum over categories of p (d log p / d eta)^2, by logs: tails keep their digits."""
        edges = self._edges(eta, parameters)
        log_p = self._log_probabilities(edges)
        log_slope = self.link.log_slope(edges, np)
        ends = np.full((*log_slope.shape[:-1], 1), -np.inf)
        high, low = (np.concatenate(x, axis=-1) for x in ((log_slope, ends), (ends, log_slope)))
        log_p = np.maximum(log_p, np.log(np.finfo(float).tiny))
        score = np.exp(high - log_p) - np.exp(low - log_p)
        return np.sum(np.exp(log_p) * score**2, axis=-1)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        return np.full(np.shape(mean), self.link.variance)

    def residual_variance(self, parameters: Values) -> Floats:
        """Variance of the latent noise: pi^2 / 3 or 1."""
        return np.asarray(self.link.variance)


def _refuse_constant(design: Design) -> None:
    """DataError where columns of a formula without an intercept add up to what thresholds are."""
    mu = design.mu
    constant = {} if mu.intercept else dependent(mu.X, centre=True)
    for j, others in constant.items():
        names = [mu.terms[k] for k in sorted((*others, j))]
        named = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
        raise DataError(
            f"without an intercept a constant is among the columns {named} ({len(names)} of "
            f"{len(mu.terms)}) or their sums, and the thresholds of the cumulative family hold it "
            "already: leave `0 +` or `- 1` out of the formula"
        )


def log_difference(link: ShareLink, high: Any, low: Any, xp: Any) -> Any:
    """log(F(high) - F(low)) for high > low, from the tail in which both are small."""
    flip = low > 0  # F(high) - F(low) = F(-low) - F(-high): both links are symmetric
    log_a = link.log_inverse(xp.where(flip, -low, high), xp)
    log_b = link.log_inverse(xp.where(flip, -high, low), xp)
    return log_a + xp.log(-xp.expm1(log_b - log_a))
