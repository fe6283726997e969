"""Effects that are the levels of one variable, at positions: visits and times of `ar1(visit | g)`.

Categories are one step apart, in the order of all that are declared; whole numbers as far apart as
they say; times at any numbers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design.encode import Encoding, plan
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.moments import Moments, is_moments, moments
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.design.values import Categorical, label, listed
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_terms
from mixedbayes.formula.nodes import Call, Name, Node, column, unparse
from mixedbayes.formula.terms import Term, Terms
from mixedbayes.formula.types import RandomTerm, ResidualTerm
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.registry import COVARIANCES

MOST = 400  # levels, whose dense covariance is factored at every step
MANY = 60
MOST_NUMBERS = 100_000_000  # of the columns of all levels, rows x levels


def bar_plan(bar: RandomTerm, rows: Rows) -> tuple[Encoding, Covariance]:
    """How a bar's effects become columns, and their covariance with positions where it has them.

    Raises
    ------
    DataError
        The structure needs the levels of a variable, and they are of another kind: text, whose
        order is not known, fractions for visits; or the effects are not what its name says.
    """
    structure, terms = COVARIANCES[bar.structure], parse_terms(bar.effects)
    node = _alone(terms)
    if structure.closed or not structure.correlated or node is None:
        return plan(terms, rows, bar.text), structure
    name = _name(node)
    if is_moments(rows, node):
        return _of_moments(bar, structure, node, rows)
    value = rows.value(node)
    if isinstance(value, Categorical):
        check_levels(bar, name, value.levels, structure, rows.table.n)
        encoding, at = plan(terms, rows, bar.text), of_categories(bar, structure, value, name)
        if structure.axis and not value.ordered:
            encoding = replace(encoding, note=_order_note(bar, name, value))
        return replace(encoding, unseen=_unseen(bar, name)), structure.placed(at, name)
    numbers = rows.array(node)
    if not structure.axis:
        raise DataError(
            f"{bar.text}: {name} is a number, so that it has one effect, and {structure.name} is "
            f"about several: for the levels of {name} write {structure.name}(C({name}) | "
            f"{_group(bar)}); to correlate an intercept and a slope {structure.name}(1 + {name} | "
            f"{_group(bar)})"
        )
    levels = np.unique(numbers)
    check_levels(bar, name, pd.Index(levels), structure, rows.table.n)
    at = of_numbers(bar, structure, levels, name)
    whole = plan(Terms(False, (Term((Call("C", (node,), (), node.span),)),)), rows, bar.text)
    block = replace(whole.blocks[0], names=tuple(f"{name}[{label(v)}]" for v in levels))
    kept = replace(whole, blocks=(block,), unseen=_unseen(bar, name), along=node)
    return kept, structure.placed(at, name)


def _of_moments(
    bar: RandomTerm, structure: Covariance, node: Node, rows: Rows
) -> tuple[Encoding, Covariance]:
    """The same where the variable is dates, or periods."""
    name = _name(node)
    own, numbers, labels = moments(
        rows, name, axis=structure.axis, text=bar.text, group=_group(bar)
    )
    check_levels(bar, name, pd.Index(labels), structure, rows.table.n)
    levels = np.unique(numbers)
    at = of_numbers(bar, structure, levels, name) if structure.axis else range(len(levels))
    whole = plan(Terms(False, (Term((Call("C", (node,), (), node.span),)),)), rows, bar.text)
    block = replace(whole.blocks[0], names=tuple(f"{name}[{text}]" for text in labels))
    kept = replace(whole, blocks=(block,), unseen=_unseen(bar, name))
    if structure.axis:
        note = f"{bar.text}: {name} is in {own.said}"
        kept = replace(kept, along=node, moments=own, note=note)
    return kept, structure.placed(at, name)


def _group(bar: RandomTerm | ResidualTerm) -> str:
    return ":".join(map(column, bar.factors))


def _alone(terms: Terms) -> Node | None:
    """The variable of `0 + visit`; None where there is more, or less."""
    if terms.intercept or len(terms.terms) != 1 or len(terms.terms[0].factors) != 1:
        return None
    return terms.terms[0].factors[0]


def _name(node: Node) -> str:
    return node.name if isinstance(node, Name) else unparse(node)


def _text(levels: pd.Index) -> bool:
    return not pd.api.types.is_numeric_dtype(levels.dtype)


def check_levels(
    bar: RandomTerm, name: str, levels: pd.Index, structure: Covariance, n: int
) -> None:
    """Several, and not so many that no engine could do with them."""
    if len(levels) == 1:
        raise DataError(
            f"{bar.text}: {name} is {label(levels[0])} in every row, so that there is one effect, "
            f"and nothing to correlate; write (1 | {_group(bar)})"
        )
    if is_sparse(structure):
        if len(levels) * n > MOST_NUMBERS:
            raise DataError(
                f"{bar.text}: {name} has {len(levels):,} levels in {n:,} rows, so that their "
                f"columns' numbers are {len(levels) * n:,}, more than {MOST_NUMBERS:,}: round "
                f"{name} to fewer values"
            )
    elif len(levels) > MOST:
        raise DataError(
            f"{bar.text}: {name} has {len(levels):,} levels, each an effect of every level of "
            f"{_group(bar)}, whose {len(levels):,} x {len(levels):,} covariance is factored at "
            f"every step of the sampler; at most {MOST}: round {name} to fewer values, or write "
            f"ar1({name} | {_group(bar)}), or ou, whose cost does not grow so"
        )


def is_sparse(structure: Covariance) -> bool:
    """Whether the inverse covariance has entries of neighbours alone, with one sd."""
    return structure.chain and structure.one_sd


def axis_notes(g: GroupDesign, *, closed_form: bool = True) -> list[str]:
    """What many levels cost; nothing where they are few, or the response is normal and effects
    integrate out by their sparse inverse covariance.
    """
    k = len(g.covariance.at)
    if k <= MANY or is_sparse(g.covariance) is closed_form:
        return []
    return [
        f"{g.covariance.of} has {k} levels, each with an effect of every level of {g.name}: the "
        "time that a fit takes grows with the cube of their number, and rounding them to fewer "
        "values makes it short"
    ]


def dense_notes(design: Design) -> list[str]:
    """What many levels cost where the response is not normal, and their covariance dense."""
    groups = (g for p in design.predictors for g in p.groups)
    return [note for g in groups for note in axis_notes(g, closed_form=False)]


def of_categories(
    bar: RandomTerm | ResidualTerm, structure: Covariance, value: Categorical, name: str
) -> list[float]:
    """Where the levels of a category are, for a structure that asks."""
    if structure.axis == "times":
        if _text(value.levels):
            raise DataError(
                f"{bar.text}: times are numbers, and {name} is a category of "
                f"{listed(value.levels.tolist(), 4)}; make a column of numbers of it, or write "
                f"ar1({name} | {_group(bar)}) for categories one step apart"
            )
        at = [float(v) for v in value.levels]
        if at != sorted(at):
            raise DataError(
                f"{bar.text}: the categories of {name} are not from the earliest time to the "
                f"latest: {listed(value.levels.tolist(), 4)}; make numbers of them"
            )
        return at
    declared = value.levels if value.declared is None else value.declared
    if not structure.axis:
        return [float(k) for k in range(len(value.levels))]
    if value.declared is None and _text(value.levels) and not value.ordered:
        raise DataError(
            f"{bar.text}: {name} is text, whose order as visits is not known; make an ordered "
            f"category of it, pandas.Categorical(data[{name!r}], "
            f"categories=[{listed(value.levels.tolist(), 4)}], ordered=True) in their order, "
            "or a column of whole numbers"
        )
    at = [float(declared.get_loc(v)) for v in value.levels]
    remedy = f"data[{name!r}].cat.remove_unused_categories() in the place of the column"
    _check_steps(bar, structure, at, name, [label(v) for v in value.levels], remedy)
    return at


def of_numbers(
    bar: RandomTerm | ResidualTerm, structure: Covariance, levels: Floats, name: str
) -> list[float]:
    """Where distinct numbers are."""
    at = levels.tolist()
    if structure.axis == "times":
        return at
    if fractions := [v for v in at if v != int(v)]:
        raise DataError(
            f"{bar.text}: visits are whole numbers or categories, and {name} holds "
            f"{fractions[0]:g}; for times at any distances write ou({name} | {_group(bar)}), for "
            f"values one step apart {structure.name}(C({name}) | {_group(bar)})"
        )
    remedy = f"{structure.name}(C({name}) | {_group(bar)})"
    _check_steps(bar, structure, at, name, [label(v) for v in at], remedy)
    return at


def _check_steps(
    bar: RandomTerm | ResidualTerm,
    structure: Covariance,
    at: list[float],
    name: str,
    said: list[str],
    remedy: str,
) -> None:
    """A structure by order has visits equally far apart."""
    if structure.axis == "order" and len(set(np.diff(at).tolist())) > 1:
        raise DataError(
            f"{bar.text}: {structure.name} has levels one step apart, and those of {name}, "
            f"{listed(said, 6)}, are not equally far apart; write ar1({name} | {_group(bar)}), "
            f"which takes distances as they are, or, for one step from each to the next, {remedy}"
        )


def beyond(encoding: Encoding, rows: Rows, covariance: Covariance) -> tuple[Floats, Floats, Floats]:
    """A bar's columns for the levels of the fit (n, k), and for others (n, m), with these (m,).

    Raises
    ------
    DataError
        There are others, and their effects do not follow from those of the fit's levels.
    """
    values, at, seen = _levels_of(encoding, rows, covariance)
    others = np.unique(values[~seen])
    if len(others) and (reason := covariance.beyond(others.tolist())):
        raise DataError(
            f"{covariance.of} has {len(others)} level(s) that the fitted data do not have: "
            f"{beyond_words(encoding.moments, others.tolist())}. {encoding.unseen}: {reason}"
        )
    own = np.eye(len(covariance.at))[at] * seen[:, None]
    return own, (values[:, None] == others).astype(float), others


def elsewhere(encoding: Encoding, rows: Rows, covariance: Covariance) -> Floats:
    """The same (n, k) where all levels have one sd: another level stands as one of the fit's."""
    _, at, _ = _levels_of(encoding, rows, covariance)
    return np.eye(len(covariance.at))[at]


def _levels_of(
    encoding: Encoding, rows: Rows, covariance: Covariance
) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Positions of rows, the level there or another, and whether it is the one."""
    assert encoding.along is not None
    own = encoding.moments
    values = rows.array(encoding.along) if own is None else own.numbers(rows)
    known = np.array(covariance.at)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return values, at, known[at] == values


def beyond_words(own: Moments | None, numbers: list[float]) -> str:
    """Positions that the fit has not, for a message: 9 and not 9.0."""
    if own is not None:
        return own.beyond(numbers)
    return listed([int(v) if v.is_integer() else v for v in numbers], 4)


def _order_note(bar: RandomTerm, name: str, value: Categorical) -> str:
    levels = value.levels.tolist()
    return (
        f"{bar.text}: the levels of {name} are taken in the order of its categories, "
        f"{listed(levels, 6)}; an ordered category says it"
    )


def _unseen(bar: RandomTerm, name: str) -> str:
    return (
        f"{bar.text} has an effect for each level of {name} in the fitted data, and none of "
        'others; groups="typical" predicts without effects of groups'
    )
