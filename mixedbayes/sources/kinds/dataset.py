"""pyarrow.dataset.Dataset, on any file system that it knows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixedbayes.errors import DataError, listed
from mixedbayes.sources.ahead import ahead
from mixedbayes.sources.base import PIECE, Source, Whole, as_parts
from mixedbayes.sources.libraries import arrow, made_by
from mixedbayes.sources.types import first_line


@dataclass(eq=False)
class ArrowDataset(Whole):
    """Fragments of a dataset, which are read one after the other.

    A scan of all at once would hold up to a gigabyte of what is read ahead; a dataset with a filter
    has no other way.
    """

    fragments: Sequence[Any]
    own: Any  # the dataset's schema
    filtered: Any = None  # the dataset, where it has a filter

    @classmethod
    def takes(cls, data: Any) -> bool:
        return made_by(data, "pyarrow", "Dataset")

    @classmethod
    def opened(cls, data: Any) -> Source:
        try:
            return cls(list(data.get_fragments()), data.schema)
        except ValueError:  # it has a filter
            return cls([], data.schema, data)

    @property
    def schema(self) -> Any:
        return self.own

    def describe(self) -> str:
        if self.filtered is not None:
            return "a dataset with a filter"
        if len(self.fragments) == 1:
            return f"a dataset of {_named(self.fragments[0])}"
        return f"a dataset of {len(self.fragments):,} fragments"

    def _check(self, columns: list[str]) -> None:
        super()._check(columns)
        dataset = arrow("pyarrow.dataset")
        for name in columns:
            absent = [
                _named(f)
                for f, known in zip(self.fragments, self._known, strict=True)
                if name not in known and name not in dataset.get_partition_keys(
                    f.partition_expression
                )
            ]  # fmt: skip
            if absent:
                raise DataError(
                    f"column {name!r} is missing in {len(absent):,} of {len(self.fragments):,} "
                    f"fragments of the dataset: {listed(absent, 3)}. Add it to them, or leave them "
                    "out"
                )

    @cached_property
    def _known(self) -> list[frozenset[str]]:
        """Columns that each fragment has."""
        pa, made = arrow(), []
        for fragment in self.fragments:
            try:
                made.append(frozenset(fragment.physical_schema.names))
            except (pa.ArrowException, OSError) as error:
                raise _damaged(fragment, error) from error
        return made

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        return ahead(self._scanned(columns, size))

    def _scanned(self, columns: list[str], size: int) -> Generator[Any]:
        pa = arrow()
        options = {"columns": columns, "batch_size": size, "use_threads": False}
        if self.filtered is not None:
            yield from self.filtered.scanner(**options, fragment_readahead=1).to_batches()
        for whole in self.fragments:
            for fragment in _smaller(whole):
                try:
                    yield from fragment.scanner(schema=self.own, **options).to_batches()
                except pa.lib.ArrowCancelled:
                    raise
                except (pa.ArrowException, OSError) as error:
                    raise _damaged(fragment, error) from error

    def pieces(self, columns: Sequence[str]) -> list[Source]:
        if self.filtered is not None:
            return super().pieces(columns)
        self._check(list(columns))
        smaller = [small for whole in self.fragments for small in _smaller(whole)]
        return as_parts([ArrowDataset([f], self.own) for f in smaller])

    def __reduce__(self) -> Any:
        if self.filtered is not None:
            raise DataError(
                "a dataset with a filter cannot be read by other processes; write what it leaves "
                "to Parquet files, and pass their folder"
            )
        return super().__reduce__()


def _smaller(fragment: Any) -> list[Any]:
    """Fragments of whole row groups, where the format has them."""
    if not hasattr(fragment, "subset") or fragment.num_row_groups < 2:
        return [fragment]
    made: list[list[int]] = []
    rows = 0
    for group in fragment.row_groups:
        if made and rows + group.num_rows <= PIECE:
            made[-1].append(group.id)
            rows += group.num_rows
        else:
            made.append([group.id])
            rows = group.num_rows
    return [fragment.subset(row_group_ids=own) for own in made]


def _damaged(fragment: Any, error: BaseException) -> DataError:
    return DataError(f"{_named(fragment)} cannot be read: {first_line(error)}")


def _named(fragment: Any) -> str:
    path = getattr(fragment, "path", None)
    if path is None:
        return "a table in memory"
    try:
        groups = [group.id for group in fragment.row_groups]
    except (AttributeError, OSError, ValueError):  # another format, or no such file
        return str(path)
    if not groups:
        return str(path)
    more = f"s {groups[0]} to {groups[-1]}" if len(groups) > 1 else f" {groups[0]}"
    return f"{path}, row group{more}"
