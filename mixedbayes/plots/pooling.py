"""Small multiples: complete, no and partial pooling, one panel per level."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mixedbayes import names
from mixedbayes.design import replay
from mixedbayes.design.types import GroupDesign, NewRows
from mixedbayes.plots import style
from mixedbayes.plots.along import curve_parts, places
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    Covariate,
    covariate,
    mean_columns,
    observed,
    sheet,
    shown_levels,
    typical,
    varying_group,
)
from mixedbayes.plots.scene import Band, Dots, Drawing, Key, Mark, Panel, Segments, Text, draw
from mixedbayes.plots.scene import Line as Drawn
from mixedbayes.results.pooling import Alone, Together, alone, together
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import check_least_squares, own_response
from mixedbayes.results.tables import tails

Floats = NDArray[np.float64]

_GRID = 25  # points of a line
_ASIDE = 0.22  # of a category's width, between the kinds of pooling


@dataclass(frozen=True, eq=False)
class Line:
    """One kind of pooling in one level: NaN where it is not identified."""

    mean: Floats  # (m,)
    lower: Floats  # (m,)
    upper: Floats  # (m,)


@dataclass(frozen=True, eq=False)
class Least:
    """Both ends of pooling, by least squares."""

    together: Together
    alone: Alone
    rest: Floats  # (k,) posterior means of what the factor does not vary, intercept first


def plot_pooling(
    post: Posterior,
    group: str | None = None,
    *,
    x: str | None = None,
    levels: Sequence[object] | None = None,
    max_levels: int = 24,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Data with the lines of complete, no and partial pooling, one panel per level.

    The dashed line is complete pooling, the same in every panel: least squares over all rows. The
    orange line is no pooling: least squares within the level. The blue line is partial pooling:
    the posterior mean of the level's expected response. Bands of the same colours are Student's t
    intervals of no pooling and posterior intervals of partial pooling. A level that identifies no
    line of its own says so. All lines span the whole range of x, so that it is seen what each kind
    of pooling says where a level has no data. Other covariates are at the level's own mean, or most
    frequent category; other grouping factors' effects are 0.

    Parameters
    ----------
    post
        The posterior of the model that pools partially.
    group
        Grouping factor whose levels are the panels; by default the first with a random slope,
        else the first.
    x
        Name of the covariate along the axis; by default the random slope's, else the first
        numeric term, else a categorical one.
    levels
        Levels to show, in this order.
    max_levels
        Without `levels`: all levels if there are no more than this; else so many of them, evenly
        spaced in the rank of their effect (the slope's if there is one), from lowest to highest.
    prob
        Probability of the bands.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        If the model has no such group, level or covariate, its link is not the identity, or the
        backend is unknown.

    See Also
    --------
    pooling : The numbers.
    plot_shrinkage : The coefficients, and where they are pulled.
    plot_data : The data before a model.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_pooling(max_levels=6)
    >>> figure.savefig("pooling.png")
    """
    check_least_squares(post, "plot_pooling()")
    g = varying_group(post, group)
    frame = post.design.frame
    axis = covariate(post, g, x)
    shown, note = shown_levels(post, g, levels, max_levels, with_rows=True)
    least = both_ends(post, g)
    labels = Labels.of(post, units)
    y = observed(post)
    window, panels = [y.min(), y.max()], []
    for j in shown:
        rows = np.flatnonzero(g.refs == j)
        at, new = level_rows(post, g, axis, frame, rows)
        lines = kinds(post, g, least, j, new, prob)
        as_lines = axis.categories is None or flat(new, g)
        marks = level_marks(axis.x[rows], y[rows], at, lines, as_lines=as_lines)
        window += [lines[k].mean.min() for k in ("complete", "partial")]
        window += [lines[k].mean.max() for k in ("complete", "partial")]
        panels.append(Panel(marks, title=f"{g.name} {g.levels[j]}"))
    margin = 0.06 * (max(window) - min(window))
    ylim = min(window) - margin, max(window) + margin
    panels = [replace(panel, ylim=ylim) for panel in panels]
    others = [c for c in mean_columns(post) if c != axis.name and c not in g.factors]
    own = f"{', '.join(others)}: at the level's own mean or commonest value" if others else ""
    xlabel = "\n".join(filter(None, (labels.column(axis.name), own, note)))
    return draw(sheet(panels, axis, xlabel, labels.observed, keys(prob), 2), backend)


def both_ends(post: Posterior, g: GroupDesign) -> Least:
    """Complete and no pooling of one factor's levels."""
    mu = post.design.mu
    fixed = {names.INTERCEPT: float(post.intercept().mean()) if mu.intercept else 0.0}
    fixed |= dict(zip(mu.terms, post.fixef().mean(axis=0), strict=True))
    rest = np.array([0.0 if t in g.terms else value for t, value in fixed.items()])
    known = post.known_variances
    own = alone(g, own_response(post, g), post.design.weights, known)
    return Least(together(post.design, known), own, rest)


