"""Statements about quantities on draws: what each is of every draw."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.formula.nodes import Call, Literal, Name, Operation, Sign
from mixedbayes.formula.statements import (
    Comparison,
    Joint,
    Not,
    Statement,
    Truth,
    Value,
    parse_statement,
    plain,
)
from mixedbayes.formula.tokens import fail

type Bools = np.ndarray[Any, np.dtype[np.bool_]]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs,
    "inv_logit": special.expit, "logit": special.logit,
    "min": lambda *x: reduce(np.minimum, x), "max": lambda *x: reduce(np.maximum, x),
}  # fmt: skip
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


class NoPrior(Exception):
    """Why there is no prior to compare with, in words: "Days has an improper prior"."""


class Quantities(Protocol):
    """What statements can be about."""

    def find(self, text: str) -> str | None:
        """The name that a text in a statement stands for; None where it is none."""

    def unknown(self, text: str) -> tuple[str, str]:
        """What to say of a text that is no name: the fact, and a remedy."""

    def draws(self, name: str) -> Floats:
        """(S,) draws, chains one after the other."""


class Before(Protocol):
    """The prior of the same quantities. What has none raises NoPrior."""

    def distribution(self, weights: Mapping[str, float]) -> Any:
        """Of the sum of weights times quantities, as SciPy has it; None where only draws tell."""

    def draws(self, name: str) -> Floats:
        """(P,) draws, joint with those of the other quantities."""

    def bounds(self, name: str) -> tuple[float, float]:
        """Of the quantity's values."""


@dataclass(frozen=True)
class Drawn:
    """Quantities that are given as draws by name, and their prior likewise."""

    values: Mapping[str, Floats]

    def find(self, text: str) -> str | None:
        return match(text, self.values)

    def unknown(self, text: str) -> tuple[str, str]:
        return no_name(text, list(self.values))

    def draws(self, name: str) -> Floats:
        if self.values.get(name) is None:
            raise NoPrior(f"{name} has no prior draws")
        return np.asarray(self.values[name], float)

    def distribution(self, weights: Mapping[str, float]) -> Any:
        return None

    def bounds(self, name: str) -> tuple[float, float]:
        return -np.inf, np.inf


def match(text: str, known: Mapping[str, Any] | Sequence[str]) -> str | None:
    """The known name that a text stands for: as it is, or but for blanks, quotes and backticks."""
    if text in known:
        return text
    alike = [name for name in known if plain(name) == plain(text)]
    return alike[0] if len(alike) == 1 else None


def no_name(text: str, known: Sequence[str], most: int = 6) -> tuple[str, str]:
    """What to say of a text that is none of the known names."""
    near = difflib.get_close_matches(text, known, n=most, cutoff=0.5)
    alike = [name for name in known if plain(name) == plain(text)]
    if len(alike) > 1:
        several = " or ".join(f"`{name}`" for name in alike)
        return f"`{text}` may be {several}", "write the name as it is, in backticks"
    said = "did you mean " if near else "known are "
    shown = ", ".join(near or known[:most])
    more = "" if near or len(known) <= most else f", ... ({len(known):,} in all)"
    return f"there is no quantity `{text}`", f"{said}{shown}{more}{'?' if near else ''}"


# ---- one statement on draws ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One statement with what it is of every draw (S,)."""

    text: str
    tree: Statement
    named: Mapping[Name, str]  # what each name in the tree stands for
    estimate: Floats | None  # of left minus right, or of the expression
    holds: Bools | None  # whether it holds; None of expressions and equalities
    values: tuple[Floats, ...]  # of each comparison left minus right, or of the expression
    chains: int

    @property
    def truth(self) -> bool:
        return isinstance(self.tree, Comparison | Joint | Not)

    @property
    def equality(self) -> bool:
        return isinstance(self.tree, Comparison) and self.tree.equality

    def linear(self) -> tuple[dict[str, float], float] | None:
        """Weights of the quantities, and a constant, where the estimate is such a sum."""
        match self.tree:
            case Comparison(sides=(left, right)):
                return _sum(_linear(left, self.named), _linear(right, self.named), -1.0)
        return None


def evaluated(
    texts: Sequence[str], quantities: Mapping[str, Floats] | Quantities, chains: int
) -> list[Evaluated]:
    """Every statement on the draws of what it names."""
    source = Drawn(quantities) if isinstance(quantities, Mapping) else quantities
    if not texts:
        raise ModelError('no hypothesis; write for example hypothesis("Days > 0")')
    return [_evaluated(text, source, chains) for text in texts]


def _evaluated(text: str, source: Quantities, chains: int) -> Evaluated:
    tree = parse_statement(text, lambda name: source.find(name) is not None)
    named: dict[Name, str] = {}
    for name in names_in(tree):
        found = source.find(name.name)
        if found is None:
            fact, remedy = source.unknown(name.name)
            fail(text, name.span, fact, remedy)
        named[name] = found
    if not named:
        fail(text, tree.span, "there is no quantity in it", "name one, as in Days > 0")
    evaluate = Evaluation(text, {n: source.draws(f) for n, f in named.items()}, strict=True)
    if not isinstance(tree, Comparison | Joint | Not):
        value = evaluate.whole(tree)
        return Evaluated(text.strip(), tree, named, value, None, (value,), chains)
    pairs = [pair for c in _comparisons(tree) for pair in pairwise(c.sides)]
    differences = tuple(evaluate.difference(*pair) for pair in pairs)
    alone = isinstance(tree, Comparison) and len(tree.operators) == 1
    equality = isinstance(tree, Comparison) and tree.equality
    holds = None if equality else evaluate.truth(tree)
    estimate = differences[0] if alone else None
    return Evaluated(text.strip(), tree, named, estimate, holds, differences, chains)


