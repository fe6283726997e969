"""Which covariate runs along the horizontal axis of a picture of fitted values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results.posterior import Posterior

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Covariate:
    """A horizontal axis: numbers, or codes into categories."""

    name: str
    x: Floats  # (n,)
    categories: tuple[str, ...] | None = None


def covariate(
    post: Posterior, group: GroupDesign, x: str | None, data: pd.DataFrame | None
) -> Covariate:
    """The axis the user named, or the one that the model is about.

    In this order: the factor's own random slope, the first numeric population term, the first
    other one, the levels of another grouping factor, and the running number of the row within its
    level. With `data` (the user's frame) a term such as log(Days) or Machine[T.B] leads to the
    column it is made of; without, to its column in the design.
    """
    frame = None if data is None else post.design.used(data)
    if x is not None:
        found = _named(post, x, frame)
        if found is None:
            raise ModelError(f"x={x!r} is none of {', '.join(_choices(post, frame)) or '(none)'}")
        return found
    slopes = [t for t in group.terms if t != names.INTERCEPT]
    for term in slopes:
        if (found := _of_term(post, term, frame)) is not None:
            return found
    fixed = [c for t in post.design.mu.terms if (c := _of_term(post, t, frame)) is not None]
    for found in sorted(fixed, key=lambda c: c.categories is not None):
        return found
    for other in post.design.mu.groups:
        if other is not group:
            return _levels(other)
    return Covariate(f"row within {group.name}", _running(group.refs))


def _columns(post: Posterior) -> dict[str, Floats]:
    """Every distinct column of the design by its term."""
    mu = post.design.mu
    columns = {t: mu.X[:, k] for k, t in enumerate(mu.terms)}
    for g in mu.groups:
        for k, t in enumerate(g.terms):
            if t != names.INTERCEPT:
                columns.setdefault(t, g.Z[:, k])
    return columns


def _choices(post: Posterior, frame: pd.DataFrame | None) -> list[str]:
    known = [] if frame is None else [str(c) for c in frame.columns]
    known += [*_columns(post), *(g.name for g in post.design.mu.groups)]
    return list(dict.fromkeys(known))


def _named(post: Posterior, x: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None and x in frame.columns:
        return _from_frame(frame[x])
    if x in (columns := _columns(post)):
        return Covariate(x, columns[x])
    return next((_levels(g) for g in post.design.mu.groups if g.name == x), None)


def _of_term(post: Posterior, term: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None:
        if term in frame.columns:
            return _from_frame(frame[term])
        for column in frame.columns:
            if re.search(rf"(?<![\w.]){re.escape(str(column))}(?![\w.])", term):
                return _from_frame(frame[column])
    columns = _columns(post)
    return Covariate(term, columns[term]) if term in columns else None


def _from_frame(column: pd.Series) -> Covariate:
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return Covariate(name, column.to_numpy(float))
    coded = column.astype("category")
    categories = tuple(str(c) for c in coded.cat.categories)
    return Covariate(name, coded.cat.codes.to_numpy(float), categories)


def _levels(group: GroupDesign) -> Covariate:
    return Covariate(group.name, group.refs.astype(float), tuple(map(str, group.levels)))


def _running(refs: NDArray[np.integer]) -> Floats:
    """(n,) 1, 2, ... within each level, in the order of the rows."""
    return pd.Series(refs).groupby(refs).cumcount().to_numpy(float) + 1
