"""The user's data frame, narrowed to the columns that are used and converted once.

Everything after this module sees the columns as pandas has them, of the types that `plain` leaves:
the fit, saved files, cache keys and predictions read one conversion, so that a level has one label
and one place. pandas is read directly, other frames through narwhals, column by column, and what
only offers Arrow's C stream through pyarrow. The user's frame is never changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.standing import Standing
from mixedbayes.errors import DataError, article

PANDAS = "pandas"
LIBRARIES = (PANDAS, "polars", "pyarrow", "modin", "cudf")  # in which tables are handed out
# Contents of object columns that pandas has a type for, by its own names.
_TYPED = ("date", "datetime", "timedelta", "period", "interval")
# How other libraries' lazy or foreign tables become a data frame.
_METHODS = ("to_dataframe", "to_pandas", "toPandas", "df", "compute", "collect")
_ARROW = ("__arrow_c_stream__", "__arrow_c_array__")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns by name, all of the length of `index`."""

    columns: dict[str, pd.Series]
    index: pd.Index  # (n,) the user's row labels
    names: tuple[Any, ...]  # of all columns of the user's frame, used or not
    attrs: Mapping[Any, Any] = field(default_factory=dict)  # of a pandas frame, such as units
    library: str = PANDAS  # of the user's frame
    standing: Standing | None = None  # for what the rows stand, where they are not the data's own

    @property
    def n(self) -> int:
        return len(self.index)

    @property
    def used(self) -> int:
        """How many rows of the data there are: n, unless these stand for others."""
        return self.n if self.standing is None else self.standing.used

    def take(self, rows: NDArray[np.integer]) -> "Table":
        """Only these rows, by position."""
        columns = {name: column.iloc[rows] for name, column in self.columns.items()}
        return Table(columns, self.index[rows], self.names, self.attrs, self.library)

    def frame(self) -> pd.DataFrame:
        """The columns as one data frame that shares no memory with the user's."""
        frame = pd.DataFrame(self.columns, index=self.index).copy()
        frame.attrs = dict(self.attrs)
        return frame


def table(data: Any, used: Iterable[str]) -> Table:
    """The used columns of a data frame; names that it does not have are left out.

    Raises
    ------
    DataError
        If `data` is not a data frame, or a used name stands there twice.
    """
    if isinstance(data, Table):
        columns = {name: data.columns[name] for name in dict.fromkeys(used) if name in data.columns}
        return replace(data, columns=columns)
    frame = eager(data)
    names = list(frame.columns)
    used = [name for name in dict.fromkeys(used) if name in set(names)]
    if twice := [name for name in used if names.count(name) > 1]:
        raise _repeated(twice)
    if isinstance(frame, pd.DataFrame):
        columns = {name: plain(frame[name]) for name in used}
        return Table(columns, _plain_index(frame.index), tuple(names), frame.attrs)
    columns = {name: _to_pandas(frame[name]) for name in used}
    own = str(frame.implementation.value)
    library = own if own in LIBRARIES else PANDAS
    return Table(columns, pd.RangeIndex(len(frame)), tuple(names), library=library)


def column_names(data: Any) -> tuple[Any, ...]:
    """Names of all columns of a data frame."""
    return data.names if isinstance(data, Table) else tuple(eager(data).columns)


def missing(columns: Table) -> dict[str, NDArray[np.bool_]]:
    """Rows with a missing value, for each column that has any."""
    masks = {name: column.isna().to_numpy() for name, column in columns.columns.items()}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _repeated(names: list[Any]) -> DataError:
    return DataError(
        f"the data have {len(names)} column names more than once: {some(names)}; "
        "rename or remove the duplicates"
    )


def some(items: list[Any], most: int = 8) -> str:
    """Names for a message, cut after some."""
    shown = ", ".join(map(repr, items[:most]))
    return f"{shown}, ..." if len(items) > most else shown


# frames of any kind


