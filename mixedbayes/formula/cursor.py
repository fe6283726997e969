"""A place among the tokens of a text, which parsers by recursive descent move along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NoReturn

from mixedbayes.formula.tokens import Token, fail
from mixedbayes.formula.types import Span


class Cursor:
    """The token at hand, and what lies behind it."""

    deepest: ClassVar[int]  # how far parts may lie within one another
    shallower: ClassVar[str]  # what to do where they lie deeper

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text, self.tokens = text, tokens
        self.at = self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def since(self, start: int) -> Span:
        return Span(start, self.tokens[self.at - 1].span.end)

    def fail(self, fact: str, remedy: str, span: Span | None = None) -> NoReturn:
        fail(self.text, span or self.token.span, fact, remedy)

    def descend(self) -> None:
        self.depth += 1
        if self.depth > self.deepest:
            self.fail(f"nested more than {self.deepest} deep", self.shallower)
