"""Means, comparisons and slopes, as points with intervals or as lines with bands."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats
from mixedbayes.design.values import label
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import shown
from mixedbayes.estimands.result import Estimates
from mixedbayes.plots import categories, style
from mixedbayes.plots.estimates_layout import (
    CATEGORY,
    HEIGHT,
    SMALL,
    SORTED,
    WIDTH,
    Layout,
    layout,
    levels_of,
    rows_at,
)
from mixedbayes.plots.fixef import ratio_ticks
from mixedbayes.plots.interval_marks import Intervals, marks_of
from mixedbayes.plots.ranef import TALLEST, named_rows
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    MaxTicks,
    Panel,
    Rule,
    Sheet,
    Ticks,
    check_backend,
    draw,
    extent,
    in_rows,
)

_PLACES = 12  # of a line, up to which each has a dot
MOST_PANELS = 36
_PITCH = 0.27  # inches of a row
_LETTERS = 38  # of a row's name in one line


def plot_estimates(
    estimates: Estimates,
    *,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Means, comparisons and slopes with their intervals, and the question that they answer.

    Means along a number are a line in a band of the interval's probability; at levels, dots with
    the 50 % interval (thick) and the interval asked for (thin). Comparisons and slopes are rows of
    a forest, with a line where there is no difference; along five numbers or more they are a line.
    Ratios are on a logarithmic axis, and their dots are medians, all others posterior means. What
    is asked about runs along the axis, the next column has colours, others panels; of more than 20
    levels each is a row, in the order of the estimates.

    Parameters
    ----------
    estimates
        What `means`, `comparisons` or `slopes` returned, or a contrast of it.
    units
        Units of columns by name, for the axes; by default those of the data.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        There are more than 36 panels to draw, or the backend is unknown.

    Examples
    --------
    >>> fit.comparisons({"Machine": "pairwise"}, by="Worker").plot()  # doctest: +SKIP
    """
    check_backend(backend)
    return draw(sheet(estimates, units), backend)


# ---- a sheet -----------------------------------------------------------------------------------


def sheet(
    estimates: Estimates,
    units: Mapping[str, str] | None = None,
    data: pd.DataFrame | None = None,
    response: Floats | None = None,
) -> Sheet:
    """The picture as a scene; the rows of `data` with their response stand behind lines and dots.

    Raises
    ------
    ModelError
        There would be too many panels.
    """
    plan = layout(estimates)
    found = Intervals.of(estimates)
    known = estimates.axis.units if units is None else units
    panels = levels_of(estimates.grid, plan.panels)
    if len(panels) > MOST_PANELS:
        raise ModelError(
            f"{len(panels)} combinations of {', '.join(plan.panels)} are too many panels (at most "
            f"{MOST_PANELS}); ask for fewer with at="
        )
    places = levels_of(estimates.grid, plan.along)
    if plan.kind == "rows":
        places = _in_order(estimates, found, plan, places)
    colors = [] if plan.color is None else levels_of(estimates.grid, [plan.color])
    height = _height(places, len(colors)) if plan.kind == "rows" else HEIGHT
    drawn = [
        _panel(estimates, found, plan, places, colors, values, height, data, response)
        for _, values in panels
    ]
    return _arranged(estimates, found, plan, places, colors, drawn, height, known)


def _height(places: list[tuple[str, tuple[Any, ...]]], series: int) -> float:
    """Inches of a forest: room for names of several lines and for series side by side."""
    lines = max(name.count("\n") for name in _row_names(places))
    pitch = max(_PITCH * (0.5 + 0.5 * max(1, series)), _PITCH + 0.15 * lines)
    return float(np.clip(pitch * len(places), 0.5, TALLEST))


