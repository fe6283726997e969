"""Priors given by the user against the scale of the data, which the default priors know."""

from __future__ import annotations

import numpy as np

from mixedbayes.distributions import LKJ, Dirichlet, Flat, Prior, Uniform
from mixedbayes.errors import PriorError
from mixedbayes.priors.types import Priors

# Widths and places of a prior, in widths of the default one, between which numbers can tell what
# the data say from what the prior says.
_NARROWEST, _LEAST, _FARTHEST, _WIDEST = 1e-9, 1e-6, 1e5, 1e30
_TAIL = 1e-4  # probability on either side of a prior that counts as beyond it


def check_proportion(priors: Priors, defaults: Priors) -> None:
    """Raise PriorError if a prior of the user's is out of all proportion to the data.

    That is one that is a billionth as wide as the data's scale, that lies a hundred thousand of
    these away from zero and from where the data are, that keeps what is positive below a millionth,
    or that is wider than 1e30 of them. Vague priors, and narrow ones between limits, are taken.
    """
    rows = zip(priors.rows(), defaults.rows(), strict=True)
    for (parameter, term, assigned), (_, _, default) in rows:
        prior = assigned.prior
        whole = isinstance(prior, LKJ | Dirichlet | Flat) or isinstance(default.prior, LKJ)
        if not assigned.given or whole:
            continue
        low, high = _quantiles(prior, _TAIL)
        low_0, high_0 = _quantiles(default.prior, 0.25)
        scale = high_0 - low_0
        away = min(max(low, -high), max(low - high_0, low_0 - high))  # from 0, and the default
        wide = low == -np.inf or np.isnan(low + high) or _WIDEST * scale < high - low < np.inf
        if wide or away > _FARTHEST * scale:
            fact, remedy = f"it is from {low:.2g} to {high:.2g}", "choose one nearer to that"
        elif (high - low < _NARROWEST * scale and not isinstance(prior, Uniform)) or (
            default.prior.support == "positive" and high < _LEAST * scale
        ):
            fact, remedy = f"it is {high - low:.2g} wide", "widen it"
        else:
            continue
        name = f"{parameter}[{term}]" if term else parameter
        raise PriorError(
            f"{name}: the prior {prior} is out of proportion to the data: {fact}, and by the "
            f"scale of the data it would be {scale:.2g} wide; {remedy}, or change the units of the "
            "column or the response that it is about"
        )


def _quantiles(prior: Prior, tail: float) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        low, high = prior.frozen().ppf([tail, 1 - tail])
    return float(low), float(high)
