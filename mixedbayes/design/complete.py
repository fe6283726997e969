"""Which rows of the data are used: those without missing values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixedbayes.design import membership, several, unobserved
from mixedbayes.design.table import Table, missing
from mixedbayes.design.values import row_name
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula


def check_action(action: str) -> None:
    """DataError unless `missing` is one of the words that it knows."""
    if action not in ("drop", "error"):
        raise DataError(f'missing is "drop" or "error", not {action!r}')


def complete_rows(
    whole: Table, action: str, formula: Formula, formulas: Sequence[Formula] = ()
) -> tuple[Any, dict[str, int], unobserved.Mask | None]:
    """Positions of the rows without missing values, and each column's count of missing ones.

    With mi() also which rows lack nothing but the response, which are in neither. Of several
    responses, whose `formulas` these are, a row needs one.

    Raises
    ------
    DataError
        With the `action` "error" where there are missing values, with "drop" where no row is left;
        or it is neither.
    """
    check_action(action)
    found = several.absent(formulas, membership.absent(formula, missing(whole)), action)
    masks, alone = unobserved.apart(formula, found)
    dropped = {name: int(mask.sum()) for name, mask in masks.items()}
    if not masks:
        return np.arange(whole.n) if alone is None else np.flatnonzero(~alone), {}, alone
    places = ", ".join(f"{name} in {count}" for name, count in dropped.items())
    absent = np.logical_or.reduce(list(masks.values()))
    if action == "error":
        first = int(np.argmax(absent))
        raise DataError(
            f"{int(absent.sum())} of {whole.n} rows have missing values: {places}; first in row "
            f'{row_name(whole.index, first)}; missing="drop" leaves these rows out'
        )
    if absent.all():
        raise DataError(
            f"none of the {whole.n} rows is complete: missing values of {places}; leave such a "
            "column out of the formula, or fill it"
        )
    return np.flatnonzero(~absent if alone is None else ~absent & ~alone), dropped, alone
