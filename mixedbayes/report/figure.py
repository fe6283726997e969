"""Pictures for the browser: a scene as Plotly draws it, as data for the script in the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixedbayes.plots import style
from mixedbayes.plots.draw import check_backend
from mixedbayes.plots.labels import in_picture
from mixedbayes.plots.scene import Key, Panel, Sheet, Text, Ticks, with_texts

DIGITS = 5  # significant, of every coordinate
_LETTERS = 22  # of a level's name beside an axis or a point, since a page may be narrow
_PIXELS = 96  # of an inch
_MARGIN = {"l": 60, "r": 16, "t": 46, "b": 54}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LOOK: dict[str, Any] = {
    "autosize": True,
    "font": {"family": _FONT, "size": 13, "color": style.INK},
    "margin": _MARGIN,
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "hovermode": "closest",
    "hoverlabel": {"bgcolor": "white", "bordercolor": style.MUTED, "align": "left"},
    "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
    "dragmode": False,
}


@dataclass(frozen=True, eq=False)
class Figure:
    """One interactive picture.

    says
        What it shows, for the reader.
    data, layout
        As plotly.js takes them.
    script
        Name of the function in the page that completes it; empty for a picture that is complete.
    extra
        Data for that function.
    """

    title: str
    says: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    script: str = ""
    extra: Any = None

    def json(self) -> str:
        """As JSON that can stand inside a script element."""
        content = {"data": self.data, "layout": self.layout, "script": self.script}
        return embedded(content | ({"extra": self.extra} if self.script else {}))


def figure(
    title: str,
    says: str,
    panel: Panel,
    height: float,
    keys: Sequence[Key],
    script: str = "",
    extra: Any = None,
) -> Figure:
    """A panel of so many inches in the look of the page, as wide as that is."""
    check_backend("plotly")
    from mixedbayes.plots.with_plotly import draw

    sheet = Sheet([[_without_long_names(panel)]], 8.0, max(height, 1.5) + 1.0, keys=keys)
    drawn = draw(with_texts(sheet, in_picture))
    traces = [trace.to_plotly_json() for trace in drawn.data]
    traces.sort(key=lambda trace: trace.get("showlegend") is False)  # the legend's come first
    own = drawn.layout.to_plotly_json()
    parts = {k: own[k] for k in ("xaxis", "yaxis", "annotations", "shapes") if k in own}
    for axis in (parts["xaxis"], parts["yaxis"]):
        axis |= {"automargin": True, "zeroline": False, "nticks": 0}
    look = _LOOK | {"height": _PIXELS * max(height, 1.5) + _MARGIN["t"] + _MARGIN["b"]}
    return Figure(title, says, traces, parts | look, script, extra)


def _without_long_names(panel: Panel) -> Panel:
    """Without its title, which the page has, and with the names of levels shortened."""

    def short(part: Any) -> Any:
        if isinstance(part, Text):
            return replace(part, text=in_picture(part.text, _LETTERS))
        if isinstance(part, Ticks):
            return replace(part, texts=[in_picture(t, _LETTERS) for t in part.texts])
        return part

    marks = [short(mark) for mark in panel.marks]
    ticks = {"xticks": short(panel.xticks), "yticks": short(panel.yticks)}
    return replace(panel, title="", marks=marks, **ticks)


def embedded(content: Any) -> str:
    """JSON in which no character can end a script element or a line of one."""
    text = json.dumps(_plain(content), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(value: Any) -> Any:
    """Lists, strings and numbers of `DIGITS` digits; what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value
