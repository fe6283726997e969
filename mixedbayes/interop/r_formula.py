"""A formula in R's syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mixedbayes.design import coding_of, levels_of
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.formula import Formula, parse_expression, parse_terms
from mixedbayes.formula.nodes import (
    Call,
    Listing,
    Literal,
    Name,
    Node,
    Operation,
    Paren,
    Sign,
)
from mixedbayes.formula.types import RandomTerm
from mixedbayes.terms.bars import LAW
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.registry import COVARIANCES

# Functions that mean the same in both languages.
SAME = frozenset(
    {"I", "log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sin", "cos", "tan"}
    | {"tanh", "floor", "round", "poly", "scale", "mo"}
)
_PLAIN = re.compile(r"(?:[A-Za-z]|\.(?![0-9]))[A-Za-z0-9._]*")
_RESERVED = frozenset({"if", "else", "repeat", "while", "function", "for", "next", "break"})
_RESERVED |= {"TRUE", "FALSE", "NULL", "NA", "NaN", "Inf"}
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_CONSTANTS = {True: "TRUE", False: "FALSE", None: "NULL"}


def r_name(name: str) -> str:
    """A column's name, in backticks where R needs them."""
    plain = _PLAIN.fullmatch(name) and name not in _RESERVED
    return name if plain else "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def r_string(text: str) -> str:
    """A text in R's double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def r_text(node: Node) -> str:
    """An expression in R; ModelError for what R has no name for."""
    match node:
        case Name(name=name):
            return r_name(name)
        case Literal(value=bool() | None as value):
            return _CONSTANTS[value]
        case Literal(value=str() as value):
            return r_string(value)
        case Literal(text=text):
            return text
        case Listing(items=items):
            return f"c({', '.join(map(r_text, items))})"
        case Paren(inner=inner):
            return f"({r_text(inner)})"
        case Sign(operator=operator, operand=operand):
            return f"{operator}{r_text(operand)}"
        case Call(function="I", arguments=(Operation(operator=operator) as inner,)) if (
            operator in _COMPARISONS
        ):  # a logical in R, with an indicator of each value in some terms
            return f"I(1 * ({r_text(inner)}))"
        case Operation(operator=operator, left=left, right=right) if operator not in ("//", "%"):
            sign = "^" if operator == "**" else operator
            return f"{r_text(left)} {sign} {r_text(right)}"
        case Call(function="center", arguments=(inner,), keywords=()):
            return f"scale({r_text(inner)}, scale = FALSE)"
        case Call(function=function, arguments=arguments, keywords=keywords) if function in SAME:
            named = [f"{key} = {r_text(value)}" for key, value in keywords]
            return f"{function}({', '.join([*map(r_text, arguments), *named])})"
        case Call(function=function):
            raise ModelError(
                f"{function}() is not written in R here: make it a column of the data, and use "
                f"that in the formula"
            )
    raise ModelError("an operator of the formula has no counterpart in R: make it a column")


def r_terms(text: str) -> list[str]:
    """The terms of a population part or of a bar, the intercept explicit."""
    terms = parse_terms(text)
    return [
        "1" if terms.intercept else "0",
        *(":".join(map(r_text, t.factors)) for t in terms.terms),
    ]


def r_columns(design: Design) -> list[str]:
    """Lines that make R code the predictors as the design does, whatever they are in the data."""
    coding = coding_of(design)
    formulas = (design.formula, *design.formula.others)
    terms = [text for f in formulas for text in (f.fixed, *(bar.effects for bar in f.random))]
    used = {f.name for t in terms for term in parse_terms(t).terms for f in term.factors
            if isinstance(f, Name)}  # fmt: skip
    make = {
        # as.logical(): "True" is text, where pandas wrote the file
        **dict.fromkeys(coding.logical, "as.numeric(as.logical({}))"),
        **dict.fromkeys(coding.ordered, "factor({}, ordered = FALSE)"),
        **dict.fromkeys(coding.numeric, "factor({})"),
    }
    for name, levels in levels_of(design).items():
        if name in used and not _same_anywhere(levels.tolist()):
            listed = ", ".join(r_string(str(level)) for level in levels)
            make[name] = f"factor({{}}, levels = c({listed}), ordered = FALSE)"
    calls = {f.arguments[0].name for t in terms for term in parse_terms(t).terms
             for f in term.factors if isinstance(f, Call) and f.function == "mo"
             and isinstance(f.arguments[0], Name)}  # fmt: skip
    for name, levels in levels_of(design).items():
        if name in calls and name not in used:
            listed = ", ".join(r_string(str(level)) for level in levels)
            make[name] = f"factor({{}}, levels = c({listed}), ordered = TRUE)"
    used |= calls
    places = {name: f"data${r_name(name)}" for name in make}
    return [
        f"{places[name]} <- {text.replace('{}', places[name], 1)}"
        for name, text in sorted(make.items())
        if name in used
    ]


def _same_anywhere(levels: list[object]) -> bool:
    """Whether R finds the levels in this order whatever its locale: the first is the reference."""
    if not all(isinstance(level, str) for level in levels):
        return sorted(levels) == levels  # type: ignore[type-var]
    keys = [re.sub("[^0-9a-z]", "", str(level).casefold()) for level in levels]
    rising = all(a < b for a, b in pairwise(keys)) and all(map(str.isascii, map(str, levels)))
    return rising and sorted(map(str, levels)) == levels


def r_right(formula: Formula, predictor: LinearPredictor, package: str) -> str:
    """The right side, for lme4 or brms."""
    bars = [r_bar(bar, predictor.group(bar.group), package) for bar in formula.random]
    return " + ".join([*r_terms(formula.fixed), *r_offsets(formula), *bars])


def r_offsets(formula: Formula) -> list[str]:
    """The offsets of a right side."""
    return [f"offset({r_text(parse_expression(o))})" for o in formula.offsets]


def r_grouper(bar: RandomTerm) -> str:
    """The right side of a bar; what is said of the levels as brms has it."""
    said, columns = bar.grouper, list(map(r_name, bar.factors))
    parts = []
    if said.weights:
        weights = ", ".join(r_text(parse_expression(w)) for w in said.weights)
        parts.append(f"weights = cbind({weights})")
    parts += [] if said.scale else ["scale = FALSE"]
    parts += [f"cov = {r_name(said.relation)}"] if said.relation else []
    parts += [f"by = {r_name(said.by)}"] if said.by else []
    parts += [f'dist = "{said.law}"'] if said.law != LAW else []
    if said.members:
        return f"mm({', '.join([*columns, *parts])})"
    group = ":".join(columns)
    return f"gr({', '.join([group, *parts])})" if parts else group


def r_bar(bar: RandomTerm, g: GroupDesign, package: str) -> str:
    """One bar on the factor g, for lme4 or brms."""
    effects, group = " + ".join(r_terms(bar.effects)), r_grouper(bar)
    group = f"{bar.id} | {group}" if bar.id else group
    structure = COVARIANCES[bar.structure]
    own = g.covariance if structure.name == g.covariance.name else structure
    own.written(package, effects=effects, group=group)  # or there is none
    if structure.name == g.covariance.name and g.covariance.at and structure.axis:
        effects = structured_effects(g.covariance, effects.removeprefix("0 + "), package)
    return structure.written(package, effects=effects, group=group)


def structured_effects(own: Covariance, variable: str, package: str) -> str:
    """Effects of the levels of a variable, in R; ModelError where the package has others."""
    if own.axis == "times":
        return f"0 + numFactor({variable})"
    if own.axis and not _one_step_apart(own.at):
        raise ModelError(
            f"{package}'s {own.name} has levels one step apart, and those of "
            f"{own.of} are not: {', '.join(f'{v:g}' for v in own.at[:6])}"
        )
    return f"0 + factor({variable})"


def _one_step_apart(at: Sequence[float]) -> bool:
    return len(set(np.diff(at).tolist())) == 1
