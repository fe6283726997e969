"""Small multiples: data and fit, one panel per level of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixedbayes.plots import categories, style
from mixedbayes.plots.along import Curve, Floats, category_curves, curve, probabilities
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    alone,
    covariate,
    observed,
    response_axis,
    sheet,
    shown_levels,
    varying_group,
)
from mixedbayes.plots.scene import Band, Dots, Drawing, Key, Line, Mark, Panel, Segments, draw
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_LEGEND = 6.0  # inches


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
    """Data and fitted values, one panel per level of a grouping factor.

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
        numeric term, else a categorical one.
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

    Examples
    --------
    >>> fit.plot_fitted(x="Days", levels=["308", "309"])  # doctest: +SKIP
    """
    check_prob(prob)
    g = varying_group(post, group)
    axis = covariate(post, g, x)
    shown, note = shown_levels(post, g, levels, max_levels)
    labels = Labels.of(post, units)
    ordered = post.family.categories(post.design)
    y = observed(post)
    panels, points = [], False
    for j in shown:
        rows = np.flatnonzero(g.refs == j)
        at, only = axis.x[rows], alone(post, g, axis, rows)
        if ordered is not None:
            curves = category_curves(post, rows, axis, prob, alone=only)
            p = probabilities(post, rows)
            marks = categories.fitted(curves, at, post.design.y[rows], p, axis)
        else:
            aside = 0.0 if axis.categories is None else 0.13  # data left, fit right of the tick
            fit = curve(post, rows, axis, prob, alone=only)
            points = points or not fit.line
            marks = _marks(at - aside, y[rows], fit, aside)
        panels.append(Panel(marks, title=f"{g.name} {g.levels[j]}"))
    xlabel = "\n".join(filter(None, (labels.column(axis.name), note)))
    keys = (
        _keys(g.name, prob, points=points)
        if ordered is None
        else categories.fitted_keys(ordered, prob)
    )
    across = len(keys) if ordered is None else categories.key_columns(keys, _LEGEND)
    return draw(sheet(panels, axis, xlabel, response_axis(post, labels), keys, across), backend)


def _marks(x: Floats, y: Floats, fit: Curve, aside: float) -> list[Mark]:
    data = Dots(x, y, style.INK, 9.0, alpha=0.75, gid="data")
    if fit.line:
        return [
            data,
            Band(fit.x, fit.band[0], fit.band[1], style.PALE_BLUE, gid="band"),
            Line(fit.x, fit.population, style.MUTED, 0.9, dash=True, gid="population"),
            Line(fit.x, fit.mean, style.BLUE, 1.5, gid="fit"),
        ]
    at = fit.x + aside
    low, high = (np.column_stack([at, end]) for end in fit.band)
    return [
        data,
        Segments(low, high, style.PALE_BLUE, 4.0, gid="band", z=1.0),
        Dots(at, fit.population, style.MUTED, 30.0, marker="_", gid="typical"),
        Dots(at, fit.mean, style.BLUE, 16.0, gid="fit", z=2.5),
    ]


def _keys(group: str, prob: float, *, points: bool) -> list[Key]:
    keys = [
        Key("data", style.INK, "dot"),
        Key(f"{group}, {style.percent(prob)} band", style.PALE_BLUE, "patch", edge=style.BLUE),
        Key("population", style.MUTED, "dash", width=0.9),
    ]
    if points:
        keys.insert(1, Key("fitted", style.BLUE, "dot"))
    return keys
