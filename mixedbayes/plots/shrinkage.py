"""Picture of shrinkage: from each group's own estimate to its estimate in the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import TALLEST, chosen_groups, named_rows
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Height,
    Key,
    Mark,
    Oval,
    Panel,
    Rule,
    Segments,
    Sheet,
    Side,
    Text,
    Ticks,
    draw,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.text import plural

Floats = NDArray[np.float64]

NAMED_ROWS = 60  # levels up to which the one-term picture has a row for each
NAMED_ARROWS = 30  # levels up to which the arrows carry the level's name


@dataclass(frozen=True, eq=False)
class Pulled:
    """One factor's estimates before and after pooling; NaN where a level identifies none."""

    group: str
    levels: tuple[str, ...]  # (J,)
    n: Floats  # (J,) rows
    before: Floats  # (J, k) no pooling
    after: Floats  # (J, k) partial pooling
    complete: Floats  # (k,)
    says: tuple[tuple[str, ...], ...]  # (J,) lines about each level

    @property
    def names(self) -> list[str]:
        return [f"{self.group} {level}" for level in self.levels]

    def at(self, chosen: NDArray[Any]) -> Pulled:
        """The same of some levels."""
        k = np.arange(len(self.levels))[chosen]
        levels, says = tuple(self.levels[i] for i in k), tuple(self.says[i] for i in k)
        before, after = self.before[k], self.after[k]
        return Pulled(self.group, levels, self.n[k], before, after, self.complete, says)


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

    said = [_says(term, own) for term, own in zip(terms, by_term, strict=True)]
    n = by_term[0]["n"]
    return Pulled(
        group=group,
        levels=tuple(str(level) for level in by_term[0]["level"]),
        n=n.to_numpy(float),
        before=side("no_pooling"),
        after=side("partial_pooling"),
        complete=side("complete_pooling")[0],
        says=tuple(
            (plural(int(rows), "row"), *chain.from_iterable(lines))
            for rows, *lines in zip(n, *said, strict=True)
        ),
    )


