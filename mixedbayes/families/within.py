"""The mean of responses between bounds, E[y | low < y <= high].

Of positive responses it is E[y] P*(low < y <= high) / P(low < y <= high), with P* the size-biased
distribution, whose density is y f(y) / E[y] and which is the family's own at other parameters, or
another's; elsewhere it is a closed form of densities at the bounds. Both masses are by tails that
are exact far out (`limited.log_mass`).
"""

from __future__ import annotations

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family, Values
from mixedbayes.families.limited import log_mass


def mean_within(
    family: Family, low: Floats, high: Floats, mu: Floats, parameters: Values,
    weights: Floats | None = None, trials: Ints | None = None,
) -> Floats:  # fmt: skip
    """(S, n) E[y | low < y <= high] for means (S, n) and bounds (n,), perhaps infinite.

    Of counts out of trials a count.

    Raises
    ------
    ModelError
        The family has no such mean here.
    """
    whole = log_mass(family, low, high, mu, parameters, weights, trials)
    with np.errstate(all="ignore"):
        found = family.mean_between(low, high, whole, mu, parameters, weights)
        if found is None:
            biased = family.size_biased(mu, parameters, weights, trials)
            if biased is None:
                raise ModelError(
                    f"the mean between bounds of the {family.name} family is not known here; use "
                    'target="mean", that before truncation, or kind="response"'
                )
            part = log_mass(
                biased.family, *biased.bounds(low, high), biased.mu, biased.parameters,
                biased.weights, biased.trials,
            )  # fmt: skip
            mean = family.observation_mean(mu, parameters, weights=weights, trials=trials)
            found = mean * np.exp(part - whole)
    return np.clip(found, low + 1 if family.discrete else low, high)


def cdf_within(
    family: Family, y: Floats | float, low: Floats, high: Floats, mu: Floats, parameters: Values,
    weights: Floats | None = None, trials: Ints | None = None,
) -> Floats:  # fmt: skip
    """(S, n) P(y_new <= y | low < y_new <= high)."""
    whole = log_mass(family, low, high, mu, parameters, weights, trials)
    y = np.broadcast_to(np.asarray(y, float), mu.shape)
    up_to = np.clip(np.floor(y) if family.discrete else y, low, high)
    with np.errstate(all="ignore"):
        part = log_mass(family, low, up_to, mu, parameters, weights, trials)
        found = np.where(up_to > low, np.exp(np.minimum(part - whole, 0.0)), 0.0)
    return np.where(y >= high, 1.0, found)
