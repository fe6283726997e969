"""Models beside each other by their expected log predictive density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from mixedbayes.checks.elpd import Elpd, KFold, Loo
from mixedbayes.errors import ModelError

Method = Literal["stacking", "BB-pseudo-BMA", "pseudo-BMA"]
MOST_OBSERVATIONS = 10**7  # that rows which count several times are written out to


def compare_elpd(scores: Mapping[str, Elpd], method: Method = "stacking") -> pd.DataFrame:
    """Rank models by elpd, with the standard errors of the differences and weights.

    Parameters
    ----------
    scores
        Results of `loo` or `kfold` by the models' names.
    method
        Of the weights: "stacking", "BB-pseudo-BMA" or "pseudo-BMA".

    Returns
    -------
    DataFrame of `arviz_stats.compare`, the best model first, not rounded.

    Raises
    ------
    ModelError
        Fewer than two models; scores of different responses, rows, targets or folds.

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), doi:10.1214/17-BA1091.
    """
    if len(scores) < 2:
        raise ModelError(f"a comparison needs at least two models, got {len(scores)}")
    for (a, first), (b, second) in pairwise(scores.items()):
        difference = first.scored.difference(second.scored) or _ways(first, second)
        if difference is not None:
            raise ModelError(f"{a!r} and {b!r} cannot be compared: {difference}")
    from arviz_stats import compare

    return compare({k: _written_out(v) for k, v in scores.items()}, method=method, round_to="none")


def _written_out(score: Elpd) -> Elpd:
    """The scores of single observations, where rows stand for several."""
    copies = score.scored.copies
    if copies is None:
        return score
    if copies.sum() > MOST_OBSERVATIONS:
        raise ModelError(
            f"the rows count {copies.sum():,.0f} times, and scores of more than "
            f"{MOST_OBSERVATIONS:,} observations are not compared; each result of loo() and "
            "kfold() has its own elpd and se"
        )
    at = np.repeat(np.arange(len(copies)), copies.astype(int))
    out = replace(score, elpd_i=(score.elpd_i / copies)[at])
    if isinstance(out, Loo):
        out.pareto_k = out.pareto_k[at]
    return out


def _ways(a: Elpd, b: Elpd) -> str | None:
    """How the scores were made, where they were made in different ways."""
    if type(a) is not type(b):
        return "one was scored by leaving one out, the other by folds"
    if isinstance(a, KFold) and isinstance(b, KFold) and not np.array_equal(a.fold, b.fold):
        return "the folds differ; use the same k and seed"
    return None
