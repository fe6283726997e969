"""Picture of shrinkage: from each group's own estimate to its estimate in the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from numpy.typing import NDArray
from scipy import stats

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import shrinkage

Floats = NDArray[np.float64]

NAMED_ROWS = 60  # levels up to which the one-term picture has a row for each
NAMED_ARROWS = 30  # levels up to which the arrows carry the level's name


@dataclass(frozen=True, eq=False)
class Pulled:
    """One factor's estimates before and after pooling; NaN where a level identifies none."""

    levels: tuple[str, ...]  # (J,)
    n: Floats  # (J,) rows
    before: Floats  # (J, k) no pooling
    after: Floats  # (J, k) partial pooling
    complete: Floats  # (k,)


@dataclass(frozen=True, eq=False)
class Population:
    """Where the model says the groups come from: Normal(mean, cov)."""

    mean: Floats  # (k,)
    cov: Floats  # (k, k)


def pulled(table: pd.DataFrame, group: str, terms: Sequence[str]) -> Pulled:
    """The rows of a shrinkage table for one group, as arrays with terms side by side."""
    rows = table[table["group"] == group]
    by_term = [rows[rows["term"] == term] for term in terms]

    def side(column: str) -> Floats:
        return np.column_stack([t[column].to_numpy(float) for t in by_term])

    return Pulled(
        levels=tuple(str(level) for level in by_term[0]["level"]),
        n=by_term[0]["n"].to_numpy(float),
        before=side("no_pooling"),
        after=side("partial_pooling"),
        complete=side("complete_pooling")[0],
    )


def population(post: Posterior, group: str, terms: Sequence[str]) -> Population:
    """Posterior means of the population effects and of the covariance of the group effects."""
    g = post.group(group)
    at = [g.terms.index(term) for term in terms]
    fixed = dict(zip(post.design.mu.terms, post.fixef().mean(axis=0), strict=True))
    fixed[names.INTERCEPT] = float(post.intercept().mean())
    mean = np.array([fixed.get(term, 0.0) for term in terms])
    return Population(mean, post.cov(group).mean(axis=0)[np.ix_(at, at)])