def eager(data: Any) -> Any:
    """A pandas frame as it is, any other as a narwhals frame in memory.

    A stream can be read once: who looks at the data several times keeps the result. An Arrow table
    in which a name stands twice is read as a frame of pandas, which can have it.

    Raises
    ------
    DataError
        If `data` is not a data frame; the message says how to make one of it.
    """
    import narwhals as nw

    if isinstance(data, pd.DataFrame | nw.DataFrame):
        return data
    try:
        return nw.from_native(data, eager_only=True)
    except nw.exceptions.DuplicateError:
        return _with_repeated_names(data)
    except TypeError:
        pass
    column = nw.from_native(data, series_only=True, pass_through=True)
    if not isinstance(column, nw.Series | type) and any(hasattr(data, name) for name in _ARROW):
        return eager(_from_arrow(data))
    raise DataError(f"the data are {_named(data)}, not a data frame; {_remedy(data)}")


def _with_repeated_names(data: Any) -> pd.DataFrame:
    """An Arrow table in pandas, with Arrow's types."""
    numbered = data.rename_columns([str(k) for k in range(data.num_columns)])
    frame = numbered.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
    return frame.set_axis(data.column_names, axis=1)


def _from_arrow(data: Any) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(
            f"the data are {_named(data)}, which is read by pyarrow: pip install pyarrow, "
            "or pass a pandas frame"
        ) from None
    try:
        return pa.table(data)
    except Exception as error:  # of whatever library made the stream
        raise DataError(
            f"the data are {_named(data)} whose Arrow stream cannot be read as a table: {error}"
        ) from error


def _named(data: Any) -> str:
    """A type, with its package where the name alone says too little: "an int"."""
    kind = type(data)
    package = kind.__module__.partition(".")[0]
    return article(f"{package} DataFrame" if kind.__name__ == "DataFrame" else kind.__name__)


def _remedy(data: Any) -> str:
    if isinstance(data, type) or data is None:
        return "pass a pandas, polars or pyarrow frame"
    for method in _METHODS:
        if hasattr(data, method):
            return f"call its {method}() first"
    if hasattr(data, "to_frame"):
        return "pass a frame with a column for each name in the formula"
    if isinstance(data, np.ndarray) and data.dtype.names is None:
        return "name its columns: pandas.DataFrame(data, columns=[...])"
    if isinstance(data, str | PathLike):
        return "read the file first, for example with pandas.read_parquet or pandas.read_csv"
    if isinstance(data, Mapping | list | tuple | np.ndarray):
        return "pass a pandas, polars or pyarrow frame, for example pandas.DataFrame(data)"
    return "pass a pandas, polars or pyarrow frame"


# columns


def plain(column: pd.Series) -> pd.Series:
    """A column of pandas in the types that are told apart: Arrow's and Python's own as pandas'.

    Dictionaries of Arrow are categories, dates are times at midnight, decimals whole numbers or
    doubles. Decimals that doubles would not tell apart stay what they are.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _plain_categories(column)
    if isinstance(dtype, pd.ArrowDtype):
        return _from_arrow_column(column)
    if dtype != np.dtype(object):
        return column
    content = pd.api.types.infer_dtype(column, skipna=True)
    if content == "decimal":
        return _decimals(column)
    if content in _TYPED:
        return _typed(column, content)
    return column


def _plain_categories(column: pd.Series) -> pd.Series:
    categories = column.cat.categories
    labels = plain(pd.Series(categories, dtype=categories.dtype))
    if labels.dtype == categories.dtype:
        return column
    of = pd.CategoricalDtype(pd.Index(labels), ordered=column.cat.ordered)
    codes = pd.Categorical.from_codes(column.cat.codes, dtype=of)
    return pd.Series(codes, index=column.index)


def _plain_index(index: pd.Index) -> pd.Index:
    """Row labels without Arrow's types."""
    if isinstance(index, pd.MultiIndex):
        levels = [_plain_index(index.get_level_values(k)) for k in range(index.nlevels)]
        arrow = any(isinstance(dtype, pd.ArrowDtype) for dtype in index.dtypes)
        return pd.MultiIndex.from_arrays(levels, names=index.names) if arrow else index
    if not isinstance(index.dtype, pd.ArrowDtype | pd.CategoricalDtype):
        return index
    return pd.Index(plain(pd.Series(index, dtype=index.dtype)), name=index.name)


