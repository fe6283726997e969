"""Residuals and group effects beside what the model says they should be, draw by draw.

A discrepancy T is computed from the data and one posterior draw, T(y, theta), and from a replicate
and the same draw, T(y_rep, theta); p is the share of draws in which the replicate's is larger.
Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-807.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.leave_out import take
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family, per_row
from mixedbayes.families.limited import completed
from mixedbayes.interrupts import later
from mixedbayes.predict.forward import correlated_noise, responses
from mixedbayes.predict.streams import stream
from mixedbayes.results.fitted import (
    expected,
    linear_predictor,
    observable,
    observed,
    response_sd,
    row_parameters,
)
from mixedbayes.results.posterior import Posterior

stats = later("scipy.stats")

# ---- rows that count several times, written out ------------------------------------------------


def written_out(design: Design, family: Family, most: int) -> Design:
    """The design with each row as often as its weight says, where weights repeat rows.

    A replicate of a row of weight 400 is one response, and 400 of the rows written out: only these
    vary as the data do. Of more than `most` rows as many are taken, evenly spread; a weight that is
    no whole number is rounded, up or down by its share.
    """
    repeats = None if design.weights is None else design.repeats
    rows = spread(np.ones(design.n) if repeats is None else repeats, most)
    if repeats is None:
        return design if len(rows) == design.n else take(design, rows)
    out = replace(take(design, rows), weights=None, index=pd.RangeIndex(len(rows)))
    return family.counted(out)


def spread(counts: Floats, most: int) -> Ints:
    """Positions of rows, the i-th `counts[i]` times; at most `most`, evenly spread over them."""
    ends = np.cumsum(counts)
    m = min(max(int(np.round(ends[-1])), len(counts)), most)
    at = (np.arange(m) + 0.5) * (ends[-1] / m)
    return np.minimum(np.searchsorted(ends, at, side="right"), len(counts) - 1)


# ---- residuals and effects beside replicates ---------------------------------------------------


RESIDUALS = 9  # purposes of the streams of random numbers
STANDARD_EFFECTS = 10
TIES = 12
CENSORED = 13
MOST_DRAWS = 400
MOST_ROWS = 5000
_QUANTILES = 41
_ROWS_PER_BIN, _MOST_BINS = 15, 10
_FEWEST_BINS = 5  # along the predictors, from which a curve could show
_SAME = 1e-9  # difference of values, as a share of their range, below which they are one


@dataclass(frozen=True, eq=False)
class Beside:
    """Numbers of the data in some draws, beside those of replicates in the same draws."""

    data: Floats  # (K, m)
    replicated: Floats  # (K, m)

    def p(self) -> float:
        """Share of draws in which the replicate is further from its mean than the data.

        Distance: the sum of squared differences from the replicates' means, each in units of the
        replicates' sd.
        """
        centre, unit = self.replicated.mean(axis=0), self.replicated.std(axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        mine, theirs = (
            np.sum(((x - centre) / unit) ** 2, axis=1) for x in (self.data, self.replicated)
        )
        return float(np.mean(theirs > mine))

    def table(self, prob: float = 0.95) -> pd.DataFrame:
        """Posterior mean of the data's, and the interval of the replicates'."""
        tail = (1 - prob) / 2
        lower, upper = np.quantile(self.replicated, [tail, 1 - tail], axis=0)
        mean = self.data.mean(axis=0)
        outside = (mean < lower) | (mean > upper)
        return pd.DataFrame({"data": mean, "lower": lower, "upper": upper, "outside": outside})


@dataclass(frozen=True, eq=False)
class Alone:
    """One number of the data, in all draws or in each, beside that of replicates in these draws."""

    data: Floats | float  # (K,) or one number
    replicated: Floats  # (K,)

    @property
    def larger(self) -> bool:
        """Whether the data's is larger than most replicates'."""
        return self._above() < 0.5

    def p(self) -> float:
        """Twice the share of draws whose replicate is as far out on the data's side; at most 1."""
        above = self._above()
        return float(2 * min(above, 1 - above))

    def _above(self) -> float:
        """Share of draws in which the replicate's is larger, ties counted half."""
        more, same = self.replicated > self.data, self.replicated == self.data
        return float(np.mean(more) + np.mean(same) / 2)

    def range(self, prob: float = 0.95) -> tuple[float, float]:
        """Interval of the replicates'."""
        low, high = np.quantile(self.replicated, [(1 - prob) / 2, (1 + prob) / 2])
        return float(low), float(high)

    def table(self) -> pd.DataFrame:
        lower, upper = self.range()
        row = {"data": float(np.mean(self.data)), "lower": lower, "upper": upper, "p": self.p()}
        return pd.DataFrame([row])


