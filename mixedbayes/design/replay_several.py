"""New rows of several responses: each as its own design has it, a row for each response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design import several, several_terms
from mixedbayes.design.limits import Limits, together
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
    terms: dict[str, dict[int, NewTerm]] = {}
    members = []
    for k, part in enumerate(design.parts):
        if not every.reads(k, parameter):
            continue
        if not part.has(parameter):
            members.append((k, every.names[k], several.one(whole.n, parameter)))
            continue
        p = part.predictor(parameter)
        own = {g.name: several_terms.called(every.names[k], g) for g in p.groups}
        wanted = None if groups is None else [name for name in own if own[name] in groups]
        rows = replay(part, new, groups=wanted, parameter=parameter, beyond=beyond)
        members.append((k, every.names[k], _as_predictor(p, rows)))
        for name, term in rows.groups.items():
            terms.setdefault(own[name], {})[k] = term
    if parameter == names.RESPONSE and every.different:
        (found,) = several.numbered(every, places)
    else:
        found = several.predictor(parameter, members, units, places)
    order = [g.name for g in design.predictor(parameter).groups]
    y, weights, trials = (np.ones(len(units)) for _ in range(3))
    weighted = counted = False
    each: list[NewRows | None] = [None] * len(design.parts)
    limits: list[tuple[Ints, Limits | None]] = []
    for k, part in enumerate(design.parts):
        here = places == k
        if not here.any():
            continue
        found_rows = replay(part, whole.take(units[here]) if response else new, response=response,
                     groups=[], parameter=part.mu.parameter)  # fmt: skip
        each[k], of = found_rows, slice(None) if response else units[here]
        bounds = found_rows.limits
        limits.append((np.flatnonzero(here), None if bounds is None else bounds.take(of)))
        if response:
            y[here] = found_rows.y
        if found_rows.weights is not None:
            weights[here], weighted = found_rows.weights[of], True
        if found_rows.trials is not None:
            trials[here], counted = found_rows.trials[of], True
    return NewRows(
        X=found.X,
        groups={n: _joined(n, terms[n], units, places) for n in order if n in terms},
        offset=found.offset,
        trials=trials.astype(np.int64) if counted else None,
        weights=weights if weighted else None,
        index=whole.index[units],
        y=y if response else None,
        response_levels=tuple(None if own is None else own.response_levels for own in each),
        limits=together(len(units), limits),
        each=tuple(each),
        places=places,
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
    own: Callable[[Design, str, Any, str], tuple[Floats, Floats | None]],
) -> tuple[Floats, Floats | None]:
    """(m K, q) columns of a term's effects on all responses, and weights (m K, k) of levels.

    `own` has those on one.
    """
    every = design.several
    assert every is not None
    found = {}
    for k, part in enumerate(design.parts):
        if not every.reads(k, parameter):
            continue
        for g in _predictor(part, every, k, parameter).groups:
            if several_terms.called(every.names[k], g) == group:
                found[k] = own(part, g.name, new_data, parameter)
    Z, weights = {k: Z for k, (Z, _) in found.items()}, next(iter(found.values()))[1]
    units, places = _all(len(next(iter(Z.values()))), len(every.names))
    return side_by_side(Z, units, places), None if weights is None else weights[units]


def _predictor(part: Design, every: Responses, k: int, parameter: str) -> LinearPredictor:
    """That of a response's parameter; one number where it has no formula."""
    if part.has(parameter):
        return part.predictor(parameter)
    return several.one(part.n, parameter)


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
    for name, part, own in zip(every.names, every.parts, every.columns, strict=True):
        absent = [n for n in own if n not in columns]
        response = used_columns(part.formula).response
        if absent and not set(response) & set(absent):
            raise DataError(
                f"the rows have {name} and lack {', '.join(absent)}, which its left side reads; "
                "add them, or leave the response out"
            )
    there = [
        np.logical_and.reduce(
            [columns[n].notna().to_numpy() if n in columns else nothing for n in own]
        )
        for own in every.columns
    ]
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
    own = {n for part in design.parts for n in used_columns(part.formula).response}
    kept = {n: c for n, c in whole.columns.items() if n not in own or n in read}
    return replace(whole, columns=kept)


def _as_predictor(p: LinearPredictor, rows: NewRows) -> LinearPredictor:
    return replace(p, X=rows.X, offset=rows.offset, groups=(), counts=None)


def _joined(name: str, own: Mapping[int, NewTerm], units: Ints, places: Ints) -> NewTerm:
    """A term's effects on all responses; the rows' levels are those of any."""
    first = next(iter(own.values()))
    Z = side_by_side({k: term.Z for k, term in own.items()}, units, places)
    each = first.codes.shape[1]
    at = (units[:, None] * each + np.arange(each)).ravel()  # of levels, row by row
    return NewTerm(
        name,
        Z,
        first.codes[units],
        None if first.weights is None else first.weights[units],
        None if first.labels is None else first.labels[at],
        None if first.parts is None else first.parts.iloc[at].reset_index(drop=True),
        first.beyond,
        None if first.arms is None else first.arms[units],
    )
