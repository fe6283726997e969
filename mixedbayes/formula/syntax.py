"""Precedence-climbing parser of formulas: tokens to a tree.

The language is closed: names, numbers, texts, lists, calls of plain names, and operators. There
is no attribute access, no subscript and no other Python, so a formula cannot carry code.
Outside calls the operators have their meaning in formulas (`+ - * / : **`), inside calls their
arithmetic one; `^` is `**` in both.
"""

from typing import NoReturn

from mixedbayes.formula.cursor import Cursor
from mixedbayes.formula.elsewhere import effects_of
from mixedbayes.formula.nodes import (
    Bar,
    Call,
    Listing,
    Literal,
    Name,
    Node,
    Operation,
    Paren,
    Sign,
    Sum,
    unparse,
)
from mixedbayes.formula.tokens import CONSTANTS, Token, tokenize
from mixedbayes.formula.types import Span
from mixedbayes.formula.words import COVARIANCE, SPECIFIC, our_way
from mixedbayes.terms.bars import BARS

# operator -> (binding power to the left, to the right)
_TERMS = {"*": (20, 21), "/": (20, 21), ":": (30, 31), "**": (41, 40)}
_ARITHMETIC = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), (5, 6)),
    **dict.fromkeys(("+", "-"), (10, 11)),
    **dict.fromkeys(("*", "/", "//", "%"), (20, 21)),
    "**": (41, 40),
}
# Settings that take a list, which may stand in parentheses.
_LISTS = {"mm": ("weights",), **dict.fromkeys(("s", "t2"), ("k", "bs", "knots"))}
_SPECIFIC = {**_ARITHMETIC, ":": (30, 31)}  # inside cs(...), which holds terms
_SIGN = 30
_BARS = ("|", "||")
UNSTRUCTURED = BARS["|"]


def _names_covariance(word: str) -> bool:
    # What covariances are made of takes long to import, and most formulas name none.
    from mixedbayes.terms.registry import names_covariance

    return names_covariance(word)


