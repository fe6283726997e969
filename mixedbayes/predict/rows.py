"""New rows as a prediction needs them: per grouping factor its columns and each row's level."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design import replay, weighted_columns
from mixedbayes.design.limits import Limits, limits_of
from mixedbayes.design.table import column_names
from mixedbayes.design.types import Design, Floats, Ints, LinearPredictor, NewRows, NewTerm
from mixedbayes.design.values import label, listed
from mixedbayes.errors import DataError
from mixedbayes.predict.question import Question
from mixedbayes.terms.base import Term


@dataclass(frozen=True, eq=False)
class FactorRows:
    """Rows against one term, each in k of its levels; in one of a grouping factor.

    Without `codes` every row is about the population: levels of its own, or the integral over all.
    """

    name: str
    Z: Floats  # (m, q), and a column for each of `beyond`
    codes: Ints | None = None  # (m, k) levels of the fit, or -1 - j for the j-th of `unseen`
    unseen: tuple[str, ...] = ()  # labels to be drawn
    weights: Floats | None = None  # (m, k) of the levels; None: 1
    beyond: tuple[float, ...] = ()  # positions at which the fit has no effects
    anew: bool = False  # whether all levels draw their effects, those of the fit too

    @property
    def width(self) -> int:
        """k."""
        return 1 if self.weights is None else self.weights.shape[1]


@dataclass(frozen=True, eq=False)
class PredictionRows:
    """New data seen through a fitted design, and through the question."""

    X: Floats  # (m, p)
    factors: tuple[FactorRows, ...]
    offset: Floats | None  # (m,)
    trials: Ints | None  # (m,)
    weights: Floats | None  # (m,)
    index: pd.Index  # (m,)
    limits: Limits | None = None  # bounds of what can be observed
    each: tuple[NewRows | None, ...] = ()  # those of each of several responses, where they are new

    @property
    def n(self) -> int:
        return len(self.X)


def prediction_rows(
    design: Design, new: Any, question: Question, parameter: str = "mu"
) -> PredictionRows:
    """Read the columns of `new` that the question needs; None stands for the rows of the fit.

    Levels of a grouping factor are needed to use their own effects. To draw all effects anew they
    are used where they are given: rows that share a label then share a draw. Terms that are no
    groups always take part.
    """
    predictor = design.predictor(parameter)
    question = question.about(predictor)
    always = [g.name for g in predictor.groups if not g.grouping]
    named = _named(predictor, new, question)
    if new is None:
        rows = fitted_rows(design, predictor)
        columns = {name: (g.Z, g.weights) for name, g in rows.groups.items()}
    else:
        rows = _read(design, new, [*named, *always], predictor)
        columns = {
            name: weighted_columns(design, name, new, parameter)
            for name in question.factors
            if name not in named
        }
    factors = tuple(
        _factor(rows.groups[name], own=name in always or question.reads(name))
        if name in named or name in always
        else FactorRows(name, columns[name][0], weights=columns[name][1])
        for name in (*question.factors, *always)
    )
    bounds = None if rows.limits is None else rows.limits.bounds
    return PredictionRows(
        rows.X, factors, rows.offset, rows.trials, rows.weights, rows.index, bounds, rows.each
    )


def in_units(rows: PredictionRows, units: Ints) -> PredictionRows:
    """The rows where all rows of a unit are of one level that has no name.

    So the responses of one row of a frame are drawn with the same effects.
    """
    labels = tuple(f"row {u}" for u in range(int(units.max(initial=-1)) + 1))
    factors = tuple(
        replace(f, codes=-1 - units[:, None], unseen=labels, anew=True) if f.codes is None else f
        for f in rows.factors
    )
    return replace(rows, factors=factors)


def _read(design: Design, new: Any, named: Sequence[str], predictor: LinearPredictor) -> NewRows:
    """`replay`, which says what else to ask where columns of grouping factors are missing."""
    try:
        return replay(design, new, groups=named, parameter=predictor.parameter, beyond=True)
    except DataError as error:
        there = column_names(new)
        groups = (g for g in map(predictor.group, named) if g.grouping)
        needed = (factor for g in groups for factor in g.factors)
        absent = [factor for factor in dict.fromkeys(needed) if factor not in there]
        if not absent:
            raise
        raise DataError(
            f"{error}. To predict without {', '.join(absent)} ask about other groups: "
            'groups="typical" (every group effect 0), "average" (over the population of groups) '
            'or "new" (groups never seen)'
        ) from error


def fitted_rows(design: Design, predictor: LinearPredictor) -> NewRows:
    """The rows of the fit as new ones."""
    groups = {g.name: _own_rows(g) for g in predictor.groups}
    return NewRows(
        predictor.X, groups, predictor.offset, design.trials, design.weights, design.index,
        design.y, limits=limits_of(design),
    )  # fmt: skip


def _own_rows(term: Term) -> NewTerm:
    Z, refs, weights = term.by_row
    labels = term.levels.take(refs.ravel()) if term.grouping else None
    return NewTerm(term.name, Z, refs, weights, labels)


def _named(predictor: LinearPredictor, new: Any, question: Question) -> Sequence[str]:
    """Factors whose levels are read from the new data."""
    if question.treatment == "integrated":
        return question.own
    if question.treatment == "own" or new is None:
        return question.factors
    there = set(column_names(new))
    chosen = (g for g in predictor.groups if g.name in question.factors)
    return [g.name for g in chosen if there.issuperset(g.factors)]


def _factor(new: NewTerm, *, own: bool) -> FactorRows:
    codes = new.codes.astype(np.int64) if own else np.full(new.codes.shape, -1, np.int64)
    drawn, unseen = codes < 0, pd.Index([])
    if new.labels is not None and drawn.any():
        found, unseen = pd.factorize(new.labels[drawn.ravel()])
        codes[drawn] = -1 - found
    texts = tuple(label(value) for value in unseen)
    return FactorRows(new.name, new.Z, codes, texts, new.weights, new.beyond, not own)


# ---- levels that the fit has not seen ------------------------------------------------------------

# By factor (m,) the label, the first of several, and None where all are known.
type Strange = dict[str, NDArray[np.object_]]


def unknown_levels(parts: Sequence[PredictionRows], known: Mapping[str, Sequence[str]]) -> Strange:
    """Labels of the rows' levels that are neither the fit's nor known otherwise, by factor.

    Factors of which every row's level is known are left out.
    """
    found: Strange = {}
    for factor in (factor for rows in parts for factor in rows.factors):
        if factor.codes is None or not factor.unseen:
            continue
        known_labels = known.get(factor.name, ())
        labels = np.array(
            [None if text in known_labels else text for text in factor.unseen], object
        )
        if any(text is not None for text in labels):
            drawn = factor.codes < 0
            every = np.full(drawn.shape, None, object)
            every[drawn] = labels[-1 - factor.codes[drawn]]
            found[factor.name] = np.array([_first(own) for own in every], object)
    return found


def _first(labels: Iterable[str | None]) -> str | None:
    return next((text for text in labels if text is not None), None)


def marks(strange: Strange, n: int) -> Any:
    """(n,) the names of the factors whose level in a row is not known: "g", "a, a:b", or empty."""
    texts = np.full(n, "", object)
    for name, labels in strange.items():
        new = np.array([text is not None for text in labels], bool)
        comma = np.where(texts[new] == "", "", ", ")
        texts[new] = texts[new] + comma + name
    return texts.astype("str")


def refuse_levels(design: Design, strange: Strange) -> None:
    """DataError where there are levels that are not known."""
    for name, labels in strange.items():
        rows = [text for text in labels if text is not None]
        texts = list(dict.fromkeys(rows))
        groups = (g for p in design.predictors for g in p.groups)
        known = [label(level) for level in next(g for g in groups if g.name == name).levels]
        near = difflib.get_close_matches(texts[0], known, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(
            f"{len(rows)} of {len(labels)} rows have {len(texts)} level(s) of {name} that the fit "
            f"has not seen: {listed(texts)}{meant}; known are {listed(known)}. Correct them, or "
            'draw their effects from the population with new_levels="draw"'
        )
