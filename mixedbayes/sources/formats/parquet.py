"""Parquet."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mixedbayes.errors import DataError
from mixedbayes.sources.base import PIECE
from mixedbayes.sources.formats.base import Format, Head, Part, damaged
from mixedbayes.sources.libraries import arrow


class Parquet(Format):
    """Files of row groups, whose numbers of rows and types stand at their end."""

    name = "Parquet"
    endings = (".parquet", ".pq", ".parq")

    def head(self, path: str) -> Head:
        pa, parquet = arrow(), arrow("pyarrow.parquet")
        try:
            with parquet.ParquetFile(path) as file:
                found = file.metadata
                groups = tuple(found.row_group(k).num_rows for k in range(found.num_row_groups))
                return Head(file.schema_arrow.remove_metadata(), found.num_rows, groups)
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.name, path, "", error) from error

    def read(
        self, parts: Sequence[Part], columns: list[str], schema: Any, size: int
    ) -> Generator[tuple[Part, Any]]:
        for part in parts:
            own = [name for name in columns if name in part.head.schema.names]
            for batch in self._batches(part, own, size):
                yield part, batch

    def _batches(self, part: Part, columns: list[str], size: int) -> Iterator[Any]:
        """One file with one thread: on two cores the other one works on the rows."""
        pa, parquet = arrow(), arrow("pyarrow.parquet")
        try:
            with parquet.ParquetFile(part.path, pre_buffer=False) as file:
                yield from file.iter_batches(
                    batch_size=size, row_groups=_groups(part), columns=columns, use_threads=False
                )
        except pa.lib.ArrowCancelled:
            raise
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise self._place(part, columns, error) from error

    def _place(self, part: Part, columns: list[str], error: BaseException) -> DataError:
        """The error with the row group in which it is."""
        pa, parquet = arrow(), arrow("pyarrow.parquet")
        for k in _groups(part):
            try:
                with parquet.ParquetFile(part.path, pre_buffer=False) as file:
                    for _ in file.iter_batches(row_groups=[k], columns=columns, use_threads=False):
                        pass
            except (pa.ArrowException, OSError) as own:
                place = f"row group {k} of {len(part.head.groups or ()):,} "
                return damaged(self.name, part.path, place, own)
        return damaged(self.name, part.path, "", error)

    def pieces(self, part: Part) -> list[Part]:
        rows, made = part.head.groups or (), list[list[int]]()
        for k in _groups(part):
            if made and sum(rows[j] for j in made[-1]) + rows[k] <= PIECE:
                made[-1].append(k)
            else:
                made.append([k])
        return [replace(part, groups=tuple(own)) for own in made]


def _groups(part: Part) -> list[int]:
    return list(range(len(part.head.groups or ())) if part.groups is None else part.groups)
