"""Tables of Ibis, on whichever backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixedbayes.errors import DataError, listed
from mixedbayes.sources.base import Source, Whole
from mixedbayes.sources.libraries import made_by
from mixedbayes.sources.types import first_line


def _by_ibis(table: Any, backend: Any, size: int) -> Any:
    return table.to_pyarrow_batches(chunk_size=size)


def _by_duckdb(table: Any, backend: Any, size: int) -> Iterator[Any]:
    """By DuckDB itself: from its version 2 on it has not the method by which Ibis 12 reads."""
    table.limit(0).to_pyarrow()  # hands tables in memory, and functions, to the connection
    reader = backend.con.sql(backend.compile(table)).to_arrow_reader(size)
    try:
        yield from reader
    finally:
        reader.close()


@dataclass(eq=False)
class IbisTable(Whole):
    """A table expression, which its backend computes anew in each pass."""

    table: Any

    @classmethod
    def takes(cls, data: Any) -> bool:
        return made_by(data, "ibis", "Table")

    @classmethod
    def opened(cls, data: Any) -> Source:
        return cls(data)

    def describe(self) -> str:
        return f"an Ibis table of {listed(self.table.columns, 4)}"

    @cached_property
    def schema(self) -> Any:
        return self.table.schema().to_pyarrow()

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        chosen = self.table.select(*columns)
        try:
            backend = chosen.get_backend()
            own = backend.name == "duckdb" and not hasattr(backend.con, "fetch_record_batch")
            yield from (_by_duckdb if own else _by_ibis)(chosen, backend, size)
        except Exception as error:  # of whichever backend
            raise DataError(
                f"{self.describe()} cannot be read by its backend: {first_line(error)}; write it, "
                'table.to_parquet("data.parquet"), and pass the path'
            ) from error

    def __reduce__(self) -> Any:
        raise DataError(
            f"{self.describe()} cannot be read by other processes, since the connection of its "
            "backend is of this one; write it to Parquet files, and pass their folder"
        )
