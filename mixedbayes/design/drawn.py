"""Data as a picture shows them, before there is a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.checks import dropped_note
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.functions import registry
from mixedbayes.design.grouping import group
from mixedbayes.design.locate import unknown_column
from mixedbayes.design.memory import Memory
from mixedbayes.design.table import Table, missing, table
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.used import names_in
from mixedbayes.design.values import Categorical
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_axes, parse_expression
from mixedbayes.formula.nodes import Name, unparse


@dataclass(frozen=True, eq=False)
class Axis:
    """Numbers, or codes into categories."""

    name: str
    at: Floats  # (n,)
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rows of `y ~ x | group` that have no missing value."""

    y: Axis
    x: Axis
    group: str  # empty without groups
    levels: pd.Index  # (J,)
    refs: Ints  # (n,)
    note: str  # which rows are left out
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.refs)


def drawn(text: str, data: Any, functions: Mapping[str, Callable[..., Any]] | None = None) -> Drawn:
    """What a picture shows of a data frame; `functions` are the caller's, as in `build_design`.

    Raises
    ------
    FormulaError
        If the text is not understood.
    DataError
        If a column is not there, no row is complete, or a value cannot be computed.
    """
    axes, known = parse_axes(text), registry(functions)
    y, x = parse_expression(axes.y), None if axes.x is None else parse_expression(axes.x)
    used = [name for node in (y, x) if node is not None for name in names_in(node)]
    used = list(dict.fromkeys([*used, *axes.factors]))
    whole = table(data, used)
    for name in used:
        if name not in whole.columns and (name in axes.factors or name not in known):
            unknown_column(name, whole.names, text)
    rows, note = _complete(whole)
    memory = Memory(known, text, frozenset(whole.columns), frozenset(functions or ()))
    values = Rows(rows, memory, fitting=True)
    levels, refs = pd.Index([""]), np.zeros(rows.n, np.int32)
    if axes.factors:
        grouping, refs = group(rows, axes.factors)
        levels = grouping.levels
    name = ":".join(axes.factors)
    return Drawn(
        _axis(values, y), _running(refs, name) if x is None else _axis(values, x),
        name, levels, refs, note, _units(whole),
    )  # fmt: skip


def _complete(whole: Table) -> tuple[Table, str]:
    if whole.n == 0:
        raise DataError(f"the data have no rows ({len(whole.names)} columns)")
    masks = missing(whole)
    if not masks:
        return whole, ""
    absent = np.logical_or.reduce(list(masks.values()))
    counts = {name: int(mask.sum()) for name, mask in masks.items()}
    if absent.all():
        places = ", ".join(f"{name} in {count}" for name, count in counts.items())
        raise DataError(f"none of the {whole.n} rows is complete: missing values of {places}")
    kept = whole.take(np.flatnonzero(~absent))
    return kept, " ".join(dropped_note(counts, kept.n, whole.n))


def _axis(rows: Rows, node: Any) -> Axis:
    value = rows.value(node)
    name = node.name if isinstance(node, Name) else unparse(node)
    if isinstance(value, Categorical):
        return Axis(name, value.codes.astype(float), tuple(map(str, value.levels)))
    return Axis(name, rows.array(node))


def _running(refs: Ints, group: str) -> Axis:
    """1, 2, ... within each group, in the order of the rows."""
    name = f"row within {group}" if group else "row"
    return Axis(name, pd.Series(refs).groupby(refs).cumcount().to_numpy(float) + 1)


def _units(whole: Table) -> Mapping[str, str]:
    units = whole.attrs.get("units", {})
    return units if isinstance(units, Mapping) else {}
