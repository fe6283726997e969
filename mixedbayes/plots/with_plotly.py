"""Sheets drawn by Plotly; the pointer over a dot shows whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixedbayes.plots import style
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Floats,
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

PX = 96 / 72  # pixels of a point
_SYMBOLS = {"o": "circle", "X": "x", "_": "line-ew-open", "|": "line-ns-open"}


def html(text: str) -> str:
    """Plain text as the markup that Plotly reads, where dollar signs would enclose formulas."""
    return escape(text, quote=False).replace("$", "&#36;").replace("\n", "<br>")


def _rgba(color: str, alpha: float) -> str:
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{alpha:.3g})"


def references(figure: go.Figure, at: dict[str, int]) -> tuple[str, str]:
    """Names of a panel's axes."""
    place = figure.get_subplot(at["row"], at["col"])
    return (
        place.xaxis.plotly_name.replace("axis", ""),
        place.yaxis.plotly_name.replace("axis", ""),
    )


@singledispatch
def add_mark(mark: Any, figure: go.Figure, at: dict[str, int]) -> None:
    """Draw a mark in the panel at a row and column."""
    raise TypeError(f"no way to draw {type(mark).__name__}")


def _add(figure: go.Figure, at: dict[str, int], gid: str, **trace: Any) -> None:
    figure.add_trace(go.Scatter(name=gid, showlegend=False, **trace), **at)


def hover_text(name: str, lines: Sequence[str]) -> str:
    """A name, the first line beside it, the others below."""
    first, *rest = map(html, lines)
    return "<br>".join([f"<b>{html(name)}</b>, {first}", *rest])


def _hover(names: Any, gid: str, says: Any = ()) -> dict[str, Any]:
    if len(says):
        return {"hovertext": list(map(hover_text, names, says)), "hoverinfo": "text"}
    if not len(names):
        return {"hovertemplate": f"{gid}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>"}
    template = f"<b>%{{text}}</b><br>{gid}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>"
    return {"text": [html(str(n)) for n in names], "hovertemplate": template}


@add_mark.register
def _(mark: Dots, figure: go.Figure, at: dict[str, int]) -> None:
    color: Any = mark.color if isinstance(mark.color, str) else list(mark.color)
    look: dict[str, Any] = {"color": color, "symbol": _SYMBOLS[mark.marker], "opacity": mark.alpha}
    look["size"] = PX * np.sqrt(mark.area)  # a diameter
    if mark.marker == "o":
        look["line"] = {"color": mark.edge or style.MUTED, "width": PX * mark.edge_width}
    elif mark.marker == "X":
        look["line"] = {"color": "white", "width": 1}
    else:
        look["line"] = {"color": color, "width": PX * max(mark.edge_width, 0.9)}
    hover = _hover(mark.names, mark.gid, mark.says)
    _add(figure, at, mark.gid, x=mark.x, y=mark.y, mode="markers", marker=look, **hover)


@add_mark.register
def _(mark: Line, figure: go.Figure, at: dict[str, int]) -> None:
    look = {"color": _rgba(mark.color, mark.alpha), "width": PX * mark.width}
    if mark.dash:
        look["dash"] = "5px,4px"
    hover = _hover(mark.names, mark.gid)
    _add(figure, at, mark.gid, x=mark.x, y=mark.y, mode="lines", line=look, **hover)


@add_mark.register
def _(mark: Segments, figure: go.Figure, at: dict[str, int]) -> None:
    x, y = (_broken(mark.start[:, k], mark.end[:, k]) for k in (0, 1))
    look = {"color": _rgba(mark.color, mark.alpha), "width": PX * mark.width}
    more: dict[str, Any] = {"mode": "lines"}
    if mark.heads:
        sizes = np.tile([0, 7, 0], len(mark.start))
        arrow = {"symbol": "arrow", "angleref": "previous", "color": mark.color}
        more = {"mode": "lines+markers", "marker": {**arrow, "size": sizes, "standoff": 3}}
    _add(figure, at, mark.gid, x=x, y=y, line=look, hoverinfo="skip", **more)