@dataclass(frozen=True)
class Evaluation:
    """Of trees on draws (S,); `strict`: what is not finite is an error, with its place."""

    text: str
    draws: Mapping[Name, Floats]
    strict: bool

    def value(self, node: Value) -> Any:
        match node:
            case Literal(value=value):
                return float(value)  # type: ignore[arg-type]
            case Name():
                return self.finite(self.draws[node], node)
            case Sign(operator=operator, operand=operand):
                value = self.value(operand)  # type: ignore[arg-type]
                return -value if operator == "-" else value
            case Call(function=function, arguments=arguments):
                values = [self.value(a) for a in arguments]  # type: ignore[arg-type]
                with np.errstate(all="ignore"):
                    return self.finite(_FUNCTIONS[function](*values), node)
            case Operation(operator=operator, left=left, right=right):
                both = self.value(left), self.value(right)  # type: ignore[arg-type]
                with np.errstate(all="ignore"):
                    return self.finite(_OPERATIONS[operator](*both), node)
        raise TypeError(node)

    def whole(self, node: Value) -> Floats:
        """(S,) also where nothing varies."""
        return np.asarray(self.value(node) + np.zeros(len(next(iter(self.draws.values())))))

    def difference(self, left: Value, right: Value) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(self.whole(left) - self.whole(right))

    def truth(self, node: Truth) -> Bools:
        match node:
            case Comparison(operators=operators, sides=sides):
                values = [self.whole(side) for side in sides]
                pairs = zip(operators, values[:-1], values[1:], strict=True)
                return np.all([_COMPARISONS[o](a, b) for o, a, b in pairs], axis=0)
            case Joint(word=word, parts=parts):
                join = np.all if word == "and" else np.any
                return join([self.truth(part) for part in parts], axis=0)
            case Not(part=part):
                return ~self.truth(part)
        raise TypeError(node)

    def finite(self, value: Any, node: Value) -> Any:
        bad = int(np.sum(~np.isfinite(value)))
        if bad and self.strict:
            total = f" in {bad:,} of {np.size(value):,} draws" if np.ndim(value) else ""
            piece = self.text[node.span.start : node.span.end]
            fail(
                self.text, node.span, f"{piece} is not finite{total}",
                "state it without logarithms and roots of what can be negative, and without "
                "division by what can be 0",
            )  # fmt: skip
        if np.isnan(value).any() and not self.strict:
            raise NoPrior(f"{self.text} is not a number in some draws from the prior")
        return value


def names_in(node: Any) -> Iterator[Name]:
    """Every name in a tree."""
    match node:
        case Name():
            yield node
        case Sign(operand=inner) | Not(part=inner):
            yield from names_in(inner)
        case Call(arguments=several) | Comparison(sides=several) | Joint(parts=several):
            for each in several:
                yield from names_in(each)
        case Operation(left=left, right=right):
            yield from names_in(left)
            yield from names_in(right)


def _comparisons(node: Truth) -> Iterator[Comparison]:
    match node:
        case Comparison():
            yield node
        case Not(part=part):
            yield from _comparisons(part)
        case Joint(parts=parts):
            for each in parts:
                yield from _comparisons(each)


type Linear = tuple[dict[str, float], float] | None


def _linear(node: Any, named: Mapping[Name, str]) -> Linear:
    """A value as weights of quantities and a constant; None where it is no such sum."""
    match node:
        case Literal(value=value):
            return {}, float(value)  # type: ignore[arg-type]
        case Name():
            return {named[node]: 1.0}, 0.0
        case Sign(operator=operator, operand=operand):
            return _sum(({}, 0.0), _linear(operand, named), -1.0 if operator == "-" else 1.0)
        case Operation(operator="+" | "-" as operator, left=left, right=right):
            weight = 1.0 if operator == "+" else -1.0
            return _sum(_linear(left, named), _linear(right, named), weight)
        case Operation(operator="*" | "/" as operator, left=left, right=right):
            first, second = _linear(left, named), _linear(right, named)
            if first is None or second is None:
                return None
            (a, c), (b, d) = first, second
            if operator == "*" and not a:
                return _sum(({}, 0.0), (b, d), c)
            if b or (operator == "/" and d == 0):
                return None
            return _sum(({}, 0.0), (a, c), d if operator == "*" else 1 / d)
    return None


def _sum(left: Linear, right: Linear, weight: float) -> Linear:
    if left is None or right is None:
        return None
    weights = dict(left[0])
    for name, w in right[0].items():
        weights[name] = weights.get(name, 0.0) + weight * w
    return {n: w for n, w in weights.items() if w != 0}, left[1] + weight * right[1]
