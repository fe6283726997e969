"""Conditional and unconditional predictions along a covariate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mixedbayes.design.types import GroupDesign
from mixedbayes.plots import categories, style
from mixedbayes.plots.along import expected, has_average, held, labels_of, places, rows, unseen
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import (
    Covariate,
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
    Floats,
    Key,
    Line,
    Mark,
    Panel,
    Segments,
    Sheet,
    check_backend,
    draw,
)
from mixedbayes.predict.predict import predict
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_POINTS = 40  # of a line
_WIDTH, _HEIGHT = 5.8, 4.2  # inches


def plot_predictions(
    post: Posterior,
    group: str | None = None,
    *,
    x: str | None = None,
    levels: Sequence[object] | None = None,
    max_levels: int = 100,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Predictions with and without the group effects, along a covariate.

    Thin blue lines are conditional on the group effects: the expected response of each level,
    g^-1(x'beta + z'b), as posterior means. The thick line is without them: that of a typical level,
    with every effect 0, in the band of its own uncertainty. The wide grey band is where the line of
    a level not seen lies, with its effects drawn from Normal(0, Sigma). Where the link is not the
    identity, the mean over the population of levels differs from the typical level's, and is
    dashed. Other covariates are at their mean, or most frequent value, which stands below the axis;
    the effects of other grouping factors are 0.

    Of ordered categories, the probability of each for a typical level, a line and band in a colour
    of its own; dashed, its mean over the population of levels. Rings are the shares of the data
    at or near that place. With `levels`, thin lines are those levels' own probabilities.

    Without group effects: the expected response in its band and, unless it is a share or a
    probability, the grey band in which a new observation lies.

    Parameters
    ----------
    post
        The posterior.
    group
        Grouping factor whose levels are the lines; by default the first with a random slope, else
        the first.
    x
        Name of the covariate along the axis; by default the random slope's, else the first
        numeric term, else a categorical one; without any, the number of the row.
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
    ModelError
        If the model has no such group, level or covariate, or the backend is unknown.

    Examples
    --------
    >>> fit.plot_predictions(x="Days")  # doctest: +SKIP
    """
    check_backend(backend)
    check_prob(prob)
    g = grouped(post, group, levels)
    frame = post.design.frame
    axis = covariate(post, g, x)
    shown, note = ([], "") if g is None else shown_levels(post, g, levels, max_levels)
    note = note.removesuffix(", lowest first")
    labels = Labels.of(post, units)
    at, values = places(axis, frame, _POINTS)
    ordered = post.family.categories(post.design)
    if ordered is None and g is None:
        marks, keys = _regression(post, axis, frame, at, values, prob)
    elif ordered is None and g is not None:
        marks = [
            _data(axis.x, observed(post)),
            *_without(post, g, axis, frame, at, values, prob),
            _conditional(post, g, axis, frame, shown, at, values),
        ]
        keys = _keys(g.name, prob, average=has_average(post))
    else:
        chosen, note = ([], "") if levels is None else (shown, note)
        marks = categories.predicted(post, g, axis, frame, chosen, at, values, prob)
        named = g.name if chosen and g is not None else ""
        keys = categories.predicted_keys(
            ordered or (), prob, average=has_average(post), group=named, grouped=g is not None
        )
    shown_ticks, limits = ticks(axis, _WIDTH)
    panel = Panel(
        marks,
        xlabel="\n".join(
            filter(None, (labels.column(axis.name), held(post, axis, frame, _WIDTH), note))
        ),
        ylabel=response_axis(post, labels),
        xlim=limits,
        ylim=None if ordered is None else categories.above_zero(marks),
        xticks=None if axis.categories is None else shown_ticks,
    )
    columns = 2 if ordered is None else categories.key_columns(keys, _WIDTH)
    return draw(Sheet([[panel]], _WIDTH, _HEIGHT, keys=keys, key_columns=columns), backend)


