"""Residuals and group effects beside what the model says they should be, draw by draw.

A discrepancy T is computed from the data and one posterior draw, T(y, theta), and from a replicate
and the same draw, T(y_rep, theta); p is the share of draws in which the replicate's is larger.
Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-807.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from mixedbayes import names
from mixedbayes.checks.written_out import written_out
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.families.base import per_row
from mixedbayes.predict.streams import stream
from mixedbayes.results.fitted import (
    expected,
    linear_predictor,
    observed,
    response_sd,
    row_parameters,
)
from mixedbayes.results.posterior import Posterior

RESIDUALS = 9  # purposes of the streams of random numbers
STANDARD_EFFECTS = 10
MOST_DRAWS = 400
MOST_ROWS = 5000
_QUANTILES = 41


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
class Residuals:
    """Pearson residuals (y - E[y]) / sd[y] in some draws, and those of replicates."""

    design: Design  # of the rows that are looked at, n of them
    fitted: Floats  # (n,) posterior mean of E[y]
    y: Floats  # (n,) responses on the scale of E[y]
    simulated: Floats  # (K, n) those of replicates
    data: Floats  # (K, n) residuals
    replicated: Floats  # (K, n)

    @cached_property
    def bins(self) -> list[Floats]:
        """Rows by fitted value, in equal numbers."""
        n = len(self.fitted)
        return np.array_split(np.argsort(self.fitted, kind="stable"), int(np.clip(n // 15, 2, 10)))

    @property
    def positions(self) -> Floats:
        """Mean fitted value of each bin."""
        return np.array([self.fitted[b].mean() for b in self.bins])

    def location(self) -> Beside:
        """Mean residual by fitted value."""
        return self._binned(self.data, self.replicated)

    def scale(self) -> Beside:
        """Root of the mean squared residual by fitted value."""
        found = self._binned(self.data**2, self.replicated**2)
        return Beside(np.sqrt(found.data), np.sqrt(found.replicated))

    def quantiles(self) -> Beside:
        """Quantiles of the residuals, at even normal scores."""
        at = self.probabilities
        return Beside(*(np.quantile(x, at, axis=1).T for x in (self.data, self.replicated)))

    @property
    def probabilities(self) -> Floats:
        edge = 1 - 0.5 / len(self.fitted)
        z = stats.norm.ppf(edge)
        return stats.norm.cdf(np.linspace(-z, z, min(_QUANTILES, len(self.fitted))))

    def shape(self) -> tuple[float, float]:
        """Shares of draws in which the data are more skewed to the right, and heavier tailed."""
        skew, tails = (
            float(np.mean(f(self.data, axis=1) > f(self.replicated, axis=1)))
            for f in (stats.skew, stats.kurtosis)
        )
        return skew, tails

    def _binned(self, data: Floats, replicated: Floats) -> Beside:
        return Beside(
            *(
                np.column_stack([x[:, b].mean(axis=1) for b in self.bins])
                for x in (data, replicated)
            )
        )


def residuals(post: Posterior, seed: int) -> Residuals:
    """Residuals at evenly spread draws and rows, given the group effects.

    Rows that count several times are written out.
    """

    def make() -> Residuals:
        return residuals_of(post, written_out(post.design, post.family, MOST_ROWS), seed)

    return post.once(("residuals", seed), make)


def residuals_of(post: Posterior, design: Design, seed: int) -> Residuals:
    """Residuals of the rows of a design at evenly spread draws, given the group effects."""
    some = Posterior(design, post.family, thinned(post))
    every, d = slice(None), some.design
    mu = some.family.inverse(linear_predictor(some, every).T, np)  # (K, m)
    y = some.family.simulate(
        mu,
        row_parameters(some, every),
        stream(seed, RESIDUALS),
        weights=d.weights,
        trials=d.trials,
    )
    mean, sd = expected(some, every).T, _unit(some)
    seen, drawn = observed(some), _on_scale(some, y)
    return Residuals(d, mean.mean(axis=0), seen, drawn, (seen - mean) / sd, (drawn - mean) / sd)


def _unit(post: Posterior) -> Floats:
    """(K, n) sd of each row; the scale itself where Student's t has no finite sd."""
    sd = response_sd(post, slice(None)).T
    if np.isfinite(sd).all():
        return sd
    w = 1.0 if post.design.weights is None else post.design.weights
    sigma = per_row(row_parameters(post, slice(None))[names.SIGMA])
    return np.where(np.isfinite(sd), sd, sigma / np.sqrt(w))


def _on_scale(post: Posterior, y: Floats) -> Floats:
    """Responses on the scale of `expected`."""
    trials = post.design.trials
    return post.family.reported(y) if trials is None else y / trials


def thinned(post: Posterior) -> xr.DataTree:
    """At most MOST_DRAWS of the draws, evenly spread."""
    chains, draws = post.shape
    most = max(1, MOST_DRAWS // chains)
    dataset = post.draws
    if draws > most:
        dataset = dataset.isel({names.DRAW: np.linspace(0, draws - 1, most).round().astype(int)})
    return xr.DataTree.from_dict({"posterior": dataset})


@dataclass(frozen=True, eq=False)
class Effects:
    """Standardised effects b / sd of one term over the levels of a grouping factor, in some draws.

    In a draw of the posterior they are, where the model is right, independent standard normal.
    """

    group: GroupDesign
    term: str
    data: Floats  # (K, J)
    replicated: Floats  # (K, J)

    def quantiles(self) -> Beside:
        """Ordered effects; of many levels at even steps."""
        J = self.data.shape[1]
        at = np.unique(np.linspace(0, J - 1, min(J, _QUANTILES)).round().astype(int))
        return Beside(*(np.sort(x, axis=1)[:, at] for x in (self.data, self.replicated)))

    def extreme(self) -> tuple[object, float]:
        """The level with the largest effect by its posterior mean, and that mean."""
        mean = self.data.mean(axis=0)
        j = int(np.argmax(np.abs(mean)))
        return self.group.levels[j], float(mean[j])

    def p_extreme(self) -> float:
        """Share of draws in which the largest of a normal sample is larger than that level's."""
        j = int(np.argmax(np.abs(self.data.mean(axis=0))))
        return float(np.mean(np.abs(self.replicated).max(axis=1) > np.abs(self.data[:, j])))


def effects(post: Posterior, group: GroupDesign, seed: int) -> list[Effects]:
    """Standardised effects of every term of one grouping factor."""
    some = Posterior(post.design, post.family, thinned(post))
    sd, b = some.sd(group.name), some.ranef(group.name)
    rng = stream(seed, STANDARD_EFFECTS)
    return [
        Effects(
            group,
            term,
            b[:, :, k] / np.maximum(sd[:, k, None], 1e-300),
            rng.standard_normal(b.shape[:2]),
        )
        for k, term in enumerate(group.terms)
    ]
