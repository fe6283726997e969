"""Conditional and unconditional predictions along a covariate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns
from mixedbayes.plots import categories, style
from mixedbayes.plots.along import (
    Standing,
    expected,
    has_average,
    labels_of,
    n_places,
    places,
    unseen,
)
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    Covariate,
    called,
    covariate,
    grouped,
    observed,
    response_axis,
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
    check_backend,
    draw,
    extent,
    in_rows,
)
from mixedbayes.plots.series import Series, series_of
from mixedbayes.predict.predict import predict
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_WIDTH, _HEIGHT = 5.8, 4.2  # inches
_SMALL = (2.9, 2.6)  # of one of several panels
_DODGE = 0.5  # of the distance between two ticks, over which colours are spread


def plot_predictions(
    post: Posterior,
    x: str | None = None,
    *,
    by: str | Sequence[str] | Mapping[str, Any] | None = None,
    at: Mapping[str, Any] | None = None,
    group: str | None = None,
    levels: Sequence[object] | None = None,
    max_levels: int = 100,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Predictions with and without the group effects, along a covariate.

    Thin lines are conditional on the group effects: the expected response of each level,
    g^-1(x'beta + z'b), as posterior means. The thick line is without them: that of a typical level,
    with every effect 0, in the band of its own uncertainty. The wide grey band is where the line of
    a level not seen lies, with its effects drawn from Normal(0, Sigma). Where the link is not the
    identity, the mean over the population of levels differs from the typical level's, and is
    dashed. Other covariates are at their mean, or commonest level, or as `at` says, which stands
    below the axis; but the line of a level is at its own value of a column that does not vary
    within levels, such as a patient's arm. The effects of other grouping factors are 0.

    Of ordered categories, the probability of each for a typical level, a line and band in a colour
    of its own; dashed, its mean over the population of levels. Rings are the shares of the data
    at or near that place. With `levels`, thin lines are those levels' own probabilities.

    Without group effects: the expected response in its band and, unless it is a share or a
    probability, the grey band in which a new observation lies.

    Parameters
    ----------
    post
        The posterior.
    x
        Name of the covariate along the axis; by default the random slope's, else the first
        numeric term, else a categorical one; without any, the number of the row.
    by
        Columns whose values have lines of their own: the first in colours, others, and all of
        ordered categories, in panels. A name, several, or a mapping of names to values; without
        values a category has all its levels, a number its values if these are 10 or fewer, else
        minimum, quartiles and maximum.
    at
        Values at which other columns are set, by name: ``{"dose": 8}``. Several have panels.
    group
        Grouping factor whose levels are the thin lines; by default the first with a random slope,
        else the first.
    levels
        Levels to show.
    max_levels
        Without `levels`: all levels if there are no more than this; else so many of them, evenly
        spaced in the rank of their effect.
    prob
        Probability of both bands.
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
    DataError
        A column in `by` or `at` is not in the model, or a level not in the data.
    ModelError
        If the model has no such group, level or covariate, a column has two parts in the picture,
        there are too many panels, or the backend is unknown.

    See Also
    --------
    predict : The numbers.
    plot_means : Averages over rows and groups.
    plot_fitted : A panel for each level, with its data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_predictions("Days", levels=["308", "309"])
    >>> figure.savefig("predictions.png")
    """
    check_backend(backend)
    check_prob(prob)
    g = grouped(post, group, levels)
    axis = covariate(post, g, x)
    columns = Columns(post.design)
    if x is not None and g is not None and x in {g.name, *g.factors} - {*columns.fixed}:
        raise ModelError(
            f"{x} is the grouping factor whose levels are the lines: give it as group={x!r}, or "
            f"draw the means of its levels, plot_means({x!r})"
        )
    ordered = post.family.categories(post.design)
    parts = series_of(columns, axis.name, by, at, colored=ordered is None)
    shown, note = ([], "") if g is None else shown_levels(post, g, levels, max_levels)
    note = note.removesuffix(", lowest first")
    if ordered is not None and levels is None:
        shown, note = [], ""
    labels = Labels.of(post, units)
    there = places(axis, post.design.frame, n_places(post.design, axis.name))
    picture = _Picture(post, g, axis, parts, shown, prob, *there)
    panels = [
        Panel(picture.marks(given), title=parts.title(given), small=len(parts.panels) > 1)
        for given in parts.panels
    ]
    keys = picture.keys()
    several = len(panels) > 1
    wide, high = _SMALL if several else (_WIDTH, _HEIGHT)
    across = min(3, len(panels)) if len(panels) != 4 else 2
    total = max(_WIDTH, wide * across + 0.6)
    below = [labels.column(axis.name), picture.held(total), note]
    shown_ticks, limits = ticks(axis, wide)
    every = [m for p in panels for m in p.marks]
    finished = [
        replace(
            panel,
            xlim=limits,
            ylim=categories.above_zero(every) if ordered is not None else _within(post, every),
            xticks=None if axis.categories is None else shown_ticks,
            xlabel="" if several else "\n".join(filter(None, below)),
            ylabel="" if several else response_axis(post, labels),
        )
        for panel in panels
    ]
    longer = ordered is not None or parts.colors
    key_columns = categories.key_columns(keys, total - 0.9) if longer else 2
    sheet = Sheet(
        in_rows(finished, across),
        total,
        high * -(-len(panels) // across) + (0.9 if several else 0.0),
        share_x="all" if several else "none",
        share_y="all" if several else "none",
        xlabel="\n".join(filter(None, below)) if several else "",
        ylabel=response_axis(post, labels) if several else "",
        keys=keys,
        key_columns=key_columns,
        keys_above=several,
    )
    return draw(sheet, backend)


def _within(post: Posterior, marks: Sequence[Mark]) -> tuple[float, float] | None:
    """Limits of an axis of probabilities, not beyond 0 and 1."""
    if not post.family.probability:
        return None
    ends = [e for m in marks for e in extent(m, "y")]
    low, high = min(ends), max(ends)
    margin = 0.05 * (high - low) or 0.05
    return max(-0.02, low - margin), min(1.02, high + margin)


@dataclass(frozen=True, eq=False)
class _Picture:
    post: Posterior
    g: GroupDesign | None
    axis: Covariate
    parts: Series
    shown: Sequence[int]  # levels with lines of their own
    prob: float
    at: Floats  # (m,) places along the axis
    values: pd.Series | None  # there, of the column along it

    @property
    def several(self) -> bool:
        """Whether there are several colours."""
        return len(self.parts.colors) > 1

    @property
    def standing(self) -> Standing:
        return Standing(self.parts.columns, self.axis, self.parts.fixed)

    def marks(self, given: Mapping[str, Any]) -> list[Mark]:
        """The marks of one panel."""
        standing, kept = self.standing.at(given), self.parts.rows(given)
        if self.post.family.categories(self.post.design) is not None:
            return categories.predicted(
                self.post, self.g, standing, self.shown, self.at, self.values, self.prob, kept
            )
        marks: list[Mark] = []
        for k, (color, setting) in enumerate(self.parts.colored()):
            own = self.parts.rows({**given, **setting})
            aside = 0.0
            if self.several and self.axis.categories is not None:
                aside = _DODGE * ((k + 0.5) / len(self.parts.colors) - 0.5)
            tint = style.INK if color is None or self.parts.among(setting) else color
            if k == 0 or tint != style.INK:
                x, y = self.axis.x[own] + aside, observed(self.post)[own]
                marks.append(_data(x, y, tint))
            if self.g is None:
                marks += self._regression(standing.at(setting), color, aside)
            else:
                marks += self._without(self.g, standing.at(setting), color, aside)
                marks += self._conditional(self.g, standing, setting, color, aside)
        return marks

    def _regression(self, standing: Standing, color: str | None, aside: float) -> list[Mark]:
        """The expected response of a model without group effects, and where a new one lies."""
        new = standing.rows(self.values, {}, len(self.at))
        mean = expected(self.post, None, new, "typical", self.prob)
        marks: list[Mark] = []
        lower, upper, middle = (mean[c].to_numpy() for c in ("lower", "upper", "mean"))
        if not self.several and self._observations():
            one = predict(self.post, new, groups="typical", prob=self.prob, progress=False)
            ends = one["lower"].to_numpy(), one["upper"].to_numpy()
            marks.append(self._interval(*ends, style.FAINT, 6.0, "new observation", 0.6))
        hue = color or style.ORANGE
        marks.append(self._interval(lower, upper, hue, 2.0, "band", 0.25, aside))
        if self.axis.categories is None:
            marks.append(Line(self.at, middle, hue, 2.2, gid="expected", z=2.6))
        else:
            marks.append(Dots(self.at + aside, middle, hue, 30.0, gid="expected", z=2.6))
        return marks

    def _observations(self) -> bool:
        """Whether an observation has an interval that is worth a picture."""
        return not self.post.family.probability and self.post.design.trials is None

    def _interval(
        self, lower: Floats, upper: Floats, color: str, width: float, gid: str, alpha: float,
        aside: float = 0.0,
    ) -> Mark:  # fmt: skip
        """A band along numbers, bars at categories."""
        if self.axis.categories is None:
            return Band(self.at, lower, upper, color, alpha, gid=gid)
        start, end = (np.column_stack([self.at + aside, edge]) for edge in (lower, upper))
        return Segments(start, end, color, width, 0.9, gid=gid, z=1.2 if width < 5 else 1.0)

    def _without(
        self, g: GroupDesign, standing: Standing, color: str | None, aside: float
    ) -> list[Mark]:
        """The typical level, and around it the population of levels where there is one colour."""
        post, at, prob = self.post, self.at + aside, self.prob
        new = standing.rows(self.values, unseen(g), len(at))
        typical = expected(post, g, new, "typical", prob)
        narrow, mean = (typical["lower"], typical["upper"]), typical["mean"].to_numpy()
        hue, marks = color or style.ORANGE, list[Mark]()
        if not self.several:
            stranger = expected(post, g, new, "own", prob)
            wide = stranger["lower"].to_numpy(), stranger["upper"].to_numpy()
            marks.append(Band(at, *wide, style.FAINT, 0.6, gid="new level", z=0.5))
        low, high = (edge.to_numpy() for edge in narrow)
        if self.several and self.axis.categories is not None:
            marks.append(self._interval(low, high, hue, 2.0, "unconditional band", 0.25, aside))
            marks.append(Dots(at, mean, hue, 30.0, gid="unconditional", z=2.6))
        else:
            alpha = 0.15 if self.several else 0.25
            marks.append(Band(at, low, high, hue, alpha, gid="unconditional band", z=2.2))
            marks.append(Line(at, mean, hue, 2.2, gid="unconditional", z=2.6))
        if has_average(post):
            mean = expected(post, g, new, "average", prob)["mean"].to_numpy()
            if self.several and self.axis.categories is not None:
                marks.append(Dots(at, mean, hue, 60.0, marker="_", gid="average", z=2.6))
            else:
                marks.append(Line(at, mean, hue, 1.4, dash=True, gid="average", z=2.6))
        return marks

    def _conditional(
        self,
        g: GroupDesign,
        standing: Standing,
        setting: Mapping[str, Any],
        color: str | None,
        aside: float,
    ) -> list[Mark]:
        """A line for each level, as one that is lifted in between.

        Where a colour is of a column that does not vary within levels, it has its own levels only.
        """
        m, own = len(self.at), standing.own(g)
        belongs = [
            j
            for j in self.shown
            if all(own[n].iloc[j] == v for n, v in setting.items() if n in own)
        ]
        if not belongs:
            return []
        there = standing.at({n: v for n, v in setting.items() if n not in own})
        parts = [
            there.rows(self.values, labels_of(g, j), m, {n: v.iloc[j] for n, v in own.items()})
            for j in belongs
        ]
        mean = expected(self.post, g, pd.concat(parts, ignore_index=True), "own", 0.5)["mean"]
        y = np.hstack([mean.to_numpy().reshape(-1, m), np.full((len(belongs), 1), np.nan)]).ravel()
        x = np.tile(np.append(self.at + aside, np.nan), len(belongs))
        names = [f"{called(g)} {g.levels[j]}" for j in belongs for _ in range(m + 1)]
        width, alpha = (0.6, 0.45) if len(self.shown) > 30 else (0.9, 0.8)
        alpha = 0.6 * alpha if self.several else alpha
        hue = color or style.BLUE
        return [Line(x, y, hue, width, alpha=alpha, names=names, gid="conditional", z=2.0)]

    # ---- words ---------------------------------------------------------------------------------

    def held(self, width: float) -> str:
        """Where the columns stand that have no part in the picture."""
        varying = {*self.parts.color_names, *(n for panel in self.parts.panels for n in panel)}
        said = self.standing.words(self.post, width, varying)
        own = [] if self.g is None or not self.shown else [*self.standing.own(self.g)]
        own = [n for n in own if n in said and n not in varying and f"{n} = " in said]
        if own and self.g is not None:
            whose = f"; the line of a {called(self.g)} at its own {' and '.join(own)}"
            said = style.in_lines((said + whose).replace("\n", " "), width)
        return said

    def keys(self) -> list[Key]:
        """The legend."""
        post, g, prob = self.post, self.g, self.prob
        ordered, average = post.family.categories(post.design), has_average(post)
        if ordered is not None:
            named = called(g) if self.shown and g is not None else ""
            return categories.predicted_keys(
                ordered, prob, average=average, group=named, grouped=g is not None
            )
        band, data = f"{style.percent(prob)} band", Key("data", style.MUTED, "dot")
        if self.several:
            keys = self.parts.keys()
            what = "expected" if g is None else "effects 0"
            keys.append(Key(f"{what}, {band}", style.MUTED, width=2.2))
            if g is not None:
                keys.append(Key(f"each {called(g)}", style.MUTED, width=0.9))
            if average:
                keys.append(Key("mean over the population", style.MUTED, "dash"))
            return [*keys, data]
        if g is None:
            keys = [Key(f"expected, {band}", style.ORANGE, width=2.2), data]
            if self._observations():
                one = Key(f"a new observation, {style.percent(prob)}", style.FAINT, "patch")
                keys.insert(1, one)
            return keys
        keys = [
            Key(f"conditional: each {called(g)}", style.BLUE, width=0.9),
            Key(f"unconditional: effects 0, {band}", style.ORANGE, width=2.2),
            Key(f"a {called(g)} not seen, {band}", style.FAINT, "patch"),
            data,
        ]
        if average:
            keys.append(Key("mean over the population", style.ORANGE, "dash"))
        return keys


def _data(x: Floats, y: Floats, color: str) -> Dots:
    many = len(x) > 500
    size, alpha = (4.0, 0.15) if many else (8.0, 0.35)
    return Dots(x, y, color, size, alpha=alpha, gid="data", z=1.5)
