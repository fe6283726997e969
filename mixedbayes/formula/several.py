"""A formula for the mean and formulas for further parameters, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mixedbayes.errors import FormulaError
from mixedbayes.formula.messages import fail
from mixedbayes.formula.nodes import Name
from mixedbayes.formula.parser import parse, parse_expression
from mixedbayes.formula.types import Formula


def parse_all(formula: str | Sequence[str]) -> Formula:
    """Read one formula, or several: the response's first, then one for each further parameter.

    >>> parse_all(["y ~ x + (1 | g)", "sigma ~ x"]).others[0].response.text
    'sigma'
    """
    if isinstance(formula, str):
        return parse(formula)
    texts = list(formula) if isinstance(formula, Sequence) else [formula]
    if not texts:
        raise FormulaError('no formula; write for example ["y ~ x + (1 | g)", "sigma ~ x"]')
    first, *others = (parse(text) for text in texts)
    seen: set[str] = set()
    for other in others:
        _check_parameter(other, seen)
    return replace(first, others=tuple(others))


def _check_parameter(other: Formula, seen: set[str]) -> None:
    """The left side of a further formula is the name of a parameter, given once."""
    response, span = other.response, other.response.span
    plain = response.trials is None and response.weights is None
    if not plain or not isinstance(parse_expression(response.text), Name):
        fail(
            other.text,
            span,
            "the left side of a further formula is the name of a parameter",
            'write for example ["y ~ x + (1 | g)", "sigma ~ x"], the response\'s formula first',
        )
    if response.text in seen:
        fail(
            other.text,
            span,
            f"{response.text} has two formulas",
            "write one formula with all its terms",
        )
    seen.add(response.text)