def plot_shrinkage(
    post: Posterior,
    group: str | None = None,
    *,
    terms: tuple[str, str] | tuple[str] | None = None,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> style.Picture:
    """How far each group's own estimate is pulled toward the population.

    With two terms the plane of both: an arrow per level from its no-pooling estimate (open) to
    its partial-pooling estimate (filled), the ellipses that hold 50 % and 95 % of the population
    of groups (posterior means of centre and covariance), and the complete-pooling estimate. With
    one term a row per level, or two rails where there are many levels. The size of a point grows
    with the level's number of rows. A level that does not identify its own estimate has no open
    point.

    Parameters
    ----------
    post
        The posterior.
    group
        Name of one grouping factor; all by default, one above the other.
    terms
        One or two of the factor's terms; the first two by default.
    units
        Units of columns by name, for the axes: {"Reaction": "ms", "Days": "day"}.
    backend
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure. Estimates are on the link scale.

    Raises
    ------
    ModelError
        If the model has no such group or term, or the backend is another.
    """
    style.only_matplotlib(backend, "plot_shrinkage")
    groups = chosen_groups(post, group)
    labels = Labels.of(post, units)
    table = shrinkage(post)
    shown = {name: _terms(post, name, terms) for name in groups}
    parts = {name: pulled(table, name, shown[name]) for name in groups}
    heights = [_height(part) for part in parts.values()]
    comparable = len(set(shown.values())) == 1 and all(len(t) == 1 for t in shown.values())
    with style.look():
        fig = style.picture(5.6, sum(heights) + 0.75 * len(groups) + 0.5)
        axes = fig.subplots(
            len(groups), 1, squeeze=False, sharex=comparable, height_ratios=heights
        )[:, 0]
        for ax, name in zip(axes, groups, strict=True):
            part = parts[name]
            ax.set_title(_heading(name, part))
            ax.tick_params(labelbottom=True)
            if len(shown[name]) == 2:
                _plane(ax, part, population(post, name, shown[name]))
                ax.set_xlabel(_axis(labels, shown[name][0]))
                ax.set_ylabel(_axis(labels, shown[name][1]))
                continue
            (_rows if len(part.levels) <= NAMED_ROWS else _rails)(ax, part)
            ax.set_xlabel(_axis(labels, shown[name][0]))
        two = any(len(t) == 2 for t in shown.values())
        fig.legend(handles=_legend(two), loc="outside lower center", ncols=2 if two else 3)
    return fig


def _terms(post: Posterior, group: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    known = post.group(group).terms
    if wanted is None:
        return known[:2]
    unknown = [term for term in wanted if term not in known]
    if unknown or len(wanted) not in (1, 2):
        raise ModelError(
            f"terms must be one or two of {group}'s effects ({', '.join(known)}), "
            f"got {', '.join(map(str, wanted)) or 'none'}"
        )
    return tuple(wanted)


def _heading(group: str, part: Pulled) -> str:
    low, high = int(part.n.min()), int(part.n.max())
    rows = f"{low} rows each" if low == high else f"{low} to {high} rows"
    return f"{group}: {len(part.levels)} levels, {rows}"


def _axis(labels: Labels, term: str) -> str:
    heading = labels.term(term)
    return f"{heading}: {labels.coefficient(term)}"


def _height(part: Pulled) -> float:
    if part.before.shape[1] == 2:
        return 4.6
    n = len(part.levels)
    return max(0.7, 0.19 * n) if n <= NAMED_ROWS else 2.4


def _sizes(n: Floats, largest: float) -> Floats:
    """Areas in points^2, proportional to the number of rows."""
    return np.clip(largest * n / n.max(), 0.15 * largest, None)


def _ring(ax: Axes, at: Floats, area: Floats) -> None:
    # wider than the dot, so that both are seen where a level is hardly pulled at all
    ring = ax.scatter(*at.T, s=1.7 * area, fc="white", ec=style.ORANGE, lw=1.0, zorder=3)
    ring.set_gid("no pooling")


def _dot(ax: Axes, at: Floats, area: Floats) -> None:
    ax.scatter(*at.T, s=area, color=style.BLUE, lw=0, zorder=4).set_gid("partial pooling")


def _plane(ax: Axes, part: Pulled, pop: Population) -> None:
    many = len(part.levels) > NAMED_ARROWS
    for prob, alpha in ((0.95, 0.25), (0.5, 0.5)):
        ax.add_patch(_ellipse(pop, prob, fc=style.PALE_BLUE, alpha=alpha, zorder=0))
        ax.add_patch(_ellipse(pop, prob, fc="none", ec=style.BLUE, lw=0.8, alpha=0.6, zorder=4.5))
    known = np.isfinite(part.before).all(axis=1)
    area = _sizes(part.n, 12 if many else 26)
    _ring(ax, part.before[known], area[known])
    _dot(ax, part.after, area)
    ax.scatter(*part.complete, marker="X", s=90, color=style.INK, ec="white", lw=0.8, zorder=5)
    ax.autoscale_view()
    ax.autoscale(False)
    _moves(ax, part.before[known], part.after[known], heads=not many)
    if not many:
        _name_points(ax, part)


def _moves(ax: Axes, start: Floats, end: Floats, heads: bool) -> None:
    """Lines from start to end (J, 2); with heads where there is room for one."""
    look = {"colors": style.MUTED, "lw": 0.9 if heads else 0.5, "alpha": 0.9 if heads else 0.5}
    moves = LineCollection(np.stack([start, end], axis=1), zorder=2, **look)
    moves.set_gid("moves")
    ax.add_collection(moves)
    if not heads:
        return
    inches = ax.figure.get_size_inches()
    view = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    points = np.linalg.norm((end - start) / view * inches * 72, axis=1)
    arrow = {"arrowstyle": "-|>", "color": style.MUTED, "lw": 0, "shrinkA": 3, "shrinkB": 2}
    for a, b in zip(start[points > 16], end[points > 16], strict=True):
        ax.annotate("", b, a, arrowprops={**arrow, "mutation_scale": 9}, zorder=2)


def _ellipse(pop: Population, prob: float, **kwargs: Any) -> Ellipse:
    """The ellipse that holds `prob` of a bivariate normal."""
    value, vector = np.linalg.eigh(pop.cov)
    width, height = 2 * np.sqrt(np.clip(value, 0, None) * stats.chi2.ppf(prob, 2))
    angle = float(np.degrees(np.arctan2(vector[1, 0], vector[0, 0])))
    ellipse = Ellipse((pop.mean[0], pop.mean[1]), width, height, angle=angle, **kwargs)
    ellipse.set_gid(f"population {prob:g}")
    return ellipse


def _name_points(ax: Axes, part: Pulled) -> None:
    """Names beside the outer end of each arrow, on the side that points away from the other."""
    outer = np.where(np.isfinite(part.before), part.before, part.after)
    span = np.ptp(outer, axis=0)
    away = (outer - part.after) / np.where(span > 0, span, 1)
    for name, at, (dx, dy) in zip(part.levels, outer, away, strict=True):
        length = np.hypot(dx, dy) or 1.0
        ax.annotate(
            name,
            at,
            xytext=(9 * dx / length, 8 * dy / length),
            textcoords="offset points",
            ha="left" if dx / length > 0.4 else "right" if dx / length < -0.4 else "center",
            va="bottom" if dy / length > 0.4 else "top" if dy / length < -0.4 else "center",
            fontsize=style.SMALL,
            color=style.MUTED,
        )


def _rows(ax: Axes, part: Pulled) -> None:
    """One row per level, sorted by the partial-pooling estimate."""
    order = np.argsort(part.after[:, 0], kind="stable")
    before, after = part.before[order, 0], part.after[order, 0]
    row = np.arange(len(order), dtype=float)
    known = np.isfinite(before)
    area = _sizes(part.n[order], 36)
    style.zero_line(ax, part.complete[0], color=style.INK, ls=(0, (4, 3)))
    ax.hlines(row[known], before[known], after[known], color=style.MUTED, lw=0.9)
    _ring(ax, np.column_stack([before, row])[known], area[known])
    _dot(ax, np.column_stack([after, row]), area)
    ax.set_yticks(row, [part.levels[i] for i in order])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.8, len(row) - 0.2)


def _rails(ax: Axes, part: Pulled) -> None:
    """No pooling above, partial pooling below, a line for each level."""
    before, after = part.before[:, 0], part.after[:, 0]
    known = np.isfinite(before)
    area = _sizes(part.n, 14)
    style.zero_line(ax, part.complete[0], color=style.INK, ls=(0, (4, 3)))
    ends = np.stack(
        [
            np.column_stack([before, np.ones_like(before)])[known],
            np.column_stack([after, np.zeros_like(after)])[known],
        ],
        axis=1,
    )
    moves = LineCollection(ends, colors=style.MUTED, lw=0.5, alpha=0.45, zorder=1)
    moves.set_gid("moves")
    ax.add_collection(moves)
    _ring(ax, ends[:, 0], area[known])
    _dot(ax, np.column_stack([after, np.zeros_like(after)]), area)
    ax.set_yticks([0.0, 1.0], ["partial\npooling", "no\npooling"])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.15, 1.15)


def _legend(two: bool) -> list[Line2D]:
    point = {"ls": "", "ms": 6}
    handles = [
        Line2D([], [], marker="o", mfc="white", mec=style.ORANGE, label="no pooling", **point),
        Line2D([], [], marker="o", color=style.BLUE, label="partial pooling", **point),
    ]
    if not two:
        dashed = Line2D([], [], color=style.INK, lw=0.9, ls=(0, (4, 3)), label="complete pooling")
        return [*handles, dashed]
    cross = Line2D([], [], marker="X", color=style.INK, label="complete pooling", **point)
    wide = Line2D([], [], color=style.PALE_BLUE, lw=7, label="50 % and 95 % of the population")
    return [*handles, cross, wide]
