"""Tables from files."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from gzip import BadGzipFile
from pathlib import Path
from typing import TYPE_CHECKING

from mixedbayes.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd


TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def read_table(path: Path, labels: Collection[str] = ()) -> pd.DataFrame:
    """The table in a CSV, TSV (gzipped or not) or Parquet file.

    Columns named in `labels` (grouping factors) keep labels such as "007" as they are written;
    labels that are plain whole numbers become integers, so that they sort as such.

    Raises DataError where the file is not such a table, MissingExtraError where Parquet cannot be
    read.
    """
    name = path.name.lower()
    if not name.endswith(TABLES):
        raise DataError(f"{path}: not one of {', '.join(TABLES)}")
    return _parquet(path) if name.endswith(".parquet") else _delimited(path, name, labels)


def _delimited(path: Path, name: str, labels: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    separator = "\t" if ".tsv" in name else ","
    try:
        frame = pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", dtype=dict.fromkeys(labels, "str")
        )
    except (ValueError, EOFError, BadGzipFile, zlib.error) as error:
        reason = str(error).strip().splitlines()[0]  # pandas' and decoding errors are ValueErrors
        raise DataError(f"{path}: not a UTF-8 table with a header: {reason}") from error
    if frame.empty:
        raise DataError(f"{path}: the table has no rows")
    for column in set(labels) & set(frame.columns):
        frame[column] = _whole_numbers(frame[column])
    return frame


def _whole_numbers(column: pd.Series) -> pd.Series:
    """Integers if every label is one and is written as Python writes it."""
    known = column.dropna()
    plain = known.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all()
    return column.astype("Int64" if len(known) < len(column) else "int64") if plain else column


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading Parquet needs pyarrow, which is not installed: pip install pyarrow"
        ) from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from error
    if frame.empty:
        raise DataError(f"{path}: the table has no rows")
    return frame