def _broken(start: Floats, end: Floats) -> Floats:
    """start and end in turn, with a gap after each pair."""
    return np.column_stack([start, end, np.full(len(start), np.nan)]).ravel()


@add_mark.register
def _(mark: Band, figure: go.Figure, at: dict[str, int]) -> None:
    x = np.concatenate([mark.x, mark.x[::-1]])
    y = np.concatenate([mark.lower, mark.upper[::-1]])
    _area(figure, at, mark.gid, x, y, mark.color, mark.alpha)


@add_mark.register
def _(mark: Oval, figure: go.Figure, at: dict[str, int]) -> None:
    x, y = mark.outline()
    if mark.fill:
        _area(figure, at, mark.gid, x, y, mark.fill, mark.alpha)
    if mark.edge:
        look = {"color": _rgba(mark.edge, mark.alpha), "width": PX * mark.edge_width}
        _add(figure, at, mark.gid, x=x, y=y, mode="lines", line=look, hoverinfo="skip")


def _area(
    figure: go.Figure, at: dict[str, int], gid: str, x: Floats, y: Floats, color: str, alpha: float
) -> None:
    look = {"fill": "toself", "fillcolor": _rgba(color, alpha), "line": {"width": 0}}
    _add(figure, at, gid, x=x, y=y, mode="lines", hoverinfo="skip", **look)


@add_mark.register
def _(mark: Rule, figure: go.Figure, at: dict[str, int]) -> None:
    look: dict[str, Any] = {"color": mark.color, "width": PX * mark.width}
    if mark.dash:
        look["dash"] = "5px,4px"
    x, y = references(figure, at)
    common = {"type": "line", "line": look, "layer": "below"}
    ends = {"x0": mark.at, "x1": mark.at, "y0": 0, "y1": 1, "xref": x, "yref": f"{y} domain"}
    if not mark.upright:
        ends = {"x0": 0, "x1": 1, "y0": mark.at, "y1": mark.at, "xref": f"{x} domain", "yref": y}
    figure.add_shape(**common, **ends)


@add_mark.register
def _(mark: Text, figure: go.Figure, at: dict[str, int]) -> None:
    x, y = references(figure, at)
    inside = " domain" if mark.inside else ""
    figure.add_annotation(
        x=mark.x, y=mark.y, xref=x + inside, yref=y + inside, text=html(mark.text),
        showarrow=False, xanchor=mark.across, xshift=PX * mark.shift[0],
        yanchor={"center": "middle"}.get(mark.along, mark.along), yshift=PX * mark.shift[1],
        font={"color": mark.color, "size": PX * style.SMALL},
    )  # fmt: skip


def legend_entry(key: Key) -> go.Scatter:
    """A trace without points, for the legend."""
    common = {"x": [None], "y": [None], "name": html(key.text), "hoverinfo": "skip"}
    if key.kind in ("line", "dash"):
        look: dict[str, Any] = {"color": key.color, "width": PX * key.width}
        if key.kind == "dash":
            look["dash"] = "5px,4px"
        return go.Scatter(mode="lines", line=look, **common)
    symbol = {"cross": "x", "patch": "square"}.get(key.kind, "circle")
    marker: dict[str, Any] = {"symbol": symbol, "size": 12 if key.kind == "patch" else 8}
    marker["color"] = "white" if key.kind == "ring" else key.color
    edge = key.color if key.kind == "ring" else key.edge
    marker["line"] = {"color": edge or key.color, "width": 1.3}
    return go.Scatter(mode="markers", marker=marker, **common)


# ---- a sheet -----------------------------------------------------------------------------------