def _from_arrow_column(column: pd.Series) -> pd.Series:
    import narwhals as nw
    import pyarrow as pa

    values = pa.chunked_array([pa.array(column.array)])
    return _to_pandas(nw.from_native(values, series_only=True)).set_axis(column.index)


def _decimals(column: pd.Series) -> pd.Series:
    present = column.dropna()
    whole = all(value.is_finite() and value == int(value) for value in present)
    if whole and all(abs(value) < 2**63 for value in present):
        absent = column.isna()
        values = np.array([0 if gone else int(v) for v, gone in zip(column, absent, strict=True)])
        integers = pd.arrays.IntegerArray(values.astype(np.int64), absent.to_numpy())
        return _unmasked(pd.Series(integers, index=column.index))
    doubles = pd.Series(
        np.array([np.nan if pd.isna(v) else float(v) for v in column]), index=column.index
    )
    return doubles if doubles.nunique() == present.nunique() else column


def _typed(column: pd.Series, content: str) -> pd.Series:
    """Python's dates, times and the like as pandas' own type, where there is one for them all."""
    values = [pd.NaT if pd.isna(value) else value for value in column]
    if content == "date":
        typed = pd.Series(np.array([None if v is pd.NaT else v for v in values], "datetime64[s]"))
    else:
        typed = pd.Series(values)
    return column if typed.dtype == object else typed.set_axis(column.index)


def _to_pandas(series: Any) -> pd.Series:
    """One narwhals column as pandas has it, with missing values kept."""
    import narwhals as nw

    dtype, absent = series.dtype, series.is_null()
    if dtype in (nw.Int128, nw.UInt128):
        return pd.Series(series.to_list(), dtype=object)
    if dtype.is_integer():
        size = np.uint64 if dtype == nw.UInt64 else np.int64
        kept = series.fill_null(0).to_numpy()
        if not absent.any():
            return pd.Series(kept)
        return pd.Series(pd.arrays.IntegerArray(kept.astype(size), absent.to_numpy()))
    if dtype == nw.Boolean:
        kept = series.fill_null(False).to_numpy().astype(bool)
        if not absent.any():
            return pd.Series(kept)
        return pd.Series(pd.arrays.BooleanArray(kept, absent.to_numpy()))
    if dtype.is_float():
        return pd.Series(series.cast(nw.Float64).to_numpy() if absent.any() else series.to_numpy())
    if isinstance(dtype, nw.Enum):  # its categories are declared in their order
        of = pd.CategoricalDtype(list(dtype.categories), ordered=True)
        return pd.Series(pd.Categorical(series.to_list(), dtype=of))
    if dtype == nw.Categorical and series.implementation.is_pyarrow():
        return plain(series.to_native().to_pandas())  # pyarrow keeps the order of the categories
    if isinstance(dtype, nw.Datetime):
        moments = pd.Series(series.to_numpy())
        zone = dtype.time_zone
        return moments if zone is None else moments.dt.tz_localize("UTC").dt.tz_convert(zone)
    if dtype in (nw.Date, nw.Duration):
        return pd.Series(series.to_numpy())
    if dtype == nw.Categorical:  # polars: the order of its categories has no meaning
        series = series.cast(nw.String)
    return plain(pd.Series(series.to_list()))


def _unmasked(column: pd.Series) -> pd.Series:
    """NumPy's type instead of a masked one where nothing is missing."""
    return column if column.isna().any() else column.astype(column.dtype.numpy_dtype)
