"""Small multiples: data and fit, one panel per level of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.plots import style
from mixedbayes.plots.covariate import Covariate, covariate
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_PANEL = (1.62, 1.5)  # inches
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
    line = axis.categories is None and len(x) > 1 and bool(np.all(np.diff(x) > 0))
    inverse = post.family.inverse
    if line and post.family.link.name != "identity":
        grid = np.linspace(x[0], x[-1], _GRID)
        eta, population = (np.array([np.interp(grid, x, e) for e in a]) for a in (eta, population))
        x = grid
    mean = inverse(eta, np)
    tail = (1 - prob) / 2
    band = np.quantile(mean, [tail, 1 - tail], axis=0)
    return Curve(x, mean.mean(axis=0), band, inverse(population, np).mean(axis=0), line)


def _rounded(a: Floats) -> Floats:
    scale = np.ptp(a) or np.abs(a).max() or 1.0
    return np.round(a / scale, 9)


def spanning(effect: Floats, k: int) -> NDArray[np.intp]:
    """k levels evenly spaced in the rank of their effect, lowest and highest among them."""
    order = np.argsort(effect, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, k).round().astype(int))]


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
) -> style.Picture:
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
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure, on the response scale; proportions for counts out of trials.

    Raises
    ------
    ModelError
        If the model has no such group, level or covariate, the response has no mean, or the
        backend is another.
    """
    style.only_matplotlib(backend, "plot_fitted")
    check_prob(prob)
    _check_mean(post)
    g = varying_group(post, group)
    axis = covariate(post, g, x, data)
    shown, note = shown_levels(post, g, levels, max_levels)
    labels = Labels.of(post, units)
    with style.look():
        fig, axes = panels(len(shown))
        for ax, j in zip(axes, shown, strict=True):
            rows = np.flatnonzero(g.refs == j)
            aside = 0.0 if axis.categories is None else 0.13  # data left, fit right of the tick
            fit = curve(post, rows, axis, prob)
            _draw(ax, axis.x[rows] - aside, observed(post)[rows], fit, aside)
            ax.set_title(f"{g.name} {g.levels[j]}", fontsize=9, fontweight="normal")
        ticks(axes[0], axis)
        fig.supxlabel("\n".join(filter(None, (labels.column(axis.name), note))), fontsize=9.5)
        fig.supylabel(response_axis(post, labels), fontsize=9.5)
        fig.legend(handles=_legend(g.name, prob), loc="outside upper center", ncols=3)
    return fig


def _check_mean(post: Posterior) -> None:
    if isinstance(post.family, Cumulative):
        raise ModelError(
            f"{post.design.response} is ordered categories, which have no mean to draw; "
            "plot_ranef and plot_residuals work for them"
        )


def varying_group(post: Posterior, group: str | None) -> GroupDesign:
    """The factor named; else the first with a random slope, else the first."""
    known = [post.group(name) for name in chosen_groups(post, group)]
    return next((g for g in known if any(t != names.INTERCEPT for t in g.terms)), known[0])


def shown_levels(
    post: Posterior, g: GroupDesign, levels: Sequence[object] | None, max_levels: int
) -> tuple[list[int], str]:
    """Codes of the levels to show, and what to say of the choice."""
    if levels is not None:
        at = {str(level): j for j, level in enumerate(g.levels)}
        unknown = [level for level in levels if str(level) not in at]
        if unknown or not len(levels):
            missing = ", ".join(map(str, unknown)) or "nothing"
            raise ModelError(f"levels: {missing} is not among the {g.n_levels} of {g.name}")
        return [at[str(level)] for level in levels], ""
    if max_levels < 1:
        raise ModelError(f"max_levels must be at least 1, got {max_levels}")
    if g.n_levels <= max_levels:
        return list(range(g.n_levels)), ""
    k = next((k for k, t in enumerate(g.terms) if t != names.INTERCEPT), 0)
    chosen = spanning(post.ranef(g.name)[:, :, k].mean(axis=0), max_levels)
    how = f"evenly spaced in rank of the {g.terms[k]} effect, lowest first"
    return chosen.tolist(), f"{len(chosen)} of {g.n_levels} levels, {how}"


def observed(post: Posterior) -> Floats:
    """(n,) the response; of binomial counts the share of successes."""
    d = post.design
    return d.y if d.trials is None else d.y / np.maximum(d.trials, 1)


def response_axis(post: Posterior, labels: Labels) -> str:
    """The response on the scale that `plot_fitted` and `plot_residuals` show."""
    if post.design.trials is None:
        return labels.observed
    return f"{post.design.response}, proportion of trials"


def panels(n: int) -> tuple[style.Picture, list[Axes]]:
    """A picture with n panels in rows, their axes shared."""
    columns = n if n <= 4 else 3 if n <= 6 else 4 if n <= 12 else 6
    rows = -(-n // columns)
    width, height = _PANEL if n > 4 else (2.4, 2.2)
    fig = style.picture(max(4.6, width * columns + 0.5), height * rows + 0.8)
    grid = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax in grid.flat[n:]:
        ax.remove()
    for ax in grid.flat[max(0, n - columns) : n]:  # nothing stands below these
        ax.tick_params(labelbottom=True)
    return fig, list(grid.flat[:n])


def _draw(ax: Axes, x: Floats, y: Floats, fit: Curve, aside: float) -> None:
    ax.scatter(x, y, s=9, color=style.INK, alpha=0.75, lw=0, zorder=3).set_gid("data")
    dashes: Any = (0, (4, 3))
    if fit.line:
        ax.fill_between(fit.x, *fit.band, color=style.PALE_BLUE, alpha=0.75, lw=0).set_gid("band")
        ax.plot(fit.x, fit.population, color=style.MUTED, lw=0.9, ls=dashes, gid="population")
        ax.plot(fit.x, fit.mean, color=style.BLUE, lw=1.5, gid="fit")
        return
    at = fit.x + aside
    ax.vlines(at, *fit.band, color=style.PALE_BLUE, lw=4).set_gid("band")
    ax.scatter(at, fit.population, marker="_", s=30, color=style.MUTED, lw=0.9)
    ax.scatter(at, fit.mean, s=16, color=style.BLUE, lw=0, zorder=2.5).set_gid("fit")


def ticks(ax: Axes, axis: Covariate) -> None:
    """Ticks of the shared axes: categories by name while there is room, else by a few numbers."""
    ax.yaxis.set_major_locator(MaxNLocator(4))
    if axis.categories is None:
        whole = bool(np.all(axis.x == np.round(axis.x)))
        ax.xaxis.set_major_locator(MaxNLocator(3, integer=whole))
        return
    n = len(axis.categories)
    at = np.unique(np.linspace(0, n - 1, min(n, 9)).round().astype(int))
    texts = [axis.categories[i] for i in at]
    crowded = sum(len(t) + 2 for t in texts) * 0.62 * style.SMALL > 72 * (_PANEL[0] - 0.3)
    ax.set_xticks(at, texts)
    ax.set_xlim(-0.5, n - 0.5)
    for panel in ax.figure.axes:
        panel.tick_params(axis="x", rotation=90 if crowded else 0)


def _legend(group: str, prob: float) -> list[Any]:
    return [
        Line2D([], [], ls="", marker="o", ms=3.5, color=style.INK, label="data"),
        Patch(fc=style.PALE_BLUE, ec=style.BLUE, label=f"{group}, {style.percent(prob)} band"),
        Line2D([], [], color=style.MUTED, lw=0.9, ls=(0, (4, 3)), label="population"),
    ]
