"""Several responses, `mv(weight, height) ~ ...`: one design of all rows of all of them.

Each response is a design by itself, of the rows in which it is known. In the design of all, row i
of the data frame has a row for each response that is known; a column belongs to one response and is
zero in the rows of the others, and `weight_age` is the effect of age on weight. Effects over one
factor on all responses are those of one factor, correlated where an id says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design import checks, observed, response
from mixedbayes.design import roles as roles_of
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.independent import dependent
from mixedbayes.design.memory import coding_notes
from mixedbayes.design.roles import Role, Roles
from mixedbayes.design.several_terms import Member
from mixedbayes.design.several_terms import terms as terms_of
from mixedbayes.design.table import Table
from mixedbayes.design.types import (
    Design,
    Floats,
    Ints,
    LinearPredictor,
    Monotonic,
    Residual,
    Responses,
)
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula, Response
from mixedbayes.formula.counts import count_columns
from mixedbayes.formula.responses import RESPONSES, correlated, each, responses
from mixedbayes.formula.types import RandomTerm
from mixedbayes.terms.unstructured import UNSTRUCTURED

# The predictors of one response, their encodings for `replay`, and what their user should know.
type Made = tuple[tuple[LinearPredictor, ...], Any, tuple[str, ...]]


def alone(formula: Formula, roles: Roles | None = None) -> tuple[Formula, ...]:
    """The formula of each response by itself; () of one."""
    if not responses(formula):
        return ()
    if roles is None:
        return each(formula)
    unknown = [name for name, role in roles.items() if role.unknown]
    return each(formula, {name: role.parameters for name, role in roles.items()}, unknown)


def absent(
    formulas: Sequence[Formula], masks: Mapping[str, NDArray[np.bool_]], action: str
) -> Mapping[str, NDArray[np.bool_]]:
    """Which rows cannot be used for a missing value: where no response is known, if several are.

    With `action` "error" a missing response counts as any missing value.
    """
    if not formulas or action == "error":
        return masks
    right = _right(formulas)
    own = [[name for name in own_columns(f) if name not in right] for f in formulas]
    optional = {name for names in own for name in names}
    found = {name: mask for name, mask in masks.items() if name not in optional}
    lacking = [[masks[name] for name in names if name in masks] for names in own]
    if all(lacking):
        nothing = np.logical_and.reduce([np.logical_or.reduce(each) for each in lacking])
        if nothing.any():
            found[" and ".join(response.label(f) for f in formulas)] = nothing
    return found


def own_columns(formula: Formula) -> tuple[str, ...]:
    """The columns of a response and of what stands after its bar."""
    left = replace(formula, fixed="1", offsets=(), random=(), others=())
    return used_columns(left).columns


def _right(formulas: Sequence[Formula]) -> set[str]:
    """Columns that the formulas read beside their own responses."""
    return {
        name
        for f in formulas
        for name in used_columns(replace(f, response=Response("0", f.response.span))).columns
    }


def right_of(design: Design) -> set[str]:
    """Columns that the formulas of several responses read beside their own responses."""
    return _right([part.formula for part in design.parts])


def stacked(
    formula: Formula,
    formulas: Sequence[Formula],
    made: Sequence[Made],
    rows: Rows,
    kept: Ints,
    dropped: Mapping[str, int],
    whole: Table,
    roles: Roles | None = None,
) -> Design:
    """The design of all responses, from the predictors of each in all rows that are used.

    Raises
    ------
    DataError
        A term or a formula is not offered with several responses; or columns of a response depend
        on each other in the rows where it is known.
    """
    _check(formulas, made)
    used, own = rows.table, [response.label(f) for f in formulas]
    present = known(formulas, rows)
    parts = []
    for k, (f, (predictors, fitted, _)) in enumerate(zip(formulas, made, strict=True)):
        at = np.flatnonzero(present[:, k])
        _check_rows(own[k], predictors, at)
        here = Rows(used.take(at), rows.memory, fitting=True)
        left, trials = response.response(f, here), response.trials(f, here)
        if trials is not None:
            response.check_trials(left, trials, f, here)
        parts.append(
            Design(
                formula=f,
                response=own[k],
                y=left.y,
                predictors=tuple(taken(p, at) for p in predictors),
                weights=response.weights(f, here),
                trials=trials,
                response_levels=left.levels,
                response_ordered=left.ordered,
                index=used.index[at],
                rows=kept[at],
                columns=fitted,
                data=whole.frame(),
                library=whole.library,
                limits=observed.limits(f, here, left.y),
            )
        )
    units, places = np.nonzero(present)
    every = Responses(
        tuple(own),
        tuple(parts),
        units,
        places,
        used.index,
        kept,
        correlated(formula) and roles is None,
        tuple(
            _predicted(predictors, None if roles is None else roles[name])
            for name, (predictors, _, _) in zip(own, made, strict=True)
        ),
        roles is not None,
        () if roles is None else tuple(roles[name].vector for name in own),
        tuple(own_columns(f) for f in formulas),
    )
    y = np.empty(len(units))
    for k, part in enumerate(parts):
        y[every.at(k)] = part.y
    if every.correlated:
        _check_apart(own, y, units, places, [predictors[0].X for predictors, _, _ in made])
    memory, fixed = rows.memory, made[0][1].fixed
    columns = replace(made[0][1], memory=memory, fixed=fixed, terms={}, smooths=(), others={})
    return Design(
        formula=formula,
        response=f"{RESPONSES}({', '.join(own)})",
        y=y,
        predictors=predictors_of(
            every,
            [
                tuple(replace(p, intercept=p.intercept and not vector) for p in predictors)
                for (predictors, _, _), vector in zip(
                    made, every.vectors or ("",) * len(own), strict=True
                )
            ],
        ),
        weights=_below(every, [part.weights for part in parts]),
        trials=_below(every, [part.trials for part in parts]),
        response_levels=None,
        index=used.index[units],
        rows=kept[units],
        dropped=dict(dropped),
        notes=(
            *checks.dropped_note(dict(dropped), used.n, whole.n),
            *_missing_notes(own, present),
            *(
                note
                for part in parts
                if not count_columns(part.formula.response.text)
                for note in checks.response_note(part.y, part.response)
            ),
            *coding_notes(formula, memory.coding),
            *dict.fromkeys(note for _, _, said in made for note in said),
        ),
        columns=columns,
        data=whole.frame(),
        library=whole.library,
        residual=residual_of(every, units, places, pd.Index(every.frame_labels)),
        several=every,
    )


def known(formulas: Sequence[Formula], rows: Rows) -> NDArray[np.bool_]:
    """(m, K) which rows have which response."""
    there = rows.table.columns
    return np.column_stack(
        [
            np.logical_and.reduce(
                [there[name].notna().to_numpy() for name in own_columns(f) if name in there]
            )
            for f in formulas
        ]
    )


def expanded(formulas: Sequence[Formula], rows: Rows, roles: Roles) -> tuple[Formula, ...]:
    """The formulas of all predictors of each response, once the responses are known."""
    present = known(formulas, rows)
    lefts = []
    for f, there in zip(formulas, present.T, strict=True):
        here = rows.table.take(np.flatnonzero(there))
        lefts.append(response.response(f, Rows(here, rows.memory, fitting=True)))
    own = [roles[response.label(f)] for f in formulas]
    found = roles_of.expanded(formulas, lefts, own)
    return tuple(map(_with_own_ids, found, formulas))


def _with_own_ids(formula: Formula, written: Formula) -> Formula:
    """Ids that were made for the predictors of one response are not those of another."""
    said = {bar.id for f in (written, *written.others) for bar in f.random}
    own = names.identifier(response.label(written))

    def bar_of(bar: RandomTerm) -> RandomTerm:
        return bar if bar.id in said else replace(bar, id=f"{bar.id}_{own}")

    def of(f: Formula) -> Formula:
        return replace(f, random=tuple(map(bar_of, f.random)))

    return replace(of(formula), others=tuple(map(of, formula.others)))


def _predicted(predictors: Sequence[LinearPredictor], role: Role | None) -> tuple[str, ...]:
    """Parameters of a response besides mu that have predictors, as numbers as well."""
    if role is None:
        return (names.SIGMA,)
    there = [p.parameter for p in predictors if p.parameter != names.MU]
    numbers = () if role.unknown else role.numbers
    return (*there, *(p for p in numbers if p not in there))


def _below(every: Responses, own: Sequence[Any]) -> Any:
    """(n,) what responses have of each row, and 1 of those that have nothing; None of none."""
    if all(x is None for x in own):
        return None
    first = next(x for x in own if x is not None)
    found = np.ones(len(every.units), first.dtype)
    for k, x in enumerate(own):
        if x is not None:
            found[every.at(k)] = x
    return found


def residual_of(every: Responses, units: Ints, places: Ints, levels: pd.Index) -> Residual | None:
    """The residuals of the responses of rows, with these labels, correlated within a row."""
    if not every.correlated:
        return None
    return Residual(
        text=f"{RESPONSES}({', '.join(every.names)})",
        name=names.ROW,
        structure=UNSTRUCTURED.placed(range(len(every.names)), names.RESPONSE),
        positions=every.names,
        refs=units,
        places=places,
        levels=levels,
    )


def _missing_notes(own: Sequence[str], present: NDArray[np.bool_]) -> tuple[str, ...]:
    counts = {name: int((~there).sum()) for name, there in zip(own, present.T, strict=True)}
    said = ", ".join(f"{name} in {count}" for name, count in counts.items() if count)
    if not said:
        return ()
    return (f"{said} of {len(present)} rows missing: these rows have their other responses",)


# ---- what is not offered -----------------------------------------------------------------------


def _check(formulas: Sequence[Formula], made: Sequence[Made]) -> None:
    own = {response.label(f): set(used_columns(f).response) for f in formulas}
    reads = {  # responses among the predictors of others
        response.label(f): {name for name, of in own.items() if _right([f]) & of} for f in formulas
    }
    while reads:
        free = [name for name, others in reads.items() if not others & reads.keys()]
        if not free:
            raise DataError(
                f"{' and '.join(reads)} are among the predictors of each other; leave out one way"
            )
        reads = {name: others for name, others in reads.items() if name not in free}


def _check_rows(name: str, predictors: Sequence[LinearPredictor], at: Ints) -> None:
    """Coefficients of a response can be told from each other in the rows where it is known."""
    for p in predictors:
        left_out = dependent(p.X[at], centre=p.intercept)
        if left_out:
            said = ", ".join(p.terms[k] for k in left_out)
            raise DataError(
                f"{said} in the formula of {name}: the {len(at)} rows where {name} is known do not "
                f"tell the coefficient from the others; write a formula without it, {name} ~ ..."
            )


def _check_apart(
    own: Sequence[str], y: Floats, units: Ints, places: Ints, columns: Sequence[Floats]
) -> None:
    """No response is a combination of others and of the predictors, whatever its residual."""
    table = np.full((units.max() + 1, len(own)), np.nan)
    table[units, places] = y
    known = np.flatnonzero(~np.isnan(table).any(axis=1))
    X = np.concatenate([*columns, table], axis=1)[known]
    if len(X) <= X.shape[1]:
        return
    first = X.shape[1] - len(own)
    for k, others in dependent(X, centre=True).items():
        made_of = [own[j - first] for j in others if j >= first]
        if k >= first and made_of:
            name = own[k - first]
            raise DataError(
                f"{name} is a combination of {' and '.join(made_of)} and the predictors in all "
                f"{len(X)} rows where both are known: the correlation of their residuals is 1 or "
                f"-1, and says nothing; leave {name} out"
            )


# ---- rows below one another --------------------------------------------------------------------


def taken(p: LinearPredictor, rows: Ints) -> LinearPredictor:
    """A predictor in some of its rows."""
    return replace(
        p,
        X=p.X[rows],
        groups=tuple(g.take(rows) for g in p.groups),
        offset=None if p.offset is None else p.offset[rows],
        counts=None if p.counts is None else p.counts[rows],
    )


def predictors_of(
    every: Responses, made: Sequence[Sequence[LinearPredictor]]
) -> tuple[LinearPredictor, ...]:
    """Those of the design of all, of the mean and of each parameter, from each response's.

    `made` has these in all rows of the frame that are used.
    """
    m = len(made[0][0].X)
    found = []
    for parameter in (names.MU, *owned(every)):
        members = []
        for k, (name, own) in enumerate(zip(every.names, made, strict=True)):
            if every.reads(k, parameter):
                there = (p for p in own if p.parameter == parameter)
                members.append((k, name, next(there, one(m, parameter))))
        found.append(predictor(parameter, members, every.units, every.places))
    return (*found, *numbered(every, every.places))


def owned(every: Responses) -> tuple[str, ...]:
    """The parameters of all responses, each once."""
    return tuple(dict.fromkeys(p for own in every.parameters for p in own))


def numbered(every: Responses, places: Ints) -> tuple[LinearPredictor, ...]:
    """What says of which response each row is, where these are of different families."""
    if not every.different:
        return ()
    nothing = np.zeros((len(places), 0))
    return (LinearPredictor(names.RESPONSE, False, (), nothing, (), np.asarray(places, float)),)


def one(m: int, parameter: str) -> LinearPredictor:
    """Of a parameter without a formula: one number, on the scale of its link."""
    return LinearPredictor(parameter, True, (), np.zeros((m, 0)), (), None)


def predictor(
    parameter: str, members: Sequence[Member], units: Ints, places: Ints
) -> LinearPredictor:
    """One predictor of the rows (unit, response), from those of each response in all units."""
    terms: list[str] = []
    margins: list[tuple[int, ...]] = []
    left_out: list[str] = []
    monotonic: list[Monotonic] = []
    blocks = []
    offset = np.zeros(len(units))
    for k, name, p in members:
        first, here = len(terms), places == k
        own = columns(p)
        X = np.zeros((len(units), own.shape[1]))
        X[here] = own[units[here]]
        blocks.append(X)
        terms += labels(name, p)
        ones = int(p.intercept)
        inside = p.margins or ((),) * len(p.terms)
        margins += [()] * ones
        margins += [
            (*range(first, first + ones), *(first + ones + c for c in contained))
            for contained in inside
        ]
        left_out += [names.label(name, term) for term in p.left_out]
        monotonic += [_of_response(m, name, first + ones) for m in p.monotonic]
        if p.offset is not None:
            offset[here] = p.offset[units[here]]
    return LinearPredictor(
        parameter=parameter,
        intercept=False,
        terms=tuple(terms),
        X=np.concatenate(blocks, axis=1) if blocks else np.zeros((len(units), 0)),
        groups=terms_of(members, units, places),
        offset=offset if any(p.offset is not None for _, _, p in members) else None,
        left_out=tuple(left_out),
        margins=tuple(margins),
        monotonic=tuple(monotonic),
    )


def _of_response(m: Monotonic, name: str, first: int) -> Monotonic:
    """A monotonic effect of a response, whose columns begin at `first`, among those of all."""
    columns = tuple(first + k for k in m.columns)
    return replace(m, name=names.label(name, m.name), columns=columns)


def columns(p: LinearPredictor) -> Floats:
    """(n, p) of a predictor, one of ones first where it has an intercept."""
    return np.column_stack([np.ones(len(p.X)), p.X]) if p.intercept else p.X


def labels(name: str, p: LinearPredictor) -> list[str]:
    """Of a response's coefficients in the design of all: `weight_Intercept`, `weight_age`.

    Of a parameter that is one number the response's name alone, `sigma_weight` in tables.
    """
    if p.parameter != names.MU and p.intercept and not p.terms and p.offset is None:
        return [name]
    ones = [names.INTERCEPT] if p.intercept else []
    return [names.label(name, term) for term in (*ones, *p.terms)]
