"""Picture of the curves of smooths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Identity
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels, labels_of
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    Panel,
    Rule,
    Sheet,
    draw,
    in_rows,
)
from mixedbayes.results.fitted import linear_predictor, need_residuals
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.smooths import CurveOf, curves
from mixedbayes.results.tables import check_prob, tails

_COLUMNS = 3
_SIZE = (3.4, 2.9)  # inches of a panel
_ALONE = (5.4, 3.9)
_POINTS = 120
_CUTS = (0.1, 0.5, 0.9)  # quantiles of a second variable at which curves are drawn
_MOST_LINES = 200  # levels in one panel
_MOST_TICKS = 400  # of data along the axis


def plot_smooths(
    post: Posterior,
    smooth: str | None = None,
    *,
    prob: float = 0.95,
    residuals: bool = False,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The curves of smooths, each by itself: what it adds to the linear predictor.

    The line is the posterior mean and the band the equal-tailed `prob` interval at each point;
    strokes below are where the data lie. A curve is 0 on average over the rows. Of two variables
    there are three curves along the first, where the second is at its 10, 50 and 90 % quantiles.
    The curves of all levels of a factor, s(x, g, bs="fs"), are means in one panel; ask for one by
    its name to see its band.

    Parameters
    ----------
    post
        The posterior.
    smooth
        Name of one, "s(x)" for all its levels or "s(x):f[b]" for one; all by default.
    prob
        Probability of the band.
    residuals
        Add partial residuals: what the rest of the model leaves of the response, y - eta + curve,
        at posterior means. With the identity link, of curves that no number multiplies.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the link scale.

    Raises
    ------
    ModelError
        If the model has no smooth or none of that name, one is of three variables or more, there
        are no partial residuals, or the backend is unknown.

    See Also
    --------
    smooths : The numbers.
    edf : How much the curves bend.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> crash = mb.load_data("mcycle")
    >>> fit = mb.fit("accel ~ s(times, k=20)", crash, seed=1)
    >>> figure = fit.plot_smooths("s(times)", residuals=True)
    >>> figure.savefig("smooths.png")
    """
    check_prob(prob)
    found = curves(post, smooth)
    if residuals:
        _check_residuals(post)
    labels = labels_of(post, units)
    panels, keys = [], []
    for some in together(found):
        panel, own = curve_panel(post, some, prob, labels[some[0].parameter], residuals=residuals)
        keys += [key for key in own if key not in keys]
        panels.append(panel)
    columns = min(_COLUMNS, len(panels))
    width, height = _ALONE if len(panels) == 1 else _SIZE
    rows = in_rows(panels, columns)
    return draw(
        Sheet(
            rows, width * columns, height * len(rows) + 0.4 * bool(keys),
            share_y="none" if residuals else "all", keys=keys,
        ),
        backend,
    )  # fmt: skip


def together(found: Sequence[CurveOf]) -> list[list[CurveOf]]:
    """Curves by panel: each by itself, but those of all levels of a factor in one."""
    out: list[list[CurveOf]] = []
    for c in found:
        levels = c.smooth.said.level is not None
        if levels and out and out[-1][0].smooth is c.smooth:
            out[-1].append(c)
        else:
            out.append([c])
    return out


def curve_panel(
    post: Posterior, some: Sequence[CurveOf], prob: float, labels: Labels, *,
    residuals: bool = False,
) -> tuple[Panel, list[Key]]:  # fmt: skip
    """A curve, or those of all levels of a factor, and what its colours stand for.

    ModelError where it is of three variables.
    """
    c, *others = some
    along = labels.column(c.variables[0])
    if others:
        return Panel(_lines(post, some), c.smooth.said.name, along, _adds(c)), []
    marks, keys = _marks(post, c, prob, residuals, labels)
    return Panel(marks, title=c.name, xlabel=along, ylabel=_adds(c)), keys


def _lines(post: Posterior, some: Sequence[CurveOf]) -> list[Mark]:
    """The posterior means of many curves, evenly spread among them where they are too many."""
    chosen = np.unique(np.linspace(0, len(some) - 1, _MOST_LINES).round().astype(int))
    marks: list[Mark] = [Rule(0.0, upright=False, color=style.FAINT)]
    for c in (some[k] for k in chosen):
        at = c.grid(_POINTS // 2)
        mean = c.draws(post, at).mean(axis=0)
        names_ = [c.part.name] * len(at)
        marks.append(Line(at[:, 0], mean, style.BLUE, 1.0, alpha=0.6, names=names_))
    return marks


def _adds(c: CurveOf) -> str:
    of = "the linear predictor" if c.parameter == names.MU else f"that of {c.parameter}"
    return f"adds to {of}" if not c.smooth.numeric else f"effect of 1 {c.part.name.split(':')[-1]}"


def _marks(
    post: Posterior, c: CurveOf, prob: float, residuals: bool, labels: Labels
) -> tuple[list[Mark], list[Key]]:
    d = len(c.variables)
    if d > 2:
        raise ModelError(
            f"{c.name} is of {d} variables, more than a picture of it shows; draw it along one, "
            f'plot_predictions("{c.variables[0]}", at={{...}})'
        )
    rows = c.rows
    x = c.smooth.x[rows]
    low, high = x[:, 0].min(), x[:, 0].max()
    along = np.linspace(low, high, _POINTS)
    cuts: list[float | None] = [None]
    if d == 2:
        cuts = [float(q) for q in np.quantile(x[:, 1], _CUTS)]
    marks: list[Mark] = [Rule(0.0, upright=False, color=style.FAINT)]
    keys: list[Key] = []
    ends: list[float] = []
    for k, cut in enumerate(cuts):
        color = style.PALETTE[k]
        at = along[:, None] if cut is None else np.column_stack([along, np.full(_POINTS, cut)])
        drawn = c.draws(post, at)
        lower, upper = np.quantile(drawn, tails(prob), axis=0)
        mean = drawn.mean(axis=0)
        alpha = 0.75 if cut is None else 0.2
        band = style.PALE_BLUE if cut is None else color
        marks += [Band(along, lower, upper, band, alpha), Line(along, mean, color)]
        ends += [float(lower.min()), float(upper.max())]
        if cut is not None:
            keys.append(Key(f"{labels.column(c.variables[1])} = {cut:.3g}", color))
    if residuals and d == 1 and not c.smooth.numeric:
        points = _partial(post, c, x, rows)
        marks.insert(1, Dots(x[:, 0], points, style.MUTED, 7.0, alpha=0.6))
        ends += [float(points.min()), float(points.max())]
    bottom = min(ends) - 0.04 * (max(ends) - min(ends))
    ticks = np.unique(x[:, 0])
    if len(ticks) > _MOST_TICKS:
        ticks = np.quantile(ticks, np.linspace(0, 1, _MOST_TICKS))
    marks.append(Dots(ticks, np.full(len(ticks), bottom), style.MUTED, 14.0, marker="|"))
    return marks, keys


def _check_residuals(post: Posterior) -> None:
    need_residuals(post)
    if not isinstance(post.family.link, Identity):
        raise ModelError(
            "partial residuals are of models with the identity link, where effects add up to the "
            "response; leave out residuals=True"
        )


def _partial(post: Posterior, c: CurveOf, x: Floats, rows: Ints) -> Floats:
    """(m,) what the rest of the model leaves of the response."""
    eta = linear_predictor(post, rows).mean(axis=1)
    return np.asarray(post.design.y[rows] - eta + c.draws(post, x).mean(axis=0))
