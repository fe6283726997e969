"""From parameters to responses: the steps that every simulation takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.predict.rows import PredictionRows


def effects(u: Floats, sd: Floats, root: Floats) -> Floats:
    """(..., J, q) effects from standard normal u (..., J, q).

    Their covariance is D R D with D the sds (..., q) and R = root root', root (..., q, q).
    """
    return u @ np.swapaxes(root, -1, -2) * sd[..., None, :]


def responses(
    family: Family,
    data: Design | PredictionRows,
    eta: Floats,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
    rows: slice | Ints = slice(None),
) -> Any:
    """(S, m) responses of some rows of the data, for linear predictors (S, m) of the mean.

    `parameters` are the family's own, (S, ...) or (S, m). On the scale that `Family.simulate` has.
    """
    return family.simulate(
        family.inverse(eta, np),
        parameters,
        rng,
        weights=None if data.weights is None else data.weights[rows],
        trials=None if data.trials is None else data.trials[rows],
    )
