"""Dual numbers, x + x' e with e^2 = 0, for compiled code: exact derivatives of a scalar function.

A function that numba compiles for numbers is compiled for these as well; where one argument has
the slope 1 and the others 0, the result has the derivative by that one (forward differentiation).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, lower_cast, models, overload, register_model

from mixedbayes import jit
from mixedbayes.jit import Conversion
from mixedbayes.numerics.special import digamma

_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)
_inlined = jit.inner(forceinline=True)


class DualType(types.Type):
    """The type of a dual number; plain numbers become dual ones of slope 0."""

    def __init__(self) -> None:
        super().__init__(name="Dual")

    def unify(self, typingctx: Any, other: Any) -> Any:
        return self if isinstance(other, types.Number | types.Boolean) else None

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        return Conversion.safe if isinstance(other, types.Number | types.Boolean) else None


DUAL = DualType()


@register_model(DualType)
class _DualModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        members = [("value", types.float64), ("slope", types.float64)]
        super().__init__(manager, kind, members)


@lower_cast(types.Number, DualType)
@lower_cast(types.Boolean, DualType)
def _from_number(context: Any, builder: Any, given: Any, kind: Any, value: Any) -> Any:
    made = context.make_helper(builder, kind)
    made.value = context.cast(builder, value, given, types.float64)
    made.slope = context.get_constant(types.float64, 0.0)
    return made._getvalue()


def _typed_dual(_typingctx: Any, value: Any, slope: Any) -> Any:

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = context.make_helper(builder, DUAL)
        made.value, made.slope = (
            context.cast(builder, x, kind, types.float64)
            for x, kind in zip(args, signature.args, strict=True)
        )
        return made._getvalue()

    return DUAL(value, slope), codegen


dual: Any = intrinsic(_typed_dual)  # dual(x, slope), in compiled code


def _pair(context: Any, builder: Any, kind: Any, x: Any) -> tuple[Any, Any]:
    """Value and slope of an argument; None as the slope of a plain number."""
    if not isinstance(kind, DualType):
        return context.cast(builder, x, kind, types.float64), None
    found = context.make_helper(builder, DUAL, value=x)
    return found.value, found.slope


def _typed_split(_typingctx: Any, number: Any) -> Any:

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, slope = _pair(context, builder, signature.args[0], args[0])
        zero = context.get_constant(types.float64, 0.0)
        pair = (value, zero if slope is None else slope)
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.float64, 2)(number), codegen


_split: Any = intrinsic(_typed_split)  # (value, slope)


@_inlined
def value_and_slope(x):
    """(value, slope) of a dual number, or of a plain one."""
    return _split(x)


def _takes(*kinds: Any) -> bool:
    return any(isinstance(k, DualType) for k in kinds) and all(
        isinstance(k, DualType | types.Number | types.Boolean) for k in kinds
    )


def _of_one(functions: tuple[Any, ...], rule: Callable[..., Any]) -> None:
    """`rule(x)` is the value at x and the derivative there."""
    compiled = _inlined(rule)

    def typed(x):
        if not _takes(x):
            return None

        def call(x):
            a, slope = _split(x)
            value, rate = compiled(a)
            return dual(value, rate * slope if slope != 0.0 else 0.0)

        return call

    for function in functions:
        overload(function)(typed)


def _of_two(functions: tuple[Any, ...], rule: Callable[..., Any]) -> None:
    """`rule(x, y)` is the value and both derivatives."""
    compiled = _inlined(rule)

    def typed(x, y):
        if not _takes(x, y):
            return None

        def call(x, y):
            a, slope_a = _split(x)
            b, slope_b = _split(y)
            value, by_a, by_b = compiled(a, b)
            slope = by_a * slope_a if slope_a != 0.0 else 0.0
            return dual(value, slope + by_b * slope_b if slope_b != 0.0 else slope)

        return call

    for function in functions:
        overload(function)(typed)


type _Slopes = tuple[Any, Any]


def _sum(builder: Any, x: Any, y: Any) -> Any:
    """x + y, where None stands for 0."""
    if x is None or y is None:
        return y if x is None else x
    return builder.fadd(x, y)


def _times(builder: Any, x: Any, y: Any) -> Any:
    return None if x is None else builder.fmul(x, y)


def _less(builder: Any, x: Any, y: Any) -> Any:
    return x if y is None else builder.fneg(y) if x is None else builder.fsub(x, y)


def _add(builder: Any, a: Any, b: Any, da: Any, db: Any) -> _Slopes:
    return builder.fadd(a, b), _sum(builder, da, db)


def _subtract(builder: Any, a: Any, b: Any, da: Any, db: Any) -> _Slopes:
    return builder.fsub(a, b), _less(builder, da, db)


def _multiply(builder: Any, a: Any, b: Any, da: Any, db: Any) -> _Slopes:
    slope = _sum(builder, _times(builder, da, b), _times(builder, db, a))
    return builder.fmul(a, b), slope


def _divide(builder: Any, a: Any, b: Any, da: Any, db: Any) -> _Slopes:
    value = builder.fdiv(a, b)
    return value, builder.fdiv(_less(builder, da, _times(builder, db, value)), b)


def _arithmetic(functions: tuple[Any, ...], rule: Callable[..., _Slopes]) -> None:
    """The four operations, as instructions: nothing is compiled for each of them."""

    def instruction(_typingctx: Any, x: Any, y: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pairs = [
                _pair(context, builder, kind, arg)
                for kind, arg in zip(signature.args, args, strict=True)
            ]
            (a, da), (b, db) = pairs
            out = context.make_helper(builder, DUAL)
            out.value, out.slope = rule(builder, a, b, da, db)
            return out._getvalue()

        return DUAL(x, y), codegen

    made: Any = intrinsic(instruction)

    def typed(x, y):
        return (lambda x, y: made(x, y)) if _takes(x, y) else None

    for function in functions:
        overload(function)(typed)


def _compared(function: Any) -> None:
    def typed(x, y):
        if not _takes(x, y):
            return None
        return lambda x, y: function(_split(x)[0], _split(y)[0])

    overload(function)(typed)


def _asked(function: Any) -> None:
    def typed(x):
        if not _takes(x):
            return None
        return lambda x: function(_split(x)[0])

    overload(function)(typed)


@_inlined
def _power(a: float, b: float) -> tuple[float, float, float]:
    value = math.pow(a, b)
    by_a = b * math.pow(a, b - 1.0) if b != 0.0 else 0.0
    return value, by_a, value * math.log(a) if value != 0.0 else 0.0


@_inlined
def _lgamma_slope(x: float) -> float:
    """digamma, by reflection below 0."""
    if x > 0.0:
        return digamma(x)
    return digamma(1.0 - x) - math.pi / math.tan(math.pi * x)


_RULES_OF_ONE: tuple[tuple[tuple[Any, ...], Callable[..., Any]], ...] = (
    ((operator.neg,), lambda x: (-x, -1.0)),
    ((operator.pos, float), lambda x: (x, 1.0)),
    ((abs, operator.abs, math.fabs, np.abs), lambda x: (abs(x), math.copysign(1.0, x))),
    ((math.exp, np.exp), lambda x: (math.exp(x), math.exp(x))),
    ((math.expm1, np.expm1), lambda x: (math.expm1(x), math.exp(x))),
    ((math.log, np.log), lambda x: (math.log(x), 1.0 / x)),
    ((math.log1p, np.log1p), lambda x: (math.log1p(x), 1.0 / (1.0 + x))),
    ((math.log2, np.log2), lambda x: (math.log2(x), 1.0 / (x * math.log(2.0)))),
    ((math.log10, np.log10), lambda x: (math.log10(x), 1.0 / (x * math.log(10.0)))),
    ((math.sqrt, np.sqrt), lambda x: (math.sqrt(x), 0.5 / math.sqrt(x))),
    ((np.square,), lambda x: (x * x, 2.0 * x)),
    ((math.sin, np.sin), lambda x: (math.sin(x), math.cos(x))),
    ((math.cos, np.cos), lambda x: (math.cos(x), -math.sin(x))),
    ((math.tan, np.tan), lambda x: (math.tan(x), 1.0 + math.tan(x) ** 2)),
    ((math.asin, np.arcsin), lambda x: (math.asin(x), 1.0 / math.sqrt(1.0 - x * x))),
    ((math.acos, np.arccos), lambda x: (math.acos(x), -1.0 / math.sqrt(1.0 - x * x))),
    ((math.atan, np.arctan), lambda x: (math.atan(x), 1.0 / (1.0 + x * x))),
    ((math.sinh, np.sinh), lambda x: (math.sinh(x), math.cosh(x))),
    ((math.cosh, np.cosh), lambda x: (math.cosh(x), math.sinh(x))),
    ((math.tanh, np.tanh), lambda x: (math.tanh(x), 1.0 - math.tanh(x) ** 2)),
    ((math.asinh, np.arcsinh), lambda x: (math.asinh(x), 1.0 / math.sqrt(x * x + 1.0))),
    ((math.acosh, np.arccosh), lambda x: (math.acosh(x), 1.0 / math.sqrt(x * x - 1.0))),
    ((math.atanh, np.arctanh), lambda x: (math.atanh(x), 1.0 / (1.0 - x * x))),
    ((math.erf,), lambda x: (math.erf(x), _TWO_OVER_ROOT_PI * math.exp(-x * x))),
    ((math.erfc,), lambda x: (math.erfc(x), -_TWO_OVER_ROOT_PI * math.exp(-x * x))),
    ((math.lgamma,), lambda x: (math.lgamma(x), _lgamma_slope(x))),
    ((math.gamma,), lambda x: (math.gamma(x), math.gamma(x) * _lgamma_slope(x))),
)
_RULES_OF_TWO: tuple[tuple[tuple[Any, ...], Callable[..., Any]], ...] = (
    ((operator.mod, operator.imod), lambda a, b: (a % b, 1.0, -math.floor(a / b))),
    ((operator.pow, operator.ipow, math.pow, np.power), _power.py_func),
    (
        (math.atan2, np.arctan2),
        lambda a, b: (math.atan2(a, b), b / (a * a + b * b), -a / (a * a + b * b)),
    ),
    (
        (math.hypot, np.hypot),
        lambda a, b: (math.hypot(a, b), a / math.hypot(a, b), b / math.hypot(a, b)),
    ),
    ((max, np.maximum), lambda a, b: (max(a, b), 1.0 if a >= b else 0.0, 0.0 if a >= b else 1.0)),
    ((min, np.minimum), lambda a, b: (min(a, b), 1.0 if a <= b else 0.0, 0.0 if a <= b else 1.0)),
)
_ARITHMETIC: tuple[tuple[tuple[Any, ...], Callable[..., _Slopes]], ...] = (
    ((operator.add, operator.iadd, np.add), _add),
    ((operator.sub, operator.isub, np.subtract), _subtract),
    ((operator.mul, operator.imul, np.multiply), _multiply),
    ((operator.truediv, operator.itruediv, np.divide), _divide),
)
for _functions, _rule in _ARITHMETIC:
    _arithmetic(_functions, _rule)
for _functions, _rule in _RULES_OF_ONE:
    _of_one(_functions, _rule)
for _functions, _rule in _RULES_OF_TWO:
    _of_two(_functions, _rule)
_COMPARISONS: tuple[Any, ...] = (
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
)  # fmt: skip
_QUESTIONS: tuple[Any, ...] = (
    math.floor, math.ceil, math.trunc, math.isnan, math.isinf, math.isfinite, np.isnan, np.isinf,
    np.isfinite, np.floor, np.ceil, np.sign, round, int, bool,
)  # fmt: skip
for _each in _COMPARISONS:
    _compared(_each)
for _each in _QUESTIONS:
    _asked(_each)