_DOTS = 96  # pixels of an inch
_LEFT, _RIGHT = 0.8, 0.4  # inches around the panels at least, with the tools at the right
_GAP_ALONG = {True: 0.72, False: 0.46}  # between panels, with and without texts of axes
_GAP_ACROSS = {True: 0.85, False: 0.2}
_KEY = 0.22  # inches of a row of the legend
_NO_TOOLS = ["lasso", "select", "zoomIn", "zoomOut", "autoScale"]


def draw(sheet: Sheet) -> go.Figure:
    """A Plotly figure of the sheet."""
    figure = _empty(sheet)
    for i, row in enumerate(sheet.rows):
        for j, panel in enumerate(row):
            at = {"row": i + 1, "col": j + 1}
            if panel is None:
                figure.update_xaxes(visible=False, **at)
                figure.update_yaxes(visible=False, **at)
                continue
            _panel(figure, panel, at)
            below = sheet.named_below(i, j)
            figure.update_xaxes(range=sheet.limits(i, j, "x"), showticklabels=below, **at)
            figure.update_yaxes(range=sheet.limits(i, j, "y"), **at)
    for key in sheet.keys:
        figure.add_trace(legend_entry(key))
        for gid in key.gids:
            figure.update_traces({"legendgroup": key.text}, {"name": gid})
    _around(figure, sheet)
    return figure


def _empty(sheet: Sheet) -> go.Figure:
    """Axes without anything in them, and room for the texts around."""
    rows, columns = sheet.shape
    top, bottom = _margins(sheet)
    names, left = _room_of_names(sheet), _left(sheet)
    width = max(sheet.width, left + _RIGHT + columns)
    across, along = width - left - _RIGHT, sheet.height - top - bottom
    beside = max(_GAP_ACROSS[sheet.share_y == "none"], names + 0.15)
    between = _GAP_ALONG[any(panel.xlabel for panel in sheet.panels)]
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes={"all": "all", "aligned": "columns", "none": False}[sheet.share_x],
        shared_yaxes={"all": "all", "aligned": "rows", "none": False}[sheet.share_y],
        row_heights=list(sheet.heights) or None,
        column_widths=list(sheet.widths) or None,
        horizontal_spacing=_spacing(beside, across, columns),
        vertical_spacing=_spacing(between, along, rows),
    )
    margins = {"l": left, "r": _RIGHT, "t": top, "b": bottom}
    figure.update_layout(
        width=_DOTS * width,
        height=_DOTS * sheet.height,
        margin={side: _DOTS * room for side, room in margins.items()} | {"autoexpand": False},
        template="plotly_white",
        font={"size": PX * style.SMALL, "color": style.INK},
        hovermode="closest",
        modebar={"orientation": "v", "remove": _NO_TOOLS},
        legend=_legend(sheet.keys_above),
    )
    return figure


def _legend(above: bool) -> dict[str, Any]:
    """Entries side by side, above or below everything else, that are not for clicking."""
    place = {"y": 1.0, "yanchor": "top"} if above else {"y": 0.0, "yanchor": "bottom"}
    return place | {
        "orientation": "h", "xref": "container", "x": 0.5, "xanchor": "center",
        "yref": "container", "font": {"size": PX * style.SMALL},
        "itemclick": False, "itemdoubleclick": False,
    }  # fmt: skip


