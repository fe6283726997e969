"""Raw data before any fit: a panel for each group, or all groups with some in bold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from mixedbayes.design.drawn import Axis, Drawn, drawn
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.categories import key_columns
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import Covariate, sheet, spanning, ticks
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    Panel,
    Sheet,
    Ticks,
    check_backend,
    draw,
)

Kind = Literal["panels", "lines"]

_WIDTH, _HEIGHT = 5.8, 4.2  # inches of one panel for all groups
_NAMED = 12  # groups in bold that the legend names
_MOST_LINES = 1000  # of groups in one panel
_DOTTED = 60  # groups of which faint lines have dots too
_STRIP = 0.16  # of the distance of two categories, over which dots are spread


def plot_data(
    formula: str,
    data: Any,
    *,
    kind: Kind | None = None,
    highlight: int | Sequence[object] | None = None,
    levels: Sequence[object] | None = None,
    max_levels: int = 24,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Draw data as they are, before any model is fitted.

    Every row with all its values is a dot. Within a group a line joins the means at each value of
    x, in the order of x; not where categories are upwards, which have no mean. Without groups it is
    a scatter plot; over categories with the mean of each.

    Parameters
    ----------
    formula
        What is upwards, along, and the groups: ``"Reaction ~ Days | Subject"``, ``"y ~ x"``,
        ``"score ~ Machine | Worker"``, ``"log(y) ~ x | batch:cask"``; with ``~ 1`` the number of
        the row within its group is along. Numbers and categories will do for both; a share of
        trials is ``"incidence / size ~ period | herd"``.
    data
        A data frame: pandas, polars, pyarrow, or whatever offers Arrow's C stream.
    kind
        "panels": a panel for each group, on the same axes. "lines": all groups in one panel. By
        default lines where some are to be in bold, or there are more groups than `max_levels`.
    highlight
        Which groups are in bold, in colours of their own, the others being faint: their levels, or
        how many, evenly spaced in the rank of their means.
    levels
        The groups to show, in this order; by default all.
    max_levels
        Most panels: of more groups so many are shown, evenly spaced in the rank of their means.
    functions
        Functions of your own that the formula may call, by name.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout. What is left out stands below the axis.

    Raises
    ------
    FormulaError
        If the formula is not understood.
    DataError
        If a column is not there, no row is complete, or a value cannot be computed.
    ModelError
        If there are no such levels, or no groups where some are asked for; or `kind`, a number or
        the backend is not known.

    See Also
    --------
    plot_fitted : With the model's lines.
    plot_pooling : With three kinds of lines.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> figure = mb.plot_data("Reaction ~ Days | Subject", sleep, levels=["308", "335"])
    >>> figure.savefig("data.png")
    >>> figure = mb.plot_data("Reaction ~ Days | Subject", sleep, highlight=["308", "335"])
    """
    check_backend(backend)
    found = drawn(formula, data, functions)
    labels = Labels(found.y.name, units=dict(found.units if units is None else units))
    _check(found, kind, highlight, levels, max_levels)
    if not found.group:
        return draw(_one(found, labels, _scatter(found), [], found.note), backend)
    shown = _positions(found, levels, "levels") if levels is not None else None
    if kind == "lines" or (kind is None and _together(found, highlight, shown, max_levels)):
        marks, keys, note = _lines(found, highlight, shown)
        return draw(_one(found, labels, marks, keys, _notes(found, note)), backend)
    note, n = "", len(found.levels)
    if shown is None:
        shown = np.arange(n)
        if n > max_levels:
            shown = spanning(_means(found), max_levels)
            note = (
                f"{len(shown)} of {n:,} levels, evenly spaced in rank of their mean, lowest first"
            )
    return draw(_panels(found, labels, shown, _notes(found, note)), backend)


