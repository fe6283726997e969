"""Draws of one posterior as weighted draws of another, and how far that can be trusted.

Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling,
arXiv:1507.02646.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats, Ints
from mixedbayes.numerics import psis
from mixedbayes.results.tables import Description, tails

_FEWEST = 25  # draws from which the tail can be smoothed
WORTH = 100  # equally weighted draws: the mean's Monte Carlo error is then a tenth of the sd


@dataclass(frozen=True, eq=False)
class Importance:
    """Weights of posterior draws; they sum to 1."""

    weights: Floats  # (S,)
    pareto_k: float  # of the largest weights; NaN where there are too few draws to tell

    @property
    def ess(self) -> float:
        """Number of equally weighted independent draws that are worth as much: 1 / sum w^2."""
        return float(1 / np.sum(self.weights**2))

    @property
    def limit(self) -> float:
        """Largest reliable Pareto k."""
        return psis.good_k(len(self.weights))

    @property
    def worth_enough(self) -> bool:
        """Whether the draws are worth at least 100, or half of what there are if that is less."""
        return self.ess >= min(WORTH, len(self.weights) / 2)

    @property
    def reliable(self) -> bool:
        """Whether Pareto k is known and not above its limit, and enough draws carry the weight."""
        return self.pareto_k <= self.limit and self.worth_enough

    @property
    def verdict(self) -> str:
        """The diagnosis in words."""
        total, worth = f"{len(self.weights):,}", f"{self.ess:,.0f}"
        if np.isnan(self.pareto_k):
            return f"{total} draws are too few to tell whether their weights are reliable"
        relation = "within" if self.pareto_k <= self.limit else "above"
        few = "" if self.worth_enough else f", fewer than {WORTH}"
        return (
            f"{total} draws are worth {worth} after weighting{few}; Pareto k = {self.pareto_k:.2f} "
            f"is {relation} its limit {self.limit:.2f}"
        )

    def resample(self, rng: np.random.Generator) -> Ints:
        """(S,) positions of draws of equal weight; sorted."""
        return resample(self.weights, rng, len(self.weights))


def resample(weights: Floats, rng: np.random.Generator, count: int) -> Ints:
    """(count,) positions of equal weight, by systematic resampling; sorted."""
    points = (np.arange(count) + rng.uniform()) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), points), len(weights) - 1)


def smooth(log_ratio: Floats, efficiency: float = 1.0) -> Importance:
    """Pareto-smoothed weights proportional to exp(log_ratio) (S,).

    `efficiency` is the effective over the actual number of draws. Where the largest ratios are all
    the same there is no tail to smooth, and k is -inf; where they are infinite it is inf.
    """
    if len(log_ratio) >= _FEWEST:
        log_weights, k = psis.log_weights(log_ratio, efficiency)
        return Importance(np.exp(log_weights), k)
    if not np.isfinite(log_ratio.max()):
        return Importance(np.full(len(log_ratio), 1 / len(log_ratio)), np.inf)
    same = np.ptp(log_ratio) < psis.SAME
    return Importance(special.softmax(log_ratio), -np.inf if same else np.nan)


# ---- quantities that are normal given a draw, draws having weights -----------------------------


_HALVINGS = 60


# What is described without draws of equal weight
IN_CLOSED_FORM = frozenset({"mean", "sd", "median", "lower", "upper", "prob_positive"})


def describe_mixture(
    mean: Floats, sd: Floats, weights: Floats, how: Description
) -> dict[str, Floats]:
    """Columns (K,), all IN_CLOSED_FORM, of sum_s w_s N(mean_s, sd_s^2), without random numbers.

    Parameters
    ----------
    mean, sd
        (S, K) per draw.
    weights
        (S,), with sum 1.
    how
        The columns, and the probability of the equal-tailed interval.
    """
    center, (low, high) = weights @ mean, tails(how.prob)
    known: dict[str, Callable[[], Floats]] = {
        "mean": lambda: center,
        "sd": lambda: np.sqrt(weights @ (sd**2 + (mean - center) ** 2)),
        "median": lambda: mixture_quantile(mean, sd, weights, 0.5),
        "lower": lambda: mixture_quantile(mean, sd, weights, low),
        "upper": lambda: mixture_quantile(mean, sd, weights, high),
        "prob_positive": lambda: weights @ _share_positive(mean, sd),
    }
    return {name: known[name]() for name in how.columns}


def _share_positive(mean: Floats, sd: Floats) -> Floats:
    with np.errstate(over="ignore"):  # of a draw without spread
        return special.ndtr(mean / np.maximum(sd, 1e-300))


def mixture_quantile(mean: Floats, sd: Floats, weights: Floats, p: float) -> Floats:
    """(K,) quantile p, by halving the interval that holds it."""
    low, high = (mean - 40 * sd).min(axis=0), (mean + 40 * sd).max(axis=0)
    scale = np.maximum(sd, 1e-300)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(over="ignore"):  # of a draw without spread
            below = weights @ special.ndtr((middle - mean) / scale) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
