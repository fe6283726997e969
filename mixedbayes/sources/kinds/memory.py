"""Tables of Arrow, and data frames that are handed out as such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedbayes.sources.base import SIZE, Source, Whole, as_parts
from mixedbayes.sources.kinds.polars import told_apart
from mixedbayes.sources.libraries import arrow, made_by


@dataclass(eq=False)
class Memory(Whole):
    """A pyarrow.Table."""

    table: Any

    @classmethod
    def takes(cls, data: Any) -> bool:
        if made_by(data, "pyarrow", "Table", "RecordBatch"):
            return True
        return any(made_by(data, library, "DataFrame") for library in ("pandas", "polars"))

    @classmethod
    def opened(cls, data: Any) -> Source:
        table = arrow().Table
        if made_by(data, "pandas", "DataFrame"):
            return cls(table.from_pandas(data, preserve_index=False))
        if made_by(data, "polars", "DataFrame"):
            data = told_apart(data)
        return cls(data if isinstance(data, table) else arrow().table(data))

    def describe(self) -> str:
        return f"a table of {self.table.num_rows:,} rows x {self.table.num_columns} columns"

    @property
    def schema(self) -> Any:
        return self.table.schema

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        yield from self.table.select(columns).to_batches(max_chunksize=size)

    def pieces(self, columns: Sequence[str]) -> list[Source]:
        self._check(list(columns))
        own = self.table.select(list(columns))
        return as_parts([Memory(own.slice(k, SIZE)) for k in range(0, max(self.rows, 1), SIZE)])
