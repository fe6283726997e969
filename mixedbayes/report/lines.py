"""Interactive picture of pooling: the lines of all levels, and everything about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats, GroupDesign, NewRows
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.plots import style
from mixedbayes.plots.covariate import Covariate, covariate
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import response_axis, shown_levels, straight
from mixedbayes.plots.pooling import Least, Line, both_ends, flat, kinds, level_rows
from mixedbayes.report.figure import Figure, axis, layout, words
from mixedbayes.report.source import Source
from mixedbayes.results.fitted import observed
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import mean_coef
from mixedbayes.results.tables import tails
from mixedbayes.results.text import plural

MOST_LEVELS = 300  # of one factor, evenly spaced in the rank of their effect
MOST_POINTS = 200  # of one level's data, evenly spaced in its rows


def pooling_figures(source: Source) -> list[Figure]:
    """One picture for each grouping factor.

    ModelError where the model has no group effects, or its lines cannot be drawn.
    """
    post = source.post
    if not post.design.mu.groups:
        raise ModelError("the model has no group effects, so nothing is pooled")
    _check(post)
    return [_figure(source, g) for g in post.design.mu.groups]


def _check(post: Posterior) -> None:
    plain = type(post.family).expectation is Family.expectation
    if post.design.further and not plain:
        raise ModelError(
            f"the mean of {post.design.response} depends on {', '.join(post.design.further)}, "
            "which has a formula of its own"
        )


def _figure(source: Source, g: GroupDesign) -> Figure:
    post, frame = source.post, _predictors(source)
    along = covariate(post, g, None, frame)
    shown, note = shown_levels(post, g, None, MOST_LEVELS)
    least = both_ends(post, g) if straight(post.family) and not post.design.further else None
    y, coefs, levels = observed(post), mean_coef(post, g), []
    places, curve = np.zeros(0), False
    for j in shown:
        rows = np.flatnonzero(g.refs == j)
        places, new = level_rows(post, g, along, frame, rows)
        curve = along.categories is None or flat(new, g)
        lines = _lines(post, g, least, j, new, source.prob)
        levels.append(_level(g, j, along.x[rows], y[rows], lines, coefs[j]))
    labels = Labels.of(post, source.units)
    percent = style.percent(source.prob)
    return Figure(
        f"{g.name}, along {along.name}",
        _says(post, g, least, percent) + (f" {note}." if note else ""),
        [],
        layout(
            _x_axis(labels, along, places),
            axis(_response(post, labels), range=_range(y, levels)),
            500,
        ),
        script="pooling",
        extra={
            "factor": words(g.name),
            "x": places,
            "levels": levels,
            "curve": curve,
            "percent": percent,
            "colors": {
                "partial": style.BLUE,
                "none": style.ORANGE,
                "complete": style.INK,
                "typical": style.INK,
                "others": style.PALE_BLUE,
                "data": style.INK,
            },
        },
    )


def _predictors(source: Source) -> pd.DataFrame:
    """The columns of the right side, in the rows used: trials and weights have no typical value."""
    post, data = source.post, source.data
    frame = post.design.used(data)
    used = used_columns(post.design.formula)
    right = {*used.fixed, *used.groups, *(c for names in used.effects.values() for c in names)}
    return frame[[c for c in frame.columns if c in right]]


def _lines(
    post: Posterior, g: GroupDesign, least: Least | None, j: int, new: NewRows, prob: float
) -> Mapping[str, Line]:
    return expected(post, g, j, new, prob) if least is None else kinds(post, g, least, j, new, prob)


def expected(post: Posterior, g: GroupDesign, j: int, new: NewRows, prob: float) -> dict[str, Line]:
    """Expected response of one level at new rows, and with all its effects 0."""
    offset = np.zeros(len(new.X)) if new.offset is None else new.offset
    base = post.intercept()[:, None] + post.fixef() @ new.X.T + offset
    own = base + post.ranef(g.name)[:, j] @ new.groups[g.name].Z.T
    return {"typical": _summary(post, base, prob), "partial": _summary(post, own, prob)}


def _summary(post: Posterior, eta: Floats, prob: float) -> Line:
    mean = post.family.expectation(post.family.inverse(eta, np), post.parameters())
    lower, upper = np.quantile(mean, tails(prob), axis=0)
    return Line(mean.mean(axis=0), lower, upper)


def _level(
    g: GroupDesign, j: int, x: Floats, y: Floats, lines: Mapping[str, Line], coef: Floats
) -> dict[str, Any]:
    said = "<br>".join(f"{words(t)} {v:.4g}" for t, v in zip(g.terms, coef, strict=True))
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    note = "" if len(at) == len(x) else f"{len(at)} of {len(x):,} rows shown"
    if "none" in lines and np.isnan(lines["none"].mean).all():
        note = "; ".join(filter(None, (note, "no line of its own")))
    name = str(g.levels[j])
    return {
        "name": name,
        "hover": f"<b>{words(f'{g.name} {name}')}</b>, {plural(len(x), 'row')}<br>{said}",
        "note": note,
        "data": [x[at], y[at]],
        "lines": {
            kind: [line.mean] if kind in ("complete", "typical") else _drawn(line)
            for kind, line in lines.items()
        },
    }


def _drawn(line: Line) -> list[Floats]:
    return [line.mean, line.lower, line.upper]


def _x_axis(labels: Labels, along: Covariate, places: Floats) -> dict[str, Any]:
    if along.categories is None:
        return axis(labels.column(along.name))
    ticks = {"tickvals": list(range(len(along.categories)))} if len(along.categories) <= 60 else {}
    texts = [words(c) for c in along.categories]
    reach = {"range": [-0.5, len(places) - 0.5]}
    return axis(labels.column(along.name), **ticks, ticktext=texts, **reach)


def _range(y: Floats, levels: list[dict[str, Any]]) -> list[float]:
    """Holds all data and the lines of complete and partial pooling, so that no choice moves it."""
    means = [line[0] for v in levels for k, line in v["lines"].items() if k != "none"]
    low, high = min(y.min(), *map(np.min, means)), max(y.max(), *map(np.max, means))
    margin = 0.05 * (high - low) or 1.0
    return [low - margin, high + margin]


def _response(post: Posterior, labels: Labels) -> str:
    if post.family.categories(post.design) is not None:
        return f"{post.design.response}, mean of the codes 1, 2, …"
    return response_axis(post, labels)


def _says(post: Posterior, g: GroupDesign, least: Least | None, percent: str) -> str:
    start = (
        f"The pale lines are all levels of {g.name}, as the model has them; choose one in the list "
        "or with a click. "
    )
    rest = (
        " Other covariates are at the level's own mean or most frequent category; other grouping "
        "factors' effects are 0."
    )
    if least is None:
        why = f"the {post.family.name} family with {post.family.link.name} link"
        if post.design.further:
            why = f"a formula for {', '.join(post.design.further)}"
        return (
            f"{start}The blue line is its expected response, with the {percent} interval; the "
            "dashed line has all group effects 0. No and complete pooling are least squares, which "
            f"do not exist for {why}.{rest}"
        )
    return (
        f"{start}Orange: least squares within the level (no pooling). Blue: the level in the model "
        "(partial pooling). Dashed: least squares over all rows (complete pooling). Bands: "
        f"{percent} intervals.{rest}"
    )
