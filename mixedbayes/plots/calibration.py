"""Ranks of true values among posterior draws: whether posteriors are right."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np

from mixedbayes.plots import style
from mixedbayes.plots.scene import (
    Band,
    Drawing,
    Floats,
    Line,
    MaxTicks,
    Panel,
    Rule,
    Sheet,
    draw,
    in_rows,
)
from mixedbayes.results.text import shortened

_COLUMNS = 4
_LONGEST = 34  # letters of a title


def plot_ranks(
    points: Floats,
    found: Mapping[str, Floats],
    low: Floats,
    high: Floats,
    note: str,
    *,
    backend: str = "matplotlib",
) -> Drawing:
    """Of every quantity the ranks' distribution function minus the uniform one, in its band.

    A line is orange where it leaves the band, as one in twenty does by chance.

    Parameters
    ----------
    points
        (m,) shares of the ranks.
    found
        (m,) by quantity: the function minus `points`.
    low, high
        (m,) the band around 0.
    note
        What was found, below.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Examples
    --------
    >>> lab.calibrate().plot()  # doctest: +SKIP
    """
    most = 1.1 * max(float(np.abs([low, high]).max()), *(np.abs(d).max() for d in found.values()))
    panels = [
        Panel(
            [
                Band(points, low, high, style.FAINT),
                Rule(0.0, upright=False, color=style.MUTED),
                Line(points, d, style.BLUE if _inside(d, low, high) else style.ORANGE),
            ],
            title=shortened(name, _LONGEST),
            xlim=(0.0, 1.0),
            ylim=(-most, most),
            xticks=MaxTicks(2),
            small=True,
        )
        for name, d in found.items()
    ]
    columns = min(_COLUMNS, len(panels))
    note = textwrap.fill(note, 36 * max(columns, 2))
    rows = in_rows(panels, columns)
    sheet = Sheet(
        rows, 2.7 * columns, 1.6 * len(rows) + 0.8, share_x="all", share_y="all",
        xlabel="rank of the truth among the draws", ylabel="share below, minus uniform", note=note,
    )  # fmt: skip
    return draw(sheet, backend)


def _inside(d: Floats, low: Floats, high: Floats) -> bool:
    return bool(((d >= low) & (d <= high)).all())
