"""Simpson's paradox: the slope within groups beside the slope between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedbayes.design.types import GroupDesign, Ints
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns
from mixedbayes.plots import style
from mixedbayes.plots.along import Standing, arm_of, expected, labels_of, numeric
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    check_mean,
    covariate,
    observed,
    response_axis,
    straight,
    varying_group,
)
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Floats,
    Key,
    Line,
    Mark,
    Panel,
    Sheet,
    check_backend,
    draw,
)
from mixedbayes.results.posterior import Posterior

_POINTS = 20  # of a level's line where the link bends it
_WIDTH = 5.8  # inches
_MOST_ROWS = 4000  # of predictions, which bounds the number of lines


@dataclass(frozen=True, eq=False)
class Slopes:
    """Least-squares lines y = intercept + slope x: together = share between + (1 - share) within.

    `share` is the between-group part of the sum of squares of x. The within-group slope is that of
    deviations from the groups' means, the between-group line goes through the means, each weighted
    by its rows.
    """

    within: float
    between: tuple[float, float]  # intercept, slope
    together: tuple[float, float]  # intercept, slope
    share: float
    x: Floats  # (J,) means
    y: Floats  # (J,)


def slopes(x: Floats, y: Floats, refs: Ints, n_levels: int) -> Slopes:
    """Slopes within and between groups, and over all rows regardless of the group."""
    n = np.bincount(refs, minlength=n_levels).astype(float)
    mean_x, mean_y = (np.bincount(refs, a, n_levels) / n for a in (x, y))
    dx, dy = x - mean_x[refs], y - mean_y[refs]
    center_x, center_y = x.mean(), y.mean()
    ux, uy = mean_x - center_x, mean_y - center_y
    inner, outer = float(dx @ dx), float(n @ ux**2)
    within = float(dx @ dy) / inner if inner > 0 else np.nan
    apart = outer > 1e-12 * (inner + outer)  # whether the means of x differ
    between = float(n @ (ux * uy)) / outer if apart else np.nan
    together = (float(dx @ dy) + float(n @ (ux * uy))) / (inner + outer)
    return Slopes(
        within,
        (float(center_y - between * center_x), between),
        (float(center_y - together * center_x), together),
        outer / (inner + outer),
        mean_x,
        mean_y,
    )


def plot_simpson(
    post: Posterior,
    group: str | None = None,
    *,
    x: str | None = None,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Lines within groups, the line between the groups' means, and one line for all rows.

    Thin solid lines are the model's: each level's expected response over its own range of x, other
    covariates at their mean or most frequent value, other grouping factors' effects 0. The dashed
    lines are least squares on the response scale: between groups through the groups' means (large
    dots), weighted by their rows; all rows regardless of the group. The legend has the slopes; the
    one within groups is the mean of the model's lines, and is left out where a link bends them.
    Least squares over all rows mixes the slopes within and between groups, weighted by the sums of
    squares of x. Where all groups have the same mean of x, there is nothing between them to show.

    Parameters
    ----------
    post
        The posterior.
    group
        Grouping factor; by default the first with a random slope, else the first.
    x
        Name of the numeric covariate along the axis; by default the random slope's, else the first
        numeric term.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the response scale.

    Raises
    ------
    ModelError
        If the model has no such group or covariate, the covariate has categories or one value in
        all rows, the response has no mean or its means no average, or the backend is unknown.

    See Also
    --------
    simulate_simpson : Data that reverse.
    check : Says where slopes within and between groups differ.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> fit = mb.fit("V2 ~ V1 + (1 | Group)", mb.load_data("simpson"), seed=1)
    >>> figure = fit.plot_simpson()
    >>> figure.savefig("simpson.png")

    References
    ----------
    Kievit et al. (2013), doi:10.3389/fpsyg.2013.00513.
    """
    check_backend(backend)
    check_mean(post)
    if post.family.no_average:
        raise ModelError(
            f"plot_simpson() draws a line through groups' means: {post.family.no_average}; "
            "plot_fitted() has the lines of the groups"
        )
    g = varying_group(post, group)
    axis = covariate(post, g, x)
    numeric(axis, "plot_simpson()")
    if np.ptp(axis.x) == 0:
        raise ModelError(
            f"{axis.name} is {axis.x[0]:g} in all rows, and plot_simpson() compares slopes: name a "
            "predictor that varies with x=, or see plot_fitted()"
        )
    standing = Standing(Columns(post.design), axis)
    y = observed(post)
    seen, refs = np.unique(g.refs, return_inverse=True)  # a known relation has others as well
    found = slopes(axis.x, y, refs, len(seen))
    lines = _within(post, g, standing)
    labels = Labels.of(post, units)
    colors = style.PALETTE[: g.n_levels] if g.n_levels <= len(style.PALETTE) else None
    panel = Panel(
        _marks(axis.x, y, g, found, lines, colors),
        xlabel="\n".join(filter(None, (labels.column(axis.name), _held(post, g, standing)))),
        ylabel=response_axis(post, labels),
    )
    model = _slope(lines) if straight(post.family) else None
    keys = _keys(g, found, model, colors)
    height = 4.2 + 0.17 * max(0, len(keys) // 2 - 2)
    return draw(Sheet([[panel]], _WIDTH, height, keys=keys, key_columns=2), backend)


def _held(post: Posterior, g: GroupDesign, standing: Standing) -> str:
    """Where the model's lines have the other covariates."""
    found = standing.words(post, _WIDTH, arm_of(g, 0))
    return f"lines within groups {found}" if found else ""


def _within(
    post: Posterior, g: GroupDesign, standing: Standing
) -> list[tuple[int, Floats, Floats]]:
    """Level, x and expected response, for as many levels as there is room for."""
    axis = standing.axis
    points = 2 if straight(post.family) else _POINTS
    most = max(1, _MOST_ROWS // points)
    seen = np.unique(g.refs)
    shown = seen[np.unique(np.linspace(0, len(seen) - 1, min(most, len(seen))).round().astype(int))]
    places, parts = [], []
    for j in shown:
        own = axis.x[g.refs == j]
        at = np.linspace(own.min(), own.max(), points)
        places.append(at)
        values = pd.Series(at) if axis.name in post.design.frame.columns else None
        parts.append(standing.rows(values, labels_of(g, int(j)), points, arm_of(g, int(j))))
    new = pd.concat(parts, ignore_index=True)
    mean = expected(post, g, new, "own", 0.5)["mean"].to_numpy().reshape(len(shown), points)
    return list(zip(map(int, shown), places, mean, strict=True))


def _slope(lines: list[tuple[int, Floats, Floats]]) -> float:
    """Mean slope of the lines that have a length."""
    found = [(y[-1] - y[0]) / (x[-1] - x[0]) for _, x, y in lines if x[-1] > x[0]]
    return float(np.mean(found)) if found else np.nan


def _marks(
    x: Floats,
    y: Floats,
    g: GroupDesign,
    found: Slopes,
    lines: list[tuple[int, Floats, Floats]],
    colors: tuple[str, ...] | None,
) -> list[Mark]:
    each = [style.MUTED] * len(x) if colors is None else [colors[j] for j in g.refs]
    many = len(x) > 500
    marks: list[Mark] = [
        Dots(x, y, each, 5.0 if many else 10.0, alpha=0.3 if many else 0.5, gid="data", z=1.0)
    ]
    for j, at, mean in lines:
        color = style.BLUE if colors is None else colors[j]
        width, alpha = (0.8, 0.6) if colors is None else (2.0, 1.0)
        name = [str(g.levels[j])] * len(at)
        marks.append(Line(at, mean, color, width, alpha=alpha, names=name, gid="within", z=2.5))
    there = np.unique(g.refs)
    own = style.BLUE if colors is None else [colors[j] for j in there]
    marks.append(
        Dots(
            found.x, found.y, own, 26.0 if colors is None else 60.0, edge="white",
            edge_width=1.0, names=[str(g.levels[j]) for j in there], gid="means", z=4.0,
        )
    )  # fmt: skip
    if np.isfinite(found.between[1]):
        middle = np.array([found.x.min(), found.x.max()])
        line = found.between[0] + found.between[1] * middle
        marks.append(Line(middle, line, style.INK, 2.0, dash=True, gid="between", z=3.5))
    start, slope = found.together
    ends = np.linspace(x.min(), x.max(), 200)
    line = start + slope * ends
    seen = (line >= y.min()) & (line <= y.max())  # a line leaves the range of shares and counts
    marks.append(Line(ends[seen], line[seen], style.MUTED, 1.4, dash=True, gid="together", z=3.2))
    return marks


def _keys(
    g: GroupDesign, found: Slopes, model: float | None, colors: tuple[str, ...] | None
) -> list[Key]:
    of_model = "" if model is None else f": mean slope {model:.3g}"
    keys = [
        Key(f"within each {g.name}{of_model}", style.BLUE if colors is None else style.INK),
        Key(f"all rows together: slope {found.together[1]:.3g}", style.MUTED, "dash"),
    ]
    if np.isfinite(found.between[1]):
        text = f"between {g.name} means: slope {found.between[1]:.3g}"
        keys.insert(1, Key(text, style.INK, "dash", 2.0))
    if colors is None:
        return keys
    seen = np.unique(g.refs)
    return [*keys, *(Key(f"{g.name} {g.levels[j]}", colors[j], "dot") for j in seen)]
