"""Sheets drawn by Bokeh; the pointer over a dot shows whose it is.

Four pictures are made by arviz_plots, which knows Matplotlib, Plotly and Bokeh; the others keep to
the same three, so that `backend=` means the same for every picture and for ArviZ's own.
"""

from __future__ import annotations

import re
from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
from bokeh.layouts import column, gridplot
from bokeh.models import (
    Arrow,
    BasicTicker,
    ColumnDataSource,
    Div,
    FixedTicker,
    HoverTool,
    NormalHead,
    Range1d,
    Span,
    Title,
)
from bokeh.models import Label as BokehLabel
from bokeh.models.text import PlainText
from bokeh.plotting import figure

from mixedbayes.plots import style
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Key,
    Line,
    MaxTicks,
    Oval,
    Panel,
    Rule,
    Segments,
    Sheet,
    Text,
    Ticks,
)

_FORMULA = re.compile(r"\$\$|\\[\[(]")
_DOTS = 96  # pixels of an inch
_PX = _DOTS / 72  # pixels of a point
_MARKERS = {"o": "circle", "X": "x", "_": "dash", "|": "dash"}
_DASHES = [5, 4]
_TEXTS = 0.7  # inches above and below a panel for its texts
_HEAD = 0.03  # of the panel's width and height, from which on a segment has a head
_SWATCHES = {"line": "━", "dash": "╌╌", "dot": "●", "ring": "○", "cross": "✖", "patch": "■"}


def draw(sheet: Sheet) -> Any:
    """A Bokeh layout of the sheet."""
    rows, columns = sheet.shape
    heights = [h + _TEXTS for h in sheet.heights] or [(sheet.height - 0.4) / rows] * rows
    parts_of = sheet.widths or [1.0] * columns
    widths = [sheet.width * w / sum(parts_of) for w in parts_of]
    shared: dict[Any, Range1d] = {}
    grid = [
        [
            None if panel is None else _panel(sheet, i, j, panel, widths[j], heights[i], shared)
            for j, panel in enumerate(row)
        ]
        for i, row in enumerate(sheet.rows)
    ]
    parts: list[Any] = [gridplot(grid, toolbar_location="right")]
    if sheet.xlabel:
        parts.append(_div(escape(sheet.xlabel).replace("\n", "<br>"), sheet.width))
    if sheet.keys:
        legend = _div("&emsp; ".join(_key(key) for key in sheet.keys), sheet.width)
        parts = [legend, *parts] if sheet.keys_above else [*parts, legend]
    if sheet.note:
        small = {"color": style.MUTED, "font-size": f"{style.SMALL}pt", "text-align": "left"}
        parts.append(_div(escape(sheet.note), sheet.width, small))
    return column(*parts)


def plain(text: str) -> Any:
    """A text that Bokeh shows as it is, where its signs would enclose a formula."""
    return PlainText(text=text) if _FORMULA.search(text) else text


def _div(html: str, width: float, look: dict[str, str] | None = None) -> Div:
    look = look or {"color": style.INK, "font-size": f"{style.TEXT}pt", "text-align": "center"}
    return Div(text=html, disable_math=True, width=int(_DOTS * width), styles=look)


def _key(key: Key) -> str:
    look = f"color:{key.edge or key.color};font-size:140%"
    swatch = f'<span style="{look}">{_SWATCHES[key.kind]}</span>'
    return f"{swatch}&nbsp;{escape(key.text)}"


def _panel(
    sheet: Sheet,
    i: int,
    j: int,
    panel: Panel,
    width: float,
    height: float,
    shared: dict[Any, Range1d],
) -> Any:
    ranges = {}
    for axis, share, aligned in (("x", sheet.share_x, j), ("y", sheet.share_y, i)):
        place = {"all": None, "aligned": aligned, "none": (i, j)}[share]
        if (axis, place) not in shared:
            ends = sheet.limits(i, j, axis)  # type: ignore[arg-type]
            shared[axis, place] = Range1d(*ends) if ends else Range1d(0, 1)
        ranges[f"{axis}_range"] = shared[axis, place]
    plot = figure(
        width=int(_DOTS * width),
        height=int(_DOTS * height),
        title=Title(text=plain(panel.title)),
        tools="pan,box_zoom,wheel_zoom,reset,save",
        **ranges,
    )
    for mark in sorted(panel.marks, key=lambda m: getattr(m, "z", 9.0)):
        _mark(mark, plot)
    _look(plot, panel, sheet.ylabel if j == 0 else "")
    plot.xaxis.major_label_text_alpha = float(sheet.named_below(i, j))
    return plot


