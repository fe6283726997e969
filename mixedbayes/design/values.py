"""What an expression of a formula can be: numbers, a matrix of numbers, or a factor.

Text and categorical columns are factors. Numbers, and True/False as 1/0, are numbers. Levels are
those that occur: in the order of the categories of a categorical column, otherwise sorted.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import errors
from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError

Codes = NDArray[np.int32]
Kind = Literal["number", "factor"]

_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")


@dataclass(frozen=True, eq=False)
class Categorical:
    """A categorical value: a code in each row, and the levels' labels."""

    codes: Codes  # (n,) 0..J-1
    levels: pd.Index  # (J,)
    contrast: Any = None  # a contrast of C(x, contrast); None: treatment, first level as reference
    declared: pd.Index | None = None  # categories of the column, those that do not occur too
    ordered: bool = True  # whether the order of the levels is stated, or that of their values


@dataclass(frozen=True, eq=False)
class Matrix:
    """Several columns from one call, such as poly(x, 2)."""

    entries: Floats  # (n, k)
    fields: tuple[str, ...]  # (k,)


@dataclass(frozen=True, eq=False)
class Steps(Matrix):
    """Of mo(x): 1 in the columns of those steps between neighbouring levels that a row has passed.

    The fields are the steps, "low to middle".
    """

    @classmethod
    def of(cls, codes: Codes, levels: pd.Index) -> "Steps":
        """From the codes (n,) of ordered levels (D + 1,)."""
        passed = codes[:, None] > np.arange(len(levels) - 1)
        texts = [label(level) for level in levels]
        fields = (f"{a} to {b}" for a, b in pairwise(texts))
        return cls(passed.astype(np.float64), tuple(fields))


Value = Floats | Matrix | Categorical | float | int | str | bool | None | list[Any]


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


def is_logical(column: pd.Series) -> bool:
    """Whether a column holds True and False; a category of these does not."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if column.dtype == object:
        return bool(pd.api.types.infer_dtype(column, skipna=True) == "boolean")
    return bool(pd.api.types.is_bool_dtype(column.dtype))


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


def in_order(column: pd.Series, levels: pd.Index) -> bool:
    """Whether levels have an order: that of an ordered category, of numbers, of times.

    Text has none, nor has a category that pandas does not call ordered, unless its levels are
    numbers or times from the smallest to the largest.
    """
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return True
    return kind_of_levels(levels) not in ("text", "mixed") and levels.is_monotonic_increasing


def lookup(column: pd.Series, levels: pd.Index, name: str, *, others: bool = True) -> Codes:
    """Codes of new values among known levels, -1 for a value that is not one of them.

    Values are equal as Python has it: 1, 1.0 and True are one level, to all digits; moments in
    time whatever their zone. Text is never a number, nor a moment with a zone one without.

    Raises
    ------
    DataError
        If values are of another kind than the levels and would match in that kind ("308" and
        308), if neither kind is text (a time with a zone and one without), or if there can be no
        `others` than the known levels.
    """
    try:
        distinct, values = pd.factorize(labels(column))
    except TypeError as error:
        raise DataError(f"{name} holds values that cannot be levels ({error})") from error
    values = _plain(pd.Index(values))
    codes = _match(values, levels)
    unseen = values[codes < 0]
    was, now = kind_of_levels(levels), kind_of_levels(values)
    if len(unseen) and was != now:
        written = {_written(level): level for level in levels}
        alike = [written[_written(value)] for value in unseen if _written(value) in written]
        if alike or not others or not {was, now} & {"text", "mixed"}:
            known = f"; {alike[0]!r} is a known level" if alike else ""
            raise DataError(
                f"{name} was {was} in the fitted data and is {now} here "
                f"({unseen.tolist()[0]!r}{known}); convert the column"
            )
    return codes[distinct]


def _match(values: pd.Index, levels: pd.Index) -> Codes:
    """Positions of values among unique levels, -1 where they are none of them."""
    if values.dtype == levels.dtype and values.dtype != object:
        return levels.get_indexer(values).astype(np.int32)
    if np.float32 in (values.dtype, levels.dtype):  # as exact as the less exact of both
        values, levels = (
            i.astype(np.float32) if i.dtype.kind == "f" else i for i in (values, levels)
        )
    known = {level: code for code, level in enumerate(levels.tolist())}
    return np.array([known.get(value, -1) for value in values.tolist()], dtype=np.int32)


def kind_of_levels(index: pd.Index) -> str:
    """What the labels are, in words; "mixed" where they are of several kinds."""
    dtype = index.dtype
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return "numbers"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "times with a zone"
    if dtype.kind in "mM":
        return "durations" if dtype.kind == "m" else "times without a zone"
    content = pd.api.types.infer_dtype(index, skipna=False)
    if content in _NUMBERS:
        return "numbers"
    return "text" if content == "string" else "mixed" if "mixed" in content else content


def _written(value: Any) -> str:
    """A label as it might stand in a text file: numbers plain, booleans as 1 and 0."""
    if isinstance(value, bool | np.bool_):
        value = int(value)
    text = label(value).strip().casefold()
    if text in ("true", "false"):
        return "1" if text == "true" else "0"
    try:
        return label(float(text)) if isinstance(value, str) else text
    except ValueError:
        return text


def row_name(index: pd.Index, row: int) -> str:
    """The label of a row as an error has it: text in quotes, numbers plain."""
    value = index[row]
    return repr(value.item() if isinstance(value, np.generic) else value)


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
        f"{row_name(index, row)} ({worst}); correct these rows or leave them out"
    )


def listed(items: list[Any], most: int = 10) -> str:
    """Labels for a message, NumPy's scalars among them, cut after some."""
    return errors.listed([i.item() if isinstance(i, np.generic) else i for i in items], most)


def label(value: Any) -> str:
    """A level in a column's name: 2.0 is written 2, a time at midnight as its date."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp) and value == value.normalize() and value.tz is None:
        return str(value.date())
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
