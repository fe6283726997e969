"""Power of a planned study by its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.scene import (
    Dots,
    Drawing,
    Floats,
    Key,
    Line,
    Mark,
    Panel,
    Rule,
    Segments,
    Sheet,
    draw,
    in_rows,
)

_QUESTION = "question"
_COLUMNS = 3
_APART = 0.012  # of the axis, by which intervals of one number lie beside each other


def plot_power(
    table: pd.DataFrame,
    varies: Sequence[str],
    asked: str,
    *,
    target: float = 0.8,
    through: tuple[Floats, Floats] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The share of studies that show what is asked, with the interval that simulation leaves.

    Parameters
    ----------
    table
        A row for each design: what varies, power, lower and upper; question, where there are
        several.
    varies
        Columns: along the axis, in colours, and in panels. Questions are in panels as well.
    asked
        The question, where there is one.
    target
        Power that is wanted, a dashed line.
    through
        A curve (x, y) through them, in the place of lines between neighbours.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        Nothing varies, what varies first is no number, or the backend is unknown.

    Examples
    --------
    >>> lab.power("x > 0", n={"g": [10, 20, 40]}).plot()  # doctest: +SKIP
    """
    if not varies:
        raise ModelError(
            'there is one design, and no curve: vary it, power(..., n={"g": [20, 40]})'
        )
    along, *others = varies
    if not pd.api.types.is_numeric_dtype(table[along]):
        raise ModelError(f"{along} is no number, along which a curve could go: put another first")
    color = others[0] if others else None
    apart = [*([_QUESTION] if _QUESTION in table else []), *others[1:]]
    parts = list(table.groupby(apart, sort=False)) if apart else [((), table)]
    shades = list(table[color].unique()) if color else [None]
    panels, apart_by = [], _APART * float(np.ptp(table[along].to_numpy(float)))
    for labels, part in parts:
        marks: list[Mark] = [Rule(target, upright=False, color=style.MUTED, dash=True)]
        for k, shade in enumerate(shades):
            own = (part if shade is None else part[part[color] == shade]).sort_values(along)
            beside = apart_by * (k - (len(shades) - 1) / 2)
            marks += _curve(own, along, style.PALETTE[k % len(style.PALETTE)], through, beside)
        title = ", ".join(
            str(v) if name == _QUESTION else f"{name} = {v}"
            for name, v in zip(apart, labels, strict=True)
        )
        panels.append(Panel(marks, title, along, "power", ylim=(-0.02, 1.02)))
    keys = [
        Key(f"{color} = {shade}", style.PALETTE[k % len(style.PALETTE)])
        for k, shade in enumerate(shades)
        if shade is not None
    ]
    columns = min(_COLUMNS, len(panels))
    note = f"share of simulated studies that show {asked}" if asked else ""
    rows = in_rows(panels, columns)
    sheet = Sheet(
        rows, 4.6 * columns if columns == 1 else 3.6 * columns, 3.4 * len(rows), keys=keys,
        note=note or "share of simulated studies that show each",
    )  # fmt: skip
    return draw(sheet, backend)


def _curve(
    own: pd.DataFrame,
    along: str,
    color: str,
    through: tuple[Floats, Floats] | None,
    beside: float,
) -> list[Mark]:
    x, y = own[along].to_numpy(float) + beside, own["power"].to_numpy(float)
    low, high = (np.column_stack([x, own[end].to_numpy(float)]) for end in ("lower", "upper"))
    at, height = (x, y) if through is None else through
    return [
        Segments(low, high, color, width=1.4, alpha=0.6),
        Line(at, height, color),
        Dots(x, y, color, 20.0),
    ]
