"""Formulas as text: tokens, tree, terms. No data is seen here."""

from mixedbayes.formula.parser import (
    canonical,
    parse,
    parse_all,
    parse_axes,
    parse_expression,
    parse_terms,
)
from mixedbayes.formula.residual import parse_residual, with_residual
from mixedbayes.formula.tokens import caret
from mixedbayes.formula.types import Axes, Formula, RandomTerm, ResidualTerm, Response, Span

__all__ = [
    "Axes",
    "Formula",
    "RandomTerm",
    "ResidualTerm",
    "Response",
    "Span",
    "canonical",
    "caret",
    "parse",
    "parse_all",
    "parse_axes",
    "parse_expression",
    "parse_residual",
    "parse_terms",
    "with_residual",
]
