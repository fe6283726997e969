"""Fitted values and residuals of the rows used, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Identity
from mixedbayes.results.moments import row_blocks
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import describe_plain, labelled

Floats = NDArray[np.float64]
Block = Callable[[slice], Floats]

_BLOCK = 2**22  # numbers held at a time: rows of a block x draws


def linear_predictor(post: Posterior, rows: slice | NDArray[np.integer]) -> Floats:
    """(m, S) eta = Intercept + X fixef + sum_k Z_k b_k + offset at some of the rows used."""
    mu = post.design.mu
    eta = mu.X[rows] @ post.fixef().T + post.intercept()
    for g in mu.groups:
        b, Z, refs = post.ranef(g.name), g.Z[rows], g.refs[rows]
        for t in range(len(g.terms)):
            eta += Z[:, t, None] * b[:, refs, t].T
    if mu.offset is not None:
        eta += mu.offset[rows, None]
    return eta


def fitted(
    post: Posterior,
    prob: float = 0.95,
    *,
    kind: str = "mean",
    draws: bool = False,
) -> Any:
    """Fitted values of the rows used, group effects included.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval of the fitted value; a new observation varies more.
    kind
        "mean": g^-1(eta), on the response scale; "linear": eta, on the link scale.
    draws
        Return the draws instead: a DataArray (chain, draw, obs), of the size rows x draws.

    Returns
    -------
    DataFrame with one row per row of data used, under the user's index: mean, sd, lower, upper.

    Raises
    ------
    ModelError
        If `kind` is another, or draws of the group effects were not kept.
    """
    if kind not in ("mean", "linear"):
        raise ModelError(f'kind={kind!r}: fitted() has kind="mean" (response) or "linear" (link)')

    def block(rows: slice) -> Floats:
        eta = linear_predictor(post, rows)
        return eta if kind == "linear" else post.family.link.inverse(eta, np)

    return _by_rows(post, block, prob, draws, "fitted")


def residuals(
    post: Posterior,
    prob: float = 0.95,
    *,
    kind: str = "response",
    draws: bool = False,
) -> Any:
    """Residuals of the rows used: observed minus fitted, group effects included.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    kind
        "response": y - mu, in the response's unit; "pearson": (y - mu) / sd(y | mu), without unit.
        With weights w the sd is sigma / sqrt(w).
    draws
        Return the draws instead: a DataArray (chain, draw, obs), of the size rows x draws.

    Returns
    -------
    DataFrame with one row per row of data used, under the user's index: mean, sd, lower, upper.

    Raises
    ------
    ModelError
        If `kind` is another, the family has no sd on the response scale, or draws of the group
        effects were not kept.
    """
    if kind not in ("response", "pearson"):
        raise ModelError(f'kind={kind!r}: residuals() has kind="response" or "pearson"')
    y = post.design.y if post.design.trials is None else post.design.y / post.design.trials
    scale = response_sd(post) if kind == "pearson" else None

    def block(rows: slice) -> Floats:
        values = y[rows, None] - post.family.link.inverse(linear_predictor(post, rows), np)
        return values if scale is None else values / scale(rows)

    return _by_rows(post, block, prob, draws, "residual")


def response_sd(post: Posterior) -> Block:
    """sd of an observation around its mean, (m, S) or a shape that broadcasts to it, by rows."""
    if not isinstance(post.family.link, Identity):
        raise ModelError(
            f"Pearson residuals need the response's own sd, which the {post.family.name} family "
            f'with {post.family.link.name} link does not give yet; use kind="response"'
        )
    sd = np.sqrt(np.broadcast_to(post.family.residual_variance(post.parameters()), post.n_draws))
    weights = post.design.weights

    def block(rows: slice) -> Floats:
        return sd[None, :] if weights is None else sd[None, :] / np.sqrt(weights[rows, None])

    return block


def _by_rows(post: Posterior, block: Block, prob: float, draws: bool, name: str) -> Any:
    n, index = post.design.n, post.design.index
    if draws:
        whole = block(slice(0, n)).T
        return labelled(whole, post.shape[0], [names.OBS], {names.OBS: np.asarray(index)}, name)
    size = max(1, _BLOCK // post.n_draws)
    parts = [describe_plain(block(rows), prob) for rows in row_blocks(n, size)]
    columns = {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    return pd.DataFrame(columns, index=index)