def _row_names(places: list[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """Names in lines where there are few; where there are many, in one."""
    if len(places) > SORTED:
        return [name for name, _ in places]
    return ["\n".join(textwrap.wrap(name, _LETTERS)) or name for name, _ in places]


def _in_order(
    estimates: Estimates, found: Intervals, plan: Layout, places: list[tuple[str, tuple[Any, ...]]]
) -> list[tuple[str, tuple[Any, ...]]]:
    """Rows from the top: in the order of levels, many in that of their estimates."""
    if len(places) <= SORTED:
        return places
    mean = {v: found.middle[rows_at(estimates.grid, plan.along, v)].mean() for _, v in places}
    return sorted(places, key=lambda place: -mean[place[1]])


def _panel(
    estimates: Estimates,
    found: Intervals,
    plan: Layout,
    places: list[tuple[str, tuple[Any, ...]]],
    colors: list[tuple[str, tuple[Any, ...]]],
    values: tuple[Any, ...],
    height: float,
    data: pd.DataFrame | None,
    response: Floats | None,
) -> Panel:
    grid = estimates.grid
    here = rows_at(grid, plan.panels, values)
    hues = _hues(plan, colors)
    marks: list[Mark] = []
    if estimates.kind != "means":
        marks.append(Rule(found.null, plan.kind == "rows", style.MUTED))
    for k, (name, value) in enumerate(colors or [("", ())]):
        own = here & (rows_at(grid, [plan.color], value) if plan.color else True)
        hue = hues[k] if hues else None
        if data is not None and response is not None:
            part = rows_at(data, plan.panels, values)
            part &= rows_at(data, [plan.color], value) if plan.color else True
            marks.append(_data(data[part], response[part], plan, places, hue))
        if plan.kind == "line":
            marks += _line(grid, found, own, plan.along[0], hue or style.BLUE, name, len(colors))
            continue
        order = np.array([_first(own & rows_at(grid, plan.along, v)) for _, v in places])
        seat = np.arange(len(places), dtype=float)
        seat = seat[::-1] if plan.kind == "rows" else seat
        kept = order >= 0
        spread = 0.6 if plan.kind == "rows" else 0.5
        aside = spread * ((k + 0.5) / len(colors) - 0.5) if len(colors) > 1 else 0.0
        seat = seat + (-aside if plan.kind == "rows" else aside)
        texts = [
            " ".join(filter(None, (n, name)))
            for (n, _), yes in zip(places, kept, strict=True)
            if yes
        ]
        room = 72 * (height if plan.kind == "rows" else 3.0)
        marks += marks_of(
            found.at(order[kept]), seat[kept], texts,
            rows=plan.kind == "rows", color=hue, signal=estimates.kind != "means",
            pitch=room / (len(places) * max(1, len(colors))),
        )  # fmt: skip
    return Panel(marks, title=_title(estimates, plan, values), y_line=plan.kind != "rows")


def _first(mask: Any) -> int:
    found = np.flatnonzero(mask)
    return int(found[0]) if len(found) else -1


def _title(estimates: Estimates, plan: Layout, values: tuple[Any, ...]) -> str:
    parts = [_called(estimates, n, v) for n, v in zip(plan.panels, values, strict=True)]
    if estimates.kind == "comparisons":
        used = (*plan.along, plan.color, *plan.panels)
        constant = [n for n in estimates.focal if n not in used]
        parts = [_called(estimates, n, estimates.grid[n].iloc[0]) for n in constant] + parts
    return ", ".join(parts)


def _called(estimates: Estimates, name: str, value: Any) -> str:
    """A level with its column's name: "Sex f", "dose = 8", "Machine: B - A"."""
    if name in estimates.numbers:
        return f"{name} = {shown(value)}"
    if name in (CATEGORY, "contrast", "term"):
        return label(value)
    return f"{name}: {value}" if name in estimates.focal and estimates.kind != "means" else (
        f"{name} {label(value)}"
    )  # fmt: skip


def _hues(plan: Layout, colors: Sequence[Any]) -> list[str]:
    if len(colors) < 2:
        return [style.BLUE] * len(colors)
    return categories.colors(len(colors)) if plan.color == CATEGORY else style.colors(len(colors))


def _line(
    grid: pd.DataFrame, found: Intervals, own: Any, along: str, hue: str, name: str, series: int
) -> list[Mark]:
    at = np.flatnonzero(own)
    x = grid[along].to_numpy(float)[at]
    order = at[np.argsort(x, kind="stable")]
    x = np.sort(x)
    alpha = 0.25 if series < 2 else 0.18
    marks: list[Mark] = [
        Band(x, found.outer[0, order], found.outer[1, order], hue, alpha, gid="band"),
        Line(x, found.middle[order], hue, 2.0, names=[name] * len(x) if name else (), gid="mean"),
    ]
    if len(x) <= _PLACES:
        marks.append(Dots(x, found.middle[order], hue, 18.0, gid="place"))
    return marks


def _data(data: pd.DataFrame, response: Floats, plan: Layout, places: Any, hue: str | None) -> Dots:
    many = len(data) > 500
    if plan.kind == "line":
        x = data[plan.along[0]].to_numpy(float)
    else:
        x = np.zeros(len(data))
        for k, (_, value) in enumerate(places):
            x[rows_at(data, plan.along, value)] = k
        # The same rows stand at the same place whenever they are drawn.
        x = x + np.random.default_rng(0).uniform(-0.12, 0.12, len(x))
    color = hue or style.MUTED
    return Dots(x, response, color, 4.0 if many else 8.0, alpha=0.15 if many else 0.3,
                gid="data", z=0.5)  # fmt: skip


def _arranged(
    estimates: Estimates,
    found: Intervals,
    plan: Layout,
    places: list[tuple[str, tuple[Any, ...]]],
    colors: list[tuple[str, tuple[Any, ...]]],
    drawn: list[Panel],
    height: float,
    units: Mapping[str, str],
) -> Sheet:
    """Panels side by side, their axes shared and named."""
    n, rows = len(drawn), plan.kind == "rows"
    columns = n if n <= 3 else 2 if n == 4 and not rows else 3 if n <= 9 else 4
    wide, high = (WIDTH, HEIGHT) if n == 1 else SMALL
    names, beside = [], 0.0
    if rows:
        names = _row_names(places)
        beside = max(len(line) for name in names for line in name.split("\n")) * style.LETTER / 72
        wide, high = (3.6, height) if n == 1 else (2.4, height)
    value = style.in_lines(estimates.axis.said(units), wide if rows else high)
    if found.log:
        value = f"{value}, logarithmic axis"
    ends = _limits(estimates, found, drawn, across=rows)
    value_ticks: Ticks | MaxTicks = ratio_ticks(*ends) if found.log else MaxTicks(5)
    place, place_ticks, place_ends = _place_axis(estimates, plan, places, names, height, units)
    grid = in_rows(
        [
            replace(p, title=textwrap.fill(p.title, _letters(wide)), xlim=ends if rows else
                    place_ends, ylim=place_ends if rows else ends, small=n > 1,
                    xticks=value_ticks if rows else place_ticks,
                    yticks=place_ticks if rows else value_ticks)
            for p in drawn
        ],
        columns,
    )  # fmt: skip
    across = value if rows else place
    upwards = style.in_lines(place, high) if rows else value
    shown_panels = [
        [
            None if p is None else replace(
                p, xlabel=across if i + 1 == len(grid) or grid[i + 1][j] is None else "",
                ylabel=upwards if j == 0 else "",
            )
            for j, p in enumerate(row)
        ]
        for i, row in enumerate(grid)
    ]  # fmt: skip
    lines = max(p.title.count("\n") + bool(p.title) for row in grid for p in row if p)
    keys = _keys(estimates, found, plan, colors, drawn)
    width = max(4.8, wide * columns + beside + 0.6)
    letters = int(72 * width / (0.58 * style.SMALL))
    said = filter(None, (estimates.question, estimates.note))
    note = "\n".join(textwrap.fill(text, letters) for text in said)
    key_columns = categories.key_columns(keys, width - 0.9)
    deep = 0.17 * (note.count("\n") + 1) + 0.2 * -(-len(keys) // key_columns)
    return Sheet(
        shown_panels,
        width=width,
        height=(high + 0.15 * lines) * len(grid) + 0.75 + deep,
        share_x="all" if n > 1 else "none",
        share_y="all" if n > 1 else "none",
        keys=keys,
        key_columns=key_columns,
        keys_above=True,
        note=note,
    )


def _letters(width: float) -> int:
    return max(12, int(72 * width / (1.1 * style.LETTER)))


def _place_axis(
    estimates: Estimates,
    plan: Layout,
    places: list[tuple[str, tuple[Any, ...]]],
    names: list[str],
    height: float,
    units: Mapping[str, str],
) -> tuple[str, Ticks | MaxTicks | None, tuple[float, float] | None]:
    """Name, ticks and limits of the axis along which the places are."""
    skipped = ("contrast", "term")
    named = ", ".join(
        f"{n} ({units[n]})" if n in units and n in estimates.numbers else n
        for n in plan.along if n not in skipped
    )  # fmt: skip
    if plan.kind == "line":
        values = [v[0] for _, v in places]
        whole = all(float(v).is_integer() for v in values)
        return named, MaxTicks(6, whole=whole), None
    count = len(places)
    if plan.kind == "points":
        at = np.arange(count, dtype=float)
        return named, Ticks(at, [name for name, _ in places]), (-0.5, count - 0.5)
    ticks = named_rows(list(names[::-1]), height)
    if len(ticks.at) < count:
        named = f"{named}: {len(ticks.at)} of {count} named"
    return named, ticks, (-0.6, count - 0.4)


def _limits(
    estimates: Estimates, found: Intervals, drawn: Sequence[Panel], *, across: bool
) -> tuple[float, float]:
    """Ends of the axis of values: around all marks, not beyond where values can be."""
    axis: Literal["x", "y"] = "x" if across else "y"
    ends = [e for p in drawn for m in p.marks for e in extent(m, axis)]
    if estimates.kind != "means":
        ends.append(found.null)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * max(abs(low), 1.0)
    low, high = low - margin, high + margin
    if estimates.axis.limits is not None and not found.log:
        least, most = estimates.axis.limits
        little = 0.02 * (high - low)
        low, high = max(low, least - little), min(high, most + little)
    return low, high


def _keys(
    estimates: Estimates,
    found: Intervals,
    plan: Layout,
    colors: list[tuple[str, tuple[Any, ...]]],
    drawn: Sequence[Panel],
) -> list[Key]:
    """The legend: what has a colour, then what the marks are."""
    band, line = f"{style.percent(found.prob)} {found.words}", plan.kind == "line"
    keys = [
        Key(_called(estimates, str(plan.color), v[0]), hue, "line" if line else "dot", width=2.2)
        for (_, v), hue in zip(colors, _hues(plan, colors), strict=True)
    ]
    middle = "posterior median" if found.log else "posterior mean"
    if line:
        keys += [Key(middle, style.MUTED if colors else style.BLUE, width=2.0),
                 Key(band, style.FAINT, "patch")]  # fmt: skip
    else:
        keys += [
            Key(middle, style.MUTED, "ring"),
            Key(f"50 % {found.words}", style.MUTED, width=3.2),
            Key(band, style.MUTED, width=1.0),
        ]
    marks = [m for p in drawn for m in p.marks]
    gids = {getattr(m, "gid", "") for m in marks}
    if "outer clear" in gids:
        null = f"{estimates.null:g}"
        keys.append(Key(f"{style.percent(found.prob)} excludes {null}", style.BLUE, width=3.2))
    if "data" in gids:
        keys.append(Key("data", style.MUTED, "dot"))
    return keys
