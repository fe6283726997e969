"""Statements about named quantities, `Days > 0 and sd_Subject[Days] / sigma > 0.1`, as a tree.

The language is closed: numbers, names, arithmetic, a few functions, comparisons, and `and`, `or`,
`not`. A name is what the tables have: `Days`, `arm[b]:x`, `poly(x, 2)[1]`,
`coef[Subject=308, Days]`; one that holds blanks or signs stands in backticks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from mixedbayes.errors import FormulaError
from mixedbayes.formula.cursor import Cursor
from mixedbayes.formula.nodes import Call, Literal, Name, Operation, Sign
from mixedbayes.formula.tokens import Token, fail, tokenize
from mixedbayes.formula.types import Span

FUNCTIONS = ("exp", "log", "sqrt", "abs", "inv_logit", "logit", "min", "max")
SEVERAL = ("min", "max")  # functions of two or more values
EQUAL = "="
_COMPARED = ("<", "<=", ">", ">=", EQUAL, "==")
_WORDS = ("and", "or", "not")
_POWERS = ("^", "**")
_MOST = 200  # operators in a row
_LONGEST = 10_000
_INSTEAD = {
    "&": 'write "and" between statements',
    "|": 'write "or" between statements',
    "!": 'write "not" before a statement; nothing is compared by !=',
    "≥": "write >=",
    "≤": "write <=",
    "−": "write a plain minus sign, -",
}


@dataclass(frozen=True)
class Comparison:
    """`a < b`, or a chain `a < b < c`, which holds where each pair does."""

    operators: tuple[str, ...]
    sides: tuple[Value, ...]
    span: Span

    @property
    def equality(self) -> bool:
        return self.operators == (EQUAL,)


@dataclass(frozen=True)
class Joint:
    """`a and b and c`, or the same with `or`."""

    word: str
    parts: tuple[Truth, ...]
    span: Span


@dataclass(frozen=True)
class Not:
    """`not a`."""

    part: Truth
    span: Span


type Value = Literal | Name | Call | Sign | Operation
type Truth = Comparison | Joint | Not
type Statement = Value | Truth


def parse_statement(text: str, known: Callable[[str], bool]) -> Statement:
    """The tree of one statement.

    Parameters
    ----------
    text
        The statement.
    known
        Whether a text is a name of a quantity, for `log(x)` to be the effect of that name where
        there is one; the function is then applied by `log((x))`.

    Raises
    ------
    FormulaError
        With the text, carets under the place, and the remedy.

    Examples
    --------
    >>> parse_statement("a - 2 * b > 0", lambda name: False).operators
    ('>',)
    """
    if not isinstance(text, str):
        raise FormulaError(f'a hypothesis is a text such as "Days > 0", not {type(text).__name__}')
    if not text.strip():
        raise FormulaError('the hypothesis is empty; write for example "Days > 0"')
    if len(text) > _LONGEST:
        raise FormulaError(f"the hypothesis has {len(text):,} characters; at most {_LONGEST:,}")
    parser = _Parser(text, known)
    found = parser.disjunction()
    parser.end()
    return found


class _Parser(Cursor):
    """One pass over the tokens of a statement, by recursive descent."""

    deepest = 25  # parentheses, functions, signs and powers within one another
    shallower = "state it in several hypotheses"

    def __init__(self, text: str, known: Callable[[str], bool]) -> None:
        super().__init__(text, _tokens(text))
        self.known = known

    def is_operator(self, *values: str) -> bool:
        return self.token.kind == "op" and self.token.value in values

    def is_word(self, word: str) -> bool:
        return self.token.kind == "name" and self.token.value == word

    # ---- statements ----------------------------------------------------------------------------

    def disjunction(self) -> Statement:
        return self.joined("or", lambda: self.joined("and", self.negation))

    def joined(self, word: str, part: Callable[[], Statement]) -> Statement:
        start = self.token.span.start
        first = part()
        if not self.is_word(word):
            return first
        parts = [self.truth(first, word)]
        while self.is_word(word):
            self.take()
            parts.append(self.truth(part(), word))
        return Joint(word, tuple(parts), self.since(start))

    def negation(self) -> Statement:
        if not self.is_word("not"):
            return self.comparison()
        self.descend()
        start = self.take().span.start
        part = self.truth(self.negation(), "not")
        self.depth -= 1
        return Not(part, self.since(start))

    def truth(self, found: Statement, word: str) -> Truth:
        if isinstance(found, Comparison) and EQUAL in found.operators:
            self.fail(
                f"an equality cannot stand beside `{word}`",
                "quantities that vary are equal with probability 0: state the equality by itself, "
                "or write how near is near enough, abs(a - b) < 0.1",
                found.span,
            )
        if not isinstance(found, Comparison | Joint | Not):
            self.fail(
                f"what stands beside `{word}` compares nothing",
                "write for example a > 0 and b > 0",
                found.span,
            )
        return found

    def comparison(self) -> Statement:
        start = self.token.span.start
        first = self.sum()
        if not self.is_operator(*_COMPARED):
            return first
        operators, sides = [], [self.value(first)]
        while self.is_operator(*_COMPARED):
            operator = self.take().value
            operators.append(EQUAL if operator == "==" else operator)
            sides.append(self.value(self.sum()))
        found = Comparison(tuple(operators), tuple(sides), self.since(start))
        if EQUAL in operators and len(operators) > 1:
            self.fail(
                "an equality in a chain of comparisons", "state it by itself: a = b", found.span
            )
        return found

    # ---- values --------------------------------------------------------------------------------

    def value(self, found: Statement) -> Value:
        if isinstance(found, Comparison | Joint | Not):
            self.fail(
                "a comparison is no number",
                "compare values, and join comparisons by and, or, not",
                found.span,
            )
        return found

    def sum(self) -> Statement:
        return self.chain(("+", "-"), self.product)

    def product(self) -> Statement:
        return self.chain(("*", "/"), self.signed)

    def chain(self, operators: tuple[str, ...], part: Callable[[], Statement]) -> Statement:
        start, count = self.token.span.start, 0
        left = part()
        while self.is_operator(*operators):
            count += 1
            if count > _MOST:
                self.fail(f"more than {_MOST} operators in a row", "state less in one hypothesis")
            operator = self.take().value
            both = self.value(left), self.value(part())
            left = Operation(operator, *both, self.since(start))
        return left

    def signed(self) -> Statement:
        if not self.is_operator("+", "-"):
            return self.power()
        self.descend()
        start = self.token.span.start
        sign = self.take().value
        operand = self.value(self.signed())
        self.depth -= 1
        return Sign(sign, operand, self.since(start))

    def power(self) -> Statement:
        start = self.token.span.start
        base = self.atom()
        if not self.is_operator(*_POWERS):
            return base
        self.take()
        self.descend()
        both = self.value(base), self.value(self.signed())
        self.depth -= 1
        return Operation("**", *both, self.since(start))

    def atom(self) -> Statement:
        token = self.token
        if token.kind == "number":
            self.take()
            return Literal(float(token.value), token.value, token.span)
        if self.is_operator("("):
            self.descend()
            opening = self.take()
            inner = self.disjunction()
            self.close(opening, ")")
            self.depth -= 1
            return inner
        word = token.kind == "name" and token.value in _WORDS
        if word or token.kind not in ("column", "name"):
            self.no_operand()
        return self.named()

    def named(self) -> Value:
        """A name with all that belongs to it, or a function of values."""
        first = self.at
        self.extent()
        span = Span(self.tokens[first].span.start, self.tokens[self.at - 1].span.end)
        raw, token = self.text[span.start : span.end], self.tokens[first]
        called = (
            token.kind == "name"
            and token.value in FUNCTIONS
            and self.tokens[first + 1].value == "("
            and self.tokens[first + 1].kind == "op"
        )
        if called and not self.known(raw):
            self.at = first
            return self.call()
        if token.kind == "column" and self.at == first + 1:
            return Name(token.value, span, quoted=True)
        return Name(raw, span)

    def extent(self) -> None:
        """Pass a name's parts: `a:b`, `f(x, 2)[1]`, `coef[g=1, x]`."""
        while True:
            if self.token.kind not in ("name", "column", "number"):
                self.no_operand()
            self.take()
            while self.is_operator("(", "["):
                self.brackets()
            if not self.is_operator(":"):
                return
            self.take()

    def brackets(self) -> None:
        """Pass a bracket and all that is in it."""
        opening = self.take()
        closing = {"(": ")", "[": "]"}[opening.value]
        self.descend()
        while not self.is_operator(closing):
            if self.token.kind == "end":
                self.close(opening, closing)
            if self.is_operator("(", "["):
                self.brackets()
            else:
                self.take()
        self.take()
        self.depth -= 1

    def call(self) -> Call:
        function, opening = self.take(), self.take()
        self.descend()
        arguments = []
        while not self.is_operator(")"):
            arguments.append(self.value(self.disjunction()))
            if not self.is_operator(","):
                break
            self.take()
        self.close(opening, ")")
        self.depth -= 1
        span = self.since(function.span.start)
        several = function.value in SEVERAL
        if len(arguments) < 2 if several else len(arguments) != 1:
            takes = "two values or more" if several else "one value"
            self.fail(f"{function.value}() takes {takes}, not {len(arguments)}",
                      f"write {function.value}({'a, b' if several else 'a'})", span)  # fmt: skip
        return Call(function.value, tuple(arguments), (), span)

    # ---- what may come next --------------------------------------------------------------------

    def close(self, opening: Token, closing: str) -> None:
        if self.is_operator(closing):
            self.take()
        elif self.token.kind == "end":
            self.fail(f"`{opening.value}` is never closed", f"add a `{closing}`", opening.span)
        else:
            self.unexpected()

    def no_operand(self) -> NoReturn:
        before = self.tokens[self.at - 1].value if self.at else ""
        if self.token.kind == "end":
            self.fail(f"the hypothesis ends after `{before}`", "complete it: Days > 0")
        self.fail(f"expected a name or a number, found `{self.token.value}`",
                  "is a name missing here? Odd names stand in backticks: `odd name`")  # fmt: skip

    def unexpected(self) -> NoReturn:
        token = self.token
        if (token.kind == "op" and token.value in _INSTEAD) or token.value in ("!=", "||"):
            self.fail(f"`{token.value}` is not understood", _INSTEAD[token.value[0]])
        if token.kind == "op":
            self.fail(f"`{token.value}` cannot stand here",
                      "understood are + - * / ^, < <= > >= =, and parentheses")  # fmt: skip
        before = self.tokens[self.at - 1].value
        self.fail(f"missing operator between `{before}` and `{token.value}`",
                  "put a name that holds blanks in backticks: `odd name`")  # fmt: skip

    def end(self) -> None:
        if self.token.kind != "end":
            self.unexpected()


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        return tokenize(text)
    except FormulaError:
        at = next((k for k, c in enumerate(text) if c in _INSTEAD and c != "|"), None)
        if at is None:
            raise
        fail(text, Span(at, at + 1), f"unexpected character {text[at]!r}", _INSTEAD[text[at]])


def plain(name: str) -> str:
    """A name without what may be written in several ways: blanks, quotes and backticks."""
    return "".join(c for c in name if not c.isspace() and c not in "`\"'")