@dataclass(frozen=True, eq=False)
class Bins:
    """Rows in bins by some value, perhaps by one of each draw."""

    order: Ints  # (n,) or (K, n) rows, those of a bin together
    starts: Ints  # (m,) where each bin begins
    at: Floats  # (m,) mean value in each

    @classmethod
    def shared(cls, value: Floats) -> Bins:
        """In equal numbers by value (n,), but that rows of the same value are in one bin."""
        order = np.argsort(value, kind="stable")
        steps = np.diff(value[order], prepend=-np.inf) > _SAME * np.ptp(value)
        first = np.maximum.accumulate(np.where(steps, np.arange(len(value)), 0))
        starts = np.unique(first[_starts(len(value))])
        return cls(order, starts, _means(value[None, order], starts)[0])

    @classmethod
    def by_draw(cls, value: Floats, rng: np.random.Generator) -> Bins:
        """In equal numbers by the value in each draw (K, n); the same values in random order."""
        mixed = rng.permutation(value.shape[1])
        order = mixed[np.argsort(value[:, mixed], axis=1, kind="stable")]
        starts = _starts(value.shape[1])
        at = _means(np.take_along_axis(value, order, 1), starts).mean(axis=0)
        return cls(order, starts, at)

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts, append=self.order.shape[-1])

    def means(self, x: Floats) -> Floats:
        """(K, m) means of x (K, n)."""
        order = np.broadcast_to(self.order, x.shape)
        return _means(np.take_along_axis(x, order, axis=1), self.starts)


