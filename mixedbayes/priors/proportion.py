"""Priors given by the user against the scale of the data, which the default priors know."""

from __future__ import annotations

import numpy as np

from mixedbayes.errors import PriorError
from mixedbayes.priors.distributions import LKJ, Flat, Prior, Uniform
from mixedbayes.priors.types import Priors

# Widths and places of a prior, in widths of the default one, between which numbers can tell what
# the data say from what the prior says.
_NARROWEST, _LEAST, _FARTHEST, _WIDEST = 1e-9, 1e-6, 1e5, 1e8


def check_proportion(priors: Priors, defaults: Priors) -> None:
    """Raise PriorError if a prior of the user's is out of all proportion to the data.

    Samplers would stop at its numbers: at one that is a billionth as wide as the data's scale, or
    a hundred million times as wide, that lies a hundred thousand of these away from zero and from
    where the data are, or that keeps what is positive below a millionth.
    """
    rows = zip(priors.rows(), defaults.rows(), strict=True)
    for (parameter, term, assigned), (_, _, default) in rows:
        prior = assigned.prior
        if not assigned.given or isinstance(prior, LKJ | Flat):
            continue
        low, high = _middle(prior)
        low_0, high_0 = _middle(default.prior)
        scale = high_0 - low_0
        away = min(max(low, -high), max(low - high_0, low_0 - high))  # from 0, and the default
        name = f"{parameter}[{term}]" if term else parameter
        if not (np.isfinite(low) and np.isfinite(high)):
            fact = "its middle half has no finite limits"
        elif (high - low < _NARROWEST * scale and not isinstance(prior, Uniform)) or (
            default.prior.support == "positive" and high < _LEAST * scale
        ):
            fact = f"its middle half is {high - low:.2g} wide"
        elif high - low > _WIDEST * scale or away > _FARTHEST * scale:
            fact = f"its middle half is from {low:.2g} to {high:.2g}"
        else:
            continue
        remedy = "widen it" if fact.endswith("wide") else "choose one nearer to that"
        raise PriorError(
            f"{name}: the prior {prior} is out of proportion to the data: {fact}, and by the "
            f"scale of the data it would be {scale:.2g} wide; {remedy}, or change the units of the "
            "column or the response that it is about"
        )


def _middle(prior: Prior) -> tuple[float, float]:
    """The quartiles."""
    with np.errstate(all="ignore"):
        low, high = prior.frozen().ppf([0.25, 0.75])
    return float(low), float(high)
