"""A sum of terms, multiplied out: `(a + b)*c` is a, b, c, a:c, b:c."""

from dataclasses import dataclass
from itertools import combinations
from typing import NoReturn

from mixedbayes.formula.messages import fail
from mixedbayes.formula.nodes import Bar, Call, Literal, Name, Node, Operation, Paren, Sum, unparse
from mixedbayes.formula.types import Span

_MOST = 5000
_HIGHEST_POWER = 10
_LEFT_ONLY = ("trials", "weights")


@dataclass(frozen=True)
class Term:
    """A product of factors: one column, a call, or an interaction of several."""

    factors: tuple[Node, ...]

    @property
    def key(self) -> frozenset[str]:
        """What makes two terms the same: `a:b` and `b:a` are."""
        return frozenset(map(unparse, self.factors))

    def __str__(self) -> str:
        return ":".join(map(unparse, self.factors))

    def times(self, other: "Term") -> "Term":
        factors = {unparse(f): f for f in (*self.factors, *other.factors)}
        return Term(tuple(factors.values()))


@dataclass(frozen=True)
class Terms:
    """A sum of terms, by degree, with the intercept apart, and the offsets and bars found in it."""

    intercept: bool
    terms: tuple[Term, ...]
    offsets: tuple[Node, ...] = ()
    bars: tuple[Paren, ...] = ()

    def __str__(self) -> str:
        return " + ".join(["1" if self.intercept else "0", *map(str, self.terms)])


def expand(node: Node, text: str) -> Terms:
    """Multiply out a sum of terms; the intercept is there unless `0` or `- 1` takes it away.

    Main effects come first, then interactions by their degree, each in the order written.
    """
    return _Expansion(text).run(node)


