"""How residuals are correlated, beside a formula: `ar1(visit | patient)`, `cosy(patient)`."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any, NoReturn

from mixedbayes.errors import FormulaError
from mixedbayes.formula.elsewhere import way_of
from mixedbayes.formula.nodes import Call, Name, Node, Operation, column, has_column, unparse
from mixedbayes.formula.parser import factors_of
from mixedbayes.formula.syntax import Parser
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Formula, ResidualTerm

_EXAMPLE = 'residual="ar1(visit | patient)"'


def with_residual(formula: Formula, text: Any) -> Formula:
    """The formula with what is said of its residuals; as it is where nothing is.

    Raises
    ------
    FormulaError
        With the text, carets under the place, and the remedy.
    """
    return formula if text is None else replace(formula, residual=parse_residual(text))


def parse_residual(text: str) -> ResidualTerm:
    """Read the structure of residuals, without looking at any data.

    Raises
    ------
    FormulaError
        With the text, carets under the place, and the remedy.

    Examples
    --------
    >>> parse_residual("unstr(visit | patient, by=arm)").structure
    'us'
    """
    # What structures are made of takes long to import.
    from mixedbayes.terms.registry import RESIDUALS, SYNONYMS

    if not isinstance(text, str) or not text.strip():
        said = "an empty text" if isinstance(text, str) else type(text).__name__
        raise FormulaError(f"the structure of residuals is a text, {_EXAMPLE}, not {said}")
    parser = Parser(text)
    word = parser.token
    structure = SYNONYMS.get(word.value, word.value)
    if word.kind != "name" or structure not in RESIDUALS:
        _unknown(parser, [*SYNONYMS, *RESIDUALS])
    parser.take()
    alone = RESIDUALS[structure].exchangeable
    way = f"write {word.value}(patient)" if alone else f"write {word.value}(visit | patient)"
    if parser.operator() != "(":
        parser.fail(f"`{word.value}` is of the rows of groups", way)
    opening = parser.take()
    if parser.operator() == ")" or parser.keyword() is not None:
        brms = way_of(word.value, text)
        way = way if brms is None else f"write {brms}"
        parser.fail(f"`{word.value}` has a variable and a grouping factor", way)
    variable, group = _two(parser, way)
    if variable is None and not alone:
        said = unparse(group) if isinstance(group, Name | Call | Operation) else "patient"
        parser.fail(
            f"`{word.value}` is of rows in an order, which the rows of a data frame have not by "
            "themselves",
            f"name the visits or times as well: write {word.value}(visit | {said}) where {said} "
            f"has the groups, {word.value}({said} | patient) where {said} is their order",
            group.span,
        )
    by = _by(parser, way)
    parser.close(opening, ")")
    if parser.operator() == "+":
        parser.fail(
            "residuals have one structure", "keep one; effects of groups go into the formula"
        )
    parser.end()
    factors = factors_of(group, text)
    if len(factors) > 1:
        fail(
            text, group.span, "residuals are correlated within the groups of one factor",
            f"write {word.value}({unparse(variable) if variable else 'visit'} | "
            f"{':'.join(map(column, factors[-1]))})",
        )  # fmt: skip
    of = "" if variable is None else unparse(variable)
    return ResidualTerm(" ".join(text.split()), structure, of, factors[0], by)


def _two(parser: Parser, way: str) -> tuple[Node | None, Node]:
    """The variable of the positions, if there is one, and the grouping factor."""
    first = parser.sum()
    if parser.operator() == "||":
        parser.fail("residuals have one structure, which says how they are correlated", way)
    if parser.operator() != "|":
        return None, first
    parser.take()
    if not isinstance(first, Name | Call) or not has_column(first):
        parser.fail(
            "the positions of rows are one variable, visits or times",
            f"make a column of it; {way}",
            first.span,
        )
    return first, parser.sum()


def _by(parser: Parser, way: str) -> str:
    if parser.operator() != ",":
        return ""
    parser.take()
    start = parser.token
    key = parser.keyword()
    if key is None or key.value != "by":
        parser.fail(
            "beside the grouping factor stands by= alone", f"{way[:-1]}, by=arm)", start.span
        )
    value = parser.sum()
    if not isinstance(value, Name):
        parser.fail("by= is a column, in which each group has one value",
                    f"{way[:-1]}, by=arm)", value.span)  # fmt: skip
    return value.name


def _unknown(parser: Parser, known: list[str]) -> NoReturn:
    word = parser.token.value
    near = difflib.get_close_matches(word, known, n=1)
    way = way_of(word, parser.text)
    if way is not None:
        remedy = f"write {way}" if way.startswith("residual=") else way
    elif near:
        remedy = f"did you mean {near[0]}? Known are {', '.join(known)}"
    else:
        remedy = f"known are {', '.join(known)}: {_EXAMPLE}"
    parser.fail(f"`{word}` is no structure of residuals", remedy)
