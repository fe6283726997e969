"""Where the columns of estimates go in their picture: along an axis, in colours, in panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design.values import label
from mixedbayes.estimands.result import Estimates
from mixedbayes.plots import style

CATEGORY = "category"  # the grid's column of ordered categories
_UPRIGHT = 8  # levels beyond which they are rows
_SERIES = 7  # levels that are told apart by colour, at most
SORTED = 20  # rows beyond which they are in the order of their estimates
_LINE = 5  # places from which on comparisons and slopes are a line
SMALL = (2.7, 2.3)  # of one of several
WIDTH, HEIGHT = 5.4, 3.6  # inches of one panel


@dataclass(frozen=True)
class Layout:
    """The columns of a grid that run along an axis, have colours, have panels."""

    along: tuple[str, ...]
    color: str | None
    panels: tuple[str, ...]
    kind: Literal["line", "points", "rows"]


def layout(estimates: Estimates) -> Layout:
    """Where the columns of the grid go that vary."""
    grid, ordered = estimates.grid, CATEGORY in estimates.grid and CATEGORY not in estimates.by
    sizes = {name: grid[name].nunique(dropna=False) for name in grid}
    focal = tuple(n for n in estimates.focal if n in grid and (n != CATEGORY or not ordered))
    rest = [n for n in grid if n not in focal and not (n == CATEGORY and ordered)]
    varying = [n for n in rest if sizes[n] > 1]
    compared = estimates.kind != "means"
    own = tuple(n for n in focal if sizes[n] > 1)
    # One thing or several that belong together run along the axis.
    parts: list[tuple[str, ...]] = [own] if compared and own else [(n,) for n in own]
    parts += [(n,) for n in varying]
    if not parts:
        parts = [focal or tuple(rest[:1])] if (focal or rest) else [()]
    least = _LINE if compared else 2
    numeric = [p for p in parts if len(p) == 1 and p[0] in estimates.numbers]
    lines = [p for p in numeric if sizes[p[0]] >= least]
    if not compared:
        lines = [p for p in lines if p == parts[0] or sizes[p[0]] > _LINE]
    many = [p for p in parts if len(p) == 1 and p not in numeric and sizes[p[0]] > _SERIES]
    if lines:
        along: tuple[str, ...] = lines[0]
    elif many:
        along = max(many, key=lambda p: sizes[p[0]])
    else:
        along = parts[0]
    others = [n for p in parts if p != along for n in p]
    count = int(np.prod([sizes[n] for n in along], dtype=float))
    if ordered:
        others = [CATEGORY, *others]
    color = None
    if others and (sizes[others[0]] <= _SERIES or ordered) and (count <= SORTED or lines):
        color = others.pop(0)
    if lines:
        return Layout(along, color, tuple(others), "line")
    names = [name for name, _ in levels_of(grid, along)]
    crowded = sum(len(n) + 3 for n in names) * style.LETTER > 72 * (
        SMALL[0] - 0.4 if others else WIDTH - 0.8
    )
    rows = compared or len(names) > _UPRIGHT or crowded
    return Layout(along, color, tuple(others), "rows" if rows else "points")


def levels_of(grid: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, tuple[Any, ...]]]:
    """Combinations of columns, in the order of levels, with what they are called."""
    if not names:
        return [("", ())]
    found = []
    for name in names:
        column = grid[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            present = set(column)
            found.append([v for v in column.cat.categories if v in present])
        else:
            found.append(list(dict.fromkeys(column)))
    there = set(grid[list(names)].itertuples(index=False, name=None))
    return [(", ".join(map(label, v)), v) for v in product(*found) if v in there]


def rows_at(grid: pd.DataFrame, names: Sequence[str], values: Sequence[Any]) -> Any:
    """(R,) which rows of a grid have these values."""
    found = np.ones(len(grid), bool)
    for name, value in zip(names, values, strict=True):
        found &= (grid[name] == value).to_numpy(bool)
    return found
