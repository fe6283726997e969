"""Shares of responses above each value: of censored data, beside replicates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.survival import above, survival
from mixedbayes.design.limits import RIGHT, limits_of
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    Panel,
    Sheet,
    draw,
    in_rows,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

_GRID = 200
_COLUMNS = 4
_PROB = 0.95


def plot_survival(
    post: Posterior, replicated: xr.DataArray, facets: Mapping[str, Ints | slice], backend: str
) -> Drawing:
    """The data's curve and those of replicates (chain, draw, obs), a panel for each set of rows."""
    labels = Labels.of(post)
    flat = replicated.stack(sample=(names.CHAIN, names.DRAW)).transpose("sample", names.OBS)
    draws, several = flat.to_numpy(), len(facets) > 1
    panels = []
    for title, rows in facets.items():
        panel = survival_panel(post.design, draws, rows)
        panels.append(
            Panel(panel.marks, title=title if several else "", ylim=panel.ylim, small=several)
        )
    columns = min(len(panels), _COLUMNS)
    grid = in_rows(panels, columns)
    width, height = (2.2, 1.7) if several else (5.4, 3.4)
    return draw(
        Sheet(
            grid, width * columns + 0.6, height * len(grid) + 0.9, share_x="all", share_y="all",
            xlabel=labels.observed, ylabel="share above", keys=keys(post.design),
            keys_above=True,
        ),
        backend,
    )  # fmt: skip


def survival_panel(
    design: Design, draws: Floats, rows: Ints | slice = slice(None), prob: float = _PROB
) -> Panel:
    """Of some rows of the data and of draws (S, n) of all."""
    y, limits = np.asarray(design.y[rows], float), limits_of(design, rows)
    values, share = survival(y, limits)
    a, b = (y, y) if limits is None else limits.range(y)
    ends = np.concatenate([a[np.isfinite(a)], b[np.isfinite(b)]])
    low, high = min(0.0, ends.min()), ends.max()
    at = np.linspace(low, high, _GRID)
    theirs = above(draws[:, rows], at)
    lower, upper = np.quantile(theirs, tails(prob), axis=0)
    x = np.repeat(np.concatenate([[low], values, [high]]), 2)[1:]
    steps = np.repeat(np.concatenate([[1.0], share]), 2)
    steps = np.concatenate([steps, steps[-1:]])
    marks: list[Mark] = [
        Band(at, lower, upper, style.PALE_BLUE, 0.8, gid="replicates"),
        Line(at, theirs.mean(axis=0), style.BLUE, 1.4, gid="mean"),
        Line(x, steps, style.ORANGE, 2.0, gid="data", z=3.0),
    ]
    if limits is not None and limits.censoring is not None:
        right = y[limits.censoring == RIGHT]
        places = np.searchsorted(values, right, side="right")
        height = np.concatenate([[1.0], share])[places]
        marks.append(
            Dots(right, height, style.ORANGE, 30.0, marker="|", edge_width=1.2, gid="censored")
        )
    return Panel(marks, ylim=(0.0, 1.03))


def keys(design: Design, prob: float = _PROB) -> list[Key]:
    """What is which."""
    limits = design.limits
    right = limits is not None and limits.censoring is not None
    right = right and bool((limits.censoring == RIGHT).any())  # type: ignore[union-attr]
    data = "data (right-censored: |)" if right else "data"
    return [
        Key(data, style.ORANGE, width=2.0),
        Key(f"replicates, {style.percent(prob)} of them", style.PALE_BLUE, "patch"),
        Key("their mean", style.BLUE, width=1.4),
    ]
