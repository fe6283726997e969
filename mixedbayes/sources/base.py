"""What a source is: named columns in, batches of rows out, as often as asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from mixedbayes.errors import DataError, MixedBayesError, listed
from mixedbayes.sources import types
from mixedbayes.sources.libraries import arrow

SIZE = 2**17  # rows of a batch: three columns of doubles are 3 MB, and stay in a core's cache
PIECE = 2**20  # rows of a piece, about


class Source(ABC):
    """Rows that are read in batches, any number of times.

    A kind says what it is opened from, its columns, and how it reads some of them; everything else
    follows. All types of batches are those of `types.plain`.
    """

    on: ClassVar[Any] = None  # where its passes run unless asked otherwise, as `reduce` says it
    # Of every pass that ended; a source that changes in between is refused.
    counted: int | None = None
    part: bool = False  # of another source: may have no rows

    @classmethod
    @abstractmethod
    def takes(cls, data: Any) -> bool:
        """Whether what the user handed over is of this kind; opens and imports nothing."""

    @classmethod
    @abstractmethod
    def opened(cls, data: Any) -> Source:
        """A source of what the user handed over; reads no rows.

        Raises DataError if it cannot be opened.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it is, for messages: "12 Parquet files in data/"."""

    @property
    @abstractmethod
    def schema(self) -> Any:
        """The pyarrow.Schema of all columns, as far as it is known before rows are read.

        Batches have the types of `typed`.
        """

    @abstractmethod
    def _placed(self, columns: list[str], schema: Any, size: int) -> Iterator[tuple[str, Any]]:
        """Record batches of these columns, of about `size` rows, each with where it is from.

        `schema` has the types that they will be cast to.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns."""
        return tuple(self.schema.names)

    @property
    def rows(self) -> int | None:
        """How many rows there are, where that is known without reading them."""
        return self.counted

    def typed(self, columns: Sequence[str]) -> Any:
        """The schema of these columns in the types in which all batches have them.

        Long CSV files are read for it, once. Raises DataError as `batches` does at once.
        """
        columns = list(dict.fromkeys(columns))
        self._check(columns)
        return types.plain_schema(self._types(columns))

    def _types(self, columns: list[str]) -> Any:
        return arrow().schema([self.schema.field(name) for name in columns])

    def labelled(self, columns: Iterable[str]) -> Source:
        """The source in which labels such as "007" in these columns stay as they are written.

        It is the same where the columns of what is read have types.
        """
        return self

    def pieces(self, columns: Sequence[str]) -> list[Source]:
        """Sources that have these columns of its rows among them, for passes by several processes.

        Each has the types of the whole. They can be pickled where what they read can be reached
        from elsewhere.
        """
        self._check(list(columns))
        return [self]

    def batches(self, columns: Sequence[str], size: int = SIZE) -> Generator[Any]:
        """These columns of all rows, as `pyarrow.RecordBatch`es of 1 to `size` rows.

        The rows are the same ones each time, in the same order except where a query has none;
        memory is that of some batches. `close` ends what reads ahead, as the last row does.
        A dictionary column has the categories of its file, in their order there: those of two
        batches may differ, see `Categories`.

        Raises
        ------
        DataError
            At once if a column is not there. While reading, if the data cannot be read, with their
            place; at the end, if there are no rows, or not as many as in an earlier pass.
        """
        columns = list(dict.fromkeys(columns))
        self._check(columns)
        if size < 1:
            raise DataError(f"size={size}: a batch has at least one row")
        return self._pass(columns, size)

    def _check(self, columns: list[str]) -> None:
        """Raise DataError if a column is not there, or there twice."""
        if not columns:
            raise DataError(f"no column of {self.describe()} is asked for")
        names = list(self.names)
        if absent := [name for name in columns if name not in names]:
            raise DataError(
                f"{self.describe()}: no column {listed(absent)}; there are {listed(names, 40)}"
            )
        if twice := [name for name in columns if names.count(name) > 1]:
            raise DataError(
                f"{self.describe()}: more than one column {listed(twice)}; rename or remove the "
                "duplicates"
            )

    def _pass(self, columns: list[str], size: int) -> Generator[Any]:
        pa, rows = arrow(), 0
        try:
            schema = self.typed(columns)
            for batch in _sized(self._normal(columns, schema, size), size):
                rows += batch.num_rows
                yield batch
        except pa.lib.ArrowCancelled as error:  # Ctrl-C while Arrow was reading
            raise KeyboardInterrupt from error
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, MixedBayesError):
                raise
            raise self._failed(error, columns) from error
        self.expect(rows)

    def _normal(self, columns: list[str], schema: Any, size: int) -> Iterator[Any]:
        for where, batch in self._placed(columns, schema, size):
            if batch.num_rows:
                yield types.cast(batch.select(columns), schema, where)

    def _failed(self, error: BaseException, columns: list[str]) -> DataError:
        """What is raised where a library fails to read."""
        return DataError(f"{self.describe()} cannot be read: {types.first_line(error)}")

    def expect(self, rows: int) -> None:
        """Remember how many rows a pass had.

        Raises DataError if there are none, or an earlier pass had another number.
        """
        if rows == 0 and not self.part:
            raise DataError(f"{self.describe()}: no rows")
        if self.counted not in (None, rows):
            raise DataError(
                f"{self.describe()} changed while it was read: {self.counted:,} rows in an earlier "
                f"pass, {rows:,} in this one. Every pass has to see the same rows: write them to "
                "a Parquet file, or a table that nobody changes, and fit that"
            )
        self.counted = rows


class Whole(Source):
    """A source whose rows come from one place."""

    @abstractmethod
    def _read(self, columns: list[str], size: int) -> Iterator[Any]:
        """Record batches, or tables, of these columns, of about `size` rows."""

    def _placed(self, columns: list[str], schema: Any, size: int) -> Iterator[tuple[str, Any]]:
        where = self.describe()
        for read in self._read(columns, size):
            for batch in read.to_batches() if hasattr(read, "to_batches") else [read]:
                yield where, batch


def as_parts(pieces: list[Source]) -> list[Source]:
    """Pieces, of which some may have no rows."""
    for piece in pieces:
        piece.part = True
    return pieces


def _sized(batches: Iterable[Any], size: int) -> Iterator[Any]:
    """Batches of at most `size` rows; small ones that follow each other are put together."""
    held: list[Any] = []
    for whole in batches:
        for start in range(0, whole.num_rows, size):
            batch = whole.slice(start, size)
            rows = sum(b.num_rows for b in held)
            if held and (rows + batch.num_rows > size or not _alike(held[0], batch)):
                yield _joined(held)
                held = []
            held.append(batch)
            if sum(b.num_rows for b in held) * 2 > size:
                yield _joined(held)
                held = []
    if held:
        yield _joined(held)


def _alike(a: Any, b: Any) -> bool:
    """Whether categories are the same ones."""
    pairs = zip(a.columns, b.columns, strict=True)
    return all(x.dictionary.equals(y.dictionary) for x, y in pairs if hasattr(x, "dictionary"))


def _joined(held: list[Any]) -> Any:
    return held[0] if len(held) == 1 else arrow().concat_batches(held)