def _says(term: str, own: pd.DataFrame) -> list[list[str]]:
    """Lines about one effect of every level."""
    out = []
    for r in own.itertuples():
        alone = f"{r.no_pooling:.4g}" if np.isfinite(r.no_pooling) else f"none: {r.note}"
        out.append(
            [
                f"{term}: no pooling {alone}",
                f"  partial pooling {r.partial_pooling:.4g}, complete {r.complete_pooling:.4g}",
                f"  pooling factor {r.pooling:.2f} "
                f"({r.pooling_lower:.2f} to {r.pooling_upper:.2f})",
            ]
        )
    return out


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
) -> Drawing:
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
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout. Estimates are on the link scale.

    Raises
    ------
    ModelError
        If the model has no such group or term, or the backend is unknown.

    See Also
    --------
    shrinkage : The numbers.
    plot_pooling : The lines in a panel for each level.
    explore : A page on which variances are moved.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_shrinkage(terms=("Intercept", "Days"))
    >>> figure.savefig("shrinkage.png")
    """
    groups = chosen_groups(post, group)
    labels = Labels.of(post, units)
    table = shrinkage(post)
    shown = {name: _terms(post, name, terms) for name in groups}
    parts = {name: pulled(table, name, shown[name]) for name in groups}
    heights = [height(part) for part in parts.values()]
    comparable = len(set(shown.values())) == 1 and all(len(t) == 1 for t in shown.values())
    panels = [panel(post, parts[name], shown[name], labels) for name in groups]
    two = any(len(t) == 2 for t in shown.values())
    named = [t for p in panels if isinstance(p.yticks, Ticks) for t in p.yticks.texts]
    beside = max((len(text) for text in named), default=0) * style.LETTER / 72
    sheet = Sheet(
        [[panel] for panel in panels],
        width=5.6 + max(0.0, beside - 0.7),
        height=sum(heights) + 0.75 * len(groups) + 0.5,
        heights=heights,
        share_x="all" if comparable else "none",
        keys=keys(two),
        key_columns=2 if two else 3,
    )
    return draw(sheet, backend)


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


def panel(
    post: Posterior,
    part: Pulled,
    terms: tuple[str, ...],
    labels: Labels,
    *,
    most_rows: int = NAMED_ROWS,
) -> Panel:
    """The plane of two effects; of one a row for each level, or rails where levels are more."""
    low, high = int(part.n.min()), int(part.n.max())
    rows = f"{low} rows each" if low == high else f"{low} to {high} rows"
    title = f"{part.group}: {len(part.levels)} levels, {rows}"
    axes = [f"{labels.term(term)}: {labels.coefficient(term)}" for term in terms]
    if len(terms) == 2:
        marks = _plane(part, population(post, part.group, terms))
        return Panel(marks, title=title, xlabel=axes[0], ylabel=axes[1])
    if len(part.levels) <= most_rows:
        ordered = part.at(np.argsort(part.after[:, 0], kind="stable"))
        ticks = named_rows(list(ordered.levels), height(part, most_rows))
        marks, ylim = _rows(ordered), (-0.8, len(part.levels) - 0.2)
    else:
        marks, ylim = _rails(part), (-0.15, 1.15)
        ticks = Ticks(np.array([0.0, 1.0]), ["partial\npooling", "no\npooling"], marks=False)
    return Panel(marks, title=title, xlabel=axes[0], ylim=ylim, yticks=ticks, y_line=False)


def height(part: Pulled, most_rows: int = NAMED_ROWS) -> float:
    """Inches of a panel."""
    if part.before.shape[1] == 2:
        return 4.6
    n = len(part.levels)
    return min(max(0.7, 0.19 * n), TALLEST) if n <= most_rows else 2.4


def _sizes(n: Floats, largest: float) -> Floats:
    """Areas in points^2, proportional to the number of rows."""
    return np.clip(largest * n / n.max(), 0.15 * largest, None)


def _ends(part: Pulled, start: Floats, end: Floats, largest: float) -> list[Mark]:
    """Rings at the starts (J, 2) that there are, and dots at the ends (J, 2)."""
    known = np.isfinite(start).all(axis=1)
    area, there = _sizes(part.n, largest), part.at(known)
    # wider than the dot, so that both are seen where a level is hardly pulled at all
    ring = Dots(
        start[known, 0], start[known, 1], "white", 1.7 * area[known], edge=style.ORANGE,
        edge_width=1.0, names=there.names, says=there.says, gid="no pooling",
    )  # fmt: skip
    dot = Dots(
        end[:, 0], end[:, 1], style.BLUE, area, names=part.names, says=part.says,
        gid="partial pooling", z=4.0,
    )  # fmt: skip
    return [ring, dot]


def _plane(part: Pulled, pop: Population) -> list[Mark]:
    many = len(part.levels) > NAMED_ARROWS
    marks: list[Mark] = []
    for prob, alpha in ((0.95, 0.25), (0.5, 0.5)):
        marks.append(_oval(pop, prob, fill=style.PALE_BLUE, alpha=alpha))
        marks.append(_oval(pop, prob, edge=style.BLUE, alpha=0.6))
    known = np.isfinite(part.before).all(axis=1)
    look = {"width": 0.5, "alpha": 0.5} if many else {"width": 0.9, "alpha": 0.9}
    moves = Segments(
        part.before[known], part.after[known], style.MUTED, heads=not many, gid="moves", **look
    )
    marks += [moves, *_ends(part, part.before, part.after, 12 if many else 26)]
    x, y = part.complete[:, None]
    marks.append(Dots(x, y, style.INK, 90.0, marker="X", gid="complete pooling", z=5.0))
    return marks if many else [*marks, *_names(part)]


def _oval(
    pop: Population, prob: float, fill: str | None = None, edge: str | None = None, alpha: float = 1
) -> Oval:
    """The ellipse that holds `prob` of a bivariate normal."""
    value, vector = np.linalg.eigh(pop.cov)
    width, height = 2 * np.sqrt(np.clip(value, 0, None) * stats.chi2.ppf(prob, 2))
    angle = float(np.degrees(np.arctan2(vector[1, 0], vector[0, 0])))
    center = float(pop.mean[0]), float(pop.mean[1])
    return Oval(
        center, float(width), float(height), angle, fill, edge, alpha=alpha,
        gid=f"population {prob:g}", z=4.5 if edge else 0.0,
    )  # fmt: skip


def _names(part: Pulled) -> list[Text]:
    """Names beside the outer end of each arrow, on the side that points away from the other."""
    outer = np.where(np.isfinite(part.before), part.before, part.after)
    span = np.ptp(outer, axis=0)
    away = (outer - part.after) / np.where(span > 0, span, 1)
    found = []
    for name, (x, y), (dx, dy) in zip(part.levels, outer, away, strict=True):
        length = np.hypot(dx, dy) or 1.0
        u, v = dx / length, dy / length
        across: Side = "left" if u > 0.4 else "right" if u < -0.4 else "center"
        along: Height = "bottom" if v > 0.4 else "top" if v < -0.4 else "center"
        found.append(Text(x, y, name, style.MUTED, (9 * u, 8 * v), across, along))
    return found


def _rows(part: Pulled) -> list[Mark]:
    """One row per level."""
    row = np.arange(len(part.levels), dtype=float)
    start, end = (np.column_stack([side[:, 0], row]) for side in (part.before, part.after))
    return [*_moved(part, start, end, 0.9, 1.0), *_ends(part, start, end, 36)]


def _rails(part: Pulled) -> list[Mark]:
    """No pooling above, partial pooling below, a line for each level."""
    before, after = part.before[:, 0], part.after[:, 0]
    start, end = (
        np.column_stack([a, np.full_like(a, at)]) for a, at in ((before, 1.0), (after, 0.0))
    )
    return [*_moved(part, start, end, 0.5, 0.45), *_ends(part, start, end, 14)]


def _moved(part: Pulled, start: Floats, end: Floats, width: float, alpha: float) -> list[Mark]:
    known = np.isfinite(start).all(axis=1)
    complete = Rule(float(part.complete[0]), True, style.INK, dash=True)
    return [
        complete,
        Segments(start[known], end[known], style.MUTED, width, alpha, gid="moves", z=1.0),
    ]


def keys(two: bool) -> list[Key]:
    """The legend of planes, or of single effects."""
    keys = [
        Key("no pooling", style.ORANGE, "ring", gids=["no pooling"]),
        Key("partial pooling", style.BLUE, "dot", gids=["partial pooling"]),
    ]
    if not two:
        return [*keys, Key("complete pooling", style.INK, "dash", width=0.9)]
    wide = Key("50 % and 95 % of the population", style.PALE_BLUE, width=7)
    return [*keys, Key("complete pooling", style.INK, "cross"), wide]
