"""Lazy frames of Polars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mixedbayes.errors import DataError, MissingExtraError
from mixedbayes.sources.base import Source, Whole
from mixedbayes.sources.libraries import arrow, library, made_by
from mixedbayes.sources.types import first_line

_WHOLE = (1, 38)  # the first version whose batches end with the query's error


@dataclass(eq=False)
class Lazy(Whole):
    """A query, which Polars runs anew in each pass, and streams."""

    frame: Any

    @classmethod
    def takes(cls, data: Any) -> bool:
        return made_by(data, "polars", "LazyFrame")

    @classmethod
    def opened(cls, data: Any) -> Source:
        version = _polars().__version__
        if tuple(map(int, version.split(".")[:2])) < _WHOLE:
            raise MissingExtraError(
                f"Polars {version} loses the errors of queries that it streams, and rows with them:"
                " pip install --upgrade mixedbayes[polars]"
            )
        return cls(data)

    def describe(self) -> str:
        return "a Polars LazyFrame"

    @cached_property
    def schema(self) -> Any:
        pl, pa = _polars(), arrow()
        found = {name: _told_apart(kind) for name, kind in self._kinds.items()}
        own = pl.DataFrame(schema=found).to_arrow().schema
        for k, (name, kind) in enumerate(found.items()):
            if isinstance(kind, pl.Enum):  # its categories are declared in their order
                ordered = pa.dictionary(pa.int32(), pa.string(), ordered=True)
                own = own.set(k, pa.field(name, ordered))
        return own

    @cached_property
    def _kinds(self) -> dict[str, Any]:
        try:
            return dict(self.frame.collect_schema())
        except _polars().exceptions.PolarsError as error:
            raise self._failed(error, []) from error

    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        pl = _polars()
        chosen = [pl.col(name).cast(_told_apart(self._kinds[name])) for name in columns]
        try:
            for batch in self.frame.select(chosen).collect_batches(chunk_size=size):
                yield batch.to_arrow()
        except pl.exceptions.PolarsError as error:
            raise self._failed(error, columns) from error
        except Exception as error:  # of a function of the user's in the query
            raise DataError(
                f"{self.describe()} cannot be read: {type(error).__name__}: {first_line(error)}"
            ) from error


def _polars() -> Any:
    return library("polars", "polars", "reading a LazyFrame")


def told_apart(frame: Any) -> Any:
    """A data frame in memory, in the types that a lazy one has."""
    return frame.cast({name: _told_apart(kind) for name, kind in frame.schema.items()})


def _told_apart(kind: Any) -> Any:
    """The type that Arrow has for it: the order of a Categorical's categories has no meaning."""
    pl = _polars()
    if kind in (pl.Int128, pl.UInt128):
        return pl.Int64
    return pl.String if kind == pl.Categorical else kind
