"""Importance weights of the draws without a unit, which leave-one-out cross-validation needs."""

from __future__ import annotations

import numpy as np

from mixedbayes.checks.leave_out import population_draws
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.numerics import psis
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.health import effective_size

FEWEST_DRAWS = 100
MOST_NUMBERS = 2**22  # rows x draws held at a time
_NO_TAIL = -1.0  # Pareto k of weights that do not vary


def weigh(density: Floats, efficiency: float) -> tuple[Floats, Floats]:
    """log p(y_unit | all others) of units (S, u), and Pareto k, of which -1 is no tail at all."""
    elpd, k = psis.leave_one_out(np.ascontiguousarray(density.T), efficiency)
    return elpd, np.maximum(k, _NO_TAIL)


def check_draws(post: Posterior) -> None:
    if post.n_draws < FEWEST_DRAWS:
        raise ModelError(
            f"{post.n_draws} draws are too few to smooth importance weights; fit with at least "
            f"{FEWEST_DRAWS}"
        )


def relative_efficiency(post: Posterior) -> float:
    """Effective over actual number of draws, on average over the parameters."""
    return post.once("relative efficiency", lambda: _efficiency(post))


def _efficiency(post: Posterior) -> float:
    values = population_draws(post.draws)
    if post.shape[0] < 2 or not len(values):
        return 1.0
    return float(np.mean(np.minimum(effective_size(values) / post.n_draws, 1.0)))
