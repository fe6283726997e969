"""Tables in the data-frame library of the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.table import LIBRARIES, PANDAS
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.results.hypothesis_table import Hypotheses
from mixedbayes.results.tables import apart
from mixedbayes.results.text import Table, as_table

ROW = "row"  # where a library has no labels of rows, the column of those that are not 0, 1, ...


def check_library(library: object) -> str:
    """The name of a library; ModelError where it is none that tables can be in."""
    if library not in LIBRARIES:
        raise ModelError(f"library={library!r}: tables can be in {', '.join(LIBRARIES)}")
    return str(library)


def answer(found: Any, library: str) -> Any:
    """A table as the user is handed it; anything else, such as draws, as it is.

    In pandas it is a `Table`, or shows itself in its own way. In other libraries row labels that
    say something become columns, what is missing is null, and ordered categories are an Enum where
    there is such.
    """
    if type(found) not in (pd.DataFrame, Table, Hypotheses):
        return found
    if isinstance(found, Hypotheses) and library == PANDAS:
        return found
    return as_table(found) if library == PANDAS else _converted(found, library).to_native()


def in_library(frame: pd.DataFrame, library: str) -> Any:
    """A frame of pandas in another library."""
    return _converted(frame, library).to_native()


def beside(new: Any, table: pd.DataFrame, times: int = 1) -> Any:
    """The columns of `new`, then those of the table, in the library of `new`.

    Parameters
    ----------
    new
        A frame of pandas or narwhals.
    table
        `times` rows for every row of `new`, those of a row together.

    Returns
    -------
    A frame of that library. A column of `new` that is called as one of the table's has `_value`
    added to its name. Row labels are those of `new`, and so is `attrs`, where there are any.
    """
    import narwhals as nw

    native = nw.to_native(new, pass_through=True)
    names = _apart(list(new.columns), list(table.columns))
    at = np.arange(len(new)).repeat(times)
    if isinstance(native, pd.DataFrame):
        rows = native if times == 1 else native.iloc[at]
        rows = rows.set_axis(names, axis=1)
        both = pd.concat([rows, table.set_index(rows.index)], axis=1)
        both.attrs = {**native.attrs, **table.attrs}
        return both
    rows = new if times == 1 else new[at.tolist()]
    rows = rows.rename(dict(zip(new.columns, names, strict=True)))
    ours = _converted(table.reset_index(drop=True), new.implementation.value)
    return nw.concat([rows, ours], how="horizontal").to_native()


def _apart(names: Sequence[Any], taken: Sequence[str]) -> list[Any]:
    """Names that are all different from those taken, and from one another where they were so."""
    out: list[Any] = []
    for k, name in enumerate(names):
        others = {*taken, *names[:k], *names[k + 1 :]} if name in taken else set()
        out.append(apart(name, others, "value") if others else name)
    return out


def _converted(table: pd.DataFrame, library: str) -> Any:
    """A frame of narwhals over another library."""
    import narwhals as nw

    backend: Any = library
    columns = {str(name): table[name] for name in table.columns}
    columns = {**_labels(table.index, list(columns)), **columns}
    typed = {
        name: _column(values.reset_index(drop=True), library) for name, values in columns.items()
    }
    try:
        return nw.from_dict(
            {name: values for name, (values, _) in typed.items()},
            {name: dtype for name, (_, dtype) in typed.items()},
            backend=backend,
        )
    except ImportError as e:
        raise MissingExtraError(
            f"the data of this fit were of {library}, and so are its tables, and {library} is not "
            f'installed: pip install {library}, or set fit.library = "pandas"'
        ) from e


def _labels(index: pd.Index, taken: Sequence[str]) -> dict[str, pd.Series]:
    """Row labels as columns, unless they are 0, 1, ... without a name."""
    if index.names == [None] and index.equals(pd.RangeIndex(len(index))):
        return {}
    several = index.nlevels > 1
    found: dict[str, pd.Series] = {}
    for k in range(index.nlevels):
        name = index.names[k]
        text = str(name) if name is not None else f"{ROW}_{k}" if several else ROW
        values = index.get_level_values(k)
        found[apart(text, [*taken, *found], "label")] = pd.Series(values, dtype=values.dtype)
    return found


def _column(values: pd.Series, library: str) -> tuple[Any, Any]:
    """Values without what only pandas has, and their type in narwhals."""
    import narwhals as nw

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        labels = dtype.categories
        if not all(isinstance(label, str) for label in labels):
            return _column(values.astype(labels.dtype), library)
        enum = dtype.ordered and library == "polars"
        return _listed(values), nw.Enum(list(labels)) if enum else nw.String()
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind in "mM":
        return _moments(values)
    plain = {"b": nw.Boolean(), "f": nw.Float64()}
    if dtype.kind in plain:
        return _listed(values), plain[dtype.kind]
    if dtype.kind in "iu":
        return _listed(values), getattr(nw, f"{'U' * (dtype.kind == 'u')}Int{8 * dtype.itemsize}")()
    present = values.dropna()
    if dtype == np.dtype(object) and all(isinstance(v, bool) for v in present):
        return _listed(values), nw.Boolean()
    texts = [None if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)]
    return texts, nw.String()


def _listed(values: pd.Series) -> Any:
    """Numbers as an array where nothing is missing; else a list, with None."""
    missing = values.isna().to_numpy()
    if values.dtype.kind in "biuf" and not missing.any():
        return values.to_numpy()
    return [None if gone else v for v, gone in zip(values.to_list(), missing, strict=True)]


def _moments(values: pd.Series) -> tuple[Any, Any]:
    import narwhals as nw

    unit: Any = values.dt.unit if values.dt.unit in ("ms", "us", "ns") else "ms"
    if values.dtype.kind == "m":
        return [None if pd.isna(v) else v.to_pytimedelta() for v in values], nw.Duration(unit)
    zone = str(values.dt.tz) if isinstance(values.dtype, pd.DatetimeTZDtype) else None
    return [None if pd.isna(v) else v.to_pydatetime() for v in values], nw.Datetime(unit, zone)
