"""Data frames of Dask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixedbayes.sources.base import Source, Whole, as_parts
from mixedbayes.sources.libraries import arrow, library, made_by
from mixedbayes.sources.reduce import DASK


@dataclass(eq=False)
class DaskFrame(Whole):
    """Partitions, which are computed one after the other, or where they are: see `reduce`."""

    frame: Any
    on = DASK

    @classmethod
    def takes(cls, data: Any) -> bool:
        return made_by(data, "dask", "DataFrame")

    @classmethod
    def opened(cls, data: Any) -> Source:
        return cls(data)

    def describe(self) -> str:
        return f"a Dask DataFrame of {self.frame.npartitions:,} partitions"

    @cached_property
    def schema(self) -> Any:
        utils = library("dask.dataframe.utils", "dask", "reading a Dask DataFrame")
        some = utils.meta_nonempty(self.frame._meta)
        return arrow().Schema.from_pandas(some, preserve_index=False)

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        own = self.frame[columns]
        for k in range(own.npartitions):
            yield _table(own.partitions[k].compute())

    def pieces(self, columns: Sequence[str]) -> list[Source]:
        kinds, own = self.typed(columns), self.frame[list(columns)]
        return as_parts([Partition(part, kinds) for part in own.to_delayed()])


@dataclass(eq=False)
class Partition(Whole):
    """One partition: to be computed, or as a data frame once Dask has computed it.

    Dask looks into dataclasses, and puts what it has computed where the delayed one was.
    """

    partition: Any
    kinds: Any  # a schema, that of the whole

    def __post_init__(self) -> None:
        self.part = True

    @property
    def schema(self) -> Any:
        return self.kinds

    @classmethod
    def takes(cls, data: Any) -> bool:
        return False

    @classmethod
    def opened(cls, data: Any) -> Source:
        raise NotImplementedError("a partition is made by its frame")

    def describe(self) -> str:
        return "a partition of a Dask DataFrame"

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        delayed = hasattr(self.partition, "dask")
        yield _table((self.partition.compute() if delayed else self.partition)[columns])


def _table(frame: Any) -> Any:
    return arrow().Table.from_pandas(frame, preserve_index=False)
