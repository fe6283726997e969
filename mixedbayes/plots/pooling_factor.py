"""Picture of shrinkage against the number of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import pooling_kernel, shrinkage, unit_variance
from mixedbayes.results.tables import check_prob

Floats = NDArray[np.float64]

_CURVE = 60  # points of the curve
_SPREAD = 0.012  # of the axis between levels with the same number of rows, where that helps


def plot_pooling_factor(
    post: Posterior,
    group: str | None = None,
    *,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> style.Picture:
    """How much each level is pooled, against its number of rows.

    One panel per grouping factor (rows) and term (columns). A point is a level: the posterior mean
    of its pooling factor, 0 for no pooling and 1 for complete pooling, with the equal-tailed `prob`
    interval. Where a factor's only effect is the intercept, the curve is what the model says of
    every n: the posterior mean of sigma^2 / (sigma^2 + n tau^2). Elsewhere the rows' covariates
    matter besides their number, and levels of one n differ. Levels that could not be told apart are
    drawn side by side.

    Parameters
    ----------
    post
        The posterior.
    group
        Name of one grouping factor; all by default.
    prob
        Probability of the intervals.
    units
        Units of columns by name, as the other pictures take them; none is shown here.
    backend
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure.

    Raises
    ------
    ModelError
        If the model has no such group, its link is not the identity, `prob` is not a probability,
        or the backend is another.
    """
    style.only_matplotlib(backend, "plot_pooling_factor")
    check_prob(prob)
    groups = chosen_groups(post, group)
    labels = Labels.of(post, units)
    table = shrinkage(post, prob)
    terms = list(dict.fromkeys(t for name in groups for t in post.group(name).terms))
    with style.look():
        fig = style.picture(max(4.8, 3.4 * len(terms)), 2.7 * len(groups) + 0.5)
        axes = fig.subplots(len(groups), len(terms), squeeze=False, sharey=True)
        for row, name in zip(axes, groups, strict=True):
            for ax, term in zip(row, terms, strict=True):
                own = table[(table["group"] == name) & (table["term"] == term)]
                if own.empty:
                    ax.set_axis_off()
                    continue
                _draw(ax, own)
                if post.group(name).terms == (names.INTERCEPT,) and post.design.weights is None:
                    _curve(ax, post, name)
                ax.set_title(f"{name}: {labels.term(term)}")
                ax.set_xlabel(f"rows of the {name}")
            row[0].set_ylabel("pooling factor")
        axes[0, 0].set_ylim(-0.03, 1.03)
        axes[0, 0].set_yticks([0, 0.5, 1], ["none 0", "0.5", "complete 1"])
        handles = _legend(prob, curve=any(line.get_gid() for ax in axes.flat for line in ax.lines))
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


def side_by_side(n: Floats) -> Floats:
    """(J,) log10 n with levels of one n spread around it, in the order in which they stand.

    The spread stays clear of the neighbouring n.
    """
    x = np.log10(n)
    values = np.unique(n)
    gaps = np.diff(np.log10(values), prepend=-np.inf, append=np.inf)
    width = max(np.ptp(x), 0.3)
    for value, room in zip(values, np.minimum(gaps[:-1], gaps[1:]), strict=True):
        same = np.flatnonzero(n == value)
        step = min(_SPREAD * width, 0.7 * min(room, width) / len(same))
        x[same] += step * (np.arange(len(same)) - (len(same) - 1) / 2)
    return x


def _draw(ax: Axes, table: pd.DataFrame) -> None:
    n = table["n"].to_numpy(float)
    x = side_by_side(n)
    many = len(x) > 100
    ax.vlines(
        x,
        table["pooling_lower"],
        table["pooling_upper"],
        color=style.MUTED,
        lw=0.4 if many else 0.8,
        alpha=0.6,
    )
    dots = ax.scatter(x, table["pooling"], s=6 if many else 16, color=style.BLUE, lw=0, zorder=3)
    dots.set_gid("levels")
    ax.set_xlim(x.min() - 0.15, x.max() + 0.15)
    shown = np.unique(n)
    if len(shown) > 6:
        shown = np.unique(np.geomspace(n.min(), n.max(), 6).round())
    ax.set_xticks(np.log10(shown), [f"{int(v)}" for v in shown])


def _curve(ax: Axes, post: Posterior, name: str) -> None:
    left, right = ax.get_xlim()
    x = np.linspace(left, right, _CURVE)
    gram = (10**x)[:, None, None]
    factor = pooling_kernel(post.cor(name), post.sd(name), gram, unit_variance(post))
    (line,) = ax.plot(x, factor[:, :, 0].mean(axis=0), color=style.ORANGE, lw=1.2, zorder=2)
    line.set_gid("curve")


def _legend(prob: float, *, curve: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], ls="", marker="o", ms=4, color=style.BLUE, label="level"),
        Line2D([], [], color=style.MUTED, lw=0.8, label=f"{style.percent(prob)} interval"),
    ]
    if curve:
        handles.append(Line2D([], [], color=style.ORANGE, lw=1.2, label="any number of rows"))
    return handles
