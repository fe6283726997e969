"""Levels of a column whose categories come batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mixedbayes.errors import DataError, listed


@dataclass(eq=False)
class Categories:
    """What the dictionaries of all batches say together of the levels and their order.

    Where all of them are the same, their order stands, as it does in a data frame in memory.
    Where they differ, the levels are those that appear anywhere, sorted as those of text are, so
    that they do not depend on the order of the files.
    """

    name: str
    values: tuple[Any, ...] | None = None  # in the order of the first dictionary, then as they came
    agreed: bool = True
    ordered: bool = False
    _last: Any = field(default=None, repr=False)

    def add(self, column: Any) -> None:
        """See the dictionary of a batch's column.

        Raises DataError where categories are declared to be ordered, and two orders differ.
        """
        dictionary = column.dictionary
        if self._last is not None and dictionary.equals(self._last):
            return
        self._last = dictionary
        self._see(tuple(dictionary.to_pylist()), column.type.ordered)

    def combine(self, other: Categories) -> Categories:
        """Of both, in another object: for parts that were read apart."""
        both = Categories(self.name, self.values, self.agreed, self.ordered)
        if other.values is not None:
            both._see(other.values, other.ordered)
            both.agreed = both.agreed and other.agreed
        return both

    def _see(self, values: tuple[Any, ...], ordered: bool) -> None:
        if self.values is None:
            self.values, self.ordered = values, ordered
        elif values != self.values:
            if ordered or self.ordered:
                raise DataError(
                    f"the ordered categories of column {self.name!r} differ: {listed(self.values)} "
                    f"in one part of the data and {listed(values)} in another. Write it with the "
                    "same categories everywhere, or as text"
                )
            self.agreed = False
            self.values = tuple(dict.fromkeys((*self.values, *values)))

    def levels(self) -> tuple[Any, ...]:
        """All of them, in their order."""
        values = self.values or ()
        return values if self.agreed else tuple(sorted(values))
