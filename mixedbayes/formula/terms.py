"""A sum of terms, multiplied out: `(a + b)*c` is a, b, c, a:c, b:c."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn

from mixedbayes.formula.elsewhere import way_of
from mixedbayes.formula.nodes import Bar, Call, Literal, Name, Node, Operation, Paren, Sum, unparse
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Span

_MOST = 5000  # products of one term
_MOST_WORK = 1_000_000  # products looked at, most of them found before
_LONGEST = 500_000  # characters of the terms multiplied out
_HIGHEST_POWER = 10
_LEFT_ONLY = ("trials", "weights", "se", "rate", "cens")

# A product as the numbers of its factors in the order written, and products by what they are made
# of: `a:b` and `b:a` are one.
type Product = tuple[int, ...]
type Products = dict[frozenset[int], Product]


@dataclass(frozen=True)
class Term:
    """A product of factors: one column, a call, or an interaction of several."""

    factors: tuple[Node, ...]

    @cached_property
    def key(self) -> frozenset[str]:
        """What makes two terms the same: `a:b` and `b:a` are."""
        return frozenset(map(unparse, self.factors))

    def __str__(self) -> str:
        return ":".join(map(unparse, self.factors))


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
    factors: list[Node] = field(default_factory=list)  # each once
    numbers: dict[str, int] = field(default_factory=dict)  # of factors, by their text
    work: int = 0

    def run(self, node: Node) -> Terms:
        intercept = True
        terms: Products = {}
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
                terms |= {key: p for key, p in self.product(item).items() if key not in terms}
            else:
                self.remove(terms, item)
        self.check_length(terms, node.span)
        ordered = sorted(terms.values(), key=len)
        return Terms(intercept, tuple(map(self.term, ordered)), tuple(offsets), tuple(bars))

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

    def product(self, node: Node) -> Products:
        """The terms that one summand stands for."""
        match node:
            case Name():
                return self.single(node)
            case Call():
                return self.single(self.callable_here(node))
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

    def written(self, node: Node) -> str:
        return self.text[node.span.start : node.span.end]

    def single(self, node: Node) -> Products:
        """One factor by itself."""
        number = self.numbers.setdefault(unparse(node), len(self.factors))
        if number == len(self.factors):
            self.factors.append(node)
        return {frozenset((number,)): (number,)}

    def term(self, product: Product) -> Term:
        return Term(tuple(self.factors[k] for k in product))

    def plain_sum(self, node: Sum) -> Products:
        """A sum inside a product: names and calls only, nothing taken away."""
        found: Products = {}
        for sign, item in node.items:
            if sign == "-":
                fail(self.text, item.span, "`-` inside a product of terms", "write the product out")
            found |= {key: p for key, p in self.product(item).items() if key not in found}
        return found

    def cross(self, operator: str, left: Products, right: Products, span: Span) -> Products:
        if operator == "/":  # a/b: b within every combination of the left side
            found = dict(left)
            left = self.joined(left)
        else:
            found = {} if operator == ":" else left | right
        self.multiply(left, right, found, span)
        return found

    def power(self, node: Operation) -> Products:
        base, exponent = self.product(node.left), node.right
        value = exponent.value if isinstance(exponent, Literal) else None
        if len(base) == 1:
            inner = self.term(next(iter(base.values())))
            fail(
                self.text, node.span,
                f"`{inner}` to a power is `{inner}` in a formula",
                f"for a power of the numbers write I({inner}**{self.written(exponent)})",
            )  # fmt: skip
        if not isinstance(value, int) or not 1 <= value <= _HIGHEST_POWER:
            fail(
                self.text, exponent.span,
                "the power of a sum of terms is a whole number "
                f"from 1 to {_HIGHEST_POWER}: the highest order of interaction",
                "write (a + b)**2",
            )  # fmt: skip
        found, grown = dict(base), base
        for _ in range(value - 1):
            grown = self.multiply(grown, base, found, node.span)
        return found

    def multiply(self, left: Products, right: Products, found: Products, span: Span) -> Products:
        """The products of both sides that are new to `found`, which gets them."""
        self.work += len(left) * len(right)
        if self.work > _MOST_WORK:
            self.too_many(span, f"more than {_MOST_WORK:,} products of terms")
        new: Products = {}
        for a_key, a in left.items():
            for b_key, b in right.items():
                key = a_key | b_key
                if key not in found:
                    found[key] = new[key] = (*a, *(k for k in b if k not in a_key))
            if len(found) > _MOST:
                self.too_many(span, f"more than {_MOST} terms")
        return new

    def joined(self, products: Products) -> Products:
        """One product of all their factors."""
        factors = dict.fromkeys(k for product in products.values() for k in product)
        return {frozenset(factors): tuple(factors)}

    def remove(self, terms: Products, node: Node) -> None:
        for key, product in self.product(node).items():
            if terms.pop(key, None) is None:
                fail(
                    self.text, node.span,
                    f"there is no term `{self.term(product)}` before this to take away",
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
        several = len(node.arguments) > 1 or node.keywords
        if node.function in _LEFT_ONLY or (node.function == "trunc" and several):
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
            way = way_of(node.function, self.text[node.span.start : node.span.end])
            if way is not None:
                fact = f"`{node.function}` is of residuals, which are said beside the formula"
                fail(self.text, node.span, fact, way)
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

    def check_length(self, terms: Products, span: Span) -> None:
        """Terms that are written in a text of bounded length."""
        lengths = [len(text) + 1 for text in self.numbers]
        if sum(lengths[k] for product in terms.values() for k in product) > _LONGEST:
            fact = f"the terms multiplied out have more than {_LONGEST:,} characters"
            self.too_many(span, fact)

    def too_many(self, span: Span, fact: str) -> NoReturn:
        fail(self.text, span, fact, "name the interactions you need")


def as_column(node: Node) -> Node:
    """A lone quoted text, where a column is meant: `"odd name" ~ x`."""
    if isinstance(node, Literal) and isinstance(node.value, str):
        return Name(node.value, node.span, quoted=True)
    return node
