"""What a format says of its files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mixedbayes.errors import DataError
from mixedbayes.sources.types import first_line


@dataclass(frozen=True, eq=False)
class Head:
    """What is known of a file before its rows are read."""

    schema: Any  # of the file's own types
    rows: int | None = None
    groups: tuple[int, ...] | None = None  # rows of each row group, of formats that have them


@dataclass(frozen=True, eq=False)
class Part:
    """A file, or some of its row groups."""

    path: str
    head: Head
    stamp: tuple[int, int]  # bytes and time of change, when it was opened
    keys: tuple[tuple[str, Any], ...] = ()  # of the folders it lies in, year=2024
    groups: tuple[int, ...] | None = None  # which; None: all
    settled: frozenset[str] = frozenset()  # columns whose types hold for the whole file


def stamp(path: str) -> tuple[int, int]:
    """Bytes of a file, and when it was changed."""
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns


class Format(ABC):
    """A format: its endings, what files say of themselves, and how rows are read."""

    name: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]  # in small letters
    untyped: ClassVar[bool] = False  # whether whole numbers may be labels, as of a file's values

    @abstractmethod
    def head(self, path: str) -> Head:
        """Raises DataError, with the path, if the file is not of this format."""

    @abstractmethod
    def read(
        self, parts: Sequence[Part], columns: list[str], schema: Any, size: int
    ) -> Generator[tuple[Part, Any]]:
        """Record batches of these columns, each with the part that it is of.

        `schema` has the types that they will be cast to. Raises DataError with the path, and the
        place in the file, where one cannot be read.
        """

    def settled(self, part: Part, columns: Sequence[str]) -> Mapping[str, Any]:
        """Types that hold for the whole file, of those of these columns that `head` guesses."""
        return {}

    def texts(self, part: Part, columns: Sequence[str]) -> list[str]:
        """Of columns of labels those that are text: in which one is not written as Python writes a
        whole number, such as "007". None of formats whose files have types.
        """
        return []

    def pieces(self, part: Part) -> list[Part]:
        """Parts that can be read apart."""
        return [part]


def damaged(name: str, path: str, place: str, error: BaseException) -> DataError:
    """The error of a file that cannot be read."""
    return DataError(
        f"{path}: {place}{'' if place else 'the file '}cannot be read as {name}: "
        f"{first_line(error)}. Write the file again, or leave it out"
    )
