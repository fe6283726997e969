"""Caterpillar picture of the group effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.results import kept
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob, tails

Floats = NDArray[np.float64]

_ROW = 0.19  # inches per level while there is room
_TALLEST = 8.5  # inches of one panel


@dataclass(frozen=True, eq=False)
class Caterpillar:
    """Intervals of one effect over a factor's levels, sorted by the posterior mean."""

    order: NDArray[np.intp]  # (J,) level at each row, lowest mean first
    mean: Floats  # (J,)
    outer: Floats  # (2, J)
    inner: Floats  # (2, J) the 50 % interval

    @property
    def clear(self) -> NDArray[np.bool_]:
        """(J,) whether the outer interval excludes 0."""
        return (self.outer[0] > 0) | (self.outer[1] < 0)


def caterpillar(draws: Floats, prob: float) -> Caterpillar:
    """Sorted equal-tailed intervals of (S, J) draws."""
    mean = draws.mean(axis=0)
    order = np.argsort(mean, kind="stable")
    low, high = tails(prob)
    q = np.quantile(draws[:, order], [low, 0.25, 0.75, high], axis=0)
    return Caterpillar(order, mean[order], q[[0, 3]], q[[1, 2]])


def of_effects(post: Posterior, group: str, k: int, prob: float) -> Caterpillar:
    """Intervals of a factor's k-th effect, from its draws or from the summaries kept of them."""
    if post.has_ranef(group):
        return caterpillar(post.ranef(group)[:, :, k], prob)
    found = kept.read(post, names.ranef(group))
    mean = found.summary.mean[:, k]
    order = np.argsort(mean, kind="stable")
    low, high = tails(prob)
    q = np.stack([kept.quantile_at(found, p)[order, k] for p in (low, 0.25, 0.75, high)])
    return Caterpillar(order, mean[order], q[[0, 3]], q[[1, 2]])


def plot_ranef(
    post: Posterior,
    group: str | None = None,
    *,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> style.Picture:
    """Caterpillar plot: the group effects, sorted, with their posterior intervals.

    One panel per grouping factor (rows) and term (columns), each sorted by the posterior mean.
    The thick line is the 50 % interval, the thin one the `prob` interval, both equal-tailed;
    levels whose `prob` interval excludes 0 are drawn in colour. Panels of the same term share
    their axis. With many levels only some are named, evenly spaced in rank.

    Parameters
    ----------
    post
        The posterior.
    group
        Name of one grouping factor; all by default.
    prob
        Probability of the outer interval.
    units
        Units of columns by name, for the axes: {"Reaction": "ms", "Days": "day"}.
    backend
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure. Effects are deviations from the population, on the link scale.

    Raises
    ------
    ModelError
        If the model has no such group, `prob` is not a probability, or the backend is another.
    """
    style.only_matplotlib(backend, "plot_ranef")
    check_prob(prob)
    groups = chosen_groups(post, group)
    labels = Labels.of(post, units)
    columns = list(dict.fromkeys(term for name in groups for term in post.group(name).terms))
    any_clear = False
    heights = [_panel_height(post.group(name).n_levels) for name in groups]
    with style.look():
        width = max(4.8, 3.6 * len(columns))
        fig = style.picture(width, sum(heights) + 0.75 * len(groups) + 0.35)
        axes = fig.subplots(
            len(groups), len(columns), squeeze=False, sharex="col", height_ratios=heights
        )
        for row, name in enumerate(groups):
            g = post.group(name)
            for column, term in enumerate(columns):
                ax = axes[row, column]
                if term not in g.terms:
                    ax.set_axis_off()
                    continue
                cat = of_effects(post, name, g.terms.index(term), prob)
                _draw(ax, cat, heights[row])
                _name_rows(ax, [str(g.levels[i]) for i in cat.order], heights[row])
                ax.set_title(f"{name}: {labels.term(term)}")
                ax.tick_params(labelbottom=True)
                ax.set_xlabel(f"deviation, {labels.coefficient(term)}")
                any_clear |= bool(cat.clear.any())
        fig.legend(handles=_legend(prob, any_clear), loc="outside lower center", ncols=3)
    return fig


def chosen_groups(post: Posterior, group: str | None) -> list[str]:
    """Names of the grouping factors to draw; ModelError if there is none such."""
    known = [g.name for g in post.design.mu.groups]
    if not known:
        raise ModelError("the model has no group effects to draw: no (... | group) in its formula")
    if group is None:
        return known
    if group not in known:
        raise ModelError(f"no grouping factor {group!r} in the model; it has {', '.join(known)}")
    return [group]


def _panel_height(n_levels: int) -> float:
    return float(np.clip(_ROW * n_levels, 0.8, _TALLEST))


def _draw(ax: Axes, cat: Caterpillar, height: float) -> None:
    rows = np.arange(len(cat.mean))
    pitch = 72 * height / len(rows)  # points per level
    thick, thin = np.clip(0.28 * pitch, 0.9, 3.6), np.clip(0.09 * pitch, 0.5, 1.1)
    for chosen, dark in ((~cat.clear, False), (cat.clear, True)):
        at, color = rows[chosen], style.BLUE if dark else style.MUTED
        outer = ax.hlines(at, *cat.outer[:, chosen], color=color, lw=thin, alpha=1 if dark else 0.7)
        inner = ax.hlines(at, *cat.inner[:, chosen], color=color, lw=thick)
        size = np.clip(0.42 * pitch, 1.2, 5.0) ** 2
        ax.scatter(cat.mean[chosen], at, s=size, color="white", edgecolor=color, lw=thin, zorder=3)
        outer.set_gid("outer clear" if dark else "outer")
        inner.set_gid("inner clear" if dark else "inner")
    style.zero_line(ax)
    margin = 0.6 if len(rows) < 60 else 0.01 * len(rows)
    ax.set_ylim(-margin - 0.2, len(rows) - 0.8 + margin)


def _name_rows(ax: Axes, level_names: list[str], height: float) -> None:
    """Name every level, or as many, evenly spaced in rank, as the panel has room for."""
    n = len(level_names)
    room = max(2, int(72 * height / (style.SMALL * 1.45)))
    rows = np.arange(n) if n <= room else np.unique(np.linspace(0, n - 1, room).round().astype(int))
    ax.set_yticks(rows, [level_names[i] for i in rows])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if len(rows) < n:
        ax.tick_params(axis="y", length=2)
        ax.set_ylabel(f"{len(rows)} of {n} levels named", fontsize=style.SMALL, color=style.MUTED)


def _legend(prob: float, any_clear: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], color=style.MUTED, lw=3.2, label="50 % interval"),
        Line2D([], [], color=style.MUTED, lw=1.0, label=f"{style.percent(prob)} interval"),
    ]
    if any_clear:
        text = f"{style.percent(prob)} interval excludes 0"
        handles.append(Line2D([], [], color=style.BLUE, lw=3.2, label=text))
    return handles
