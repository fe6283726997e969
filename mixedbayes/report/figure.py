"""Pictures for the browser: traces and layout as plain data, in the package's look.

They are in the format of plotly.js, written here as dictionaries, so that a report is made without
importing plotly; only its script is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from mixedbayes.plots import style
from mixedbayes.printable import printable

type Trace = dict[str, Any]
DIGITS = 5  # significant, of every coordinate
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, eq=False)
class Figure:
    """One interactive picture.

    says
        What it shows, for the reader.
    script
        Name of the function in the page that completes it; empty for a picture that is complete.
    extra
        Data for that function.
    """

    title: str
    says: str
    data: list[Trace]
    layout: dict[str, Any]
    script: str = ""
    extra: Any = None

    def json(self) -> str:
        """As JSON that can stand inside a script element."""
        content = {"data": self.data, "layout": self.layout, "script": self.script}
        return embedded(content | ({"extra": self.extra} if self.script else {}))


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


def words(text: str) -> str:
    """A user's text for plotly.js, which reads some tags and entities in every label."""
    return escape(printable(text), quote=False).replace("$", "&#36;")


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": words(title), "standoff": 8},
        "zeroline": False,
        "showline": True,
        "linecolor": style.MUTED,
        "gridcolor": "#eef0f3",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": style.MUTED,
        "automargin": True,
        **more,
    }


def layout(x: dict[str, Any], y: dict[str, Any], height: int, **more: Any) -> dict[str, Any]:
    """The look of every picture."""
    return {
        "xaxis": x,
        "yaxis": y,
        "height": height,
        "autosize": True,
        "font": {"family": _FONT, "size": 13, "color": style.INK},
        "margin": {"l": 60, "r": 16, "t": 46, "b": 54},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "bordercolor": style.MUTED, "align": "left"},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
        "dragmode": False,
        **more,
    }


def dots(
    x: Any, y: Any, hover: Sequence[str], name: str, color: str, size: Any, *, open: bool = False
) -> Trace:
    """Points that tell what they are when the pointer is on them."""
    filled = {"color": "white", "line": {"color": color, "width": 1.6}} if open else None
    marker = {"size": size, **(filled or {"color": color})}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": name,
        "hovertext": list(hover),
        "hoverinfo": "text",
        "marker": marker,
    }


def segments(starts: Any, ends: Any, **line: Any) -> Trace:
    """Lines from starts (J, 2) to ends (J, 2) as one trace without hover."""
    path = np.full((len(starts), 3, 2), np.nan)
    path[:, 0], path[:, 1] = starts, ends
    x, y = path.reshape(-1, 2).T
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": style.MUTED, "width": 1, **line},
        "hoverinfo": "skip",
        "showlegend": False,
    }
