"""What a model reads of each row, decided from its formula and the types of the columns.

Columns are levels, by which rows fall into cells, or numbers, of which a cell has sums. Sums are
enough for a normal response. For others all columns are levels, those of the numbers that occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mixedbayes.design.functions import Stateful
from mixedbayes.design.used import category_columns, names_in, used_columns, walk
from mixedbayes.errors import DataError, ModelError
from mixedbayes.formula import Formula, parse_expression, parse_terms
from mixedbayes.formula import smooths as written
from mixedbayes.formula.nodes import Call, Literal, Name, Node, Operation, Paren, unparse
from mixedbayes.sources.libraries import arrow
from mixedbayes.terms.bars import BARS

_COMPARED = ("<", "<=", ">", ">=", "==", "!=")


@dataclass(frozen=True)
class Reading:
    """How the columns of a source are read.

    Attributes
    ----------
    formula
        Of the model.
    functions
        That it may call, by name.
    own
        Of these, the user's own.
    columns
        That are read.
    levels
        Of these, those that say a row's cell.
    numbers
        Those of which a cell has sums.
    expressions
        Made of numbers, by their text; a cell has sums of their columns.
    products
        Of several numbers and expressions, each by its text.
    response, weights
        As the formula has them; "" where it has no weights.
    learned
        Calls of functions that learn from all rows, by their text.
    """

    formula: Formula
    functions: Mapping[str, Any]
    own: frozenset[str]
    columns: tuple[str, ...]
    levels: tuple[str, ...]
    numbers: tuple[str, ...]
    expressions: Mapping[str, Node] = field(default_factory=dict)
    products: tuple[tuple[str, ...], ...] = ()
    response: str = ""
    weights: str = ""
    learned: Mapping[str, Call] = field(default_factory=dict)

    @property
    def moments(self) -> bool:
        """Whether cells have sums of numbers."""
        return bool(self.numbers)

    @property
    def inside(self) -> tuple[str, ...]:
        """Columns that are read for what functions learn."""
        found = (names_in(call.arguments[0]) for call in self.learned.values())
        return tuple(dict.fromkeys(name for own in found for name in own))

    @property
    def looked_at(self) -> dict[str, Node]:
        """Expressions whose values the first pass can look at: of numbers, without a state."""
        out = {}
        for text, node in self.expressions.items():
            called = {call.function for call in _within([node])}
            state = any(isinstance(self.functions.get(name), Stateful) for name in called)
            if not state and called.isdisjoint(self.own) and self.numbers:
                names = set(names_in(node)) & set(self.columns)
                if names <= set(self.numbers) and text != self.response:
                    out[text] = node
        return out

    @property
    def compared(self) -> tuple[str, ...]:
        """Expressions that are comparisons, 0 or 1 in each row."""
        return tuple(t for t, e in self.expressions.items() if _is_comparison(e))

    @property
    def plain(self) -> bool:
        """Whether nothing has to be computed but products of columns."""
        weighted = self.weights and self.weights not in self.columns
        return not self.expressions and not weighted


def refuse(formula: Formula, *, sums: bool) -> None:
    """What cannot be read in batches.

    Raises
    ------
    ModelError
        Saying what it is, and what to do.
    """
    said = _obstacle(formula, sums)
    if said:
        raise ModelError(
            f"{said}, which needs all rows at once, and the data are read in batches. Read the "
            f"columns {', '.join(used_columns(formula).columns)} into a data frame, 8 bytes for "
            "each number, and give that; or leave it out"
        )


def _obstacle(formula: Formula, sums: bool) -> str:
    """What of a formula cannot be read in batches, in words; nothing of most."""
    every = (formula, *formula.others)
    for f in every:
        _, smooths = written.apart(parse_terms(f.fixed), f.fixed)
        if smooths:
            return f"{smooths[0].text} is a smooth"
        for bar in f.random:
            if bar.structure not in BARS.values():
                return f"{bar.text} has effects with a structure"
            if bar.grouper.members:
                return f"{bar.text} has rows in several levels"
    if formula.residual is not None:
        return f"{formula.residual.text} correlates residuals"
    if formula.response.text.startswith("mv("):
        return "mv() has several responses"
    if formula.response.mi:
        return "mi() keeps rows without a response"
    if sums and formula.others:
        return f"{formula.others[0].text} is a formula for {formula.others[0].of}"
    if sums and formula.response.limits:
        return f"{formula.response.limits[0]} gives responses within limits"
    if sums and formula.response.se is not None:
        return f"se({formula.response.se}) gives each row an error of its own"
    return ""


def reading(
    formula: Formula, schema: Any, functions: Mapping[str, Any], own: Iterable[str], *, sums: bool
) -> Reading:
    """How a source with this pyarrow schema is read for a formula.

    Parameters
    ----------
    formula
        Of the model.
    schema
        Of the source.
    functions, own
        That the formula may call, and the names of the user's own among them.
    sums
        Whether sums over rows are all that the model needs, as with a normal response.

    Raises
    ------
    ModelError
        Of a formula that needs all rows at once.
    DataError
        A function whose state needs them.
    """
    refuse(formula, sums=sums)
    used = used_columns(formula)
    there = [name for name in used.columns if name in schema.names]
    for name in there:
        kind, types = schema.field(name).type, arrow().types
        if types.is_nested(kind) or types.is_interval(kind):
            raise DataError(
                f"column {name!r} holds {kind} in each row, not one value; make "
                "a column of what the formula is to have of it"
            )
    numeric = {name for name in there if _is_number(schema.field(name).type)}
    own = frozenset(own)
    learned = _learned(formula, functions, own, numeric)
    if not sums:
        return Reading(
            formula, functions, own, tuple(there), tuple(there), (), learned=learned,
            response=formula.response.text,
        )  # fmt: skip
    categories = {*used.groups, *category_columns(formula)}
    categories |= {bar.grouper.by for bar in formula.random}
    for call in _calls(formula):
        if call.function == "C" and (own_numbers := {*names_in(call)} & numeric - categories):
            raise DataError(
                f"{unparse(call)} makes a category of the numbers in {min(own_numbers)!r}, and the "
                "data are read in batches; make it a column of the data, or write I(...) of a "
                "comparison, which is 0 or 1"
            )
    numbers = [n for n in there if n in numeric and n not in categories]
    weights = formula.response.weights or ""
    elsewhere = {*used.response, *used.fixed, *(n for e in used.effects.values() for n in e)}
    numbers = [n for n in numbers if n in elsewhere or n not in used.weights]
    found = Reading(
        formula, functions, own, tuple(there),
        tuple(n for n in there if n not in numbers and (n not in numeric or n in categories)),
        tuple(numbers), response=formula.response.text,
        weights=unparse(parse_expression(weights)).strip("`") if weights else "", learned=learned,
    )  # fmt: skip
    return _derived(found)


def settled(read: Reading, two_valued: Iterable[str]) -> Reading:
    """With numbers of two values as levels, as 0 and 1 mostly are; the response stays."""
    response = {*names_in(parse_expression(read.response))}
    few = [n for n in two_valued if n in read.numbers and n not in response]
    if not few:
        return read
    levels = tuple(n for n in read.columns if n in read.levels or n in few)
    numbers = tuple(n for n in read.numbers if n not in few)
    return _derived(replace(read, levels=levels, numbers=numbers))


def _derived(read: Reading) -> Reading:
    """With the expressions and products of numbers that the formula has."""
    formula, numbers = read.formula, set(read.numbers)
    expressions: dict[str, Node] = {}
    products: dict[tuple[str, ...], None] = {}
    for text in (formula.response.text, *formula.offsets):
        node = parse_expression(text)
        if not isinstance(node, Name) and not numbers.isdisjoint(names_in(node)):
            expressions[unparse(node)] = node
    for text in (formula.fixed, *(bar.effects for bar in formula.random)):
        for term in parse_terms(text).terms:
            own = [f for f in term.factors if not numbers.isdisjoint(names_in(f))]
            expressions |= {unparse(f): f for f in own if not isinstance(f, Name)}
            if len(own) > 1:
                products[tuple(unparse(f) for f in own)] = None
    return replace(read, expressions=expressions, products=tuple(products))


def _learned(
    formula: Formula, functions: Mapping[str, Any], own: frozenset[str], numeric: set[str]
) -> dict[str, Call]:
    """Calls of functions that learn from all rows; DataError where others are inside of them."""
    found: dict[str, Call] = {}
    for call in _calls(formula):
        function = functions.get(call.function)
        if not isinstance(function, Stateful) or call.function == "round":
            continue
        text = unparse(call)
        if call.function == "poly" and _is_true(dict(call.keywords).get("raw")):
            continue  # powers, which learn nothing
        inside = set(names_in(call.arguments[0])) if call.arguments else set()
        nested = any(
            isinstance(functions.get(c.function), Stateful) for c in _within(call.arguments)
        )
        if nested or inside - numeric:
            raise DataError(
                f"{text} learns from what another function learns, or from a category, and the "
                "data are read in batches; make what is in its parentheses a column of the data"
            )
        found[text] = call
    return found


def _is_true(node: Node | None) -> bool:
    return isinstance(node, Literal) and node.value is True


def _calls(formula: Formula) -> Iterator[Call]:
    for f in (formula, *formula.others):
        texts = (f.response.text, f.response.weights, f.response.trials, *f.offsets)
        nodes = [parse_expression(text) for text in texts if text and f is formula]
        for text in (f.fixed, *(bar.effects for bar in f.random)):
            nodes += [factor for term in parse_terms(text).terms for factor in term.factors]
        yield from _within(nodes)


def _within(nodes: Iterable[Node]) -> Iterator[Call]:
    return (inner for node in nodes for inner in walk(node) if isinstance(inner, Call))


def _is_comparison(node: Node) -> bool:
    while isinstance(node, Paren) or (isinstance(node, Call) and node.function == "I"):
        node = node.inner if isinstance(node, Paren) else node.arguments[0]
    return isinstance(node, Operation) and node.operator in _COMPARED


def _is_number(kind: Any) -> bool:
    t = arrow().types
    return bool(t.is_integer(kind) or t.is_floating(kind))
