"""New data seen through a fitted design: same columns, same encodings."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design import membership, observed
from mixedbayes.design import response as left
from mixedbayes.design.build import Fitted, offset
from mixedbayes.design.encode import matrix
from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.evaluate import Rows, UnseenLevels
from mixedbayes.design.independent import unknown_rows
from mixedbayes.design.limits import Limits
from mixedbayes.design.replay_several import columns_of, replayed, residual_of
from mixedbayes.design.residual import check_apart
from mixedbayes.design.table import Table, column_names, missing, table
from mixedbayes.design.types import Design, Floats, Ints, LinearPredictor, NewRows, Residual
from mixedbayes.design.unobserved import unobserved_frame
from mixedbayes.design.used import Used, used_columns
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula
from mixedbayes.formula.counts import count_columns


def replay(
    design: Design,
    new_data: Any,
    *,
    response: bool = False,
    groups: Sequence[str] | None = None,
    parameter: str = "mu",
    beyond: bool = False,
) -> NewRows:
    """The arrays of new rows: every transform and every coding as the fitted data set them.

    Parameters
    ----------
    design
        Of the fit.
    new_data
        A data frame with the columns of the right side; others are not looked at.
    response
        Whether the new rows carry the response, which is then checked and returned as `y`.
    groups
        Terms that are needed, by name, all by default. Columns of the others may be absent.
    parameter
        Whose formula is read: the mean's, "mu", or that of a further parameter of the family.
    beyond
        Whether effects may be needed at positions where the fit has none, such as other times of
        `ou(time | g)`; then `NewTerm.beyond` has these.

    Returns
    -------
    NewRows
        Levels that were not seen have the code -1. `trials` and `weights` are None where the
        formula has none, or where their columns are not among the new data's.

    Warns
    -----
    UserWarning
        For rows that need a coefficient which the fitted data do not determine, those of an empty
        cell of an interaction.

    Raises
    ------
    DataError
        For a missing or mistyped column, missing values, a level of a categorical predictor
        that the fitted data do not have, and values that are not finite.
    """
    if design.several is not None:
        _wanted(design.predictor(parameter), groups)
        return replayed(
            design, new_data, replay, response=response, groups=groups, parameter=parameter,
            beyond=beyond,
        )  # fmt: skip
    formula, fitted, predictor = _of(design, parameter)
    wanted = _wanted(predictor, groups)
    used = used_columns(formula)
    terms = [fitted.terms[name] for name in wanted]
    effects = [name for term in terms for name in term.inside]
    factors = [name for term in terms for name in term.factors]
    needed = [*used.fixed, *effects, *factors]
    needed += (*used.response, *used.cens, *used.trunc) if response else ()
    optional = (*used.trials, *used.weights, *used.trunc)
    rows = _rows(fitted, new_data, needed, optional, design.formula, formula if response else None)
    return _new_rows(formula, fitted, rows, wanted, used, response, beyond)


def check_unobserved(design: Design) -> None:
    """Rows without a response can be predicted.

    Raises
    ------
    DataError
        A category has levels there that no row with a response has; or residuals are correlated,
        and a position is one of which nothing is known, or one at which the group has another row.
    """
    if design.unobserved is None:
        return
    frame = unobserved_frame(design)
    for p in design.predictors:
        try:
            replay(design, frame, groups=(), parameter=p.parameter)
        except UnseenLevels as error:
            raise DataError(
                f"{len(frame):,} rows have no {design.response}, mi(), and some of them cannot be "
                f"predicted: {error}. Leave those rows out, or join the levels with others"
            ) from None
    if design.residual is not None and design.several is None and len(frame):
        try:
            own = replay_residual(design, frame)
            check_apart(design.residual, own, frame.index)
        except DataError as error:
            raise DataError(
                f"{len(frame):,} rows have no {design.response}, mi(), and some of them cannot be "
                f"predicted: {error}. Correct those rows, or leave them out"
            ) from None


def replay_residual(
    design: Design, new_data: Any, *, response: bool = False, once: bool = True
) -> Residual:
    """The structure of residuals with the places of new rows in it.

    Of several responses in every row, or with `response` where these are known. Without `once`
    several rows of one group may have the same position.

    Raises
    ------
    DataError
        For a missing column of its positions, groups or arms, a position of which the structure
        says nothing, and two rows of one group at one position.
    """
    if design.several is not None:
        return residual_of(design, new_data, response=response)
    formula, fitted, _ = _of(design, names.MU)
    assert fitted.residual is not None
    needed = used_columns(formula).residual
    return fitted.residual.new(_rows(fitted, new_data, needed, (), formula), once=once)


def known_groups(design: Design, new_data: Any, levels: pd.Index) -> NDArray[np.bool_]:
    """(m,) whether the group of a new row's residuals is among these."""
    formula, fitted, _ = _of(design, names.MU)
    assert formula.residual is not None
    assert fitted.residual is not None
    rows = _rows(fitted, new_data, formula.residual.factors, (), formula)
    return fitted.residual.labels(rows).isin(levels)