def _check(found: Drawn, kind: object, highlight: Any, levels: Any, max_levels: int) -> None:
    if kind not in (None, "panels", "lines"):
        raise ModelError(
            f'kind={kind!r}: use "panels" (one for each group) or "lines" (all groups in one)'
        )
    if max_levels < 1:
        raise ModelError(f"max_levels must be at least 1, got {max_levels}")
    if found.y.categories is not None and (kind == "lines" or highlight is not None):
        raise ModelError(
            f"{found.y.name} is categories, whose means no line could join: draw a panel for each "
            'group, kind="panels"'
        )
    if highlight is not None and kind == "panels":
        raise ModelError('groups are in bold among lines: use kind="lines", or levels= for panels')
    asked = {"kind": kind, "highlight": highlight, "levels": levels}
    named = [f"{name}=" for name, value in asked.items() if value is not None]
    if named and not found.group:
        raise ModelError(
            f"{named[0]} is about groups, and the formula names none: write "
            f'"{found.y.name} ~ {found.x.name} | group"'
        )


def _together(found: Drawn, highlight: Any, shown: Ints | None, max_levels: int) -> bool:
    if found.y.categories is not None:
        return False
    count = len(found.levels) if shown is None else len(shown)
    return highlight is not None or count > max_levels


def _positions(found: Drawn, levels: Any, name: str) -> Ints:
    """Positions of levels by their labels; ModelError where one is not there."""
    if isinstance(levels, str) or not isinstance(levels, Sequence | np.ndarray):
        raise ModelError(f"{name}={levels!r} is no list of levels of {found.group}")
    at = {str(level): j for j, level in enumerate(found.levels)}
    unknown = [level for level in levels if str(level) not in at]
    if unknown or not len(levels):
        lost = ", ".join(map(str, unknown[:5])) or "nothing"
        raise ModelError(f"{name}: {lost} is not among the {len(at):,} of {found.group}")
    return np.array([at[str(level)] for level in dict.fromkeys(levels)])


def _bold(found: Drawn, highlight: Any, among: Ints) -> Ints:
    """Positions of the groups in bold."""
    if highlight is None:
        return among[:0]
    whole = isinstance(highlight, int | np.integer) and not isinstance(highlight, bool)
    if not whole:
        return _positions(found, highlight, "highlight")
    if highlight < 1:
        raise ModelError(f"highlight={highlight}: at least one group, or the labels of some")
    return among[spanning(_means(found)[among], min(int(highlight), len(among)))]


def _means(found: Drawn) -> Floats:
    """(J,) mean of y in each group."""
    J = len(found.levels)
    mean: Floats = np.bincount(found.refs, found.y.at, J) / np.bincount(found.refs, minlength=J)
    return mean


def _notes(found: Drawn, note: str) -> str:
    return "\n".join(filter(None, (note, found.note)))


# ---- one panel for all ---------------------------------------------------------------------------


