"""The shipped data sets as data frames."""

from __future__ import annotations

from importlib.resources import as_file, files

import pandas as pd

from mixedbayes.data.registry import Column, describe_data, registry

_READ_AS = {
    "number": "str",  # made doubles afterwards: not every pandas reads them to the last bit
    "integer": "int64",
    "text": "str",
    "factor": "str",
    "ordered": "str",
}


def load_data(name: str) -> pd.DataFrame:
    """A shipped data set, as a new data frame at each call.

    Factors are categorical with the levels in the order of the source, so that the first is the
    reference; they are ordered only where the source's are. Group labels are strings even where
    they look like numbers ("308"). An empty cell is a missing value.

    ``frame.attrs["units"]`` has the units of the numeric columns, which pictures put on their axes.
    `describe_data(name)` gives the meaning and the unit of each column, the source and the
    licence; `list_data()` gives the names.

    Raises DataError, listing the near names, where there is no such data set.

    >>> load_data("sleepstudy").shape
    (180, 3)
    """
    info = describe_data(name)
    with as_file(files(__package__).joinpath(info.file)) as path:
        frame = pd.read_csv(
            path,
            dtype={c.name: _READ_AS[c.type] for c in info.columns},
            keep_default_na=False,
            na_values=[""],
        )
    for column in info.columns:
        if column.type in ("factor", "ordered"):
            frame[column.name] = _factor(frame[column.name], column)
        elif column.type == "number":
            frame[column.name] = frame[column.name].astype("float64")
    frame.attrs["units"] = {c.name: c.unit for c in info.columns if c.measured}
    return frame


def list_data() -> pd.DataFrame:
    """The shipped data sets: one row each, with name, rows, description, source and licence.

    >>> list_data().columns.tolist()
    ['name', 'rows', 'description', 'source', 'licence']
    """
    fields = ["name", "rows", "description", "source", "licence"]
    return pd.DataFrame([{f: getattr(d, f) for f in fields} for d in registry().values()])


def _factor(values: pd.Series, column: Column) -> pd.Categorical:
    found = values.dropna().unique()
    if column.levels == "number":
        levels = sorted(found, key=float)
    elif column.levels == "text":
        levels = sorted(found)
    elif column.levels == "appearance":
        levels = list(found)
    else:
        levels = list(column.levels)
    return pd.Categorical(values, categories=levels, ordered=column.type == "ordered")
