"""What is known of each shipped data set, read once from `registry.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from html import escape
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from mixedbayes.errors import DataError


@dataclass(frozen=True)
class Column:
    """One column of a data set.

    type is "number", "integer", "text", "factor" or "ordered". A factor's levels are listed, or
    given as a rule: "number" (sorted as numbers), "text" (sorted as text) or "appearance" (order
    of the file). unit is "label" for names, "none" for pure numbers, "not stated" by some sources.
    """

    name: str
    type: str
    unit: str
    meaning: str
    levels: tuple[str, ...] | str = ()

    @property
    def measured(self) -> bool:
        """Whether the values are numbers in a unit."""
        return self.type in ("number", "integer") and self.unit not in ("none", "not stated")


@dataclass(frozen=True, repr=False)
class DataSet:
    """Description of a shipped data set; `load_data(name)` returns its rows.

    licence is an SPDX identifier and holds for the data alone, not for mixedbayes. formula is a
    model that suits the data, where there is one.
    """

    name: str
    title: str
    description: str
    rows: int
    columns: tuple[Column, ...]
    source: str
    licence: str
    citation: str
    file: str
    formula: str | None = None

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.columns)
        columns = [f"  {c.name:<{width}}  {c.meaning} [{c.unit}]" for c in self.columns]
        facts = [f"{label}: {text}" for label, text in self._facts()]
        head = f"{self.name}: {self.title}, {self.rows:,} rows"
        return "\n".join([head, "", self.description, "", *columns, "", *facts])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(c.name)}</th><td>{escape(c.meaning)}</td><td>{escape(c.unit)}</td></tr>"
            for c in self.columns
        )
        facts = "<br>".join(f"<b>{label}</b>: {escape(text)}" for label, text in self._facts())
        return (
            f"<h4>{escape(self.name)}: {escape(self.title)}, {self.rows:,} rows</h4>"
            f"<p>{escape(self.description)}</p>"
            f"<table><thead><tr><th>column</th><th>meaning</th><th>unit</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><p>{facts}</p>"
        )

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("source", self.source), ("licence", self.licence), ("citation", self.citation)]
        return [("formula", self.formula), *facts] if self.formula else facts


@cache
def registry() -> Mapping[str, DataSet]:
    """All shipped data sets by name, in the order in which they are listed."""
    text = files(__package__).joinpath("registry.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _data_set(name, d) for name, d in tomllib.loads(text).items()})


def describe_data(name: str) -> DataSet:
    """The description of one shipped data set: columns with units, source, licence, citation.

    Raises DataError, listing the near names, where there is no such data set.

    >>> describe_data("dyestuff").columns[1].unit
    'g'
    """
    sets = registry()
    if name not in sets:
        near = get_close_matches(str(name).lower(), sets, n=3)
        hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise DataError(
            f"there is no data set {name!r} among the {len(sets)} shipped. {hint}"
            "list_data() shows them all"
        )
    return sets[name]


def _data_set(name: str, entry: dict[str, Any]) -> DataSet:
    columns = tuple(_column(column, facts) for column, facts in entry.pop("columns").items())
    return DataSet(name=name, columns=columns, **entry)


def _column(name: str, facts: dict[str, Any]) -> Column:
    levels = facts.pop("levels", ())
    return Column(name=name, levels=levels if isinstance(levels, str) else tuple(levels), **facts)
