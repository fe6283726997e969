"""Share of the response's variance that the model explains."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes.results.icc import check_scale
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained, describe, labelled
from mixedbayes.results.variance import Components, components, r2_response, ratio

Floats = NDArray[np.float64]

KINDS = ("marginal", "conditional")


def r2_kernel(parts: Components) -> Floats:
    """(2, S) marginal and conditional R2.

    marginal = fixed / total, conditional = (fixed + random) / total, total = fixed + random +
    residual.
    """
    total = parts.total
    return np.stack([ratio(parts.fixed, total), ratio(parts.fixed + parts.random, total)])


def r2(
    post: Posterior,
    prob: float = 0.95,
    *,
    scale: Literal["link", "response"] = "link",
    draws: bool = False,
) -> Any:
    """Marginal and conditional R2 with their posterior, on the link scale unless asked otherwise.

    marginal is the share of the population part, conditional that of population and groups
    together, of the variance fixed + groups + residual.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    scale
        "link", or "response": of the response itself, by quadrature over the effects; see
        `mixedbayes.results.variance`.
    draws
        Return the draws instead: a Dataset with `marginal` and `conditional`, each (chain, draw).

    Returns
    -------
    DataFrame with two rows: kind, mean, sd, lower, upper, ess_bulk, rhat.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213.
    """
    check_scale(scale)
    values = r2_kernel(components(post)) if scale == "link" else r2_response(post)
    chains = post.shape[0]
    if draws:
        return xr.Dataset(
            {k: labelled(v, chains, [], {}, k) for k, v in zip(KINDS, values, strict=True)}
        )
    table = pd.DataFrame({"kind": pd.Series(KINDS, dtype="str")})
    return table.assign(**describe(chained(values.T, chains), prob))
