"""The family's own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained, describe

Floats = NDArray[np.float64]


def parameters(post: Posterior, prob: float = 0.95, *, draws: bool = False) -> Any:
    """The family's own parameters: sigma, nu, shape, phi, or the thresholds.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    draws
        Return the draws instead: a Dataset of these variables.

    Returns
    -------
    DataFrame with one row per parameter, or per element of a vector: parameter, element (missing
    where there is one number), mean, sd, lower, upper, ess_bulk, rhat. Empty for families without
    any, such as poisson and bernoulli. A parameter that has a formula of its own is not among them:
    its effects are in `fixef` and `ranef`.

    Raises
    ------
    ModelError
        If `prob` is no probability.

    Examples
    --------
    >>> fit.parameters()  # doctest: +SKIP
    """
    found = post.parameters()
    return post.draws[list(found)] if draws else _table(post, found, prob)


def family_parameters(post: Posterior, prob: float = 0.95) -> pd.DataFrame:
    """`parameters` without sigma, which `varcorr` has as the residual."""
    found = post.parameters()
    return _table(post, {k: v for k, v in found.items() if k != names.SIGMA}, prob)


def _table(post: Posterior, found: Mapping[str, Floats], prob: float) -> pd.DataFrame:
    rows: list[tuple[str, str | None]] = []
    columns = [np.zeros((post.n_draws, 0))]
    for name, values in found.items():
        labels = post.family.labels(name, post.design)
        rows += [(name, None)] if labels is None else [(name, label) for label in labels]
        columns.append(values.reshape(post.n_draws, -1))
    table = pd.DataFrame(rows, columns=["parameter", "element"], dtype="str")
    described = describe(chained(np.concatenate(columns, axis=1), post.shape[0]), prob)
    return table.assign(**described)
