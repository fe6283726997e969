"""A right side in R, in columns of the effects that default priors are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.errors import FormulaError
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import Call
from mixedbayes.interop.r_formula import (
    r_bar,
    r_grouper,
    r_name,
    r_offsets,
    r_string,
    r_terms,
    r_text,
)
from mixedbayes.interop.writing import parts
from mixedbayes.priors.types import PredictorPriors


@dataclass(frozen=True)
class PlacedColumns:
    """The right side of a formula, in columns of the effects that the priors are about.

    Attributes
    ----------
    right
        The right side.
    names
        What they are called in place of a term: of the population under "", of a factor under its
        name.
    """

    right: str
    names: dict[str, dict[str, str]]


def placed_columns(
    formula: Formula,
    predictor: LinearPredictor,
    priors: PredictorPriors,
    head: Callable[[str], str],
    made: dict[str, str],
    *,
    means: Floats | None = None,
) -> PlacedColumns:
    """The same model in other coordinates: with x - 4.5 where the priors are at the mean of x.

    `head` may write the intercept of the population another way; `means` (p,) are subtracted from
    its columns. Columns that the data have not go to `made`, with their value in R.
    """
    called: dict[str, dict[str, str]] = {}
    first, *rest = r_terms(formula.fixed)
    if priors.population is not None or means is not None:
        T = np.eye(len(predictor.terms)) if priors.population is None else priors.population.T
        shift = np.zeros(len(T)) if means is None else means @ T
        T = np.vstack([-shift, T])
        called[""] = _named(predictor.terms, T, made, rows=(names.INTERCEPT, *predictor.terms))
        rest = list(called[""].values())
    bars = [
        r_bar(bar, predictor.group(bar.group), "brms")
        for bar in formula.random
        if bar.group not in priors.placed
    ]
    for g in predictor.factors:
        if g.name in priors.placed:
            one, q = g.of_one_arm, len(g.of_one_arm.terms)
            own_names = _named(one.terms, priors.placed[g.name].T[:q, :q], made)
            bar = next(bar for bar in formula.random if bar.group == g.name)
            bars += _bars(one, own_names, r_grouper(bar))
            called[g.name] = own_names
    right = " + ".join([head(first), *rest, *r_offsets(formula), *bars])
    return PlacedColumns(right, called)


def _bars(g: GroupDesign, called: dict[str, str], factor: str) -> Iterator[str]:
    for block, name in zip(g.blocks, g.ids or ("",) * len(g.blocks), strict=True):
        terms = [g.terms[k] for k in block]
        left = [str(int(names.INTERCEPT in terms)), *(called[t] for t in terms if t in called)]
        yield f"({' + '.join(left)} | {f'{name} | ' if name else ''}{factor})"


def _named(
    terms: Sequence[str], T: Floats, made: dict[str, str], rows: Sequence[str] = ()
) -> dict[str, str]:
    """A column's name for every term but the intercept; those that R has to make go to `made`.

    T (rows, terms) has the shares of columns in each; its rows are those of the terms by default.
    """
    out = {}
    for k, term in enumerate(terms):
        if term == names.INTERCEPT:
            continue
        every = zip(rows or terms, T[:, k], strict=True)
        shares = {t: s for t, s in every if s and t != term}
        own = r_value(term)
        if own == r_name(term) and not shares:
            out[term] = own
            continue
        name = names.identifier(term) + ("_at_means" if shares else "")
        lone = len(parts(term)) == 1 and " == " in own and not shares  # a logical in R
        value = (
            ("1 * " if lone else "")
            + own
            + "".join(f" {'-' if s < 0 else '+'} {_times(abs(s), t)}" for t, s in shares.items())
        )
        while made.setdefault(name, value) != value:  # another factor has it at other means
            name += "_"
        out[term] = name
    return out


def _times(share: float, term: str) -> str:
    number = f"{share:.12g}"
    return number if term == names.INTERCEPT else f"{number} * {r_value(term)}"


def r_value(term: str) -> str:
    """The column of a term in R: `Days`, `(Machine == "B")`, products of these."""
    factors = []
    for part in parts(term):
        name, bracket, level = part.partition("[")
        if bracket and "(" not in name:
            factors.append(f"({r_name(name)} == {r_string(level[:-1])})")
            continue
        call, _, place = part.removesuffix("]").rpartition("[")
        of_several = call.startswith("poly(") and part.endswith("]") and place.isdigit()
        try:
            node = parse_expression(call if of_several else part)
        except FormulaError:  # a column's own name
            factors.append(r_name(part))
            continue
        if of_several:
            factors.append(f"{r_text(node)}[, {place}]")
            continue
        if isinstance(node, Call) and node.function == "I":
            factors.append(f"({r_text(node.arguments[0])})")
        else:
            factors.append(r_text(node))
    return " * ".join(factors)
