"""Known covariances between levels: what the caller gives, matched to the levels of the data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from mixedbayes.design.table import eager
from mixedbayes.design.types import Ints
from mixedbayes.design.values import label, listed
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula
from mixedbayes.terms.relation import Related, Relation

_WAY = (
    "give a data frame with the levels' labels as index and columns, mb.Relation(matrix, labels), "
    "or a pair (matrix, labels)"
)
_FAR = 2.0  # of the mean variance of levels from 1, either way


def relations(known: Mapping[str, Any] | None, formula: Formula) -> dict[str, Relation]:
    """The relations that bars name, read from what the caller gave.

    Raises
    ------
    DataError
        For a name that is not given, one that no bar has, and what is no matrix with labels.
    """
    if known is not None and not isinstance(known, Mapping):
        raise DataError(f'known= is a dictionary such as {{"A": A}}, not {type(known).__name__}')
    given = dict(known or {})
    said: dict[str, bool] = {}
    for f in (formula, *formula.others):
        for bar in f.random:
            if name := bar.grouper.relation:
                if name not in given:
                    has = f"; known= has {', '.join(map(repr, given))}" if given else ""
                    raise DataError(
                        f"{bar.text} names {name}, which is not given: pass "
                        f'known={{"{name}": {name}}}{has}'
                    )
                if said.setdefault(name, bar.grouper.precision) != bar.grouper.precision:
                    raise DataError(f"{name} is both a covariance and a precision in the formula")
    if strange := [name for name in given if name not in said]:
        raise DataError(
            f"known= has {', '.join(map(repr, strange))}, which no bar names; write "
            f"(1 | gr(g, cov={strange[0]})), or leave it out"
        )
    return {name: relation(given[name], name, said[name]) for name in said}


def relation(value: Any, name: str, precision: bool) -> Relation:
    """One relation from a matrix with labels; DataError says what is wrong with it.

    A `Relation` knows by itself whether it is a covariance or a precision.
    """
    if isinstance(value, Relation):
        return value
    try:
        matrix, levels = labelled(value)
        return Relation(matrix, levels, precision)
    except DataError as e:
        raise DataError(f"known[{name!r}]: {e}") from e


def labelled(value: Any) -> tuple[Any, Any]:
    """A matrix and the labels of its levels; DataError where there are none."""
    if isinstance(value, Relation):
        return value.matrix, value.levels
    if isinstance(value, tuple) and len(value) == 2:
        return value
    if hasattr(value, "dims") and hasattr(value, "coords") and getattr(value, "ndim", 0) == 2:
        return _same(value.to_pandas())
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        raise DataError(f"it is a matrix without the labels of its levels; {_WAY}")
    try:
        found = eager(value)
    except DataError as e:
        raise DataError(f"it is of type {type(value).__name__}; {_WAY}") from e
    frame = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    return _same(_indexed(frame))


def _indexed(frame: pd.DataFrame) -> pd.DataFrame:
    """With labels as index, where a column has them or the columns' names are all there is."""
    if not isinstance(frame.index, pd.RangeIndex) or frame.columns.equals(frame.index):
        return frame
    if frame.shape[1] == frame.shape[0] + 1:
        return frame.set_index(frame.columns[0])
    return frame.set_axis(frame.columns, axis=0) if frame.shape[0] == frame.shape[1] else frame


def _same(frame: pd.DataFrame) -> tuple[Any, pd.Index]:
    """Values and labels; rows and columns in the same order, of labels that read alike."""
    rows, columns = frame.index, frame.columns
    if rows.equals(columns):
        return frame.to_numpy(), rows
    if not rows.is_unique:
        return frame.to_numpy(), rows  # which says so
    texts = [label(c) for c in columns]
    places = {label(level): k for k, level in enumerate(rows)}
    if sorted(texts) != sorted(places):
        odd = [t for t in texts if t not in places] + [t for t in places if t not in texts]
        raise DataError(
            f"its rows and columns have different labels: {listed(odd)} among one of them alone"
        )
    order = np.argsort([places[t] for t in texts])
    return frame.iloc[:, order].to_numpy(), rows


def matched(name: str, found: Relation, levels: pd.Index, factor: str) -> Related:
    """The relation over the levels of a factor, for a covariance; all of a precision's levels.

    Raises
    ------
    DataError
        Listing the levels that the relation lacks; where it is not positive definite.
    """
    at = places(name, found, levels, factor)
    related = Related(name, found, np.arange(len(found.levels)) if found.precision else at)
    related.check()
    return related


def places(name: str, found: Relation, levels: pd.Index, factor: str) -> Ints:
    """(J,) where levels of the data are among those of the relation."""
    known = {level: k for k, level in enumerate(found.levels.tolist())}
    at = [known.get(level, -1) for level in levels.tolist()]
    lacking = [level for level, k in zip(levels.tolist(), at, strict=True) if k < 0]
    if not lacking:
        return np.array(at, int)
    written = {label(level): level for level in known}
    alike = [level for level in lacking if label(level) in written]
    if alike:
        theirs = written[label(alike[0])]
        raise DataError(
            f"known[{name!r}] has the level {theirs!r} ({_kind(theirs)}) where {factor} has "
            f"{alike[0]!r} ({_kind(alike[0])}); make the labels of the matrix what the data have"
        )
    near = difflib.get_close_matches(label(lacking[0]), list(written), n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise DataError(
        f"known[{name!r}] lacks {len(lacking):,} of the {len(levels):,} levels of {factor}: "
        f"{listed(lacking)}{meant}; it has {listed(found.levels.tolist(), 5)}. Add them, or leave "
        "out their rows"
    )


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else "a number"


def notes(related: Related, group: str, sd: str) -> tuple[str, ...]:
    """What the user should know of the scale of a relation, and of levels without rows."""
    found, mean = [], float(np.mean(related.diagonal))
    if not 1 / _FAR < mean < _FAR:
        found.append(
            f"the variances of levels in {related.name} average {mean:.3g}: {sd} is the sd of a "
            f"level of variance 1 there, and a typical level's is {np.sqrt(mean):.3g} times it"
        )
    return tuple(found)