def _margins(sheet: Sheet) -> tuple[float, float]:
    """Inches above and below the panels."""
    legend = 0.1 + _KEY * -(-len(sheet.keys) // max(1, sheet.key_columns)) if sheet.keys else 0.0
    lines = max(panel.title.count("\n") + bool(panel.title) for panel in sheet.panels)
    titles = 0.12 + 0.18 * lines
    texts = _room_below(sheet) + (0.1 + 0.17 * (1 + sheet.note.count("\n")) if sheet.note else 0.0)
    return (titles + legend, texts) if sheet.keys_above else (titles, texts + legend)


def _left(sheet: Sheet) -> float:
    """Inches beside the panels."""
    return max(_LEFT, 0.2 + _room_of_names(sheet))


def _room_below(sheet: Sheet) -> float:
    """Inches that the texts of horizontal axes take."""
    lines = max([sheet.xlabel.count("\n"), *(p.xlabel.count("\n") for p in sheet.panels)])
    return 0.5 + 0.2 * lines


def _room_of_names(sheet: Sheet) -> float:
    """Inches that the longest text beside a vertical axis takes, where texts are given."""
    lines = [
        line
        for panel in sheet.panels
        if isinstance(panel.yticks, Ticks)
        for text in panel.yticks.texts
        for line in text.split("\n")
    ]
    return max(map(len, lines), default=0) * style.LETTER / 72


def _spacing(gap: float, room: float, count: int) -> float:
    return min(gap / room, 0.6 / (count - 1)) if count > 1 else 0.0


def _around(figure: go.Figure, sheet: Sheet) -> None:
    """Texts of both axes of the whole sheet."""
    common = {
        "xref": "paper", "yref": "paper", "showarrow": False,
        "font": {"size": PX * style.TEXT, "color": style.INK},
    }  # fmt: skip
    if sheet.xlabel:
        below = {"yanchor": "top", "yshift": -_DOTS * 0.28, "text": html(sheet.xlabel)}
        figure.add_annotation(x=0.5, y=0, **below, **common)
    if sheet.note:
        small = {"font": {"size": PX * style.SMALL, "color": style.MUTED}, "align": "left"}
        below = {"yanchor": "top", "yshift": -_DOTS * _room_below(sheet), "text": html(sheet.note)}
        left = {"x": 0, "xanchor": "left", "xshift": -_DOTS * (_left(sheet) - 0.1)}
        figure.add_annotation(y=0, **left, **below, **(common | small))
    if sheet.ylabel:
        beside = {"textangle": -90, "xshift": -_DOTS * 0.55, "text": html(sheet.ylabel)}
        figure.add_annotation(x=0, y=0.5, **beside, **common)


def _panel(figure: go.Figure, panel: Panel, at: dict[str, int]) -> None:
    for mark in sorted(panel.marks, key=lambda m: getattr(m, "z", 9.0)):
        add_mark(mark, figure, at)
    line = {"showgrid": False, "zeroline": False, "linecolor": style.MUTED, "ticks": "outside"}
    line |= {"tickcolor": style.MUTED, "ticklen": 4}
    size = PX * style.TEXT
    figure.update_xaxes(
        title={"text": html(panel.xlabel), "font": {"size": size}, "standoff": 6},
        showline=True, **(line | _ticks(panel.xticks, "x")), **at,
    )  # fmt: skip
    figure.update_yaxes(
        title={"text": html(panel.ylabel), "font": {"size": size}, "standoff": 6},
        showline=panel.y_line, **(line | _ticks(panel.yticks, "y")), **at,
    )  # fmt: skip
    if panel.title:
        text = html(panel.title) if panel.small else f"<b>{html(panel.title)}</b>"
        x, y = references(figure, at)
        figure.add_annotation(
            x=0, y=1, xref=f"{x} domain", yref=f"{y} domain", text=text, showarrow=False,
            xanchor="left", yanchor="bottom", font={"size": PX * (9 if panel.small else 10)},
        )  # fmt: skip


def _ticks(ticks: Ticks | MaxTicks | None, axis: str) -> dict[str, Any]:
    if isinstance(ticks, MaxTicks):
        whole = {"tickformat": ",.0f"} if ticks.whole else {}
        return {"nticks": ticks.most + 1, **whole}
    if ticks is None:
        return {"nticks": 7}
    texts = [html(t) for t in ticks.texts]
    found: dict[str, Any] = {"tickmode": "array", "tickvals": list(ticks.at), "ticktext": texts}
    if axis == "x":
        found["tickangle"] = -90 if ticks.turned else 0
    if not ticks.marks:
        found["ticks"] = ""
    return found
