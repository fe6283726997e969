"""Ordered categories as a latent response that is cut at thresholds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.base import Elsewhere, Parameter, Values, repeated
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Cloglog, Logit, Probit, ShareLink
from mixedbayes.families.ordinal import DISCRIMINATION, THRESHOLDS, Ordinal, disc_of, law
from mixedbayes.families.ordinal_each import cut_cloglog, cut_logit, cut_probit, densities
from mixedbayes.families.ordinal_rows import INTERVALS, between, interval_probit
from mixedbayes.families.rows import RowDensity, compiled


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


_CATEGORY = {link: between(interval) for link, interval in INTERVALS.items()}
_DENSITIES = densities(
    _CATEGORY,
    {Logit: cut_logit, Probit: cut_probit, Cloglog: cut_cloglog},
    {Logit: _logit_loop, Probit: _probit_loop},
)


@dataclass(frozen=True)
class Cumulative(Ordinal):
    """P(y <= k) = F(disc (threshold_k - eta)), F the distribution function of the link.

    A latent response eta + noise / disc is cut at thresholds that increase. With the logit link
    effects multiply the odds of a higher category, whichever it is (proportional odds); with
    cloglog they are log hazard ratios, of the opposite sign (proportional hazards). McCullagh
    (1980), doi:10.1111/j.2517-6161.1980.tb01109.x.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    specific
        Set by the package, not by hand.
    links
        Of formulas of further parameters, by name. disc: positive, `mb.Log()` alone.

    See Also
    --------
    Sratio : Categories reached one after the other.
    Acat : Neighbouring categories compared.
    Categorical : Without an order.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("wine")
    >>> model = mb.Model("rating ~ temp + (1 | judge)", data, family="cumulative")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter        term           prior
    0       fixef  temp[warm]  Normal(0, 2.5)
    1    sd_judge   Intercept  Exponential(1)
    2  thresholds              Normal(0, 2.5)
    """

    name: ClassVar[str] = "cumulative"
    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter(THRESHOLDS, r"\theta", formula=False, level=True, ordered=True),
        DISCRIMINATION,
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "cumulative",
        mgcv=InMgcv(
            "ocat(R = {categories})", "as.integer({y})", ("logit",)
        ),
        names=("ordinal", "ordered", "ordered_logistic", "ordered_probit", "ordered_model", "clm",
               "clmm", "polr", "cumulative_logit", "proportional_odds"),
    )  # fmt: skip

    @property
    def row_density(self) -> RowDensity:
        return _DENSITIES[type(self.link)]

    def thresholds_of(self, shares: Floats) -> Floats:
        return np.asarray(self.link.link(np.cumsum(shares)[:-1], np))

    def log_probabilities(self, edges: Any, xp: Any = np) -> Any:
        first = self.link.log_inverse(edges[..., :1], xp)
        last = self.link.log_rest(edges[..., -1:], xp)
        between = log_difference(self.link, edges[..., 1:], edges[..., :-1], xp)
        return xp.concatenate([first, between, last], axis=-1)

    def about(self, edges: Floats, along: Floats) -> Floats:
        """By logs: tails keep their digits."""
        log_p = self.log_probabilities(edges)
        log_slope = self.link.log_slope(edges, np)
        ends, none = (np.full((*edges.shape[:-1], 1), x) for x in (-np.inf, 0.0))
        high, low = (np.concatenate(x, axis=-1) for x in ((log_slope, ends), (ends, log_slope)))
        up, down = (np.concatenate(x, axis=-1) for x in ((along, none), (none, along)))
        log_p = np.maximum(log_p, np.log(np.finfo(float).tiny))
        score = up * np.exp(high - log_p) - down * np.exp(low - log_p)
        return np.sum(np.exp(log_p) * score**2, axis=-1)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return law(rf"\mathrm{{{self.link.name}}}(\Pr({y} \le k))", symbol("disc"))

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
            noise = rng.standard_normal(np.shape(mu))
        elif isinstance(self.link, Logit):
            noise = rng.logistic(size=np.shape(mu))
        else:
            noise = np.log(rng.standard_exponential(np.shape(mu)))
        latent = mu + noise / disc_of(parameters)
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
        return self.link.inverse(disc_of(parameters) * (edge - mu), np)

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
        disc = disc_of(parameters)
        high, low = disc * (edges[:, code + 1] - mu), disc * (edges[:, code] - mu)
        return repeated(log_difference(self.link, high, low, np), weights)


def log_difference(link: ShareLink, high: Any, low: Any, xp: Any) -> Any:
    """log(F(high) - F(low)) for high > low, from the tail in which both are small."""
    flip = low > 0  # F(high) - F(low) = (1 - F(low)) - (1 - F(high))
    if link.symmetric:
        log_a = link.log_inverse(xp.where(flip, -low, high), xp)
        log_b = link.log_inverse(xp.where(flip, -high, low), xp)
    else:
        log_a = xp.where(flip, link.log_rest(low, xp), link.log_inverse(high, xp))
        log_b = xp.where(flip, link.log_rest(high, xp), link.log_inverse(low, xp))
    return log_a + xp.log(-xp.expm1(log_b - log_a))
