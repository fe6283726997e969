"""Intraclass correlation: the share of variance that lies between groups."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results.moments import moments_of, trace_product
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.response_scale import icc_response
from mixedbayes.results.tables import chained, describe, labelled
from mixedbayes.results.variance import Components, components, ratio, residual_variance

Floats = NDArray[np.float64]
type At = Mapping[str, Sequence[Any]] | pd.DataFrame

ALL = "all"
KINDS = ("adjusted", "unadjusted")


def check_scale(scale: str) -> None:
    """ModelError unless the scale is known."""
    if scale not in ("link", "response"):
        raise ModelError(f'scale={scale!r}: use "link" or "response"')


def icc_kernel(parts: Components) -> Floats:
    """(2, K + 1, S) adjusted and unadjusted ICC of K grouping factors and of all together.

    adjusted = group / (all groups + residual); unadjusted has the variance of the population part
    in the denominator as well.
    """
    part = np.stack([*parts.groups.values(), parts.random])
    return np.stack([ratio(part, parts.random + parts.residual), ratio(part, parts.total)])


def icc_at_kernel(parts: Sequence[Floats], residual: Floats) -> Floats:
    """(K + 1, m, S) adjusted ICC of K factors and of all together, at m points.

    parts: variance of each factor's effects, (m, S).
    """
    each = np.stack(parts)
    random = each.sum(axis=0)
    return ratio(np.concatenate([each, random[None]]), random + residual)


def icc(
    post: Posterior,
    prob: float = 0.95,
    *,
    at: At | None = None,
    scale: Literal["link", "response"] = "link",
    draws: bool = False,
) -> Any:
    """Intraclass correlation with its posterior, on the link scale unless asked otherwise.

    adjusted = sum_k E[z' Sigma_k z] / (sum_k E[z' Sigma_k z] + residual variance), the mean E being
    over the rows of the data; `unadjusted` adds the variance of the population part to the
    denominator. For one intercept per group this is tau^2 / (tau^2 + sigma^2).

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    at
        Values of covariates at which to evaluate z, such as {"Days": [0, 5, 9]}: with random slopes
        the ICC is a function of the covariate. Several covariates give all combinations; a data
        frame is taken row by row. Only the adjusted ICC is defined there. A factor whose effects
        depend on none of the covariates keeps its mean over the rows.
    scale
        "link": of the latent response, with the family's variance there. "response": of the
        response itself, by quadrature over the effects; see `mixedbayes.results.response_scale`.
    draws
        Return the draws instead: a Dataset with dimensions (chain, draw, group), and `point` for
        the values in `at`.

    Returns
    -------
    DataFrame with one row per grouping factor and, of several, one for "all", by kind ("adjusted",
    "unadjusted"): group, kind, the covariates of `at`, mean, sd, lower, upper, ess_bulk, rhat.

    Raises
    ------
    ModelError
        If the model has no group effects, or none that depends on a covariate of `at`.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213; Johnson (2014),
    doi:10.1111/2041-210X.12225, for random slopes.
    """
    if not post.design.mu.groups:
        raise ModelError("the model has no group effects, so no intraclass correlation")
    if at is not None:
        if scale != "link":
            raise ModelError('at= is defined on the link scale: leave scale="response" out')
        return _icc_at(post, prob, grid(at), draws)
    check_scale(scale)
    values = icc_kernel(components(post)) if scale == "link" else icc_response(post)
    groups = _shown(post)
    values, chains = values[:, : len(groups)], post.shape[0]
    if draws:
        return xr.Dataset(
            {
                kind: labelled(v.T, chains, ["group"], {"group": groups}, kind)
                for kind, v in zip(KINDS, values, strict=True)
            }
        )
    table = pd.DataFrame({"group": groups * 2, "kind": np.repeat(KINDS, len(groups))}, dtype="str")
    stacked = np.moveaxis(values, 2, 0)  # (S, 2, K or K + 1)
    return table.assign(**describe(chained(stacked, chains), prob))


def _shown(post: Posterior) -> list[str]:
    """The grouping factors, and all of them together where they are several."""
    groups = [g.name for g in post.design.mu.groups]
    return [*groups, ALL] if len(groups) > 1 else groups


def grid(at: At) -> pd.DataFrame:
    """One row per point: all combinations of the values given, or the data frame's own rows."""
    if isinstance(at, pd.DataFrame):
        return at.reset_index(drop=True)
    if not isinstance(at, Mapping):
        raise ModelError(
            f"at={at!r}: name the covariate whose values these are; give for example "
            "at={'Days': [0, 5, 9]}"
        )
    values = {name: [v] if np.isscalar(v) else list(v) for name, v in at.items()}
    empty = [name for name, v in values.items() if not v]
    if empty or not values:
        where = f"no value for {empty[0]!r}" if empty else "no covariate"
        raise ModelError(f"at={dict(at)!r}: {where}; give for example at={{'Days': [0, 5, 9]}}")
    return pd.DataFrame(list(product(*values.values())), columns=list(values))


def _icc_at(post: Posterior, prob: float, points: pd.DataFrame, draws: bool) -> Any:
    groups = post.design.mu.groups
    _check_points(post, points)
    parts = [_variance_at(post, g, points) for g in groups]
    values = icc_at_kernel(parts, residual_variance(post))
    labels = _shown(post)
    chains = post.shape[0]
    stacked = np.moveaxis(values[: len(labels)], 2, 0)  # (S, K or K + 1, m)
    if draws:
        coords = {"group": labels, **{name: ("point", points[name].array) for name in points}}
        return labelled(stacked, chains, ["group", "point"], coords, "adjusted").to_dataset()
    table = pd.DataFrame(
        {
            "group": pd.Series(np.repeat(labels, len(points)), dtype="str"),
            "kind": pd.Series(["adjusted"] * (len(labels) * len(points)), dtype="str"),
        }
    )
    where = pd.concat([points] * len(labels), ignore_index=True)
    return pd.concat([table, where], axis=1).assign(**describe(chained(stacked, chains), prob))


def _variance_at(post: Posterior, g: GroupDesign, points: pd.DataFrame) -> Floats:
    """(m, S) z' Sigma z at the points; its mean over the rows if z depends on none of them."""
    from mixedbayes.design import random_columns, used_columns

    cov = post.cov(g.name)
    if not set(used_columns(post.design.formula).effects[g.name]) & set(points.columns):
        mean = trace_product(cov, moments_of(post.design.mu).squares[g.name])
        return np.broadcast_to(mean, (len(points), len(mean)))
    Z = random_columns(post.design, g.name, points)
    return np.stack([trace_product(cov, np.outer(z, z)) for z in Z])


def _check_points(post: Posterior, points: pd.DataFrame) -> None:
    from mixedbayes.design import used_columns

    effects = used_columns(post.design.formula).effects
    known = list(dict.fromkeys(name for columns in effects.values() for name in columns))
    strange = [name for name in points.columns if name not in known]
    if strange:
        near = difflib.get_close_matches(str(strange[0]).lower(), [k.lower() for k in known], n=1)
        if near:
            meant = next(k for k in known if k.lower() == near[0])
            raise ModelError(
                f"at: no group effect depends on {strange[0]!r}. Did you mean {meant!r}?"
            )
        on = f"they depend on {', '.join(known)}" if known else "they are intercepts"
        raise ModelError(
            f"at: no group effect depends on {', '.join(map(repr, strange))}; {on}, so the "
            "intraclass correlation is the same at every value of it"
        )
