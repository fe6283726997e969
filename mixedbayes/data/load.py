"""The shipped data sets as data frames, with what registry.toml says of each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from html import escape
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import Any

import pandas as pd

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
    """What the columns of a shipped data set mean: units, source, licence, citation.

    Parameters
    ----------
    name
        One of those of `list_data`.

    Returns
    -------
    DataSet
        `columns` (each with name, type, unit and meaning), `rows`, `description`, `source`,
        `licence` and `citation`; it prints itself.

    Raises
    ------
    DataError
        There is no such data set; the near names are listed.

    See Also
    --------
    load_data : The data.
    list_data : All names.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.describe_data("dyestuff").columns[1].unit
    'g'
    >>> mb.describe_data("sleepstudy")
    sleepstudy: Reaction time under sleep restriction, 180 rows
    <BLANKLINE>
    Average reaction time of 18 subjects on each of 10 days; from the night after day 2 on they
    spent three hours in bed a night.
    <BLANKLINE>
      Reaction  average reaction time [ms]
      Days      day of the study, from 0 [day]
      Subject   subject [label]
    <BLANKLINE>
    formula: Reaction ~ Days + (Days | Subject)
    source: R package lme4 1.1-31
    licence: GPL-2.0-or-later
    citation: Belenky, G. et al. (2003). Patterns of performance degradation and restoration
    during sleep restriction and subsequent recovery. Journal of Sleep Research 12, 1-12.
    doi:10.1046/j.1365-2869.2003.00337.x
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


# ---- data frames -------------------------------------------------------------------------------


_READ_AS = {
    "number": "str",  # made doubles afterwards: not every pandas reads them to the last bit
    "integer": "int64",
    "text": "str",
    "factor": "str",
    "ordered": "str",
}


def load_data(name: str) -> pd.DataFrame:
    """A shipped data set, as a new data frame at each call.

    Factors are categorical with the levels in the order of the source, so that the first is the
    reference; they are ordered only where the source's are. Group labels are strings even where
    they look like numbers ("308"). An empty cell is a missing value.

    Parameters
    ----------
    name
        One of those of `list_data`.

    Returns
    -------
    DataFrame
        Of pandas. ``frame.attrs["units"]`` has the units of the numeric columns, which pictures put
        on their axes.

    Raises
    ------
    DataError
        There is no such data set; the near names are listed.

    See Also
    --------
    list_data : All names.
    describe_data : Meaning and unit of each column, source and licence.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> sleep.shape
    (180, 3)
    >>> sleep.attrs["units"]
    {'Reaction': 'ms', 'Days': 'day'}
    """
    info = describe_data(name)
    with as_file(files(__package__).joinpath(info.file)) as path:
        frame = pd.read_csv(
            path,
            dtype={c.name: _READ_AS[c.type] for c in info.columns},
            keep_default_na=False,
            na_values=[""],
        )
    for column in info.columns:
        if column.type in ("factor", "ordered"):
            frame[column.name] = _factor(frame[column.name], column)
        elif column.type == "number":
            frame[column.name] = frame[column.name].astype("float64")
    frame.attrs["units"] = {c.name: c.unit for c in info.columns if c.measured}
    return frame


def list_data() -> pd.DataFrame:
    """Which data sets are shipped.

    Returns
    -------
    DataFrame
        One row per data set:

        - name: for `load_data`;
        - rows: how many;
        - description: what was measured, of whom;
        - source: package or paper;
        - licence: of the data.

    Raises
    ------
    Nothing.

    See Also
    --------
    load_data : One of them.
    describe_data : Its columns.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.list_data()[["name", "rows", "licence"]].head(3)
                     name  rows           licence
    0          sleepstudy   180  GPL-2.0-or-later
    1  sleepstudy_partial   183  GPL-2.0-or-later
    2                 gpa  1200      CC-BY-SA-4.0
    """
    fields = ["name", "rows", "description", "source", "licence"]
    return pd.DataFrame([{f: getattr(d, f) for f in fields} for d in registry().values()])


def _factor(values: pd.Series, column: Column) -> pd.Categorical:
    found = values.dropna().unique()
    if column.levels == "number":
        levels = sorted(found, key=float)
    elif column.levels == "text":
        levels = sorted(found)
    elif column.levels == "appearance":
        levels = list(found)
    else:
        levels = list(column.levels)
    return pd.Categorical(values, categories=levels, ordered=column.type == "ordered")