class Parser(Cursor):
    """One pass over the tokens of `text`."""

    deepest = 150
    shallower = "write it with fewer parentheses"

    def __init__(self, text: str) -> None:
        super().__init__(text, tokenize(text))

    def operator(self) -> str:
        """The operator at hand, or an empty text."""
        value = self.token.value if self.token.kind == "op" else ""
        return "**" if value == "^" else value

    # sums of terms, in a formula

    def sum(self) -> Node:
        """`[sign] term {sign term}`; a lone term stays itself."""
        self.descend()
        start = self.token.span.start
        items: list[tuple[str, Node]] = []
        sign = self.take().value if self.operator() in ("+", "-") else "+"
        items.append((sign, self.expression(_TERMS, 0)))
        while self.operator() in ("+", "-"):
            sign = self.take().value
            items.append((sign, self.expression(_TERMS, 0)))
        self.depth -= 1
        if len(items) == 1 and items[0][0] == "+":
            return items[0][1]
        return Sum(tuple(items), self.since(start))

    def arithmetic(self) -> Node:
        return self.expression(_ARITHMETIC, 0)

    def expression(self, table: dict[str, tuple[int, int]], lowest: int) -> Node:
        self.descend()
        depth, start = self.depth, self.token.span.start
        left = self.operand(table)
        while (power := table.get(self.operator())) and power[0] >= lowest:
            self.descend()  # the tree grows deeper to the left with each operator
            operator = "**" if self.take().value in ("^", "**") else self.tokens[self.at - 1].value
            right = self.expression(table, power[1])
            left = Operation(operator, left, right, self.since(start))
        self.depth = depth - 1
        return left

    def operand(self, table: dict[str, tuple[int, int]]) -> Node:
        token = self.token
        if token.kind == "end" or self.operator() not in ("", "(", "[", "+", "-"):
            self.no_operand(token)
        if self.operator() in ("+", "-"):
            if table is _TERMS:
                self.fail("two signs in a row", "keep one of them")
            self.take()
            return Sign(token.value, self.expression(table, _SIGN), self.since(token.span.start))
        if self.operator() == "(":
            return self.paren(table)
        if self.operator() == "[":
            return self.listing(table)
        return self.atom(table)

    def atom(self, table: dict[str, tuple[int, int]]) -> Node:
        token = self.take()
        if token.kind == "number":
            digits = token.value.isdigit() and len(token.value) <= 15
            value = int(token.value) if digits else float(token.value)
            return Literal(value, token.value, token.span)
        if token.kind == "column" or (token.kind == "string" and table is _TERMS):
            return Name(token.value, token.span, quoted=True)
        if token.kind == "string":
            return Literal(token.value, token.value, token.span)
        if self.operator() == "(":
            if table is _TERMS and self.holds_a_bar() and _names_covariance(token.value):
                return self.paren(table, token)
            return self.call(token)
        if table is not _TERMS and token.value in CONSTANTS:
            return Literal(constant := CONSTANTS[token.value], str(constant), token.span)
        return Name(token.value, token.span)

    def holds_a_bar(self) -> bool:
        """Whether there is a bar in the parenthesis at hand, and in none within it."""
        depth = 0
        for token in self.tokens[self.at :]:
            depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
            if token.kind == "op" and depth == 1 and token.value in _BARS:
                return True
            if depth < 1:
                break
        return False

    def paren(self, table: dict[str, tuple[int, int]], structure: Token | None = None) -> Node:
        """A parenthesis; `structure` is the name of a covariance in front of one with a bar."""
        opening = self.take()
        if self.operator() == ")":
            self.fail("nothing between the parentheses", "remove them, or write a term in them")
        if table is _ARITHMETIC or table is _SPECIFIC:
            inner = self.expression(table, 0)
        elif self.operator() in _BARS:
            self.fail(
                "nothing to the left of the bar",
                "write the effects that vary: (1 | g) for intercepts, (x | g) for slopes as well",
            )
        else:
            inner = self.sum()
            if self.operator() in _BARS:
                inner = self.bar(inner)
        if structure is not None and self.operator() == ",":
            self.fail(
                f"`{structure.value}(... | g)` has effects and a grouping factor, and no settings",
                "one sd and an sd for each effect have names of their own: homcs and cs, ar1 and "
                "hetar1, homtoep and toep",
            )
        self.close(opening, ")")
        if structure is None:
            return Paren(inner, self.since(opening.span.start))
        assert isinstance(inner, Bar)
        if inner.operator != "|":
            self.fail(
                f"`{structure.value}` says how the effects are correlated, and `{inner.operator}` "
                "that they are not",
                f"write {structure.value}(x | g)",
                structure.span,
            )
        if inner.id and structure.value != UNSTRUCTURED:
            self.fail(
                f"effects with an id have correlations without structure, and `{structure.value}` "
                "gives them one",
                f"write (x | {inner.id} | g), or {structure.value}(x | g) without an id",
                structure.span,
            )
        return Paren(inner, self.since(structure.span.start), structure.value)

    def bar(self, effects: Node) -> Bar:
        operator = self.take()
        if self.operator() == ")" or self.token.kind == "end":
            self.fail(
                "nothing to the right of the bar",
                "name the grouping factor: (1 | g)",
                Span(operator.span.start, self.token.span.start + 1),
            )
        group, name = self.sum(), ""
        if self.operator() in _BARS:
            name = self.identity(operator, group)
            group = self.sum()
        if self.operator() in _BARS:
            self.fail(
                "a third bar in one parenthesis",
                "a parenthesis has effects, perhaps an id, and a grouping factor: (x | id | g)",
            )
        return Bar(effects, group, operator.value, self.since(effects.span.start), name)

    def identity(self, first: Token, node: Node) -> str:
        """The id between two bars, `(x | id | g)`, of which the second is taken."""
        second = self.take()
        if "||" in (first.value, second.value):
            self.fail(
                "`||` says that effects are not correlated, and an id that they are",
                "write (x | id | g), or (x || g) without an id",
                Span(first.span.start, second.span.end),
            )
        plain = isinstance(node, Name) and not node.quoted
        number = isinstance(node, Literal) and isinstance(node.value, int)
        if not plain and not number:
            self.fail(
                "between two bars stands an id, one word, under which effects of several formulas "
                "are correlated: (x | id | g)",
                "for effects over two factors give each bar its own: (1 | a) + (1 | b)",
                node.span,
            )
        if self.operator() == ")" or self.token.kind == "end":
            self.fail(
                "nothing to the right of the second bar",
                "name the grouping factor: (1 | id | g)",
                Span(second.span.start, self.token.span.start + 1),
            )
        return unparse(node)

    def listing(self, table: dict[str, tuple[int, int]]) -> Node:
        opening = self.take()
        if table is _TERMS:
            self.fail("a list is not a term", "join terms by +", opening.span)
        items: list[Node] = []
        while self.operator() != "]":
            items.append(self.arithmetic())
            if self.operator() != ",":
                break
            self.take()
        self.close(opening, "]")
        return Listing(tuple(items), self.since(opening.span.start))

    def call(self, name: Token) -> Call:
        opening = self.take()
        arguments: list[Node] = []
        keywords: dict[str, Node] = {}
        table = _SPECIFIC if name.value in (SPECIFIC, "gr") else _ARITHMETIC
        while self.operator() != ")":
            key = self.keyword()
            listed = key is not None and key.value in _LISTS.get(name.value, ())
            several = listed and self.operator() == "("
            value = self.tuple() if several else self.expression(table, 0)
            if key is None and keywords:
                self.fail("a plain argument after a named one", "put it first", value.span)
            if key is None:
                arguments.append(value)
            elif key.value in keywords:
                self.fail(f"`{key.value}` is given twice", "keep one of them", key.span)
            else:
                keywords[key.value] = value
            if self.operator() != ",":
                break
            self.take()
        self.close(opening, ")", called=name.value)
        span = self.since(name.span.start)
        return Call(name.value, tuple(arguments), tuple(keywords.items()), span)

    def tuple(self) -> Node:
        """`(a, b)`, which in arithmetic is no value, as a list; `(a)` is what is in it."""
        opening = self.take()
        items = [self.arithmetic()]
        while self.operator() == ",":
            self.take()
            items.append(self.arithmetic())
        self.close(opening, ")")
        span = self.since(opening.span.start)
        return items[0] if len(items) == 1 else Listing(tuple(items), span)

    def keyword(self) -> Token | None:
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if self.token.kind != "name" or (following.kind, following.value) != ("op", "="):
            return None
        token = self.take()
        self.take()
        return token

    # what may come next, and what to say if something else does

    def close(self, opening: Token, closing: str, called: str = "") -> None:
        if self.operator() == closing:
            self.take()
        elif self.token.kind == "end":
            self.fail(f"`{opening.value}` is never closed", f"add a `{closing}`", opening.span)
        elif self.operator() in _BARS:
            self.fail(
                f"`{self.token.value}` inside a call",
                (COVARIANCE if called == SPECIFIC else our_way(called))
                or effects_of(called, self.text[opening.span.start :])
                or "a bar stands in its own parenthesis, between terms: x + (x | g)",
            )
        else:
            self.unexpected()

    def no_operand(self, token: Token) -> NoReturn:
        before = self.tokens[self.at - 1].value if self.at else ""
        if token.kind == "end":
            self.fail(
                f"the formula ends after `{before}`" if before else "the formula is empty",
                "complete it: y ~ x + (1 | g)",
            )
        self.fail(f"expected a term or a column, found `{token.value}`", "is a name missing here?")

    def unexpected(self) -> NoReturn:
        """Say why the token at hand cannot follow a complete expression."""
        token, before = self.token, self.tokens[self.at - 1]
        operator = self.operator()
        if operator == "~":
            self.fail("a second `~`", "a formula has one: response ~ terms")
        if operator == ")":
            self.fail("`)` without a `(`", "remove it, or open the parenthesis")
        if operator in _BARS:
            self.fail(
                f"`{operator}` outside parentheses", "put the bar in its own parenthesis: (x | g)"
            )
        if operator == "%" and self.tokens[self.at + 1].value == "in":
            self.fail("`%in%` is not understood", "write b:a for b %in% a, or a/b for a + b %in% a")
        if operator == ":":
            self.fail(
                "`:` joins terms, and here one column is read",
                "write a*b for a product of numbers, or make a column of the combinations",
            )
        if operator and operator not in ("(", "["):
            self.fail(
                f"`{operator}` cannot stand here",
                "wrap arithmetic and comparisons in I(...): I(x > 3)",
            )
        self.fail(
            f"missing operator between `{before.value}` and `{token.value}`",
            "join two terms by `+`, an interaction by `:` or `*`; "
            "put a name that holds blanks in backticks",
        )

    def end(self) -> None:
        if self.token.kind != "end":
            self.unexpected()
