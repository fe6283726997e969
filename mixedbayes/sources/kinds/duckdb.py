"""Relations of DuckDB, and queries on a connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixedbayes.errors import DataError
from mixedbayes.sources.base import Source, Whole
from mixedbayes.sources.libraries import library, made_by

_LONGEST = 60  # characters of a query in a message


@dataclass(eq=False)
class Relation(Whole):
    """A relation, which DuckDB computes anew in each pass, and streams."""

    relation: Any
    said: str

    @classmethod
    def takes(cls, data: Any) -> bool:
        if isinstance(data, tuple | list) and len(data) in (2, 3):
            return _connection(data[0])
        return _connection(data) or made_by(data, "duckdb", "DuckDBPyRelation")

    @classmethod
    def opened(cls, data: Any) -> Source:
        if made_by(data, "duckdb", "DuckDBPyRelation"):
            return cls(data, "a DuckDB relation")
        if _connection(data) or not isinstance(data[1], str):
            raise DataError(
                'a DuckDB connection has any number of tables: pass (connection, "select ... from '
                '...") or connection.table("name")'
            )
        connection, query, *params = data
        cut = query if len(query) <= _LONGEST else f"{query[:_LONGEST]}..."
        said = f"the DuckDB query {' '.join(cut.split())!r}"
        try:
            relation = connection.sql(query, **({"params": params[0]} if params else {}))
        except _errors() as error:
            raise DataError(f"{said} cannot be run: {_message(error)}") from error
        if relation is None:
            raise DataError(f"{said} has no rows to read: it is no select")
        return cls(relation, said)

    @cached_property
    def schema(self) -> Any:
        try:
            return self.relation.limit(0).to_arrow_table().schema
        except _errors() as error:
            raise self._failed(error, []) from error

    def describe(self) -> str:
        return self.said

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        quoted = ('"{}"'.format(name.replace('"', '""')) for name in columns)
        try:
            reader = self.relation.project(", ".join(quoted)).to_arrow_reader(size)
            try:
                yield from reader
            finally:
                reader.close()  # until then the connection takes no other query
        except _errors() as error:
            raise self._failed(error, columns) from error

    def _failed(self, error: BaseException, columns: list[str]) -> DataError:
        return DataError(
            f"{self.said} cannot be read: {_message(error)}. While it is read, its connection can "
            "do nothing else; use connection.cursor() for that"
        )

    def __reduce__(self) -> Any:
        raise DataError(
            f"{self.said} cannot be read by other processes, since its connection is of this one; "
            "write it to Parquet files, relation.write_parquet(...), and pass their folder"
        )


def _connection(data: Any) -> bool:
    return made_by(data, "duckdb", "DuckDBPyConnection")


def _errors() -> tuple[type[BaseException], ...]:
    return (library("duckdb", "duckdb", "reading it").Error,)


def _message(error: BaseException) -> str:
    return " ".join(str(error).split())
