"""Tables of Arrow, and data frames that are handed out as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mixedbayes.sources.base import SIZE, Source
from mixedbayes.sources.libraries import arrow, made_by


@dataclass(eq=False)
class Memory(Source):
    """A pyarrow.Table."""

    table: Any

    @classmethod
    def opened(cls, data: Any) -> Source | None:
        if made_by(data, "pyarrow", "Table"):
            return cls(data)
        if made_by(data, "pyarrow", "RecordBatch"):
            return cls(arrow().Table.from_batches([data]))
        if made_by(data, "pandas", "DataFrame"):
            return cls(arrow().Table.from_pandas(data, preserve_index=False))
        if made_by(data, "polars", "DataFrame"):
            return cls(arrow().table(data))
        return None

    def describe(self) -> str:
        return f"a table of {self.table.num_rows:,} rows x {self.table.num_columns} columns"

    def _schema(self) -> Any:
        return self.table.schema

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        yield from self.table.select(columns).to_batches(max_chunksize=size)

    def pieces(self) -> list[Source]:
        made: list[Source] = []
        for start in range(0, max(self.rows, 1), SIZE):
            piece = Memory(self.table.slice(start, SIZE))
            piece.part = True
            made.append(piece)
        return made