def _one(found: Drawn, labels: Labels, marks: list[Mark], keys: list[Key], note: str) -> Sheet:
    places, limits = ticks(_covariate(found.x), _WIDTH)
    panel = Panel(
        marks,
        xlabel="\n".join(filter(None, (labels.column(found.x.name), note))),
        ylabel=labels.observed,
        xlim=limits,
        xticks=None if found.x.categories is None else places,
        yticks=_upwards(found.y),
    )
    across = key_columns(keys, _WIDTH) if keys else 1
    extra = 0.2 * max(0, -(-len(keys) // across) - 1)
    return Sheet([[panel]], _WIDTH, _HEIGHT + extra, keys=keys, key_columns=across)


def _scatter(found: Drawn) -> list[Mark]:
    many = found.n > 500
    size, alpha = (5.0, 0.3) if many else (14.0, 0.65)
    x, y = found.x.at, found.y.at
    if found.x.categories is None:
        return [Dots(x, y, style.BLUE, size, alpha=alpha, gid="data")]
    dots = Dots(x + _aside(x), y, style.BLUE, size, alpha=alpha, gid="data")
    if found.y.categories is not None:
        return [dots]
    at, mean = _joined(x, y)
    return [
        dots,
        Dots(at, mean, style.ORANGE, 250.0, edge_width=2.0, marker="_", gid="mean", z=4.0),
    ]


def _aside(x: Floats) -> Floats:
    """How far the dots of a category stand from its tick: evenly spread, in the order of rows."""
    golden: Floats = (np.arange(len(x), dtype=float) * 0.6180339887) % 1.0
    return _STRIP * (2 * golden - 1)


def _lines(found: Drawn, highlight: Any, shown: Ints | None) -> tuple[list[Mark], list[Key], str]:
    among, note = np.arange(len(found.levels)) if shown is None else shown, ""
    bold = _bold(found, highlight, among)
    if len(among) > _MOST_LINES:
        note = f"lines of {_MOST_LINES:,} of {len(among):,} levels"
        among = among[spanning(_means(found)[among], _MOST_LINES)]
    faint = np.setdiff1d(among, bold)
    color, alpha = (style.MUTED, 0.35) if len(bold) else (style.BLUE, 0.5)
    width = 0.8 if len(faint) <= _DOTTED else 0.4
    marks: list[Mark] = _curves(found, faint, color, width, alpha, "groups")
    shades = style.colors(len(bold))
    for j, shade in zip(bold, shades, strict=True):
        marks += _curves(found, np.array([j]), shade, 2.0, 1.0, f"{found.group} {found.levels[j]}")
    keys = [
        Key(f"{found.group} {found.levels[j]}", shade, width=2.0)
        for j, shade in zip(bold, shades, strict=True)
        if len(bold) <= _NAMED
    ]
    if len(faint):
        whose = f"other levels of {found.group}" if len(bold) else f"each {found.group}"
        keys.append(Key(whose, color, width=0.8))
    return marks, keys, note


def _curves(
    found: Drawn, levels: Ints, color: str, width: float, alpha: float, gid: str
) -> list[Mark]:
    """Groups' lines, as one that is lifted in between, and their dots."""
    x: list[Floats] = []
    y: list[Floats] = []
    names: list[str] = []
    pen = np.array([np.nan])
    order = np.argsort(found.refs, kind="stable")
    ends = np.searchsorted(found.refs[order], [levels, levels + 1])
    for j, start, end in zip(levels, *ends, strict=True):
        rows = order[start:end]
        at, mean = _joined(found.x.at[rows], found.y.at[rows])
        x += [at, pen]
        y += [mean, pen]
        names += [f"{found.group} {found.levels[j]}"] * (len(at) + 1)
    if not x:
        return []
    bold = width > 1
    line = Line(
        np.concatenate(x), np.concatenate(y), color, width, alpha=alpha, names=names, gid=gid,
        z=3.5 if bold else 1.5,
    )  # fmt: skip
    if len(levels) > _DOTTED:
        return [line]
    mine = np.isin(found.refs, levels)
    size, z = (14.0, 4.0) if bold else (5.0, 2.0)
    own = [f"{found.group} {found.levels[j]}" for j in found.refs[mine]]
    dots = Dots(
        found.x.at[mine], found.y.at[mine], color, size, alpha=alpha, names=own, gid=gid, z=z
    )
    return [line, dots]


def _joined(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Values of x in their order, and the mean of y at each."""
    at, which = np.unique(x, return_inverse=True)
    mean: Floats = np.bincount(which, y) / np.bincount(which)
    return at, mean


# ---- a panel for each group ----------------------------------------------------------------------


def _panels(found: Drawn, labels: Labels, shown: Ints, note: str) -> Sheet:
    panels = []
    for j in shown:
        rows = np.flatnonzero(found.refs == j)
        x, y = found.x.at[rows], found.y.at[rows]
        marks: list[Mark] = [Dots(x, y, style.BLUE, 10.0, alpha=0.85, gid="data")]
        if found.y.categories is None:
            marks.append(Line(*_joined(x, y), style.BLUE, 0.9, alpha=0.6, gid="line"))
        title = f"{found.group} {found.levels[j]}"
        panels.append(Panel(marks, title=title, yticks=_upwards(found.y)))
    xlabel = "\n".join(filter(None, (labels.column(found.x.name), note)))
    made = sheet(panels, _covariate(found.x), xlabel, labels.observed, (), 1)
    if found.y.categories is None:
        return made
    return _with_categories(made, found.y)


def _with_categories(made: Sheet, y: Axis) -> Sheet:
    rows = [
        [None if panel is None else replace(panel, yticks=_upwards(y)) for panel in row]
        for row in made.rows
    ]
    return replace(made, rows=rows)


def _covariate(axis: Axis) -> Covariate:
    return Covariate(axis.name, axis.at, axis.categories)


def _upwards(axis: Axis) -> Ticks | None:
    if axis.categories is None:
        return None
    return Ticks(np.arange(len(axis.categories), dtype=float), list(axis.categories))