def level_rows(
    post: Posterior, g: GroupDesign, axis: Covariate, frame: pd.DataFrame, rows: Any
) -> tuple[Floats, NewRows]:
    """Places along the axis and, there, rows like the level's own."""
    own = frame.iloc[rows]
    visits = g.covariance.of  # whose levels have effects, and nothing between them
    coded, all_alike = {*axis.coded, visits}, np.zeros(len(own), int)
    at, values = places(axis, frame, _GRID)
    if axis.categories is None and axis.name == visits:
        at = np.unique(axis.x)
        values = None if values is None else pd.Series(at)
    new = pd.DataFrame(index=range(len(at)))
    for name in own.columns:
        value = typical(own[name], coded, all_alike, 1)
        new[str(name)] = value.iloc[np.zeros(len(at), int)].array
    if values is not None:
        new[axis.name] = values.array
    for factor in g.factors:
        new[factor] = pd.Series([own[factor].iloc[0]] * len(at), dtype=own[factor].dtype)
    curves = [s.name for s in post.design.mu.smooths]
    return at, replay(post.design, new, groups=[*curve_parts(post, g), *curves])


def kinds(
    post: Posterior, g: GroupDesign, least: Least, j: int, new: NewRows, prob: float
) -> dict[str, Line]:
    """The three kinds of pooling of one level at new rows."""
    offset = np.zeros(len(new.X)) if new.offset is None else new.offset
    Z, one = new.groups[g.name].Z, np.ones((len(new.X), 1))
    X = np.column_stack([one, new.X])
    low, high = tails(prob)
    eta = post.intercept()[:, None] + post.fixef() @ new.X.T + post.ranef(g.name)[:, j] @ Z.T
    lower, upper = np.quantile(eta, [low, high], axis=0)
    whole, own = least.together, least.alone
    columns = X if names.INTERCEPT in whole.terms else new.X
    return {
        "complete": _line(columns, whole.estimate, whole.cov, whole.df, high, offset),
        "none": _line(
            Z, own.fits.estimate[j], own.cov[j], float(own.df[j]), high, offset + X @ least.rest
        ),
        "partial": Line(eta.mean(axis=0) + offset, lower + offset, upper + offset),
    }


def _line(W: Floats, estimate: Floats, cov: Floats, df: float, high: float, base: Floats) -> Line:
    """W estimate with its t interval, for W (m, k)."""
    mean = base + W @ estimate
    half = stats.t.ppf(high, max(df, 1)) * np.sqrt(np.einsum("mi,ij,mj->m", W, cov, W))
    return Line(mean, mean - half, mean + half)


_LOOKS: dict[str, dict[str, Any]] = {
    "complete": {"color": style.INK, "width": 0.9, "dash": True, "z": 2.2},
    "typical": {"color": style.INK, "width": 0.9, "dash": True, "z": 2.2},
    "none": {"color": style.ORANGE, "width": 1.0, "z": 2.4},
    "partial": {"color": style.BLUE, "width": 2.2, "z": 2.3},  # seen on both sides of the other
}
_BANDS: dict[str, dict[str, Any]] = {
    "none": {"color": style.ORANGE, "alpha": 0.13},
    "partial": {"color": style.PALE_BLUE, "alpha": 0.75},
}


def flat(new: NewRows, g: GroupDesign) -> bool:
    """Whether the axis is none of the model's columns, such as another factor's levels."""
    columns = np.column_stack([new.X, new.groups[g.name].Z])
    return bool((columns == columns[0]).all())


def level_marks(
    x: Floats,
    y: Floats,
    places: Floats,
    lines: Mapping[str, Line],
    *,
    as_lines: bool,
) -> list[Mark]:
    """One level's data, and each kind of pooling: as a line with its band, or as points."""
    aside = 0.0 if as_lines else 1.5 * _ASIDE
    marks: list[Mark] = [Dots(x - aside, y, style.INK, 9.0, alpha=0.75, gid="data")]
    for i, (kind, line) in enumerate(lines.items()):
        if not as_lines:
            marks += _points(kind, line, places + (i - 0.5) * _ASIDE)
            continue
        if kind in _BANDS:
            marks.append(Band(places, line.lower, line.upper, **_BANDS[kind], gid=f"{kind} band"))
        marks.append(Drawn(places, line.mean, **_LOOKS[kind], gid=kind))
    if "none" in lines and np.isnan(lines["none"].mean).all():
        text = "no line of its own" if as_lines else "not identified alone"
        marks.append(Text(0.03, 0.95, text, style.ORANGE, along="top", inside=True))
    return marks


def _points(kind: str, line: Line, at: Floats) -> list[Mark]:
    color = _LOOKS[kind]["color"]
    marker: Any = "_" if _LOOKS[kind].get("dash") else "o"
    marks: list[Mark] = [Dots(at, line.mean, color, 16.0, marker=marker, gid=kind)]
    if kind in _BANDS:
        low, high = (np.column_stack([at, end]) for end in (line.lower, line.upper))
        marks.append(Segments(low, high, color, 1.0, 0.6, gid=f"{kind} band"))
    return marks


def keys(prob: float, shown: Collection[str] = ("complete", "none", "partial")) -> list[Key]:
    """The legend of the data and the kinds of pooling that are shown."""
    band = f"{style.percent(prob)} interval"
    texts = {
        "complete": "complete pooling",
        "typical": "all group effects 0",
        "none": f"no pooling, {band}",
        "partial": f"partial pooling, {band}",
    }
    lines = [
        Key(
            text, look["color"], "dash" if look.get("dash") else "line", width=look["width"],
            gids=[kind, f"{kind} band"],
        )
        for kind, text in texts.items()
        if kind in shown
        for look in [_LOOKS[kind]]
    ]  # fmt: skip
    return [Key("data", style.INK, "dot", gids=["data"]), *lines]
