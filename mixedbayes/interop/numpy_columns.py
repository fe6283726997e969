"""Columns of a model as pandas and NumPy expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from mixedbayes import names
from mixedbayes.design.functions import REGISTERED
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Call, Literal, Name, Node, Operation, Paren, Sign
from mixedbayes.interop.writing import parts

_LEVEL = re.compile(r"(?P<name>.*?)\[(?P<level>[^\]]*)\]", re.DOTALL)


def py_text(node: Node) -> str:
    """An expression of numbers in NumPy; ModelError for what is not one number for each row."""
    match node:
        case Name(name=name):
            return f"data[{name!r}].astype(float)"
        case Literal(value=int() | float(), text=text):
            return text
        case Paren(inner=inner):
            return f"({py_text(inner)})"
        case Sign(operator=operator, operand=operand):
            return f"{operator}{py_text(operand)}"
        case Operation(operator=operator, left=left, right=right):
            return f"{py_text(left)} {operator} {py_text(right)}"
        case Call(function="I", arguments=(inner,), keywords=()):
            return f"({py_text(inner)})"
        case Call(function="center", arguments=(inner,), keywords=()):
            return f"(({py_text(inner)}) - ({py_text(inner)}).mean())"
        case Call(function="scale", arguments=(inner,), keywords=()):
            return (
                f"({py_text(Call('center', (inner,), (), node.span))} / ({py_text(inner)}).std())"
            )
        case Call(function=function, arguments=arguments, keywords=()) if isinstance(
            REGISTERED.get(function), np.ufunc
        ):
            return f"np.{function}({', '.join(map(py_text, arguments))})"
    what = f"{node.function}()" if isinstance(node, Call) else "a part of the formula"
    raise ModelError(
        f"{what} is not written with NumPy here: make its columns numeric columns of the data, and "
        "use these in the formula"
    )


def column_text(term: str) -> str:
    """The column of a term: ``1.0 * data['x'].astype(float) * (data['f'].astype(str) == 'b')``."""
    return " * ".join(["1.0", *map(_factor, parts(term))])


def _factor(part: str) -> str:
    found = _LEVEL.fullmatch(part)
    text = part if found is None else found["name"]
    try:
        node = parse_expression(text)
    except FormulaError:
        node = None
    call = node if isinstance(node, Call) else None  # else it is a column's own name
    if found is None:
        return f"data[{_name(text, node)!r}].astype(float)" if call is None else _value(call)
    match call:
        case Call(function="C", arguments=(Name(name=name),), keywords=()):
            pass
        case None:
            name = _name(text, node)
        case _:
            raise ModelError(
                f"the columns of {text!r} are not written with NumPy here: make them numeric "
                "columns of the data, and use these in the formula"
            )
    return f"(data[{name!r}].astype(str) == {found['level']!r})"


def _name(text: str, node: Node | None) -> str:
    return node.name if isinstance(node, Name) else text


def _value(call: Call) -> str:
    return f"({py_text(call)})"


def sum_text(shares: Mapping[str, float]) -> str:
    """A sum of columns, each times its share; the intercept's is a number."""
    out = ""
    for term, share in shares.items():
        sign = "-" if share < 0 else "+" if out else ""
        size = [] if abs(share) == 1 and term != names.INTERCEPT else [f"{abs(share):.17g}"]
        value = [] if term == names.INTERCEPT else [column_text(term)]
        out += f" {sign} {' * '.join(size + value)}"
    return out.strip()
