"""The marks and legend entries of a sheet as Plotly has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mixedbayes.plots import style
from mixedbayes.plots.scene import Band, Dots, Floats, Key, Line, Oval, Rule, Segments, Text

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
