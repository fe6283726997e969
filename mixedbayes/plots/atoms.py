"""Continuous responses some of whose values have a probability, beside replicates.

A density would smooth over such atoms, the zeros of a hurdle or the ends of shares: their shares
are shown apart from the density of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats, Ints
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import smoothed
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    MaxTicks,
    Panel,
    Segments,
    Sheet,
    Ticks,
    draw,
    in_rows,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

_CURVES = 50  # replicates whose density is drawn
_GRID = 160  # points of a density
_COLUMNS = 6  # panels in a row, two for each set of rows
_PROB = 0.95
_FEWEST = 3  # different values that have a density


def plot_atoms(
    post: Posterior, replicated: xr.DataArray, facets: Mapping[str, Ints | slice], backend: str
) -> Drawing:
    """Shares of atoms, and the density of the rest, of the data and of replicates.

    The replicates are (chain, draw, obs); two panels for each set of rows.
    """
    labels = Labels.of(post)
    y, atoms = np.asarray(post.design.y, float), post.family.atoms
    flat = replicated.stack(sample=(names.CHAIN, names.DRAW)).transpose("sample", names.OBS)
    draws, several = flat.to_numpy(), len(facets) > 1
    ends = ends_of(y, draws, atoms)
    panels: list[Panel] = []
    for title, rows in facets.items():
        own, theirs = y[rows], draws[:, rows]
        titles = (title, "") if several else ("", "")
        panels += [
            shares_panel(own, theirs, atoms, _PROB, title=titles[0], small=several),
            rest_panel(own, theirs, atoms, ends, _CURVES, title=titles[1], small=several),
        ]
    top = max(panel.ylim[1] for panel in panels[::2] if panel.ylim is not None)
    panels[::2] = [replace(panel, ylim=(0.0, top)) for panel in panels[::2]]
    columns = min(len(panels), _COLUMNS)
    grid = in_rows(panels, columns)
    narrow, wide, height = (1.1, 2.1, 1.6) if several else (1.9, 4.4, 3.2)
    if not several:
        xlabel = f"{labels.observed}, {between(atoms)}"
        grid = [[replace(panels[0], xlabel=labels.observed), replace(panels[1], xlabel=xlabel)]]
    sheet = Sheet(
        grid, (narrow + wide) * columns / 2, height * len(grid) + 0.8,
        widths=[narrow, wide] * (columns // 2), xlabel=labels.observed if several else "",
        keys=keys(_PROB), keys_above=True,
    )  # fmt: skip
    return draw(sheet, backend)


def between(atoms: Sequence[float]) -> str:
    """Where the other responses are: "above 0", "between 0 and 1"."""
    return f"above {atoms[0]:g}" if len(atoms) == 1 else f"between {atoms[0]:g} and {atoms[-1]:g}"


def shares_panel(
    y: Floats,
    draws: Floats,
    atoms: Sequence[float],
    prob: float,
    *,
    title: str = "",
    small: bool = False,
) -> Panel:
    """The share of each atom in the data y (n,), and in replicates (S, n) with an interval."""
    at = np.arange(len(atoms), dtype=float)
    data = np.array([np.mean(y == a) for a in atoms])
    shares = np.array([np.mean(draws == a, axis=1) for a in atoms])  # (atoms, S)
    lower, upper = np.quantile(shares, tails(prob), axis=1)
    start, end = np.column_stack([at, lower]), np.column_stack([at, upper])
    marks: list[Mark] = [
        Segments(start, end, style.PALE_BLUE, 5.0 if small else 9.0, gid="replicates"),
        Dots(at, shares.mean(axis=1), style.BLUE, 60.0, marker="_", edge_width=1.6, gid="mean"),
        Dots(at, data, style.ORANGE, 16.0 if small else 34.0, gid="data", z=4.0),
    ]
    top = max(float(data.max()), float(upper.max())) or 1.0
    return Panel(
        marks,
        title=title,
        ylabel="share" if small else "share of rows",
        xlim=(-0.6, len(atoms) - 0.4),
        ylim=(0.0, 1.08 * top),
        xticks=Ticks(at, [f"{a:g}" for a in atoms]),
        yticks=MaxTicks(4),
        small=small,
    )


def rest_panel(
    y: Floats,
    draws: Floats,
    atoms: Sequence[float],
    ends: tuple[float, float],
    curves: int,
    *,
    title: str = "",
    small: bool = False,
) -> Panel:
    """Densities of the responses y (n,) and of some replicates (S, n) that are at no atom.

    Each has an area of 1. Where too few responses of the data are left for a density, they are
    marks on the axis.
    """
    low, high = ends
    step = (high - low) / _GRID
    grid: Floats = low + step * (np.arange(_GRID, dtype=np.float64) + 0.5)
    chosen = np.unique(np.linspace(0, len(draws) - 1, curves).round().astype(int))
    each = [d for d in (_density(draws[s], atoms, grid) for s in chosen) if d is not None]
    own = _density(y, atoms, grid)
    marks: list[Mark] = []
    if each:
        lifted = np.append(grid, np.nan)
        curve = np.concatenate([np.append(d, np.nan) for d in each])
        x = np.tile(lifted, len(each))
        marks.append(Line(x, curve, style.BLUE, 0.6, alpha=0.4, gid="replicates"))
    drawn = each if own is None else [*each, own]
    top = max((float(d.max()) for d in drawn), default=1.0)
    if own is None:
        rest = _rest(y, atoms)
        marker = Dots(rest, np.full_like(rest, 0.03 * top), style.ORANGE, 60.0, marker="|",
                      edge_width=1.4, gid="data")  # fmt: skip
        marks.append(marker)
    else:
        marks.append(Line(grid, own, style.ORANGE, 1.4 if small else 2.0, gid="data", z=3.0))
    ylabel = "" if small else "density of the rest"
    return Panel(
        marks, title=title, ylabel=ylabel, xlim=ends, ylim=(0.0, 1.05 * top),
        xticks=MaxTicks(4) if small else None, yticks=MaxTicks(3), small=small,
    )  # fmt: skip


def ends_of(y: Floats, draws: Floats, atoms: Sequence[float]) -> tuple[float, float]:
    """Where densities begin and end: at the atoms.

    Above one atom alone, beyond the data and the largest value that half of the replicates have.
    """
    low, high = float(atoms[0]), float(atoms[-1])
    if len(atoms) == 1:
        high = max(float(y.max()), float(np.median(draws.max(axis=1))))
        high += 0.05 * (high - low) or 1.0
    return low, high


def _rest(y: Floats, atoms: Sequence[float]) -> Floats:
    return y[~np.isin(y, atoms)]


def _density(y: Floats, atoms: Sequence[float], grid: Floats) -> Floats | None:
    """Of the rest; None of too few values."""
    rest = _rest(y, atoms)
    if len(np.unique(rest)) < _FEWEST:
        return None
    return smoothed(rest[:, None], grid, mode="reflect")[:, 0]


def keys(prob: float) -> list[Key]:
    """What is which."""
    return [
        Key("data", style.ORANGE, width=2.0),
        Key("replicates, and the mean of their shares", style.BLUE, width=1.4),
        Key(f"{style.percent(prob)} of their shares", style.PALE_BLUE, "patch"),
    ]
