"""Priors of one minus a share, whose log odds are those of the share with the other sign."""

from __future__ import annotations

from dataclasses import replace

from mixedbayes.distributions import Cauchy, Flat, Normal, Prior, StudentT, Uniform
from mixedbayes.errors import ModelError


def of_effect(prior: Prior) -> Prior:
    """The prior of -b, where b has this one."""
    match prior:
        case Normal() | StudentT():
            return replace(prior, mu=0.0 - prior.mu)
        case Cauchy():
            return replace(prior, alpha=0.0 - prior.alpha)
        case Uniform():
            return Uniform(0.0 - prior.upper, 0.0 - prior.lower)
        case Flat():
            return prior
    raise _none(prior)


def of_share(prior: Prior) -> Prior:
    """The prior of 1 - p, where p has this one."""
    match prior:
        case Uniform():
            return Uniform(1.0 - prior.upper, 1.0 - prior.lower)
        case Flat():
            return prior
    raise _none(prior)


def _none(prior: Prior) -> ModelError:
    return ModelError(
        f"the share of zeros here is one minus that of Bambi, and no prior of that is known which "
        f"says what {prior} says"
    )
