"""Where a page draws: the axis, the columns along it in every group, and the points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design import replay
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.estimands.grid import shown
from mixedbayes.explore.sums import Sums
from mixedbayes.plots.along import places
from mixedbayes.plots.multiples import Covariate, covariate, mean_columns, mentions, typical

MOST_POINTS = 6_000  # of the picture; the sums have every row
_CURVE = 25  # places along a line that is bent
_ROWS = 200_000  # of new data at a time
_STRAIGHT = 1e-9  # of the size of a column, how far it may be from a line


@dataclass(frozen=True, eq=False)
class Lines:
    """What runs along the axis.

    Attributes
    ----------
    name
        Of the column along the axis; empty where there is none, and groups stand side by side.
    categories
        Its categories, where it has such.
    places
        (m,) along the axis; two where all lines are straight.
    straight
        Whether they are, so that columns between and beyond the places are known.
    X, Z
        (J, m, p) and (J, m, q) columns of every group there, other columns at the group's own
        mean or commonest category.
    typical_X, typical_Z
        (m, p) and (m, q) the same of a typical group.
    words
        Where other columns stand in the typical one: "sex = male".
    x, y, refs
        Points of the picture, and their group.
    left_out
        How many rows are not among them.
    """

    name: str
    categories: tuple[str, ...] | None
    places: Floats
    straight: bool
    X: Floats
    Z: Floats
    typical_X: Floats
    typical_Z: Floats
    words: str
    x: Floats
    y: Floats
    refs: Ints
    left_out: int


def lines_of(sums: Sums, x: str | None) -> Lines:
    """Along a column, or along the one that the model is about."""
    post, g = sums.post, sums.group
    axis = covariate(post, g, x)
    read = mean_columns(post) if x is None else post.design.frame.columns
    along = axis.name in read and axis.name not in g.factors
    if not along:
        axis = replace(axis, name="", categories=None, x=np.zeros(post.design.n))
    at, values = places(axis, post.design.frame, 3) if along else (np.zeros(1), None)
    found = _columns(sums, axis, values, own=True)
    one = _columns(sums, axis, values, own=False)
    straight = along and axis.categories is None and all(map(_straight, (*found, *one)))
    if straight:
        at = at[[0, -1]]
        found = found[0][:, [0, -1]], found[1][:, [0, -1]]
        one = one[0][:, [0, -1]], one[1][:, [0, -1]]
    elif along and axis.categories is None:
        at, values = places(axis, post.design.frame, _CURVE)
        found = _columns(sums, axis, values, own=True)
        one = _columns(sums, axis, values, own=False)
    rows = _thinned(g, axis.x)
    return Lines(
        axis.name, axis.categories, at, straight, *found, one[0][0], one[1][0],
        _words(sums, axis), axis.x[rows], sums.y[rows], g.refs[rows], len(axis.x) - len(rows),
    )  # fmt: skip


def _straight(columns: Floats) -> bool:
    """Whether columns (J, 3, k) at three places with equal distances lie on lines."""
    bend = np.abs(columns[:, 0] + columns[:, 2] - 2 * columns[:, 1])
    return bool((bend <= _STRAIGHT * np.abs(columns).max(axis=(0, 1), initial=0.0)).all())


def _columns(
    sums: Sums, axis: Covariate, values: pd.Series | None, *, own: bool
) -> tuple[Floats, Floats]:
    """(J, m, p) and (J, m, q) at places along the axis; of one typical group where not `own`."""
    post, g = sums.post, sums.group
    frame, J = post.design.frame, g.n_levels if own else 1
    m = 1 if values is None else len(values)
    others = [c for c in mean_columns(post) if c in frame.columns and c != axis.name]
    others = [c for c in others if c not in g.factors]
    refs = g.refs if own else np.zeros(len(g.refs), int)
    standing = {c: typical(frame[c], axis.coded, refs, J) for c in others}
    X, Z = [], []
    step = max(1, _ROWS // m)
    for start in range(0, J, step):
        part = np.arange(start, min(J, start + step))
        new = pd.DataFrame(index=range(len(part) * m))
        for c, column in standing.items():
            new[c] = column.iloc[np.repeat(part, m)].array
        for factor in g.factors:
            labels = g.parts[factor].iloc[np.repeat(part, m)]
            new[factor] = labels.array
        if values is not None:
            new[axis.name] = values.iloc[np.tile(np.arange(m), len(part))].array
        rows = replay(post.design, new, groups=[g.name])
        moved = post.priors.mu.moved(replace(post.design.mu, X=rows.X, groups=()))
        X.append(sums.population.columns(moved, sums.population.integrated))
        Z.append(sums.coordinates.Z(rows.groups[g.name].Z))
    return np.concatenate(X).reshape(J, m, -1), np.concatenate(Z).reshape(J, m, -1)


def _words(sums: Sums, axis: Covariate) -> str:
    """Where the typical group's columns are, of those that the coefficients are of."""
    frame, g = sums.post.design.frame, sums.group
    terms = " ".join((*sums.post.design.mu.terms, *g.terms))
    one = np.zeros(len(frame), int)
    said: Mapping[str, Any] = {
        c: typical(frame[c], axis.coded, one, 1).iloc[0]
        for c in mean_columns(sums.post)
        if c in frame.columns and c != axis.name and c not in g.factors
        if mentions(terms, c)
    }
    return ", ".join(f"{c} = {shown(v)}" for c, v in said.items())


def _thinned(g: GroupDesign, x: Floats) -> Ints:
    """Rows of the picture: of each group as many, evenly along the axis."""
    n = np.bincount(g.refs, minlength=g.n_levels)
    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    quota = 1
    while np.minimum(n, quota + 1).sum() <= MOST_POINTS:
        quota += 1
    order = np.lexsort((x, g.refs))
    place = np.arange(len(x)) - np.repeat(np.cumsum(n) - n, n)  # in its group
    many = np.repeat(n, n)
    # The first of each of `quota` equal parts of the group's rows.
    kept = (many <= quota) | ((place * quota) // many != ((place - 1) * quota) // many)
    rows = order[kept]
    if len(rows) > MOST_POINTS:  # more groups than points
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int)]
    return np.sort(rows)
