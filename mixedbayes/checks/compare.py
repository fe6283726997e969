"""Models beside each other by their expected log predictive density."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import pandas as pd

from mixedbayes.checks.elpd import Elpd, KFold
from mixedbayes.errors import ModelError

Method = Literal["stacking", "BB-pseudo-BMA", "pseudo-BMA"]


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

    return compare(dict(scores), method=method, round_to="none")


def _ways(a: Elpd, b: Elpd) -> str | None:
    """How the scores were made, where they were made in different ways."""
    if type(a) is not type(b):
        return "one was scored by leaving one out, the other by folds"
    if isinstance(a, KFold) and isinstance(b, KFold) and (a.fold != b.fold).any():
        return "the folds differ; use the same k and seed"
    return None