@dataclass
class _Expansion:
    text: str

    def run(self, node: Node) -> Terms:
        intercept = True
        terms: dict[frozenset[str], Term] = {}
        offsets: list[Node] = []
        bars: list[Paren] = []
        for sign, item in self.items(node, "+"):
            if isinstance(item, Paren):
                self.only_added(sign, item)
                bars.append(item)
            elif isinstance(item, Call) and item.function == "offset":
                self.only_added(sign, item)
                offsets.append(self.offset(item))
            elif isinstance(item, Literal):
                intercept = (self.digit(item) == 1) == (sign == "+")
            elif sign == "+":
                for term in self.product(item):
                    terms.setdefault(term.key, term)
            else:
                self.remove(terms, item)
        ordered = sorted(terms.values(), key=lambda term: len(term.factors))
        return Terms(intercept, tuple(ordered), tuple(offsets), tuple(bars))

    def items(self, node: Node, sign: str) -> list[tuple[str, Node]]:
        """Signed summands; a bar keeps its parenthesis, any other parenthesis is opened."""
        if isinstance(node, Sum):
            return [
                item
                for own, part in node.items
                for item in self.items(part, "+" if own == sign else "-")
            ]
        if isinstance(node, Paren) and not isinstance(node.inner, Bar):
            return self.items(node.inner, sign)
        return [(sign, node)]

    def product(self, node: Node) -> list[Term]:
        """The terms that one summand stands for."""
        match node:
            case Name():
                return [Term((node,))]
            case Call():
                return [Term((self.callable_here(node),))]
            case Operation(operator="**"):
                return self.power(node)
            case Operation(operator=operator, left=left, right=right):
                return self.cross(operator, self.product(left), self.product(right), node.span)
            case Paren(inner=Bar()):
                fail(
                    self.text, node.span,
                    "a bar can only be added to other terms",
                    "write + (x | g); effects that vary go to the left of its bar: (x*z | g)",
                )  # fmt: skip
            case Paren(inner=inner):
                return self.product(inner)
            case Sum():
                return self.plain_sum(node)
        return self.number(node)

    def plain_sum(self, node: Sum) -> list[Term]:
        """A sum inside a product: names and calls only, nothing taken away."""
        for sign, item in node.items:
            if sign == "-":
                fail(self.text, item.span, "`-` inside a product of terms", "write the product out")
        return [term for _, item in node.items for term in self.product(item)]

    def cross(self, operator: str, left: list[Term], right: list[Term], span: Span) -> list[Term]:
        if len(left) * len(right) > _MOST:
            self.too_many(span)
        if operator == "/":  # a/b: b within every combination of the left side
            nest = left[0]
            for term in left[1:]:
                nest = nest.times(term)
            return [*left, *(nest.times(term) for term in right)]
        products = [a.times(b) for a in left for b in right]
        return products if operator == ":" else [*left, *right, *products]

    def power(self, node: Operation) -> list[Term]:
        base, exponent = self.product(node.left), node.right
        value = exponent.value if isinstance(exponent, Literal) else None
        if len(base) == 1:
            fail(
                self.text, node.span,
                f"`{base[0]}` to a power is `{base[0]}` in a formula",
                f"for a power of the numbers write I({base[0]}**{unparse(exponent)})",
            )  # fmt: skip
        if not isinstance(value, int) or not 1 <= value <= _HIGHEST_POWER:
            fail(
                self.text, exponent.span,
                "the power of a sum of terms is a whole number "
                f"from 1 to {_HIGHEST_POWER}: the highest order of interaction",
                "write (a + b)**2",
            )  # fmt: skip
        terms: dict[frozenset[str], Term] = {}
        for degree in range(1, min(value, len(base)) + 1):
            for chosen in combinations(base, degree):
                product = chosen[0]
                for term in chosen[1:]:
                    product = product.times(term)
                terms.setdefault(product.key, product)
                if len(terms) > _MOST:
                    self.too_many(node.span)
        return list(terms.values())

    def remove(self, terms: dict[frozenset[str], Term], node: Node) -> None:
        for term in self.product(node):
            if terms.pop(term.key, None) is None:
                fail(
                    self.text, node.span,
                    f"there is no term `{term}` before this to take away",
                    "remove the `-`; for a difference of numbers write I(a - b)",
                )  # fmt: skip

    # what cannot stand in a sum of terms

    def digit(self, node: Literal) -> int:
        if node.value not in (0, 1) or isinstance(node.value, bool):
            self.number(node)
        return int(node.value)

    def number(self, node: Node) -> NoReturn:
        fail(
            self.text, node.span,
            "a number is not a term; only 0 and 1 can be added, for the intercept",
            "wrap arithmetic in I(...): I(x/2); a known summand goes in offset(...)",
        )  # fmt: skip

    def callable_here(self, node: Call) -> Call:
        if node.function in _LEFT_ONLY:
            fail(
                self.text, node.span,
                f"{node.function}() belongs to the response",
                f"write it on the left: y | {node.function}(...) ~ ...",
            )  # fmt: skip
        if node.function == "offset":
            fail(
                self.text, node.span,
                "an offset can only be added to the terms of the population part",
                "write + offset(...) outside bars and products",
            )  # fmt: skip
        if not node.arguments:
            fail(
                self.text, node.span,
                f"{node.function}() has no argument",
                f"give it a column: {node.function}(x)",
            )  # fmt: skip
        return node

    def offset(self, node: Call) -> Node:
        if len(node.arguments) != 1 or node.keywords:
            fail(self.text, node.span, "offset() takes one argument", "write offset(log(t))")
        return as_column(node.arguments[0])

    def only_added(self, sign: str, node: Node) -> None:
        if sign == "-":
            fail(self.text, node.span, "`-` before a bar or an offset", "leave it out instead")

    def too_many(self, span: Span) -> NoReturn:
        fail(self.text, span, f"more than {_MOST} terms", "name the interactions you need")


def as_column(node: Node) -> Node:
    """A lone quoted text, where a column is meant: `"odd name" ~ x`."""
    if isinstance(node, Literal) and isinstance(node.value, str):
        return Name(node.value, node.span, quoted=True)
    return node