def _look(plot: Any, panel: Panel, ylabel: str) -> None:
    plot.grid.visible = False
    plot.outline_line_color = None
    plot.title.text_color = style.INK
    plot.title.text_font_style = "normal" if panel.small else "bold"
    plot.title.text_font_size = f"{9 if panel.small else 10}pt"
    for axis, ticks, text in (
        (plot.xaxis, panel.xticks, panel.xlabel),
        (plot.yaxis, panel.yticks, panel.ylabel or ylabel),
    ):
        axis.axis_label = plain(text) or None
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = f"{style.TEXT}pt"
        axis.axis_label_text_color = axis.major_label_text_color = style.INK
        axis.major_label_text_font_size = f"{style.SMALL}pt"
        axis.axis_line_color = axis.major_tick_line_color = style.MUTED
        axis.minor_tick_line_color = None
        axis.major_tick_in = 0
        if isinstance(ticks, Ticks):
            axis.ticker = FixedTicker(ticks=[float(at) for at in ticks.at])
            texts = dict(zip(map(float, ticks.at), map(plain, ticks.texts), strict=True))
            axis.major_label_overrides = texts
            axis.major_tick_line_alpha = float(ticks.marks)
            axis.major_label_orientation = "vertical" if ticks.turned else "horizontal"
        else:
            most = ticks.most if isinstance(ticks, MaxTicks) else 6
            axis.ticker = BasicTicker(desired_num_ticks=most + 1)
    plot.yaxis.axis_line_alpha = float(panel.y_line)


@singledispatch
def _mark(mark: Any, plot: Any) -> None:
    raise TypeError(f"no way to draw {type(mark).__name__}")


@_mark.register
def _(mark: Dots, plot: Any) -> None:
    n = len(mark.x)
    color = [mark.color] * n if isinstance(mark.color, str) else list(mark.color)
    data: dict[str, Any] = {"x": mark.x, "y": mark.y, "color": color}
    data["size"] = np.broadcast_to(_PX * np.sqrt(mark.area), n)  # a diameter
    data["name"] = [str(name) for name in mark.names] or [""] * n
    look: dict[str, Any] = {"fill_color": "color", "line_color": None, "alpha": mark.alpha}
    if mark.marker != "o":
        look |= {"line_color": "color", "line_width": 3.0 if mark.marker == "X" else 1.2}
    elif mark.edge:
        look |= {"line_color": mark.edge, "line_width": _PX * mark.edge_width}
    if mark.marker == "|":
        look["angle"] = np.pi / 2
    dots = plot.scatter(
        "x", "y", size="size", marker=_MARKERS[mark.marker], source=ColumnDataSource(data),
        name=mark.gid, **look,
    )  # fmt: skip
    if len(mark.names):
        tips = [("", "@name"), (mark.gid, "@x{0.[000]}, @y{0.[000]}")]
        plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))


@_mark.register
def _(mark: Line, plot: Any) -> None:
    plot.line(
        mark.x, mark.y, line_color=mark.color, line_width=_PX * mark.width,
        line_dash=_DASHES if mark.dash else "solid", line_alpha=mark.alpha, name=mark.gid,
    )  # fmt: skip


@_mark.register
def _(mark: Segments, plot: Any) -> None:
    plot.segment(
        mark.start[:, 0], mark.start[:, 1], mark.end[:, 0], mark.end[:, 1], name=mark.gid,
        line_color=mark.color, line_width=_PX * mark.width, line_alpha=mark.alpha,
    )  # fmt: skip
    if not mark.heads:
        return
    view = np.array([abs(r.end - r.start) for r in (plot.x_range, plot.y_range)])
    long = np.linalg.norm((mark.end - mark.start) / view, axis=1) > _HEAD
    for (x0, y0), (x1, y1) in zip(mark.start[long], mark.end[long], strict=True):
        head = NormalHead(size=6, fill_color=mark.color, line_color=mark.color)
        ends = {"x_start": x0, "y_start": y0, "x_end": x1, "y_end": y1}
        plot.add_layout(Arrow(end=head, line_alpha=0, **ends))


@_mark.register
def _(mark: Band, plot: Any) -> None:
    plot.varea(
        mark.x, mark.lower, mark.upper, fill_color=mark.color, fill_alpha=mark.alpha, name=mark.gid
    )


@_mark.register
def _(mark: Oval, plot: Any) -> None:
    x, y = mark.outline()
    if mark.fill:
        plot.patch(
            x, y, fill_color=mark.fill, fill_alpha=mark.alpha, line_color=None, name=mark.gid
        )
    if mark.edge:
        plot.line(
            x, y, line_color=mark.edge, line_alpha=mark.alpha, line_width=_PX * mark.edge_width,
            name=mark.gid,
        )  # fmt: skip


@_mark.register
def _(mark: Rule, plot: Any) -> None:
    plot.add_layout(
        Span(
            location=mark.at, dimension="height" if mark.upright else "width", level="underlay",
            line_color=mark.color, line_width=_PX * mark.width,
            line_dash=_DASHES if mark.dash else "solid",
        )
    )  # fmt: skip


@_mark.register
def _(mark: Text, plot: Any) -> None:
    x, y = mark.x, mark.y
    if mark.inside:
        x, y = (
            r.start + share * (r.end - r.start)
            for share, r in ((x, plot.x_range), (y, plot.y_range))
        )
    along: Any = {"center": "middle"}.get(mark.along, mark.along)
    plot.add_layout(
        BokehLabel(
            x=x, y=y, text=plain(mark.text), text_color=mark.color, text_align=mark.across,
            text_baseline=along, text_font_size=f"{style.SMALL}pt",
            x_offset=_PX * mark.shift[0], y_offset=_PX * mark.shift[1],
        )
    )  # fmt: skip
