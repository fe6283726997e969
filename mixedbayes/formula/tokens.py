"""A formula's text, cut into tokens that know their place, and errors that point at it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from mixedbayes.errors import FormulaError
from mixedbayes.formula.types import Span

_WINDOW = 100


def caret(text: str, span: Span) -> str:
    """The line of `text` that holds `span`, with carets under it.

    A span that runs past its line is marked to the end of the line; an empty one gets one caret.
    """
    start = min(span.start, len(text))
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", first)
    line = text[first : last if last >= 0 else len(text)]
    column = start - first
    width = max(1, min(span.end, first + len(line)) - start)
    if column > _WINDOW:  # keep the place in sight in a very long line
        cut = column - _WINDOW // 2
        line, column = "..." + line[cut:], column - cut + 3
    if len(line) > column + width + _WINDOW:
        line = line[: column + width + _WINDOW // 2] + "..."
    # tabs are kept, so that the caret stands right at any tab width
    blank = "".join(c if c == "\t" else " " for c in line[:column])
    return f"    {line}\n    {blank}{'^' * width}"


def fail(text: str, span: Span, fact: str, remedy: str) -> NoReturn:
    """Raise the FormulaError that shows `fact`, the place in the formula, and the remedy."""
    raise FormulaError(f"{fact}\n{caret(text, span)}\n{remedy}")


Kind = Literal["name", "column", "string", "number", "op", "end"]

# A name may hold dots, as in R: `Sepal.Length`, `contr.sum`. There is no attribute access.
_NAME = re.compile(r"[^\W\d][\w.]*")
_PATTERN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<name>[^\W\d][\w.]*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|`(?P<column>[^`]*)`"
    r"|\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'"
    r"|(?P<op>\|\||\*\*|//|<=|>=|==|!=|[-~|+*/:^()\[\],=<>%])"
)
# Names that are values where arithmetic is done; a column of such a name needs backticks.
CONSTANTS: dict[str, bool | None] = {
    "True": True, "TRUE": True, "False": False, "FALSE": False, "None": None, "NULL": None,
}  # fmt: skip
_KINDS: dict[str, Kind] = {
    "name": "name", "number": "number", "column": "column", "op": "op",
}  # fmt: skip
_ILLEGAL = {
    "`": "close the backtick: `odd name`",
    '"': 'close the quote: "odd name"',
    "'": "close the quote: 'odd name'",
    ".": "`.` for all other columns is not understood: name the columns",
    "−": "write a plain minus sign, -",
    "{": "there is no {code} in a formula: pass a function by functions={...} and call it by name",
}


@dataclass(frozen=True)
class Token:
    """One piece of a formula: its kind, its value without quotes, and its place."""

    kind: Kind
    value: str
    span: Span


def is_plain(name: str) -> bool:
    """Whether a column's name can stand in a formula without backticks."""
    return _NAME.fullmatch(name) is not None and name not in CONSTANTS


def tokenize(text: str) -> tuple[Token, ...]:
    """Cut a formula into tokens; the last one, of kind "end", is empty.

    Raises
    ------
    FormulaError
        At a character that no formula has, and at a quote or backtick that is never closed.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            _illegal(text, at)
        span = Span(at, match.end())
        kind = match.lastgroup or ""
        if kind == "column" and not match["column"].strip():
            fail(text, span, "a column name is empty", "put the column's name between backticks")
        if kind in ("double", "single"):
            tokens.append(Token("string", match[kind], span))
        elif kind in _KINDS:
            tokens.append(Token(_KINDS[kind], match[kind], span))
        at = match.end()
    return (*tokens, Token("end", "", Span(len(text), len(text))))


def _illegal(text: str, at: int) -> NoReturn:
    char = text[at]
    fact = f"{char!r} is never closed" if char in "`\"'" else f"unexpected character {char!r}"
    remedy = _ILLEGAL.get(char, "put a column's odd name in backticks: `odd name`")
    fail(text, Span(at, at + 1), fact, remedy)
