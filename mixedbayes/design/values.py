"""What an expression of a formula can be: numbers, a matrix of numbers, or a factor.

Text and categorical columns are factors. Numbers, and True/False as 1/0, are numbers. Levels are
those that occur: in the order of the categories of a categorical column, otherwise sorted.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError

Codes = NDArray[np.int32]
Kind = Literal["number", "factor"]

_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")


@dataclass(frozen=True, eq=False)
class Factor:
    """A categorical value: a code in each row, and the levels' labels."""

    codes: Codes  # (n,) 0..J-1
    levels: pd.Index  # (J,)
    contrast: Any = None  # a contrast of C(x, contrast); None: treatment, first level as reference


@dataclass(frozen=True, eq=False)
class Matrix:
    """Several columns from one call, such as poly(x, 2)."""

    entries: Floats  # (n, k)
    fields: tuple[str, ...]  # (k,)


Value = Floats | Matrix | Factor | float | int | str | bool | None | list[Any]


def kind(column: pd.Series, name: str) -> Kind:
    """Whether a column is numbers or a factor.

    Raises
    ------
    DataError
        For dates, complex numbers, and columns that mix text and numbers.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "factor"
    if pd.api.types.is_complex_dtype(dtype):
        raise DataError(f"{name} holds complex numbers; make a column of their real part or size")
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return "number"
    if pd.api.types.is_object_dtype(dtype):
        content = pd.api.types.infer_dtype(column, skipna=True)
        if content in _NUMBERS:
            return "number"
        if content == "string":
            return "factor"
        raise DataError(
            f"{name} holds values of several or unknown kinds ({content}); convert it, for example "
            f'data["{name}"].astype(float) or data["{name}"].astype(str)'
        )
    if pd.api.types.is_string_dtype(dtype):
        return "factor"
    raise DataError(
        f"{name} holds {dtype}, which has no place in a predictor; make it a number, "
        "for example days since a date, or a category"
    )


def numbers(column: pd.Series) -> Floats:
    """A numeric column without missing values as doubles.

    Not writeable: it may be the user's own memory.
    """
    values = column.to_numpy(dtype=np.float64).view()
    values.flags.writeable = False
    return values


def encode(column: pd.Series, name: str) -> tuple[Codes, pd.Index]:
    """Codes and levels of a column without missing values, of any type."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        categories = column.cat.categories
        occurs = np.bincount(codes, minlength=len(categories)) > 0
        recode = np.cumsum(occurs, dtype=np.int32) - np.int32(1)
        return recode[codes], categories[occurs]
    try:
        found, levels = pd.factorize(column, sort=True)
    except TypeError as error:
        raise DataError(
            f"{name} holds values that cannot be sorted into levels ({error}); "
            f'use data["{name}"].astype(str)'
        ) from error
    return found.astype(np.int32), _plain(pd.Index(levels))


def lookup(column: pd.Series, levels: pd.Index, name: str) -> Codes:
    """Codes of new values among known levels, -1 for a value that is not one of them.

    Raises
    ------
    DataError
        If the values match only once text and numbers are taken for the same: "308" and 308.
    """
    distinct, values = pd.factorize(labels(column))
    values = _plain(pd.Index(values))
    codes = levels.get_indexer(values).astype(np.int32)
    unseen = values[codes < 0]
    if len(unseen) and _is_text(unseen) != _is_text(levels):
        alike = unseen.map(label).intersection(levels.map(label))
        if len(alike):
            was, now = ("text", "numbers") if _is_text(levels) else ("numbers", "text")
            raise DataError(
                f"{name} was {was} in the fitted data and is {now} here "
                f"({alike[0]!r} is a known level otherwise); convert the column"
            )
    return codes[distinct]


def check_finite(value: Value, text: str, index: pd.Index) -> None:
    """Raise DataError at the first value that is infinite or not a number, with their count."""
    entries = value.entries if isinstance(value, Matrix) else value
    if not isinstance(entries, (np.ndarray, float)) or np.isfinite(entries).all():
        return
    if isinstance(entries, float):
        raise DataError(f"{text} is {entries}")
    cells = entries.reshape(len(entries), -1)
    bad = ~np.isfinite(cells).all(axis=1)
    row = int(np.argmax(bad))
    worst = cells[row][~np.isfinite(cells[row])][0]
    raise DataError(
        f"{text} is not finite in {int(bad.sum())} of {len(bad)} rows, first in row "
        f"{index[row]!r} ({worst}); correct these rows or leave them out"
    )


def listed(items: list[Any], most: int = 10) -> str:
    """Labels for a message, cut after some."""
    shown = ", ".join(repr(item) for item in items[:most])
    return f"{shown}, ... ({len(items)} in all)" if len(items) > most else shown


def label(value: Any) -> str:
    """A level in a column's name: 2.0 is written 2."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def labels(column: pd.Series) -> pd.Series:
    """A column's values, a categorical column's as their plain labels."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def _plain(index: pd.Index) -> pd.Index:
    """Masked, Arrow and text types of pandas as the plain ones: nothing is missing in levels."""
    text = isinstance(index.dtype, (pd.StringDtype, pd.ArrowDtype)) and index.dtype != "str"
    if pd.api.types.is_extension_array_dtype(index.dtype) and (
        pd.api.types.is_numeric_dtype(index.dtype) or pd.api.types.is_bool_dtype(index.dtype)
    ):
        return pd.Index(index.to_numpy(dtype=index.dtype.numpy_dtype))
    return pd.Index(index.tolist()) if text else index


def _is_text(index: pd.Index) -> bool:
    return not pd.api.types.is_numeric_dtype(index.dtype)
