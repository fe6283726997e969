"""The left side: the response with its trials and weights, checked."""

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from mixedbayes.design.evaluate import Rows
from mixedbayes.design.locate import unknown_function
from mixedbayes.design.observed import open_below
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.values import Categorical, Matrix, check_finite, is_logical, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.counts import COUNTS, LEAST, count_columns
from mixedbayes.formula.nodes import Call, Name, unparse

_ROUNDING = 1e-9  # relative error of a count that is the result of arithmetic


def label(formula: Formula) -> str:
    """The response in words: a column's name without backticks, or an expression."""
    node = parse_expression(formula.response.text)
    return node.name if isinstance(node, Name) else formula.response.text


@dataclass(frozen=True, eq=False)
class Response:
    """The response, and its labels where it is categorical and coded 0, 1, ...."""

    y: Floats  # (n,)
    levels: tuple[object, ...] | None = None
    ordered: bool = True  # whether the order of the levels is stated
    columns: tuple[str, ...] = ()  # of counts of categories; the levels are different rows of them


def response(formula: Formula, rows: Rows) -> Response:
    """The response of the rows.

    Levels are those that occur; of a category with two of them, both.
    """
    node = parse_expression(formula.response.text)
    if isinstance(node, Call) and node.function in COUNTS and node.function not in rows.memory.own:
        return _counts(node, rows)
    open_ended = open_below(formula, rows)
    if open_ended is not None and isinstance(node, Name):  # known to be at most the upper end
        column, (below, upper) = rows.table.columns[node.name], open_ended
        y = np.where(below, upper, column.to_numpy(float, na_value=np.nan))
        check_finite(y, formula.response.text, rows.table.index)
        return Response(y if formula.response.trials is None else _snapped(y))
    value = rows.value(node)
    if isinstance(value, Categorical):
        if rows.fitting and value.declared is not None and len(value.declared) == 2:
            rows.memory.levels[formula.response.text] = value.declared
            codes = value.declared.get_indexer(value.levels)[value.codes]
            value = replace(value, codes=codes.astype(np.int32), levels=value.declared)
        y = value.codes.astype(np.float64)
        return Response(y, tuple(value.levels.tolist()), value.ordered)
    if isinstance(value, Matrix):
        raise DataError(f"the response {unparse(node)} has {len(value.fields)} columns, not one")
    y = np.array(rows.array(node))  # not the user's memory
    column = rows.table.columns.get(node.name) if isinstance(node, Name) else None
    if column is not None and is_logical(column):
        return Response(y, (False, True))
    return Response(y if formula.response.trials is None else _snapped(y))


def _counts(node: Call, rows: Rows) -> Response:
    """Counts of each category in its own column, coded by the different rows of them."""
    text, columns = unparse(node), count_columns(unparse(node))
    if len(node.arguments) < LEAST:
        if node.function == "c":
            raise DataError(
                f"{text} has {len(node.arguments)} column(s), and counts of categories have three "
                "or more: of two write successes | trials(n) ~ ..., where n counts both"
            )
        unknown_function(node.function, rows.memory.functions, rows.memory.formula)
    if not columns:
        raise DataError(f"{text}: counts are columns by name; make one of what is computed")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{text} has the column {twice[0]} twice")
    counts = np.column_stack([_snapped(rows.array(argument)) for argument in node.arguments])
    for name, values in zip(columns, counts.T, strict=True):
        wrong = (values < 0) | (values != np.floor(values))
        if wrong.any():
            _wrong(
                f"{name} in {text}", wrong, values, rows,
                "are not whole numbers from 0; counts of categories are",
            )  # fmt: skip
    totals = counts.sum(axis=1)
    if not totals.all():
        _wrong(
            f"the total of {text}", totals == 0, totals, rows,
            "are not positive; leave rows without responses out",
        )  # fmt: skip
    found, codes = np.unique(counts, axis=0, return_inverse=True)
    levels = tuple(tuple(map(int, row)) for row in found)
    return Response(codes.ravel().astype(np.float64), levels, ordered=False, columns=columns)


def weights(formula: Formula, rows: Rows) -> Floats | None:
    """Weights of the rows, all positive: (n,). Of known standard errors s they are 1 / s^2."""
    if formula.response.se is not None:
        return standard_errors(formula.response.se, rows) ** -2.0
    if formula.response.weights is None:
        return None
    values = np.array(rows.array(parse_expression(formula.response.weights)))
    if not (values > 0).all():
        _wrong(
            f"weights({formula.response.weights})", values <= 0, values, rows,
            "are not positive; a row of weight 0 is to be left out of the data",
        )  # fmt: skip
    return values


def standard_errors(text: str, rows: Rows) -> Floats:
    """Known standard errors of the rows, all positive: (n,)."""
    values = np.array(rows.array(parse_expression(text)))
    if not (values > 0).all():
        _wrong(
            f"se({text})", values <= 0, values, rows,
            "are not positive; a row that is known exactly is no measurement with an error",
        )  # fmt: skip
    return values


def trials(formula: Formula, rows: Rows) -> Ints | None:
    """Numbers of trials, positive and whole: (n,)."""
    if formula.response.trials is None:
        return None
    values = _snapped(rows.array(parse_expression(formula.response.trials)))
    wrong = (values < 1) | (values != np.floor(values))
    if wrong.any():
        _wrong(
            f"trials({formula.response.trials})", wrong, values, rows,
            "are not whole numbers from 1; correct them, or leave rows without trials out",
        )  # fmt: skip
    return values.astype(np.int64)


def check_trials(left: Response, trials: Ints, formula: Formula, rows: Rows) -> None:
    """A count is one of the trials."""
    if left.levels is not None and left.levels != (False, True):
        raise DataError(f"{formula.response.text} is a category; with trials() it is a count")
    check_successes(left.y, trials, formula, rows)


def check_successes(y: Floats, trials: Ints, formula: Formula, rows: Rows) -> None:
    """Successes are whole numbers from 0 to the number of trials."""
    text, n = formula.response.text, formula.response.trials
    wrong = (y < 0) | (y != np.floor(y))
    if wrong.any():
        _wrong(
            text, wrong, y, rows,
            "are not whole numbers from 0; the response is the number of successes, not their "
            f"share: write round({text}*{n}) | trials({n}) ~ ...",
        )  # fmt: skip
    wrong = y > trials
    if wrong.any():
        _wrong(
            text, wrong, y, rows,
            f"exceed trials({n}); "
            "write successes | trials(all trials), not the number of failures",
        )  # fmt: skip


def _snapped(counts: Floats) -> Floats:
    """Counts with what is left of computing them taken away: 0.29 * 100 is 28.999999999999996."""
    whole = np.round(counts)
    return np.where(np.abs(counts - whole) <= _ROUNDING * np.maximum(1.0, whole), whole, counts)


def _wrong(text: str, wrong: Any, values: Floats, rows: Rows, fault: str) -> NoReturn:
    first = int(np.argmax(wrong))
    raise DataError(
        f"{text}: {int(wrong.sum())} of {len(wrong)} values {fault} "
        f"(first in row {row_name(rows.table.index, first)}: {values[first]:g})"
    )
