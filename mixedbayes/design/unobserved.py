"""Rows without a response that stay, `y | mi()`: they say nothing of the parameters, and are
predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.types import Design
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula
from mixedbayes.formula.counts import count_columns

Mask = NDArray[np.bool_]


def apart(formula: Formula, masks: Mapping[str, Mask]) -> tuple[dict[str, Mask], Mask | None]:
    """Missing values without those of the response, and the rows that lack it alone.

    Without mi() they stay together, and there are no such rows.

    Raises
    ------
    DataError
        The response has several columns.
    """
    if not formula.response.mi:
        return dict(masks), None
    text = formula.response.text
    if count_columns(text):
        raise DataError(
            f"{text} | mi(): a response of several columns has no total where they are missing; "
            "leave mi() out, and predict such rows with a total of your own"
        )
    own = set(used_columns(formula).response)
    rest = {name: mask for name, mask in masks.items() if name not in own}
    absent = [mask for name, mask in masks.items() if name in own]
    if not absent:
        return rest, None
    alone = np.logical_or.reduce(absent)
    for mask in rest.values():
        alone = alone & ~mask
    if alone.all():
        raise DataError(f"{text} | mi(): no row has a response, so that there is nothing to fit")
    return rest, alone


def count(alone: Mask | None) -> int:
    """How many rows lack nothing but the response."""
    return 0 if alone is None else int(alone.sum())


def note(design_rows: int, alone: Mask | None, name: str) -> tuple[str, ...]:
    """What to know of the rows without a response; `design_rows` have one."""
    if not count(alone):
        return ()
    without, every = count(alone), design_rows + count(alone)
    return (
        f"{without:,} of {every:,} rows have no {name}, mi(): they say nothing of the parameters, "
        "and missing() predicts them",
    )


def unobserved_note(design: Design) -> str:
    """Which rows a table of the rows used has not; empty where there are no others."""
    if design.standing is not None:
        return design.standing.note
    rows = 0 if design.unobserved is None else len(design.unobserved)
    if not rows:
        return ""
    return f"Of the {design.n:,} observed rows; the {rows:,} without a response are in missing()."


def unobserved_frame(design: Design) -> pd.DataFrame:
    """(m, columns) the rows without a response, under the user's row labels."""
    rows = np.zeros(0, np.int64) if design.unobserved is None else design.unobserved
    return design.whole.iloc[rows]
