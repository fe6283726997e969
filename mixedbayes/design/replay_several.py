"""New rows of several responses: each as its own design has it, a row for each response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design import several
from mixedbayes.design.table import Table, column_names, table
from mixedbayes.design.types import (
    Design,
    Floats,
    Ints,
    LinearPredictor,
    NewRows,
    NewTerm,
    Residual,
    Responses,
)
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError

type Replay = Callable[..., NewRows]


def replayed(
    design: Design,
    new_data: Any,
    replay: Replay,
    *,
    response: bool,
    groups: Sequence[str] | None,
    parameter: str,
    beyond: bool,
) -> NewRows:
    """`replay` of a design of several responses: row by row, each response in its order.

    With `response` there are rows of those that are known alone.
    """
    every = design.several
    assert every is not None
    whole = table(new_data, used_columns(design.formula).columns)
    new = _without_responses(whole, design, every) if not response else whole
    units, places = _known(whole, every) if response else _all(whole.n, len(every.names))
    factors: dict[str, dict[int, NewTerm]] = {}
    members = []
    weights = None
    for k, part in enumerate(design.parts):
        if parameter not in (names.MU, *every.parameters[k]):
            continue
        if parameter != names.MU and parameter not in part.further:
            members.append((k, every.names[k], several.one(whole.n, parameter)))
            continue
        p = part.predictor(parameter)
        own = [g.name for g in p.groups]
        wanted = None if groups is None else [name for name in groups if name in own]
        rows = replay(part, new, groups=wanted, parameter=parameter, beyond=beyond)
        weights = rows.weights
        members.append((k, every.names[k], _as_predictor(p, rows)))
        for name, term in rows.groups.items():
            factors.setdefault(name, {})[k] = term
    if parameter == names.RESPONSE and every.different:
        (found,) = several.numbered(every, places)
    else:
        found = several.predictor(parameter, members, units, places)
    order = [g.name for g in design.predictor(parameter).groups]
    y = None
    if response:
        y = np.empty(len(units))
        for k, part in enumerate(design.parts):
            at = units[places == k]
            if len(at):
                y[places == k] = replay(part, whole.take(at), response=True, groups=[]).y
    return NewRows(
        X=found.X,
        groups={n: _joined(factors[n], every, units, places) for n in order if n in factors},
        offset=found.offset,
        trials=None,
        weights=None if weights is None else weights[units],
        index=whole.index[units],
        y=y,
    )


def residual_of(design: Design, new_data: Any, *, response: bool) -> Residual:
    """The residuals of new rows: of every response, or with `response` of those that are known."""
    every = design.several
    assert every is not None
    whole = table(new_data, used_columns(design.formula).columns)
    units, places = _known(whole, every) if response else _all(whole.n, len(every.names))
    found = several.residual_of(every, units, places, pd.RangeIndex(whole.n))
    assert found is not None
    return found


def columns_of(
    design: Design,
    group: str,
    new_data: Any,
    parameter: str,
    own: Callable[[Design, str, Any, str], Floats],
) -> Floats:
    """(m K, q) columns of a factor's effects on all responses; `own` has those on one."""
    every = design.several
    assert every is not None
    Z = {
        k: own(part, group, new_data, parameter)
        for k, part in enumerate(design.parts)
        if group in [g.name for g in part.predictor(parameter).groups]
    }
    m = len(next(iter(Z.values())))
    return side_by_side(Z, *_all(m, len(every.names)))


def side_by_side(Z: Mapping[int, Floats], units: Ints, places: Ints) -> Floats:
    """(n, q) columns of all responses, from those (m, q_k) of each; 0 in the rows of others."""
    return np.concatenate(
        [np.where((places == k)[:, None], own[units], 0.0) for k, own in Z.items()], axis=1
    )


def _all(m: int, count: int) -> tuple[Ints, Ints]:
    """Units and places of m rows in which every response is asked for."""
    return np.repeat(np.arange(m), count), np.tile(np.arange(count), m)


def _known(whole: Table, every: Responses) -> tuple[Ints, Ints]:
    """Units and places of the responses that new rows have."""
    nothing = np.zeros(whole.n, bool)
    columns = whole.columns
    there = [columns[n].notna().to_numpy() if n in columns else nothing for n in every.names]
    units, places = np.nonzero(np.column_stack(there))
    lacking = np.setdiff1d(np.arange(whole.n), units)
    if len(lacking):
        raise DataError(
            f"{len(lacking)} of {whole.n} rows have none of the responses "
            f"{', '.join(every.names)}; the new data have the columns "
            f"{', '.join(map(str, column_names(whole)))}"
        )
    return units, places


def _without_responses(whole: Table, design: Design, every: Responses) -> Table:
    """New rows whose responses, which may be missing, are not looked at."""
    read = several.right_of(design)
    kept = {n: c for n, c in whole.columns.items() if n not in every.names or n in read}
    return replace(whole, columns=kept)


def _as_predictor(p: LinearPredictor, rows: NewRows) -> LinearPredictor:
    return replace(p, X=rows.X, offset=rows.offset, groups=(), counts=None)


def _joined(own: Mapping[int, NewTerm], every: Responses, units: Ints, places: Ints) -> NewTerm:
    """A factor's effects on all responses; the rows' levels are those of any."""
    first = next(iter(own.values()))
    Z = side_by_side({k: term.Z for k, term in own.items()}, units, places)
    labels = None if first.labels is None else first.labels[units]
    parts = None if first.parts is None else first.parts.iloc[units].reset_index(drop=True)
    return NewTerm(first.name, Z, first.codes[units], None, labels, parts)
