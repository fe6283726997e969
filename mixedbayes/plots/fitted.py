"""Small multiples: data and fit, one panel per level of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.plots import style
from mixedbayes.plots.covariate import Covariate, covariate
from mixedbayes.plots.draw import Drawing, draw
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    check_mean,
    observed,
    response_axis,
    sheet,
    shown_levels,
    straight,
    varying_group,
)
from mixedbayes.plots.scene import Band, Dots, Key, Line, Mark, Panel, Segments
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob, tails

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_GRID = 25  # points of a line under a link that bends it


@dataclass(frozen=True, eq=False)
class Curve:
    """The fit of one level along x, on the response scale."""

    x: Floats  # (m,)
    mean: Floats  # (m,)
    band: Floats  # (2, m)
    population: Floats  # (m,) with every group effect 0
    line: bool  # whether the points lie on one curve, or stand alone


def population_predictor(post: Posterior, rows: Rows) -> Floats:
    """(S, m) draws of the linear predictor at some rows with every group effect 0."""
    mu = post.design.mu
    eta = post.intercept()[:, None] + post.fixef() @ mu.X[rows].T
    return eta if mu.offset is None else eta + mu.offset[rows]


def curve(post: Posterior, rows: Rows, axis: Covariate, prob: float) -> Curve:
    """The fit at one level's rows, along the axis.

    Rows at the same x with the same prediction count once. If x determines the prediction they
    form one line, straight on the link scale between neighbours; else they are single points.
    """
    eta, population = linear_predictor(post, rows).T, population_predictor(post, rows)
    x = axis.x[rows]
    places, first = np.unique(
        np.column_stack([x, _rounded(eta.mean(axis=0))]), axis=0, return_index=True
    )
    x, eta, population = places[:, 0], eta[:, first], population[:, first]
    own = {k: _at(v, first) for k, v in row_parameters(post, rows).items()}
    line = axis.categories is None and len(x) > 1 and bool(np.all(np.diff(x) > 0))
    if line and not straight(post.family):
        grid = np.linspace(x[0], x[-1], _GRID)
        eta, population = _between(grid, x, eta), _between(grid, x, population)
        own = {
            k: _between(grid, x, v) if v.shape == (len(eta), len(x)) else v for k, v in own.items()
        }
        x = grid
    mean, typical = (
        post.family.expectation(post.family.inverse(e, np), own) for e in (eta, population)
    )
    band = np.quantile(mean, tails(prob), axis=0)
    return Curve(x, mean.mean(axis=0), band, typical.mean(axis=0), line)


def _at(values: Floats, columns: Rows) -> Floats:
    return values[:, columns] if values.ndim == 2 else values


def _between(grid: Floats, x: Floats, draws: Floats) -> Floats:
    return np.array([np.interp(grid, x, row) for row in draws])


def _rounded(a: Floats) -> Floats:
    scale = np.ptp(a) or np.abs(a).max() or 1.0
    return np.round(a / scale, 9)


def plot_fitted(
    post: Posterior,
    group: str | None = None,
    *,
    x: str | None = None,
    levels: Sequence[object] | None = None,
    max_levels: int = 24,
    prob: float = 0.95,
    data: pd.DataFrame | None = None,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Data and fitted values, one panel per level of a grouping factor.

    Points are the data. The blue line is the posterior mean of the level's expected response,
    with the equal-tailed `prob` band; the dashed line is the population's, with every group
    effect 0. Where x does not determine the prediction (further covariates, other grouping
    factors) there are points with intervals instead of a line.

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
    data
        The data frame of the model, to find x among its columns.
    units
        Units of columns by name, for the axes: {"Reaction": "ms", "Days": "day"}.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the response scale; proportions for counts out
    of trials.

    Raises
    ------
    ModelError
        If the model has no such group, level or covariate, the response has no mean, or the
        backend is unknown.
    """
    check_prob(prob)
    check_mean(post)
    g = varying_group(post, group)
    axis = covariate(post, g, x, data)
    shown, note = shown_levels(post, g, levels, max_levels)
    labels = Labels.of(post, units)
    y = observed(post)
    panels = []
    for j in shown:
        rows = np.flatnonzero(g.refs == j)
        aside = 0.0 if axis.categories is None else 0.13  # data left, fit right of the tick
        marks = _marks(axis.x[rows] - aside, y[rows], curve(post, rows, axis, prob), aside)
        panels.append(Panel(marks, title=f"{g.name} {g.levels[j]}"))
    xlabel = "\n".join(filter(None, (labels.column(axis.name), note)))
    keys = _keys(g.name, prob)
    return draw(sheet(panels, axis, xlabel, response_axis(post, labels), keys, 3), backend)


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


def _keys(group: str, prob: float) -> list[Key]:
    return [
        Key("data", style.INK, "dot"),
        Key(f"{group}, {style.percent(prob)} band", style.PALE_BLUE, "patch", edge=style.BLUE),
        Key("population", style.MUTED, "dash", width=0.9),
    ]
