"""Sheets drawn by Plotly; the pointer over a dot shows whose it is."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mixedbayes.plots import style
from mixedbayes.plots.plotly_marks import PX, add_mark, html, legend_entry, references
from mixedbayes.plots.scene import Few, Panel, Sheet, Ticks

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
    names = _room_of_names(sheet)
    left = max(_LEFT, 0.2 + names)
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
    texts = 0.5 + 0.2 * sheet.xlabel.count("\n")
    return (titles + legend, texts) if sheet.keys_above else (titles, texts + legend)


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


def _ticks(ticks: Ticks | Few | None, axis: str) -> dict[str, Any]:
    if isinstance(ticks, Few):
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
