"""Expected responses along a covariate, everything else held at a typical value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Inverse
from mixedbayes.plots import style
from mixedbayes.plots.covariate import Covariate, mean_columns
from mixedbayes.plots.multiples import straight
from mixedbayes.plots.scene import Floats
from mixedbayes.predict.predict import predict
from mixedbayes.results.posterior import Posterior

_WHOLE = "\u00a0"  # a blank at which no line ends


def typical_row(frame: pd.DataFrame) -> dict[str, Any]:
    """A value for every column: the mean of numbers, else the most frequent one.

    Of whole numbers the one that occurs next to the mean, as these may stand for categories.
    """
    return {str(name): _typical(frame[name]) for name in frame.columns}


def _typical(column: pd.Series) -> Any:
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return column.mode().iloc[0]
    if pd.api.types.is_integer_dtype(column):
        return column.iloc[int((column - column.mean()).abs().argmin())]
    return float(column.mean())


def places(axis: Covariate, frame: pd.DataFrame, points: int) -> tuple[Floats, pd.Series | None]:
    """Places along an axis, and the values there of the column it shows, if it shows one."""
    shown = axis.name in frame.columns
    if axis.categories is None:
        at = np.linspace(axis.x.min(), axis.x.max(), points)
        return at, pd.Series(at) if shown else None
    at = np.arange(len(axis.categories), dtype=float)
    first = [int(np.flatnonzero(axis.x == k)[0]) for k in at]
    return at, frame[axis.name].iloc[first].reset_index(drop=True) if shown else None


def rows(
    axis: Covariate,
    frame: pd.DataFrame,
    values: pd.Series | None,
    labels: Mapping[str, Any],
    n: int,
) -> pd.DataFrame:
    """n rows with the given values of the axis and of the grouping columns, the others typical."""
    new = pd.DataFrame({name: [value] * n for name, value in typical_row(frame).items()})
    for name, value in labels.items():
        new[name] = pd.Series([value] * n)
    if values is not None:
        new[axis.name] = values.array
    return new


def held(post: Posterior, axis: Covariate, frame: pd.DataFrame, width: float) -> str:
    """At which values the other columns stand that the expected response depends on.

    "at arm = b, dose = 2.5", in lines for a panel so many inches wide; empty where there are none.
    """
    typical = typical_row(frame)
    others = [c for c in mean_columns(post) if c != axis.name and c in typical]
    if not others:
        return ""
    each = (f"{c} = {_shown(typical[c])}".replace(" ", _WHOLE) for c in others)
    return style.in_lines("at " + ", ".join(each), width).replace(_WHOLE, " ")


def _shown(value: Any) -> str:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return f"{value:.4g}" if number else str(value)


def labels_of(g: GroupDesign, j: int) -> dict[str, Any]:
    """The grouping columns of one level of the fit."""
    return {factor: g.parts[factor].iloc[j] for factor in g.factors}


def unseen(g: GroupDesign) -> dict[str, Any]:
    """Values of the grouping columns that the fit has not seen."""
    found: dict[str, Any] = {}
    for factor in g.factors:
        known = g.parts[factor]
        if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
            found[factor] = known.max() + 1
            continue
        label = "new"
        while label in set(map(str, known)):
            label += "_"
        found[factor] = label
    return found


Who = Literal["own", "typical", "average"]


def expected(
    post: Posterior, g: GroupDesign, new: pd.DataFrame, who: Who, prob: float
) -> pd.DataFrame:
    """Mean, lower and upper of the expected response at new rows, response scale.

    "own": with the effects of the factor's levels that the rows name, new ones drawn from the
    population, those of other factors 0; "typical": all effects 0; "average": over the population.
    """
    groups: Any = [g.name] if who == "own" else who
    return predict(post, new, groups=groups, kind="mean", prob=prob, progress=False)


def has_average(post: Posterior) -> bool:
    """Whether the mean over groups differs from that of a typical group, and exists."""
    return not straight(post.family) and not isinstance(post.family.link, Inverse)


def numeric(axis: Covariate, picture: str) -> None:
    """Raise ModelError unless the axis has numbers."""
    if axis.categories is not None:
        raise ModelError(
            f"{picture} needs a numeric covariate along its axis, and {axis.name} has categories: "
            "name another with x="
        )