def random_columns(design: Design, group_name: str, new_data: Any, parameter: str = "mu") -> Floats:
    """Columns of one grouping factor's effects in new rows: (m, q).

    Only the columns on the left side of that factor's bars are needed.
    """
    if design.several is not None:

        def own(*of: Any) -> tuple[Floats, None]:
            return random_columns(*of), None

        return columns_of(design, group_name, new_data, parameter, own)[0]
    term, rows = _term_rows(design, group_name, new_data, parameter)
    return term.columns(rows)[0]


def weighted_columns(
    design: Design, group_name: str, new_data: Any, parameter: str = "mu"
) -> tuple[Floats, Floats | None]:
    """The same, and the weights (m, k) of each row's levels; None where each row lies in one.

    Of rows that have no level in common.
    """
    if design.several is not None:
        return columns_of(design, group_name, new_data, parameter, weighted_columns)
    term, rows = _term_rows(design, group_name, new_data, parameter)
    return term.alone(rows)


def _term_rows(
    design: Design, name: str, new_data: Any, parameter: str
) -> tuple[EncodedTerm, Rows]:
    _, fitted, predictor = _of(design, parameter)
    _wanted(predictor, [name])
    term = fitted.terms[name]
    return term, _rows(fitted, new_data, term.inside, (), design.formula)


def totals(design: Design, new_data: Any) -> Ints:
    """(m,) how many responses new rows have, where these are counts in several columns.

    Raises
    ------
    DataError
        The new data lack one of the columns, or have no counts there.
    """
    formula, fitted, _ = _of(design, names.MU)
    columns = count_columns(formula.response.text)
    absent = [name for name in columns if name not in column_names(new_data)]
    if absent:
        raise DataError(
            f"new counts depend on the row's total, the sum of {', '.join(columns)}, and the new "
            f"data lack {', '.join(absent)}; add them, with any counts of that sum, or ask for "
            'kind="mean", the probabilities'
        )
    own = left.response(formula, _rows(fitted, new_data, columns, (), design.formula))
    sums = np.asarray(own.levels, np.int64).sum(axis=1)
    return np.asarray(sums[own.y.astype(np.intp)])


def _new_rows(
    formula: Formula,
    fitted: Fitted,
    rows: Rows,
    wanted: Sequence[str],
    used: Used,
    response: bool,
    beyond: bool,
) -> NewRows:
    absent = fitted.memory.columns - rows.table.columns.keys()
    trials = None if absent & set(used.trials) else left.trials(formula, rows)
    weights = None if absent & set(used.weights) else left.weights(formula, rows)
    own = left.response(formula, rows) if response else None
    if own is not None and trials is not None:
        left.check_successes(own.y, trials, formula, rows)
    limits: Limits | None = None
    if own is not None:
        limits = observed.limits(formula, rows, own.y)
    elif not absent & set(used.trunc):
        limits = observed.truncation(formula, rows)
    for smooth in fitted.smooths:
        smooth.place(rows)
    X = matrix(fitted.fixed, rows, intercept=False)
    if warning := unknown_rows(fitted.fixed, rows, X):
        warnings.warn(warning, UserWarning, stacklevel=2)
    return NewRows(
        X=X,
        groups={
            name: (fitted.terms[name].new_extended if beyond else fitted.terms[name].new)(rows)
            for name in wanted
        },
        offset=offset(formula, rows),
        trials=trials,
        weights=weights,
        index=rows.table.index,
        y=None if own is None else own.y,
        response_levels=None if own is None else own.levels,
        limits=limits,
    )


def _of(design: Design, parameter: str) -> tuple[Formula, Fitted, LinearPredictor]:
    """Formula, encodings and predictor of one parameter."""
    if not isinstance(design.columns, Fitted):
        raise DataError("this design was made by hand: it has no encodings to replay on new data")
    if parameter in (names.MU, design.formula.parameter):
        return design.formula, design.columns, design.mu
    formula = next(f for f in design.formula.others if f.of == parameter)
    return formula, design.columns.others[parameter], design.predictor(parameter)


def _wanted(predictor: LinearPredictor, groups: Sequence[str] | None) -> Sequence[str]:
    known = [group.name for group in predictor.groups]
    for name in groups or ():
        if name not in known:
            raise DataError(f"no grouping factor {name!r}; the model has {', '.join(known)}")
    return known if groups is None else groups


def _rows(
    fitted: Fitted,
    data: Any,
    needed: Iterable[str],
    optional: Iterable[str],
    written: Formula,
    formula: Formula | None = None,
) -> Rows:
    """The columns of new data that are used, complete; with the formula those of the response."""
    columns = fitted.memory.columns
    new = table(data, [name for name in (*needed, *optional) if name in columns])
    absent = [n for n in dict.fromkeys(needed) if n in columns and n not in new.columns]
    if absent:
        raise DataError(
            f"the new data lack {len(absent)} column(s): {', '.join(absent)}; "
            f"they have {', '.join(map(str, new.names)) or 'none'}"
        )
    new = new if formula is None else observed.filled(formula, new)
    new = membership.filled(written, new)
    _check_complete(new, written)
    return Rows(new, fitted.memory, fitting=False)


def _check_complete(new: Table, formula: Formula) -> None:
    masks = membership.absent(formula, missing(new))
    if masks:
        places = ", ".join(f"{name} in {int(mask.sum())}" for name, mask in masks.items())
        raise DataError(
            f"the new data have missing values, of {new.n} rows: {places}; "
            "leave these rows out or fill them"
        )
