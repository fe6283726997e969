"""From the scale of a transformed response, such as log(y), back to that of its column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.build import Fitted
from mixedbayes.design.functions import REGISTERED
from mixedbayes.design.memory import Memory
from mixedbayes.design.types import Design, Floats
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.formula.counts import count_columns
from mixedbayes.formula.nodes import Call, Literal, Name, Node, Operation, Paren, Sign, unparse


@dataclass(frozen=True)
class Step:
    """One transform undone; values beyond the ends of what it can give count as that end."""

    undo: Callable[[Floats], Floats]
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Original:
    """The column that a response is made of, and the way back to it."""

    column: str
    steps: tuple[Step, ...]  # in the order in which they are undone

    def back(self, values: Floats) -> Floats:
        """Values of the response as values of the column."""
        with np.errstate(all="ignore"):
            for step in self.steps:
                values = step.undo(np.clip(values, step.low, step.high))
        return values


def is_transformed(design: Design) -> bool:
    """Whether the response is an expression, not a column, or several, as they are."""
    text = design.formula.response.text
    several = design.several is not None or count_columns(text)
    return not isinstance(parse_expression(text), Name) and not several


def scale_note(design: Design, way: Original | None = None) -> str:
    """What values of the response are of, where it is an expression; `way` where it was undone."""
    if not is_transformed(design):
        return ""
    if way is not None:
        return f"On the original scale: of {way.column}, of which {design.response} was modelled."
    return f"On the model's scale: of {design.response}. {_hint(design)}".strip()


def _hint(design: Design) -> str:
    try:
        return f'scale="original" gives {original(design).column}.'
    except ModelError:
        return ""


def original(design: Design) -> Original:
    """The way back from the response to its column.

    Raises
    ------
    ModelError
        The response is made of several columns, or by what has no inverse.
    """
    if not isinstance(design.columns, Fitted):
        raise ModelError("this design was made by hand: it does not know how its response was made")
    column, steps = _undone(
        parse_expression(design.formula.response.text), design.columns.memory, design.response
    )
    return Original(column, tuple(steps))


_TINY = float(np.finfo(float).tiny)
_BELOW_ONE = 1 - float(np.finfo(float).epsneg)
_INVERSES: Mapping[str, Step] = {
    "log": Step(np.exp),
    "log2": Step(np.exp2),
    "log10": Step(lambda x: 10.0**x),
    "log1p": Step(np.expm1),
    "exp": Step(np.log, low=_TINY),
    "exp2": Step(np.log2, low=_TINY),
    "expm1": Step(np.log1p, low=-_BELOW_ONE),
    "sqrt": Step(np.square, low=0.0),
    "cbrt": Step(lambda x: x**3),
    "arcsinh": Step(np.sinh),
    "sinh": Step(np.arcsinh),
    "arctanh": Step(np.tanh),
    "tanh": Step(np.arctanh, -_BELOW_ONE, _BELOW_ONE),
    "negative": Step(np.negative),
    "positive": Step(np.positive),
    "I": Step(np.positive),
}


def _undone(node: Node, memory: Memory, text: str) -> tuple[str, list[Step]]:
    """The column in an expression, and the steps back to it."""
    match node:
        case Name(name=name):
            return name, []
        case Paren(inner=inner):
            return _undone(inner, memory, text)
        case Sign(operator=operator, operand=operand):
            column, steps = _undone(operand, memory, text)
            return column, [Step(np.negative if operator == "-" else np.positive), *steps]
        case Call(function=function, arguments=(argument, *rest), keywords=()) if not rest:
            step = _of_call(node, function, memory, text)
            column, steps = _undone(argument, memory, text)
            return column, [step, *steps]
        case Operation(operator=operator, left=left, right=right):
            number = _number(right)
            inner = left if number is not None else right
            found = number if number is not None else _number(left)
            undo = None if found is None else _of_number(operator, found, number is not None)
            if undo is None:
                raise _refused(node, text)
            column, steps = _undone(inner, memory, text)
            return column, [undo, *steps]
    raise _refused(node, text)


def _of_call(node: Node, function: str, memory: Memory, text: str) -> Step:
    own = memory.functions.get(function)
    if own is not REGISTERED.get(function):
        raise ModelError(
            f"{text}: {function} is a function of your own, whose inverse is not known; transform "
            "the draws of predict(draws=True) yourself"
        )
    state = memory.states.get(unparse(node), {})
    if function in ("center", "scale") and state:
        mean, sd = state["mean"], state.get("sd", 1.0)
        return Step(lambda x: x * sd + mean)
    if function not in _INVERSES:
        raise _refused(node, text)
    return _INVERSES[function]


def _of_number(operator: str, c: float, after: bool) -> Step | None:
    """How `x operator c` (`after`) or `c operator x` is undone; None where it cannot be."""
    if operator == "+":
        return Step(lambda x: x - c)
    if operator == "-":
        return Step((lambda x: x + c) if after else (lambda x: c - x))
    if operator == "*" and c != 0:
        return Step(lambda x: x / c)
    if operator == "/" and after and c != 0:
        return Step(lambda x: x * c)
    if operator == "**" and after and c > 0:
        if c % 2 == 1:
            return Step(lambda x: np.sign(x) * np.abs(x) ** (1 / c))
        return Step(lambda x: x ** (1 / c), low=0.0) if c % 1 else None
    if operator == "**" and not after and c > 0 and c != 1:
        return Step(lambda x: np.log(x) / np.log(c), low=_TINY)
    return None


def _number(node: Node) -> float | None:
    match node:
        case Literal(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case Paren(inner=inner):
            return _number(inner)
        case Sign(operator=operator, operand=operand):
            found = _number(operand)
            return found if found is None or operator == "+" else -found
    return None


def _refused(node: Node, text: str) -> ModelError:
    where = "" if unparse(node) == text else f"{unparse(node)} in "
    return ModelError(
        f"{where}{text} cannot be undone: the way back is known for one column under log, log2, "
        "log10, log1p, exp, exp2, expm1, sqrt, cbrt, center, scale and arithmetic with numbers; "
        "transform the draws of predict(draws=True) yourself"
    )
