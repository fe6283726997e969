"""Which covariate runs along the horizontal axis of a picture of fitted values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.results.posterior import Posterior

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Covariate:
    """A horizontal axis: numbers, or codes into categories."""

    name: str
    x: Floats  # (n,)
    categories: tuple[str, ...] | None = None


def covariate(post: Posterior, group: GroupDesign, x: str | None) -> Covariate:
    """The axis the user named, or the one that the model is about.

    In this order: the factor's own random slope, the first numeric population term, the first
    other one, the levels of another grouping factor, and the running number of the row within its
    level. A term such as log(Days) or Machine[T.B] leads to the column of the user's frame that it
    is made of; in a design without a frame, to its column there.
    """
    frame = _frame(post)
    if x is not None:
        choices = ", ".join(_choices(post, frame)) or "(none)"
        if x in used_columns(post.design.formula).response:
            raise ModelError(f"x={x!r} is the response, which runs upwards; choose from {choices}")
        found = _named(post, x, frame)
        if found is None:
            raise ModelError(f"x={x!r} is none of {choices}")
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


def _frame(post: Posterior) -> pd.DataFrame | None:
    return None if post.design.data is None else post.design.frame


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
    response = used_columns(post.design.formula).response
    return [name for name in dict.fromkeys(known) if name not in response]


def mean_columns(post: Posterior) -> list[str]:
    """Columns that the expected response depends on, grouping factors apart."""
    used = [used_columns(post.design.formula)]
    if type(post.family).expectation is not Family.expectation:
        used += [used_columns(formula) for formula in post.design.formula.others]
    parts = (part for u in used for part in (u.fixed, *u.effects.values()))
    return list(dict.fromkeys(name for part in parts for name in part))


def alone(post: Posterior, group: GroupDesign, axis: Covariate, rows: Rows) -> bool:
    """Whether nothing else that the expected response depends on varies over some of the rows.

    Then the axis determines it, and rows lie on one curve. In a design without a data frame, by
    its columns: all that are not made of the axis.
    """
    others = [other for other in post.design.mu.groups if other is not group]
    frame = _frame(post)
    if frame is None:
        own = _columns(post).items()
        columns: list[NDArray[Any]] = [x for term, x in own if not _mentions(term, axis.name)]
        offset = post.design.mu.offset
        columns += [] if offset is None else [offset]
        columns += [other.refs for other in others if other.name != axis.name]
        return all(np.ptp(x[rows]) == 0 for x in columns)
    factors = [factor for other in others for factor in other.factors]
    used = ({*mean_columns(post), *factors} - {axis.name}) & {*frame.columns}
    return all(frame[name].iloc[rows].nunique(dropna=False) <= 1 for name in used)


def _named(post: Posterior, x: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None and x in frame.columns:
        return _from_frame(frame[x])
    if x in _columns(post):
        return _of_term(post, x, frame)
    return next((_levels(g) for g in post.design.mu.groups if g.name == x), None)


def _of_term(post: Posterior, term: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None:
        if term in frame.columns:
            return _from_frame(frame[term])
        for column in frame.columns:
            if _mentions(term, str(column)):
                return _from_frame(frame[column])
    columns = _columns(post)
    return Covariate(term, columns[term]) if term in columns else None


def _mentions(term: str, column: str) -> bool:
    """Whether a term is made of a column, among others."""
    return re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.])", term) is not None


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
