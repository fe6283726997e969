"""The user's data frame, narrowed to the columns that are used; never changed, never copied whole.

pandas is read directly, other frames (polars, pyarrow) through narwhals, column by column.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.errors import DataError


@dataclass(frozen=True, eq=False)
class Table:
    """Columns by name, all of the length of `index`."""

    columns: dict[str, pd.Series]
    index: pd.Index  # (n,) the user's row labels
    names: tuple[str, ...]  # of all columns of the user's frame, used or not

    @property
    def n(self) -> int:
        return len(self.index)

    def take(self, rows: NDArray[np.integer]) -> "Table":
        """Only these rows, by position."""
        columns = {name: column.iloc[rows] for name, column in self.columns.items()}
        return Table(columns, self.index[rows], self.names)


def column_names(data: Any) -> tuple[str, ...]:
    """Names of a frame's columns, checked: text, and each one once.

    Raises
    ------
    DataError
        If `data` is not a data frame, or a name is not a text or stands twice.
    """
    names = list(data.columns) if isinstance(data, pd.DataFrame) else _native(data).columns
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise DataError(
            f"{len(odd)} of {len(names)} column names are not text: {_some(odd)}; "
            "use data.columns = data.columns.map(str)"
        )
    twice = sorted({name for name in names if names.count(name) > 1}) if _repeats(names) else []
    if twice:
        raise DataError(
            f"the data have {len(twice)} column names more than once: {_some(twice)}; "
            "rename or remove the duplicates"
        )
    return tuple(names)


def table(data: Any, used: Iterable[str]) -> Table:
    """The used columns of a data frame; names that it does not have are left out."""
    names = column_names(data)
    used = [name for name in dict.fromkeys(used) if name in set(names)]
    if isinstance(data, pd.DataFrame):
        return Table({name: data[name] for name in used}, data.index, names)
    frame = _native(data)
    columns = {name: _to_pandas(frame[name]) for name in used}
    return Table(columns, pd.RangeIndex(len(frame)), names)


def missing(columns: Table) -> dict[str, NDArray[np.bool_]]:
    """Rows with a missing value, for each column that has any."""
    masks = {name: column.isna().to_numpy() for name, column in columns.columns.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _repeats(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _some(items: list[Any], most: int = 8) -> str:
    shown = ", ".join(map(repr, items[:most]))
    return f"{shown}, ..." if len(items) > most else shown


# other frames


def _native(data: Any) -> Any:
    import narwhals as nw

    try:
        return nw.from_native(data, eager_only=True)
    except TypeError:
        what = type(data).__name__
        remedy = (
            "call its collect() first"
            if hasattr(data, "collect")
            else "pass a pandas, polars or pyarrow frame, for example pandas.DataFrame(data)"
        )
        raise DataError(f"the data are a {what}, not a data frame; {remedy}") from None


def _to_pandas(series: Any) -> pd.Series:
    """One narwhals column as pandas has it, with missing values kept."""
    import narwhals as nw

    dtype, absent = series.dtype, series.is_null()
    if dtype.is_integer() and absent.any():
        values = series.fill_null(0).to_numpy().astype(np.int64)
        return pd.Series(pd.arrays.IntegerArray(values, absent.to_numpy()))
    if dtype == nw.Boolean and absent.any():
        values = series.fill_null(False).to_numpy().astype(bool)
        return pd.Series(pd.arrays.BooleanArray(values, absent.to_numpy()))
    if dtype.is_numeric() or dtype == nw.Boolean:
        return pd.Series(series.cast(nw.Float64).to_numpy() if absent.any() else series.to_numpy())
    if isinstance(dtype, nw.Enum):
        return pd.Series(pd.Categorical(series.to_list(), categories=list(dtype.categories)))
    if dtype == nw.Categorical and series.implementation.is_pyarrow():
        return series.to_native().to_pandas()  # pyarrow keeps the order of the categories
    if dtype == nw.Categorical:  # polars: the order of its categories has no meaning
        series = series.cast(nw.String)
    return pd.Series(series.to_list())
