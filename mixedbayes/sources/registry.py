"""Kinds of sources, and the public edge where the user's data become one."""

from __future__ import annotations

from typing import Any

from mixedbayes.errors import DataError, article
from mixedbayes.sources.base import Source
from mixedbayes.sources.kinds.dask import DaskFrame
from mixedbayes.sources.kinds.dataset import ArrowDataset
from mixedbayes.sources.kinds.duckdb import Relation
from mixedbayes.sources.kinds.files import Files
from mixedbayes.sources.kinds.ibis import IbisTable
from mixedbayes.sources.kinds.memory import Memory
from mixedbayes.sources.kinds.polars import Lazy
from mixedbayes.sources.libraries import made_by

IN_MEMORY: tuple[type[Source], ...] = (Memory,)
KINDS: tuple[type[Source], ...] = (
    *IN_MEMORY,
    Files,
    ArrowDataset,
    Relation,
    Lazy,
    IbisTable,
    DaskFrame,
)
# What is no source, by package and name, with what can be done.
_REMEDIES = {
    ("pyarrow", "RecordBatchReader"): "it can be read once, and a fit reads the rows twice. Call "
    "its read_all() first if the rows fit into memory, or write them to a file and pass its path",
    ("pyspark", "DataFrame"): "call frame.write.parquet(...) and pass the folder; or sum in Spark, "
    "as mixedbayes.sources.reduce says",
    ("sqlalchemy", "Engine", "Connection"): "open the database with DuckDB or Ibis, and pass a "
    "relation or table",
    ("sqlite3", "Connection"): "attach the database to a DuckDB connection, and pass "
    '(connection, "select ...")',
}
_KNOWN = (
    "a path, a list of paths, a folder or a glob of Parquet, CSV or Arrow files; a pyarrow Dataset "
    'or Table; a DuckDB relation, or (connection, "select ..."); a Polars LazyFrame; an Ibis '
    "table; a Dask DataFrame"
)


def open(data: Any) -> Source:
    """The source of what the user handed over.

    Parameters
    ----------
    data
        A path, a list of paths, a folder, also of folders such as `year=2024`, or a glob with `*`
        and `**`, of files of one format: Parquet, CSV or TSV, compressed or not, Arrow IPC
        (Feather). Commas, semicolons, tabs or `|` separate the columns of a CSV file, and where it
        is no comma, numbers may have decimal commas. A `pyarrow.dataset.Dataset`, for files of
        other places. A DuckDB relation, or a connection with a query, `(connection, "select ...")`,
        or `(connection, "select ... > ?", [18])` with its parameters. A Polars LazyFrame, an Ibis
        table, a Dask DataFrame. A data frame in memory. A source, which is returned.

    Raises
    ------
    DataError
        If it is none of these, or cannot be opened: no file matches, files of several formats, a
        file that is damaged, by its name.

    Examples
    --------
    >>> import pyarrow as pa
    >>> source = open(pa.table({"y": [1.0, 2.0], "g": ["a", "b"]}))
    >>> source.describe()
    'a table of 2 rows x 2 columns'
    >>> [batch.num_rows for batch in source.batches(["y"])]
    [2]
    """
    if isinstance(data, Source):
        return data
    for kind in KINDS:
        if kind.takes(data):
            return kind.opened(data)
    for (package, *names), remedy in _REMEDIES.items():
        if made_by(data, package, *names):
            raise DataError(f"the data are {article(f'{package} {_kind(data)}')}; {remedy}")
    raise DataError(
        f"the data are {article(_kind(data))}, which cannot be read in batches; pass {_KNOWN}"
    )


def _kind(data: Any) -> str:
    return type(data).__name__


def is_source(data: Any) -> bool:
    """Whether these data are read in batches rather than as one data frame in memory.

    Opens nothing: a path is one, whether or not there is a file.
    """
    if isinstance(data, Source):
        return True
    return any(kind.takes(data) for kind in KINDS if kind not in IN_MEMORY)
