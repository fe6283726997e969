"""Small multiples: data and fit, one panel per level of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mixedbayes.plots import categories, style
from mixedbayes.plots.along import Curve, Floats, category_curves, curve, probabilities
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    Covariate,
    Rows,
    alone,
    called,
    covariate,
    grouped,
    observed,
    response_axis,
    sheet,
    shown_levels,
    ticks,
)
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    Panel,
    Segments,
    Sheet,
    draw,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_LEGEND = 6.0  # inches
_ALONE = (5.8, 4.2)  # inches of a panel that is the only one
_MOST_ROWS = 400  # of a model without group effects that are predicted, evenly spread along x


def plot_fitted(
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
    """Data and fitted values, one panel per level of a grouping factor, or one without groups.

    Points are the data. The blue line is the posterior mean of the level's expected response,
    with the equal-tailed `prob` band; the dashed line is the population's, with every group
    effect 0. Where x does not determine the prediction, because further covariates, an offset or
    other grouping factors vary over a level's rows, there are points with intervals instead of a
    line, one for each row that differs.

    Of ordered categories, the probability of each: a line and band in a colour of its own. The
    points are the data, each at the probability of the category that was observed.

    Parameters
    ----------
    post
        The posterior.
    group
        Grouping factor whose levels are the panels; by default the first with a random slope,
        else the first.
    x
        Name of the covariate along the axis; by default the random slope's, else the first
        numeric term, else a categorical one; without any, the number of the row.
    levels
        Levels to show, in this order.
    max_levels
        Without `levels`: all levels if there are no more than this; else so many of them, evenly
        spaced in the rank of their effect (the slope's if there is one), from lowest to highest.
    prob
        Probability of the band.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the response scale; proportions for counts out
    of trials.

    Raises
    ------
    ModelError
        If the model has no such group, level or covariate, or the backend is unknown.

    See Also
    --------
    fitted : The numbers.
    plot_pooling : With the lines of no and complete pooling.
    plot_predictions : All levels in one panel.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_fitted(x="Days", levels=["308", "309"])
    >>> figure.savefig("fitted.png")
    """
    check_prob(prob)
    g = grouped(post, group, levels)
    axis = covariate(post, g, x)
    who = "expected" if g is None else called(g)
    if g is None:
        parts, note = [("", np.arange(post.design.n))], ""
    else:
        shown, note = shown_levels(post, g, levels, max_levels, with_rows=True)
        parts = [(f"{who} {g.levels[j]}", np.flatnonzero(g.refs == j)) for j in shown]
    labels = Labels.of(post, units)
    ordered = post.family.categories(post.design)
    y = observed(post)
    panels, points = [], False
    for title, rows in parts:
        only = alone(post, g, axis, rows)
        some = rows if g is not None else _spread(axis, rows, once=only and ordered is None)
        if ordered is not None:
            rows, at = some, axis.x[some]
            curves = category_curves(post, rows, axis, prob, alone=only)
            p = probabilities(post, rows)
            counts = post.family.category_counts(post.design.y[rows], len(ordered))
            marks = categories.fitted(curves, at, counts, p, axis)
        else:
            aside = 0.0 if axis.categories is None else 0.13  # data left, fit right of the tick
            fit = curve(post, some, axis, prob, alone=only)
            points = points or not fit.line
            marks = _marks(axis.x[rows] - aside, y[rows], fit, aside, population=g is not None)
        panels.append(Panel(marks, title=title))
    xlabel = "\n".join(filter(None, (labels.column(axis.name), note)))
    keys = (
        _keys(who, prob, points=points, population=g is not None)
        if ordered is None
        else categories.fitted_keys(ordered, prob)
    )
    across = len(keys) if ordered is None else categories.key_columns(keys, _LEGEND)
    ylabel = response_axis(post, labels)
    if g is None:
        places, limits = ticks(axis, _ALONE[0])
        panel = replace(
            panels[0], xlabel=xlabel, ylabel=ylabel, xlim=limits,
            xticks=None if axis.categories is None else places,
        )  # fmt: skip
        return draw(Sheet([[panel]], *_ALONE, keys=keys, key_columns=across), backend)
    return draw(sheet(panels, axis, xlabel, ylabel, keys, across), backend)


def _spread(axis: Covariate, rows: Rows, *, once: bool) -> Rows:
    """Rows evenly spread in the order of x; with `once`, one for each value of x."""
    order = rows[np.argsort(axis.x[rows], kind="stable")]
    if once:
        order = order[np.unique(axis.x[order], return_index=True)[1]]
    at = np.linspace(0, len(order) - 1, min(len(order), _MOST_ROWS)).round().astype(int)
    return order[at]


def _marks(
    x: Floats, y: Floats, fit: Curve, aside: float, *, population: bool = True
) -> list[Mark]:
    many = len(x) > 500
    data = Dots(x, y, style.INK, 4.0 if many else 9.0, alpha=0.3 if many else 0.75, gid="data")
    if fit.line:
        marks: list[Mark] = [
            data,
            Band(fit.x, fit.band[0], fit.band[1], style.PALE_BLUE, gid="band"),
            Line(fit.x, fit.mean, style.BLUE, 1.5, gid="fit"),
        ]
        typical: Mark = Line(fit.x, fit.population, style.MUTED, 0.9, dash=True, gid="population")
    else:
        at = fit.x + aside
        low, high = (np.column_stack([at, end]) for end in fit.band)
        marks = [
            data,
            Segments(low, high, style.PALE_BLUE, 4.0, gid="band", z=1.0),
            Dots(at, fit.mean, style.BLUE, 16.0, gid="fit", z=2.5),
        ]
        typical = Dots(at, fit.population, style.MUTED, 30.0, marker="_", gid="typical")
    return [*marks[:2], typical, *marks[2:]] if population else marks


def _keys(group: str, prob: float, *, points: bool, population: bool = True) -> list[Key]:
    keys = [
        Key("data", style.INK, "dot"),
        Key(f"{group}, {style.percent(prob)} band", style.PALE_BLUE, "patch", edge=style.BLUE),
    ]
    if population:
        keys.append(Key("population", style.MUTED, "dash", width=0.9))
    if points:
        keys.insert(1, Key("fitted", style.BLUE, "dot"))
    return keys
