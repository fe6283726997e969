"""Mean, sd and quantiles of quantities that are normal given a draw, draws having weights."""

from __future__ import annotations

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.results.tables import tails

_HALVINGS = 60


def describe_mixture(mean: Floats, sd: Floats, weights: Floats, prob: float) -> dict[str, Floats]:
    """Columns mean, sd, lower, upper (K,) of sum_s w_s N(mean_s, sd_s^2), without random numbers.

    Parameters
    ----------
    mean, sd
        (S, K) per draw.
    weights
        (S,), with sum 1.
    prob
        Probability of the equal-tailed interval.
    """
    center = weights @ mean
    spread = np.sqrt(weights @ (sd**2 + (mean - center) ** 2))
    lower, upper = (mixture_quantile(mean, sd, weights, p) for p in tails(prob))
    return {"mean": center, "sd": spread, "lower": lower, "upper": upper}


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