def _starts(n: int) -> Ints:
    """Where bins of n rows begin, of equal numbers."""
    count = int(np.clip(n // _ROWS_PER_BIN, 2, _MOST_BINS)) if n > 1 else 1
    return np.array([b[0] for b in np.array_split(np.arange(n), count)])


def _means(x: Floats, starts: Ints) -> Floats:
    return np.add.reduceat(x, starts, axis=1) / np.diff(starts, append=x.shape[1])


@dataclass(frozen=True, eq=False)
class Residuals:
    """Pearson residuals (y - E[y]) / sd[y] in some draws, and those of replicates.

    A censored response is drawn, in each draw, from where it is known to be: where the model is
    right, completed data are like its replicates (Gelman et al. 2005,
    doi:10.1111/j.0006-341X.2005.031010.x). Of truncated responses E is between the bounds, and sd
    that before truncation, a unit of the data and of the replicates alike.
    """

    design: Design  # of the rows that are looked at, n of them
    expected: Floats  # (K, n) E[y]
    typical: Floats  # (n,) posterior mean of E[y] where all group effects are 0
    y: Floats  # (n,) responses on the scale of E[y]
    simulated: Floats  # (K, n) those of replicates
    data: Floats  # (K, n) residuals
    replicated: Floats  # (K, n)
    seed: int

    @cached_property
    def by_fitted(self) -> Bins:
        """Rows by the fitted value of each draw.

        The posterior mean would not do: it has seen the rows' own responses, and is high where
        these are, so that residuals of a right model rise with it. A draw's own value is as far
        from the data as from its replicate.
        """
        return Bins.by_draw(self.expected, stream(self.seed, TIES))

    @cached_property
    def by_predictors(self) -> Bins | None:
        """Rows by what the predictors alone say, where that takes enough values."""
        bins = Bins.shared(self.typical)
        return bins if len(bins.starts) >= _FEWEST_BINS else None

    def location(self) -> tuple[Beside, Bins]:
        """Mean residual along the predictors or, where they take few values, by fitted value."""
        bins = self.by_predictors or self.by_fitted
        return Beside(bins.means(self.data), bins.means(self.replicated)), bins

    def scale(self) -> tuple[Beside, Bins]:
        """Root of the mean squared residual by fitted value."""
        bins = self.by_fitted
        squares = (np.sqrt(bins.means(x**2)) for x in (self.data, self.replicated))
        return Beside(*squares), bins

    def quantiles(self) -> Beside:
        """Quantiles of the residuals, at even normal scores."""
        at = self.probabilities
        return Beside(*(np.quantile(x, at, axis=1).T for x in (self.data, self.replicated)))

    @property
    def probabilities(self) -> Floats:
        edge = 1 - 0.5 / len(self.y)
        z = stats.norm.ppf(edge)
        return stats.norm.cdf(np.linspace(-z, z, min(_QUANTILES, len(self.y))))

    def shape(self) -> tuple[float, float]:
        """Shares of draws in which the data are more skewed to the right, and heavier tailed."""
        skew, tails = (
            float(np.mean(f(self.data, axis=1) > f(self.replicated, axis=1)))
            for f in (stats.skew, stats.kurtosis)
        )
        return skew, tails


def residuals(post: Posterior, seed: int) -> Residuals:
    """Residuals at evenly spread draws and rows, given the group effects.

    Rows that count several times are written out.
    """

    def make() -> Residuals:
        rows = written_out(post.design, post.family, MOST_ROWS)
        return residuals_of(post.with_design(rows), seed)

    return post.once(("residuals", seed), make)


def residuals_of(post: Posterior, seed: int) -> Residuals:
    """Residuals of all rows at evenly spread draws, given the group effects."""
    some = thinned(post)
    every, d = slice(None), some.design
    eta, own = linear_predictor(some, every).T, row_parameters(some, every)
    rng = stream(seed, RESIDUALS)
    correlations = {} if d.residual is None else some.correlations()
    noise = correlated_noise(d.residual, correlations, len(eta), rng)
    y = responses(some.family, d, eta, own, rng, noise=noise)  # (K, n)
    mean = observable(some, every).T
    typical = expected(some, every, without=[g.name for g in d.mu.factors]).mean(axis=1)
    seen, drawn = observed(some), _on_scale(some, y)
    known: Floats = seen
    if d.limits is not None and d.limits.censoring is not None:
        rng = stream(seed, CENSORED)
        mu = some.family.inverse(eta, np)
        whole = completed(
            some.family, d.y, mu, own, rng, weights=d.weights, trials=d.trials, limits=d.limits
        )
        known = _on_scale(some, whole)
    data, replicated = (some.family.deviation(x, mean) for x in (known, drawn))
    sd = _unit(some, replicated)
    data, replicated = data / sd, replicated / sd
    return Residuals(d, mean, typical, seen, drawn, data, replicated, seed)


def chi_squared(post: Posterior, seed: int) -> Alone:
    """Pearson's chi-squared of counts of K categories in a row over K - 1, its mean over the rows.

    sum_k (y_k - n p_k)^2 / (n p_k), whose mean is K - 1 where counts are multinomial, at evenly
    spread draws. Rows that count several times are written out.
    """
    rows = written_out(post.design, post.family, MOST_ROWS)
    some = thinned(post.with_design(rows))
    family, d, every = some.family, some.design, slice(None)
    eta, own = linear_predictor(some, every).T, row_parameters(some, every)
    y = responses(family, d, eta, own, stream(seed, RESIDUALS))  # (K, n, categories)
    mean = family.observation_mean(family.inverse(eta, np), own, trials=family.totals(d))
    mean = np.maximum(mean, np.finfo(float).tiny)
    data, replicated = (
        np.square((x - mean) / np.sqrt(mean)).sum(axis=-1).mean(axis=1) / (mean.shape[-1] - 1)
        for x in (observed(some), y)
    )
    return Alone(data, replicated)


def _unit(post: Posterior, drawn: Floats) -> Floats:
    """(K, n) sd of each row; the scale itself where Student's t has no finite sd.

    Of a family whose variance is not known, that of all residuals `drawn` (K, n) in a draw.
    """
    if post.family.no_variance:
        return np.broadcast_to(drawn.std(axis=1, keepdims=True), drawn.shape)
    sd = response_sd(post, slice(None)).T
    if np.isfinite(sd).all():
        return sd
    own = post.family.weighted(row_parameters(post, slice(None)), post.design.weights)
    if names.SIGMA not in own:
        raise ModelError(
            f"the sd of responses is infinite in the {post.family.name} family at some draws, so "
            "that residuals have no unit; pp_check() needs none, or give the parameters of the "
            "family priors under which it is finite"
        )
    return np.where(np.isfinite(sd), sd, per_row(own[names.SIGMA]))


def _on_scale(post: Posterior, y: Floats) -> Floats:
    """Responses on the scale of `expected`."""
    trials = post.design.trials
    return post.family.reported(y) if trials is None else y / trials


def thinned(post: Posterior) -> Posterior:
    """At most MOST_DRAWS of the draws, evenly spread."""
    chains, draws = post.shape
    most = max(1, MOST_DRAWS // chains)
    dataset = post.draws
    if draws > most:
        dataset = dataset.isel({names.DRAW: np.linspace(0, draws - 1, most).round().astype(int)})
    return replace(post, idata=xr.DataTree.from_dict({"posterior": dataset}))


@dataclass(frozen=True, eq=False)
class Effects:
    """Standardised effects b / sd of one term over the levels of a grouping factor, in some draws.

    In a draw of the posterior they are, where the model is right, independent draws of their law,
    standard normal ones. Of related levels they are those of independent ones, R^-1 b.
    """

    group: GroupDesign
    term: str
    data: Floats  # (K, J)
    replicated: Floats  # (K, J)
    levels: pd.Index  # (J,)

    def quantiles(self) -> Beside:
        """Ordered effects; of many levels at even steps."""
        J = self.data.shape[1]
        at = np.unique(np.linspace(0, J - 1, min(J, _QUANTILES)).round().astype(int))
        return Beside(*(np.sort(x, axis=1)[:, at] for x in (self.data, self.replicated)))

    def extreme(self) -> tuple[object, float]:
        """The level with the largest effect by its posterior mean, and that mean."""
        mean = self.data.mean(axis=0)
        j = int(np.argmax(np.abs(mean)))
        return self.levels[j], float(mean[j])

    def p_extreme(self) -> float:
        """Share of draws in which the largest of a normal sample is larger than that level's."""
        j = int(np.argmax(np.abs(self.data.mean(axis=0))))
        return float(np.mean(np.abs(self.replicated).max(axis=1) > np.abs(self.data[:, j])))


def effects(
    post: Posterior, group: GroupDesign, seed: int, parameter: str = names.MU
) -> list[Effects]:
    """Standardised effects of every term of one grouping factor, on one parameter."""
    some, out = thinned(post), []
    sd, b = some.sd(group.name, parameter), group.unmixed(some.ranef(group.name, parameter))
    rng, law = stream(seed, STANDARD_EFFECTS), some.law(group.name, parameter).each_draw
    every = np.arange(group.n_levels)
    for k, term in enumerate(group.terms):
        levels = every if group.there is None else every[group.there[:, k]]
        data = b[:, levels, k] / np.maximum(sd[:, k, None], 1e-300)
        replicated = law.draw(data.shape, rng)
        out.append(
            Effects(group, names.prefix(parameter) + term, data, replicated, group.levels[levels])
        )
    return out
