"""Sheets drawn by Matplotlib."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Patch
from matplotlib.ticker import MaxNLocator

from mixedbayes.plots import style
from mixedbayes.plots.alt import alt_text
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

_DASHES: Any = (0, (4, 3))
_RASTER = 5000  # dots from which a vector file holds an image of them
_HEAD = 16.0  # points of a segment from which it has a head
_SHARE = {"all": True, "none": False}


def draw(sheet: Sheet) -> style.Picture:
    """A Matplotlib figure of the sheet."""
    with style.look():
        figure = style.picture(sheet.width, sheet.height)
        axes = figure.subplots(
            *sheet.shape,
            squeeze=False,
            sharex=_SHARE.get(sheet.share_x, "col"),
            sharey=_SHARE.get(sheet.share_y, "row"),
            height_ratios=sheet.heights or None,
            width_ratios=sheet.widths or None,
        )
        for i, row in enumerate(sheet.rows):
            for j, panel in enumerate(row):
                if panel is None:
                    axes[i, j].remove()
                    continue
                _panel(axes[i, j], panel)
                axes[i, j].tick_params(labelbottom=sheet.named_below(i, j))
        if sheet.xlabel:
            below = "\n".join(filter(None, (sheet.xlabel, sheet.note)))
            figure.supxlabel(below, fontsize=style.TEXT)
        elif sheet.note:
            small: dict[str, Any] = {"fontsize": style.SMALL, "color": style.MUTED}
            figure.supxlabel(sheet.note, x=0.01, ha="left", **small)
        if sheet.ylabel:
            figure.supylabel(sheet.ylabel, fontsize=style.TEXT)
        if sheet.keys:
            place = "outside upper center" if sheet.keys_above else "outside lower center"
            handles = [_key(key) for key in sheet.keys]
            legend = figure.legend(handles=handles, loc=place, ncols=sheet.key_columns)
            for text, key in zip(legend.get_texts(), sheet.keys, strict=True):
                text.set_text(key.text)
    figure.alt = alt_text(sheet)
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    for mark in panel.marks:
        _mark(mark, ax)
    ax.autoscale_view()
    light: dict[str, Any] = {"fontsize": 9, "fontweight": "normal"} if panel.small else {}
    ax.set_title(panel.title, **light)
    ax.set_xlabel(panel.xlabel)
    faint = {"fontsize": style.SMALL, "color": style.MUTED} if panel.faint_ylabel else {}
    ax.set_ylabel(panel.ylabel, **faint)
    _ticks(ax.xaxis, panel.xticks)
    _ticks(ax.yaxis, panel.yticks)
    if panel.xlim is not None:
        ax.set_xlim(panel.xlim)
    if panel.ylim is not None:
        ax.set_ylim(panel.ylim)
    ax.spines["left"].set_visible(panel.y_line)
    for segments in (m for m in panel.marks if isinstance(m, Segments) and m.heads):
        _heads(ax, segments)


def _ticks(axis: Axis, ticks: Ticks | MaxTicks | None) -> None:
    if isinstance(ticks, MaxTicks):
        axis.set_major_locator(MaxNLocator(ticks.most, integer=ticks.whole))
    elif ticks is not None:
        axis.set_ticks(ticks.at, labels=list(ticks.texts))
        marks = {} if ticks.marks else {"length": 0}
        axis.set_tick_params(rotation=90 if ticks.turned else 0, **marks)


@singledispatch
def _mark(mark: Any, ax: Axes) -> None:
    raise TypeError(f"no way to draw {type(mark).__name__}")


@_mark.register
def _(mark: Dots, ax: Axes) -> None:
    look: dict[str, Any] = {"c": mark.color if isinstance(mark.color, str) else list(mark.color)}
    if mark.marker == "o":
        look |= {"edgecolors": mark.edge or "none", "linewidths": mark.edge_width}
    elif mark.marker == "X":
        look |= {"edgecolors": "white", "linewidths": 0.8}
    else:
        look["linewidths"] = max(mark.edge_width, 0.9)
    dots = ax.scatter(
        mark.x, mark.y, s=mark.area, marker=mark.marker, alpha=mark.alpha, zorder=mark.z,
        rasterized=len(mark.x) > _RASTER, **look,
    )  # fmt: skip
    dots.set_gid(mark.gid)


@_mark.register
def _(mark: Line, ax: Axes) -> None:
    ax.plot(
        mark.x, mark.y, color=mark.color, lw=mark.width, ls=_DASHES if mark.dash else "-",
        alpha=mark.alpha, zorder=mark.z, gid=mark.gid,
    )  # fmt: skip


@_mark.register
def _(mark: Segments, ax: Axes) -> None:
    lines = LineCollection(
        np.stack([mark.start, mark.end], axis=1),
        colors=mark.color, lw=mark.width, alpha=mark.alpha, zorder=mark.z,
    )  # fmt: skip
    lines.set_gid(mark.gid)
    ax.add_collection(lines)


@_mark.register
def _(mark: Band, ax: Axes) -> None:
    band = ax.fill_between(
        mark.x, mark.lower, mark.upper, color=mark.color, alpha=mark.alpha, lw=0, zorder=mark.z
    )
    band.set_gid(mark.gid)


@_mark.register
def _(mark: Oval, ax: Axes) -> None:
    oval = Ellipse(
        mark.center, mark.width, mark.height, angle=mark.angle, fc=mark.fill or "none",
        ec=mark.edge or "none", lw=mark.edge_width, alpha=mark.alpha, zorder=mark.z,
    )  # fmt: skip
    oval.set_gid(mark.gid)
    ax.add_patch(oval)


@_mark.register
def _(mark: Rule, ax: Axes) -> None:
    across = ax.axvline if mark.upright else ax.axhline
    dashes = _DASHES if mark.dash else "-"
    across(mark.at, color=mark.color, lw=mark.width, ls=dashes, zorder=mark.z)


@_mark.register
def _(mark: Text, ax: Axes) -> None:
    ax.annotate(
        mark.text,
        (mark.x, mark.y),
        xycoords="axes fraction" if mark.inside else "data",
        xytext=mark.shift,
        textcoords="offset points",
        ha=mark.across,
        va=mark.along,
        fontsize=style.SMALL,
        color=mark.color,
    )


def _heads(ax: Axes, mark: Segments) -> None:
    """Arrow heads, once the axes have their limits."""
    ax.autoscale_view()
    ax.autoscale(False)
    inches = ax.figure.get_size_inches()
    view = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    points = np.linalg.norm((mark.end - mark.start) / view * inches * 72, axis=1)
    long = points > _HEAD
    look = {"arrowstyle": "-|>", "color": mark.color, "lw": 0, "shrinkA": 3, "shrinkB": 2}
    for a, b in zip(mark.start[long], mark.end[long], strict=True):
        ax.annotate("", b, a, arrowprops={**look, "mutation_scale": 9}, zorder=mark.z)


def _key(key: Key) -> Line2D | Patch:
    """A handle under a stand-in label: Matplotlib leaves labels out that begin with `_`."""
    if key.kind == "patch":
        return Patch(fc=key.color, ec=key.edge or "none", label="key")
    if key.kind in ("line", "dash"):
        dashes = _DASHES if key.kind == "dash" else "-"
        return Line2D([], [], color=key.color, lw=key.width, ls=dashes, label="key")
    marker: dict[str, Any] = {"ls": "", "marker": "X" if key.kind == "cross" else "o", "ms": 5}
    fill = "white" if key.kind == "ring" else key.color
    return Line2D([], [], mfc=fill, mec=key.color, label="key", **marker)
