"""Parameters whose posterior has no mean that draws could tell.

A shape that goes to infinity where counts are Poisson has a prior whose tail falls slowly, so that
Poisson counts are not held to be impossible (Simpson et al. 2017, doi:10.1214/16-STS576); where the
data do not bound it either, the tail of the posterior is the prior's, which has no mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.numerics import psis
from mixedbayes.results.posterior import Posterior

LARGEST_K = 0.7  # from which a mean of draws says little: Vehtari et al. (2024), JMLR 25(72)
_FEWEST = 100  # draws


def without_mean(post: Posterior) -> dict[str, float]:
    """The family's parameters that have no posterior mean, and their medians.

    Their prior has none, and the upper tail of the draws has a Pareto k of 0.7 or more.
    """
    return dict(post.once("without mean", lambda: _without_mean(post)))


def _without_mean(post: Posterior) -> dict[str, float]:
    priors = post.spec.priors.parameters
    found = {}
    for name, draws in post.parameters().items():
        if draws.ndim > 1 or name not in priors or not priors[name].prior.proper:
            continue
        if not np.isfinite(priors[name].prior.frozen().mean()) and upper_tail(draws) >= LARGEST_K:
            found[name] = float(np.median(draws))
    return found


def upper_tail(draws: Floats) -> float:
    """Pareto k of the largest of positive draws (S,); -inf of too few different ones."""
    if len(np.unique(draws)) < _FEWEST or not (np.isfinite(draws) & (draws > 0)).all():
        return -np.inf
    return psis.log_weights(np.log(draws))[1]


def mean_note(found: dict[str, float], names: Sequence[str]) -> str:
    """Why a table has no mean of some of these parameters; empty where it has all."""
    return " ".join(
        f"{name} has no posterior mean or sd: the data do not bound it, and its prior's tail is "
        f"long. Its median is {found[name]:.3g}."
        for name in names
        if name in found
    )