def _regression(
    post: Posterior,
    axis: Covariate,
    frame: pd.DataFrame,
    at: Floats,
    values: pd.Series | None,
    prob: float,
) -> tuple[list[Mark], list[Key]]:
    """The expected response of a model without group effects, and where a new one lies."""
    new = rows(axis, frame, values, {}, len(at))
    mean = expected(post, None, new, "typical", prob)
    band = style.percent(prob)
    marks: list[Mark] = [_data(axis.x, observed(post))]
    keys = [Key(f"expected, {band} band", style.ORANGE, width=2.2), Key("data", style.MUTED, "dot")]
    lower, upper, middle = (mean[c].to_numpy() for c in ("lower", "upper", "mean"))
    if not post.family.probability and post.design.trials is None:
        one = predict(post, new, groups="typical", prob=prob, progress=False)
        ends = one["lower"].to_numpy(), one["upper"].to_numpy()
        marks.append(_interval(axis, at, *ends, style.FAINT, 6.0, "new observation", 0.6))
        keys.insert(1, Key(f"a new observation, {band}", style.FAINT, "patch"))
    marks.append(_interval(axis, at, lower, upper, style.ORANGE, 2.0, "band", 0.25))
    if axis.categories is None:
        marks.append(Line(at, middle, style.ORANGE, 2.2, gid="expected", z=2.6))
    else:
        marks.append(Dots(at, middle, style.ORANGE, 30.0, gid="expected", z=2.6))
    return marks, keys


def _interval(
    axis: Covariate, at: Floats, lower: Floats, upper: Floats, color: str, width: float, gid: str,
    alpha: float,
) -> Mark:  # fmt: skip
    """A band along numbers, bars at categories."""
    if axis.categories is None:
        return Band(at, lower, upper, color, alpha, gid=gid)
    start, end = (np.column_stack([at, edge]) for edge in (lower, upper))
    return Segments(start, end, color, width, 0.9, gid=gid, z=1.2 if width < 5 else 1.0)


def _data(x: Floats, y: Floats) -> Dots:
    many = len(x) > 500
    size, alpha = (4.0, 0.15) if many else (8.0, 0.35)
    return Dots(x, y, style.INK, size, alpha=alpha, gid="data", z=1.5)


def _without(
    post: Posterior,
    g: GroupDesign,
    axis: Covariate,
    frame: pd.DataFrame,
    at: Floats,
    values: pd.Series | None,
    prob: float,
) -> list[Mark]:
    """The typical level, and the population of levels around it."""
    new = rows(axis, frame, values, unseen(g), len(at))
    typical, stranger = (expected(post, g, new, who, prob) for who in ("typical", "own"))
    wide, narrow = ((t["lower"].to_numpy(), t["upper"].to_numpy()) for t in (stranger, typical))
    mean = typical["mean"].to_numpy()
    marks: list[Mark] = [
        Band(at, *wide, style.FAINT, 0.6, gid="new level", z=0.5),
        Band(at, *narrow, style.ORANGE, 0.25, gid="unconditional band", z=2.2),
        Line(at, mean, style.ORANGE, 2.2, gid="unconditional", z=2.6),
    ]
    if has_average(post):
        mean = expected(post, g, new, "average", prob)["mean"].to_numpy()
        marks.append(Line(at, mean, style.ORANGE, 1.4, dash=True, gid="average", z=2.6))
    return marks


def _conditional(
    post: Posterior,
    g: GroupDesign,
    axis: Covariate,
    frame: pd.DataFrame,
    shown: Sequence[int],
    at: Floats,
    values: pd.Series | None,
) -> Line:
    """A line for each level, as one that is lifted in between."""
    m = len(at)
    new = pd.concat(
        [rows(axis, frame, values, labels_of(g, j), m) for j in shown], ignore_index=True
    )
    mean = expected(post, g, new, "own", 0.5)["mean"].to_numpy().reshape(len(shown), m)
    pen = np.full((len(shown), 1), np.nan)
    y = np.hstack([mean, pen]).ravel()
    x = np.tile(np.append(at, np.nan), len(shown))
    names = [f"{g.name} {g.levels[j]}" for j in shown for _ in range(m + 1)]
    width, alpha = (0.6, 0.45) if len(shown) > 30 else (0.9, 0.8)
    return Line(x, y, style.BLUE, width, alpha=alpha, names=names, gid="conditional", z=2.0)


def _keys(group: str, prob: float, *, average: bool) -> list[Key]:
    band = f"{style.percent(prob)} band"
    keys = [
        Key(f"conditional: each {group}", style.BLUE, width=0.9),
        Key(f"unconditional: effects 0, {band}", style.ORANGE, width=2.2),
        Key(f"a {group} not seen, {band}", style.FAINT, "patch"),
        Key("data", style.MUTED, "dot"),
    ]
    if average:
        keys.append(Key("mean over the population", style.ORANGE, "dash"))
    return keys
