"""Ordered categories: the probability of each along a covariate, in a colour of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex

from mixedbayes.design.types import GroupDesign
from mixedbayes.plots import style
from mixedbayes.plots.along import Curve, Standing, expected, has_average, labels_of, unseen
from mixedbayes.plots.multiples import Covariate
from mixedbayes.plots.scene import Band, Dots, Floats, Key, Line, Mark, Segments, extent
from mixedbayes.results.posterior import Posterior

# Lowest to highest: from cold to warm, each darker or lighter than the next
_ORDER = LinearSegmentedColormap.from_list(
    "ordered", ["#0b3c5d", style.BLUE, "#2aa198", "#e69f00", style.ORANGE, "#8c1c13"]
)
_DODGE = 0.5  # of the distance between two ticks, over which the categories are spread
_BINS = 10  # of the data along a covariate of many values


def colors(count: int) -> list[str]:
    """A colour for each of so many ordered categories."""
    return [to_hex(_ORDER(k)) for k in np.linspace(0.12, 0.9, count)]


def fitted(
    curves: Sequence[Curve], x: Floats, counts: Floats, p: Floats, axis: Covariate
) -> list[Mark]:
    """Lines of one level's probabilities; its data, at those of what was observed.

    Parameters
    ----------
    curves
        One for each category.
    x
        (m,) places of the level's rows.
    counts
        (m, K) how many responses of each category they have; there is a dot for those with some.
    p
        (m, K) probabilities at these rows.
    axis
        Where it has categories too, the response's stand side by side at each.
    """
    own, (row, code) = colors(len(curves)), np.nonzero(counts)
    aside = _aside(len(curves)) if axis.categories is not None else np.zeros(len(curves))
    marks: list[Mark] = []
    for color, fit, shift in zip(own, curves, aside, strict=True):
        if fit.line:
            marks.append(Band(fit.x, fit.band[0], fit.band[1], color, 0.15, gid="band"))
            marks.append(Line(fit.x, fit.mean, color, 1.5, gid="fit"))
        else:
            low, high = (np.column_stack([fit.x + shift, end]) for end in fit.band)
            marks.append(Segments(low, high, color, 3.0, 0.3, gid="band", z=1.0))
            marks.append(Dots(fit.x + shift, fit.mean, color, 20.0, marker="_", gid="fit"))
    height = p[row, code]
    shades = [own[k] for k in code]
    marks.append(
        Dots(
            x[row] + aside[code],
            height,
            shades,
            17.0,
            edge="white",
            edge_width=0.6,
            gid="data",
            z=4.0,
        )
    )
    return marks


def predicted(
    post: Posterior,
    g: GroupDesign | None,
    standing: Standing,
    shown: Sequence[int],
    at: Floats,
    values: pd.Series | None,
    prob: float,
    kept: Any = slice(None),
) -> list[Mark]:
    """The typical level's probabilities, their mean over the population, and those of levels.

    `kept` says of which rows of the data the shares are.
    """
    axis = standing.axis
    new = standing.rows(values, unseen(g), len(at))
    theirs = {} if g is None else standing.own(g)
    typical = _columns(expected(post, g, new, "typical", prob))
    average = _columns(expected(post, g, new, "average", prob)) if has_average(post) else None
    own = [
        _columns(
            expected(
                post, g,
                standing.rows(
                    values, labels_of(g, j), len(at), {n: v.iloc[j] for n, v in theirs.items()}
                ),
                "own", prob,
            )
        )
        for j in shown
        if g is not None
    ]  # fmt: skip
    count = typical["mean"].shape[1]
    counts = post.family.category_counts(post.design.y, count)[kept]
    marks: list[Mark] = []
    for k, color in enumerate(colors(count)):
        ends = typical["lower"][:, k], typical["upper"][:, k]
        mean = typical["mean"][:, k]
        for level in own:
            marks.append(Line(at, level["mean"][:, k], color, 0.7, alpha=0.5, gid="conditional"))
        if axis.categories is None:
            marks.append(Band(at, *ends, color, 0.18, gid="band"))
            marks.append(Line(at, mean, color, 2.2, gid="typical", z=2.6))
            if average is not None:
                marks.append(Line(at, average["mean"][:, k], color, 1.1, dash=True, gid="average"))
            place = at
        else:
            place = at + _aside(count)[k]
            low, high = (np.column_stack([place, end]) for end in ends)
            marks.append(Segments(low, high, color, 2.0, 0.6, gid="band"))
            marks.append(Dots(place, mean, color, 30.0, gid="typical"))
            if average is not None:
                dash = Dots(place, average["mean"][:, k], color, 60.0, marker="_", gid="average")
                marks.append(dash)
        marks.append(_shares(axis, kept, counts, k, place - at, color))
    return marks


def _aside(count: int) -> Floats:
    """(K,) how far the categories stand from the tick of an axis with categories."""
    return _DODGE * ((np.arange(count) + 0.5) / count - 0.5)


def above_zero(marks: Sequence[Mark]) -> tuple[float, float]:
    """Limits of an axis of probabilities: from 0 to a little above the highest mark."""
    top = max(end for mark in marks for end in extent(mark, "y"))
    return -0.02 * top, 1.05 * top


def _columns(table: pd.DataFrame) -> dict[str, Floats]:
    """mean, lower and upper as (m, K)."""
    count = table["category"].cat.categories.size
    return {c: table[c].to_numpy().reshape(-1, count) for c in ("mean", "lower", "upper")}


def _shares(axis: Covariate, kept: Any, counts: Floats, k: int, aside: Floats, color: str) -> Dots:
    """Shares of the responses in category k, at each value of the axis or in bins of many rows."""
    along, totals = axis.x[kept], counts.sum(axis=1)
    places, bins = np.unique(along, return_inverse=True)
    if len(places) > _BINS:
        edges = np.quantile(along, np.linspace(0, 1, _BINS + 1)[1:-1])
        bins = np.searchsorted(edges, along, side="right")
    rows = np.bincount(bins)
    full = rows > 0
    x = np.bincount(bins, along)[full] / rows[full]
    share = np.bincount(bins, counts[:, k])[full] / np.bincount(bins, totals)[full]
    x = x if axis.categories is None else x + aside[x.astype(int)]
    return Dots(x, share, "white", 18.0, edge=color, edge_width=1.0, gid="share")


def fitted_keys(ordered: Sequence[Any], prob: float) -> list[Key]:
    """The legend of fitted probabilities: categories in their order, then what else there is."""
    observed = Key("data, at what was observed", style.MUTED, "dot")
    return [*_keys(ordered), Key(f"{style.percent(prob)} band", style.FAINT, "patch"), observed]


def predicted_keys(
    ordered: Sequence[Any], prob: float, *, average: bool, group: str, grouped: bool = True
) -> list[Key]:
    """The legend of predicted probabilities; `group` where lines of levels are shown."""
    whose = "effects 0, " if grouped else ""
    found = [*_keys(ordered), Key(f"{whose}{style.percent(prob)} band", style.FAINT, "patch")]
    if average:
        found.append(Key("mean over the population", style.MUTED, "dash"))
    if group:
        found.append(Key(f"each {group}", style.MUTED, width=0.7))
    return [*found, Key("share in the data", style.MUTED, "ring")]


def key_columns(keys: Sequence[Key], width: float) -> int:
    """Columns of a legend so wide, in inches, with as few rows as there is room for."""
    for lines in range(1, len(keys) + 1):
        columns = -(-len(keys) // lines)
        longest = [max(len(k.text) for k in keys[i::columns]) for i in range(columns)]
        if sum(longest) * style.LETTER + 30 * columns < 72 * width:
            return columns
    return 1


def _keys(ordered: Sequence[Any]) -> list[Key]:
    return [
        Key(str(label), color, width=2.2)
        for label, color in zip(ordered, colors(len(ordered)), strict=True)
    ]
