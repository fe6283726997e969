"""Panels of posterior densities through arviz_plots, in any of its backends."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import in_picture
from mixedbayes.results.tables import check_prob

# arviz_plots takes seconds to import, so only the pictures that use it pay for that
type PlotCollection = Any

BACKENDS = ("matplotlib", "plotly", "bokeh")
_PANEL = (2.9, 2.1)  # inches
_ALONE = 3.6  # inches, of a picture of one panel
_TITLE, _AXIS = 10.1, 13.8  # letters to an inch
_LINE = 0.17  # inches
_DOTS = (290, 230)  # pixels of a panel where inches mean nothing


@dataclass(frozen=True, eq=False)
class Panel:
    """One quantity's posterior, and how to show it."""

    title: str
    axis: str
    draws: Floats  # (chains, draws)
    limits: tuple[float, float] | None = None
    prior: tuple[Floats, Floats] | None = None  # points and density


class _Titles:
    """What arviz_plots asks for the title of a variable's panel."""

    def __init__(self, panels: Mapping[str, Panel], backend: str) -> None:
        self.panels = panels
        self.backend = backend

    def make_label_vert(self, var_name: str, sel: Any, isel: Any) -> Any:
        return plain_text(self.panels[var_name].title, self.backend)


def plain_text(text: str, backend: str) -> Any:
    """A text of the user's names as the backend shows it, letter by letter."""
    text = in_picture(text)
    if backend == "plotly":
        from mixedbayes.plots.with_plotly import html

        return html(text)
    if backend == "bokeh":
        from mixedbayes.plots.with_bokeh import plain

        return plain(text)
    return text  # for Matplotlib the look says so


def density_panels(
    panels: Sequence[Panel], prob: float, backend: str, title: str = ""
) -> PlotCollection:
    """A PlotCollection with the density, mean and `prob` interval of every panel.

    A line above them says what is which. Its `viz` tree holds the figure and the axes under the
    names panel_0, panel_1, ...
    """
    if backend not in BACKENDS:
        raise ModelError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    check_prob(prob)
    try:
        from arviz_base import rc_context
        from arviz_plots import plot_dist

        __import__(f"arviz_plots.backend.{backend}")
    except ImportError as error:
        raise MissingExtraError(
            f"backend={backend!r} needs packages that are not installed ({error.name}): "
            f"pip install mixedbayes[{backend}], or use backend='matplotlib'"
        ) from error
    width = max(_PANEL[0], _ALONE / len(panels))
    panels = [_in_lines(panel, width) for panel in panels]
    named = {f"panel_{k}": panel for k, panel in enumerate(panels)}
    data = {n: ((names.CHAIN, names.DRAW), p.draws) for n, p in named.items()}
    # ArviZ refuses more panels than its own limit, which is of pictures that nobody asked for.
    every = {"plot.max_subplots": max(len(panels), 40)}
    with style.look(), rc_context(every):
        collection = plot_dist(
            xr.Dataset(data),
            backend=backend,
            kind="kde",
            ci_kind="eti",
            ci_prob=prob,
            point_estimate="mean",
            labeller=_Titles(named, backend),
            visuals=_VISUALS,
            col_wrap=_columns(len(panels)),
            figure_kwargs=_figure(panels, backend),
        )
        _finish(collection, named, backend)
        said = f"mean (dot), {style.percent(prob)} interval (line)"
        text = f"{title}; {said}" if title else said
        collection.add_title(text, color=style.MUTED, size=9)
    return collection


_VISUALS: dict[str, Any] = {
    "dist": {"color": style.BLUE, "width": 1.4},
    "face": {"color": style.BLUE, "alpha": 0.18},
    "credible_interval": {"color": style.INK, "width": 1.6},
    "point_estimate": {"color": style.INK, "size": 18},
    "point_estimate_text": False,
    "title": {},
}


def _columns(n: int) -> int:
    return n if n <= 3 else 2 if n == 4 else 3


def _in_lines(panel: Panel, width: float) -> Panel:
    """A panel whose texts are no wider than it is, in inches."""
    title = textwrap.fill(panel.title, int(_TITLE * width))
    axis = (textwrap.fill(line, int(_AXIS * width)) for line in panel.axis.split("\n"))
    return replace(panel, title=title, axis="\n".join(axis))


def _figure(panels: Sequence[Panel], backend: str) -> dict[str, Any]:
    columns = _columns(len(panels))
    rows = -(-len(panels) // columns)
    if backend == "matplotlib":
        more = max((p.title.count("\n") + p.axis.count("\n") for p in panels), default=0)
        height = _PANEL[1] + _LINE * max(0, more - 1)
        size = (max(_ALONE, _PANEL[0] * columns), height * rows)
        return {"figsize": size, "figsize_units": "inches", "layout": "constrained"}
    return {"figsize": (_DOTS[0] * columns, _DOTS[1] * rows + 60), "figsize_units": "dots"}


def _finish(collection: PlotCollection, panels: Mapping[str, Panel], backend: str) -> None:
    """Axis texts, limits and prior densities, panel by panel."""
    from arviz_plots import visuals

    for name, panel in panels.items():
        target = collection.get_viz("plot", name)
        value = xr.DataArray(0.0)
        visuals.labelled_x(value, target, text=plain_text(panel.axis, backend))
        if panel.prior is not None:
            curve = xr.DataArray(
                np.stack(panel.prior), dims=("plot_axis", "point"), coords={"plot_axis": ["x", "y"]}
            )
            look = {"color": style.ORANGE, "width": 1.4, "linestyle": _DASHES[backend]}
            visuals.line_xy(curve, target, **look)
        if panel.limits is not None:
            visuals.set_xlim(value, target, limits=panel.limits)


_DASHES = {"matplotlib": "--", "plotly": "dash", "bokeh": "dashed"}
