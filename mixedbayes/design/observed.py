"""`cens(...)` and `trunc(...)` of a formula, read from the rows and checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.evaluate import Rows
from mixedbayes.design.limits import INTERVAL, LEFT, NONE, RIGHT, Floats, Ints, Limits
from mixedbayes.design.table import Table
from mixedbayes.design.used import names_in, used_columns
from mixedbayes.design.values import listed, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import Name

KINDS = {"left": LEFT, "none": NONE, "right": RIGHT, "interval": INTERVAL}
_CODES = "0, False or 'none'; 1, True or 'right'; -1 or 'left'; 2 or 'interval'"


def limits(formula: Formula, rows: Rows, y: Floats) -> Limits | None:
    """The limits of responses y (n,), checked; None where the formula has none.

    Raises
    ------
    DataError
        For unknown codes, intervals without an upper end or with one that is not above y, bounds
        that are not below one another, responses outside of them, and where all are censored on
        one side.
    """
    said = formula.response
    if not said.limits:
        return None
    kind = _censoring(formula, rows) if said.cens else None
    if kind is not None and (open_ended := open_below(formula, rows)) is not None:
        kind = np.where(open_ended[0], LEFT, kind)  # (-inf, b] is all up to b
    upper = _upper(formula, rows, kind, y) if kind is not None else None
    bounds = truncation(formula, rows)
    if kind is not None and upper is not None:  # (a, inf) is all above a
        kind = np.where((kind == INTERVAL) & (upper == np.inf), RIGHT, kind)
        upper = np.where(kind == INTERVAL, upper, np.nan)
        upper = upper if (kind == INTERVAL).any() else None
    found = replace(bounds or Limits(), censoring=kind, upper=upper)
    _check_bounds(formula, rows, found, y)
    if rows.fitting and kind is not None and any((kind == k).all() for k in (LEFT, RIGHT)):
        raise DataError(
            f"cens({', '.join(said.cens)}): all {len(y)} rows are censored on the same "
            "side, so that none says what values the response has; is the coding the other way "
            "round? 0 stands for a known response and 1 for one that is only known to be larger"
        )
    return found


def truncation(formula: Formula, rows: Rows) -> Limits | None:
    """The bounds of `trunc(...)` alone; None where the formula has none."""
    texts = formula.response.trunc
    if texts == (None, None):
        return None
    low, high = (None if t is None else _ends(t, rows) for t in texts)
    if low is not None and high is not None and not (low < high).all():
        _wrong(
            _trunc(formula), low >= high, low, rows, "of the lower bound are not below the upper"
        )
    return Limits(lowest=low, highest=high)


def _ends(text: str, rows: Rows) -> Floats:
    """(n,) bounds or ends; a column of them may have infinite ones, where there is no bound."""
    node = parse_expression(text)
    column = rows.table.columns.get(node.name) if isinstance(node, Name) else None
    if column is not None and pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(float, na_value=np.nan)
    return np.array(rows.array(node))


def _trunc(formula: Formula) -> str:
    return formula.response.limits[-1]


def _cens(formula: Formula) -> str:
    return formula.response.limits[0]


def _censoring(formula: Formula, rows: Rows) -> Ints:
    """(n,) the codes of the rows."""
    node = parse_expression(formula.response.cens[0])
    column = rows.table.columns.get(node.name) if isinstance(node, Name) else None
    if column is None:
        codes, shown = _codes(pd.Series(rows.array(node)))
    else:
        codes, shown = _codes(column)
    if np.isnan(codes).any():
        wrong = np.isnan(codes)
        first = int(np.argmax(wrong))
        raise DataError(
            f"{_cens(formula)}: {int(wrong.sum())} of {len(codes)} rows have codes that are not "
            f"known, {listed(list(dict.fromkeys(shown[wrong])))} (first in row "
            f"{row_name(rows.table.index, first)}); known are {_CODES}"
        )
    return codes.astype(np.int64)


def _codes(column: pd.Series) -> tuple[Floats, NDArray[Any]]:
    """Codes of a column, NaN where it says something else, and what it says."""
    values = column.to_numpy(object)
    known: dict[Any, float] = {float(code): float(code) for code in KINDS.values()}

    def code(value: Any) -> float:
        if isinstance(value, str):
            return float(KINDS.get(value, np.nan))
        try:
            return known.get(float(value), np.nan)
        except (TypeError, ValueError):
            return float("nan")

    return np.array([code(value) for value in values], float), values


def open_below(formula: Formula, rows: Rows) -> tuple[NDArray[np.bool_], Floats] | None:
    """Which rows are intervals from -inf, and their upper ends; None where there are none.

    The response is a column: another expression is not finite there.
    """
    texts, node = formula.response.cens, parse_expression(formula.response.text)
    column = rows.table.columns.get(node.name) if isinstance(node, Name) else None
    if len(texts) < 2 or column is None or not pd.api.types.is_numeric_dtype(column):
        return None
    below = column.to_numpy(float, na_value=np.nan) == -np.inf
    if not below.any():
        return None
    below &= _censoring(formula, rows) == INTERVAL
    upper = np.where(below, _ends(texts[1], rows), np.nan)
    wrong = below & ~np.isfinite(upper)
    if wrong.any():
        _wrong(
            _cens(formula), wrong, upper, rows,
            "are upper ends of intervals from -inf and are not finite: such a row says nothing of "
            "its response, leave it out",
        )  # fmt: skip
    return below, upper


def _upper(formula: Formula, rows: Rows, kind: Ints, y: Floats) -> Floats | None:
    """(n,) upper ends of intervals, NaN elsewhere."""
    inside = kind == INTERVAL
    texts = formula.response.cens
    if len(texts) < 2:
        if inside.any():
            first = row_name(rows.table.index, int(np.argmax(inside)))
            raise DataError(
                f"{_cens(formula)}: {int(inside.sum())} of {len(kind)} rows are intervals (first "
                f"in row {first}), and their upper ends are not given: "
                f"write cens({texts[0]}, upper)"
            )
        return None
    upper = np.where(inside, _ends(texts[1], rows), np.nan)
    wrong = inside & ~(upper > y)
    if wrong.any():
        _wrong(
            _cens(formula), wrong, upper, rows,
            f"are upper ends that are not above {formula.response.text}: an interval goes from "
            f"{formula.response.text} to {texts[1]}",
        )  # fmt: skip
    return upper if inside.any() else None


def _check_bounds(formula: Formula, rows: Rows, found: Limits, y: Floats) -> None:
    """Known responses are within the bounds, and those that are not might be."""
    if not found.truncated:
        return
    low = -np.inf if found.lowest is None else found.lowest
    high = np.inf if found.highest is None else found.highest
    known = ~found.censored(len(y))
    text = formula.response.text
    wrong = known & ((y < low) | (y > high))
    if wrong.any():
        _wrong(
            text, wrong, y, rows,
            f"are outside {_trunc(formula)}, where nothing can be observed: correct the bounds, or "
            "leave these rows out; responses that are only known to be beyond a limit are "
            "censored, cens(...)",
        )  # fmt: skip
    a, b = found.range(y)
    wrong = ~known & ((a >= high) | (b < low))
    if wrong.any():
        _wrong(
            text, wrong, y, rows,
            f"are censored to a range that lies outside {_trunc(formula)}: correct one of the two",
        )  # fmt: skip


def _wrong(text: str, wrong: Any, values: Floats, rows: Rows, fault: str) -> NoReturn:
    first = int(np.argmax(wrong))
    raise DataError(
        f"{text}: {int(wrong.sum())} of {len(wrong)} values {fault} "
        f"(first in row {row_name(rows.table.index, first)}: {values[first]:g})"
    )


def _check_codes(formula: Formula, table: Table, column: pd.Series) -> None:
    """No response is there whose code is missing: left out, it would not be missed."""
    gone = column.isna().to_numpy()
    for name in names_in(parse_expression(formula.response.text)):
        if name in table.columns:
            gone = gone & ~table.columns[name].isna().to_numpy()
    if gone.any():
        first = int(np.argmax(gone))
        raise DataError(
            f"{_cens(formula)}: how the response is censored is missing in {int(gone.sum())} of "
            f"{table.n} rows that have one (first in row {row_name(table.index, first)}): give "
            f"{_CODES}, or take these rows out of the data"
        )


def filled(formula: Formula, table: Table) -> Table:
    """The table with upper ends of rows that are no intervals filled in where they are missing.

    Nothing is read there. Columns that the formula reads for something else stay as they are.

    Raises
    ------
    DataError
        A response is there, and how it is censored is missing.
    """
    texts = formula.response.cens
    if not texts:
        return table
    node = parse_expression(texts[0])
    column = table.columns.get(node.name) if isinstance(node, Name) else None
    if column is None:
        return table
    _check_codes(formula, table, column)
    if len(texts) < 2 or column.isna().all():
        return table
    inside = _codes(column)[0] == INTERVAL
    elsewhere = used_columns(replace(formula, response=replace(formula.response, cens=texts[:1])))
    out = dict(table.columns)
    for name in names_in(parse_expression(texts[1])):
        if name not in out or name in elsewhere.columns:
            continue
        gone = out[name].isna().to_numpy() & ~inside
        if gone.any():
            values = out[name].to_numpy(object).copy()
            values[gone] = 0.0
            out[name] = pd.Series(values, index=out[name].index).infer_objects()
    return replace(table, columns=out)
