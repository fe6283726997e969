"""Picture of shrinkage against the number of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    Panel,
    Segments,
    Sheet,
    Ticks,
    draw,
)
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
) -> Drawing:
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
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        If the model has no such group, its link is not the identity, `prob` is not a probability,
        or the backend is unknown.

    See Also
    --------
    shrinkage : The numbers.
    plot_shrinkage : Where each level is pulled.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> figure = fit.plot_pooling_factor("Worker")
    >>> figure.savefig("factor.png")
    """
    check_prob(prob)
    groups = chosen_groups(post, group)
    labels = Labels.of(post, units)
    table = shrinkage(post, prob)
    terms = list(dict.fromkeys(t for name in groups for t in post.group(name).terms))
    rows = [
        [
            _panel(post, table, name, term, labels, first=k == 0)
            if term in post.group(name).terms
            else None
            for k, term in enumerate(terms)
        ]
        for name in groups
    ]
    sheet = Sheet(
        rows,
        width=max(4.8, 3.4 * len(terms)),
        height=2.7 * len(groups) + 0.5,
        share_y="all",
        keys=_keys(prob, rows),
    )
    return draw(sheet, backend)


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


def _panel(
    post: Posterior, table: pd.DataFrame, name: str, term: str, labels: Labels, *, first: bool
) -> Panel:
    own = table[(table["group"] == name) & (table["term"] == term)]
    n = own["n"].to_numpy(float)
    x = side_by_side(n)
    limits = float(x.min()) - 0.15, float(x.max()) + 0.15
    marks = _levels(own, x)
    if post.group(name).terms == (names.INTERCEPT,) and post.design.weights is None:
        marks.append(_curve(post, name, limits))
    shown = np.unique(n)
    if len(shown) > 6:
        shown = np.unique(np.geomspace(n.min(), n.max(), 6).round())
    return Panel(
        marks,
        title=f"{name}: {labels.term(term)}",
        xlabel=f"rows of the {name}",
        ylabel="pooling factor" if first else "",
        xlim=limits,
        ylim=(-0.03, 1.03),
        xticks=Ticks(np.log10(shown), [f"{int(v)}" for v in shown]),
        yticks=Ticks(np.array([0, 0.5, 1]), ["none 0", "0.5", "complete 1"]),
    )


def _levels(table: pd.DataFrame, x: Floats) -> list[Mark]:
    many = len(x) > 100
    start, end = (
        np.column_stack([x, table[side].to_numpy(float)])
        for side in ("pooling_lower", "pooling_upper")
    )
    return [
        Segments(start, end, style.MUTED, 0.4 if many else 0.8, 0.6, gid="intervals"),
        Dots(
            x, table["pooling"].to_numpy(float), style.BLUE, 6.0 if many else 16.0,
            names=[str(level) for level in table["level"]], gid="levels",
        ),
    ]  # fmt: skip


def _curve(post: Posterior, name: str, limits: tuple[float, float]) -> Line:
    x = np.linspace(*limits, _CURVE)
    gram = (10**x)[:, None, None]
    factor = pooling_kernel(post.cor(name), post.sd(name), gram, unit_variance(post))
    return Line(x, factor[:, :, 0].mean(axis=0), style.ORANGE, 1.2, gid="curve")


def _keys(prob: float, rows: list[list[Panel | None]]) -> list[Key]:
    keys = [
        Key("level", style.BLUE, "dot"),
        Key(f"{style.percent(prob)} interval", style.MUTED, width=0.8),
    ]
    marks = [m for row in rows for panel in row if panel is not None for m in panel.marks]
    if any(isinstance(m, Line) for m in marks):
        keys.append(Key("any number of rows", style.ORANGE, width=1.2))
    return keys
