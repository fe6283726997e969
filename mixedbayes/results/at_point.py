"""A posterior seen at values of covariates: the rows of the fit, had they these values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design import random_columns, replay
from mixedbayes.design.types import GroupDesign, LinearPredictor
from mixedbayes.design.used import Used, used_columns
from mixedbayes.families.links import Identity
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.variance import average_parameters, mean_predictor

Floats = NDArray[np.float64]

_STEP = 0.1  # of the linear predictor, over which a residual variance may change


def covariates(post: Posterior, *, response: bool = False) -> list[str]:
    """Columns that the variances depend on, in the order of the formula.

    Those of the mean's group effects and of further parameters; where the residual variance, or
    what the effects do to the `response`, depends on the mean, those of its population part; and
    weights that divide it. On the link scale unless on that of the response.
    """
    found: list[str] = []
    for predictor in post.predictors:
        used = _used(post, predictor.parameter)
        if predictor.parameter != "mu" or _mean_matters(post, response):
            found += used.fixed
        found += [name for g in predictor.groups for name in used.effects[g.name]]
    return list(dict.fromkeys([*found, *_weighing(post)]))


def at_point(
    post: Posterior, point: pd.DataFrame, frame: pd.DataFrame | None, *, response: bool = False
) -> Posterior:
    """The posterior with the columns of `point` at its values in every row of the design.

    Parameters
    ----------
    post
        The posterior.
    point
        One row: the covariates' values.
    frame
        The rows of the fit as a data frame; without it every row is `point`, which then has all
        columns that are needed. Parts of the design that no column of `point` enters stay as they
        are.
    response
        For variances on the scale of the response, as in `covariates`.
    """
    rows = point
    if frame is not None:
        rows = frame.copy(deep=False)
        for name in point.columns:
            rows[name] = point[name].iloc[0]
    named, matters = set(point.columns), _mean_matters(post, response)
    design = post.design.each(lambda p: _moved(post, p, rows, named, matters))
    if not _weighing(post).isdisjoint(point.columns):
        weights = replay(post.design, rows, groups=[]).weights
        design = replace(design, weights=None if weights is None else _every_row(weights, design.n))
    return post.with_design(design)


def _moved(
    post: Posterior,
    predictor: LinearPredictor,
    rows: pd.DataFrame,
    named: set[str],
    mean_matters: bool,
) -> LinearPredictor:
    p, design = predictor.parameter, post.design
    used = _used(post, p)

    def effects(g: GroupDesign) -> GroupDesign:
        if named.isdisjoint(used.effects[g.name]):
            return g
        return replace(g, Z=_every_row(random_columns(design, g.name, rows, p), design.n))

    groups = tuple(effects(g) for g in predictor.groups)
    if named.isdisjoint(used.fixed) or not (p != "mu" or mean_matters):
        return replace(predictor, groups=groups)
    new = replay(design, rows, groups=[], parameter=p)
    offset = None if new.offset is None else _every_row(new.offset, design.n)
    return replace(predictor, groups=groups, X=_every_row(new.X, design.n), offset=offset)


def _weighing(post: Posterior) -> set[str]:
    """Columns of weights that divide the residual variance."""
    used = used_columns(post.design.formula)
    return set() if post.family.repeats_rows else set(used.weights)


def _every_row(columns: Floats, n: int) -> Floats:
    return np.broadcast_to(columns, (n, *columns.shape[1:]))


def _used(post: Posterior, parameter: str) -> Used:
    formula = post.design.formula
    if parameter == "mu":
        return used_columns(formula)
    return used_columns(next(f for f in formula.others if f.response.text == parameter))


def _mean_matters(post: Posterior, response: bool) -> bool:
    """Whether a variance depends on the mean: the residual's on the link scale, or any."""
    if response and not isinstance(post.family.link, Identity):
        return True
    family, own, eta = post.family, average_parameters(post), mean_predictor(post)
    here, there = (
        family.latent_variance(family.link.inverse(eta + step, np), own) for step in (0.0, _STEP)
    )
    return not np.allclose(here, there, rtol=1e-9, atol=0.0)
