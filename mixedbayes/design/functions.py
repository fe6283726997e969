"""The functions a formula may call, and nothing else.

Registered are I, C, round, center, scale, the splines, polynomials and contrasts of `columns`, and
NumPy's elementwise functions by plain name: log, exp, sqrt, sin, ... What the caller passes in
`functions={...}` comes on top.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from mixedbayes.design import columns
from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError
from mixedbayes.formula.tokens import is_plain

State = dict[str, Any]


@dataclass(frozen=True)
class Stateful:
    """A transform that learns from the data of the fit and repeats itself on new data.

    `call(state, x, ...)` fills an empty state, and obeys one that is filled. x is numbers; what
    follows are settings, the same in all rows.
    """

    call: Callable[..., Any]


def _center(state: State, x: Floats) -> Floats:
    """x minus its mean in the fitted data."""
    return x - state.setdefault("mean", float(np.mean(x)))


def _scale(state: State, x: Floats) -> Floats:
    """(x - mean) / sd, both of the fitted data, the sd with n - 1 as in R."""
    centred = _center(state, x)
    if "sd" not in state:
        state["sd"] = float(np.std(x, ddof=1)) if len(x) > 1 else 0.0
    if state["sd"] == 0:
        raise DataError("the values are constant: there is no standard deviation to scale by")
    return centred / state["sd"]


def _identity(x: Any) -> Any:
    """x itself: I(...) marks arithmetic in a formula."""
    return x


def _round(state: State, x: Floats, digits: float = 0) -> Floats:
    """x rounded to whole numbers, or to digits after the point; halves to the even neighbour."""
    if not isinstance(digits, (int, float)) or digits not in range(-300, 301):
        raise DataError(f"the number of digits is a whole number, not {digits!r}")
    return np.round(x, int(digits))


def _elementwise() -> dict[str, np.ufunc]:
    """NumPy's ufuncs of one result; generalised ones such as matmul work across rows."""
    found = {name: value for name, value in vars(np).items() if isinstance(value, np.ufunc)}
    return {name: f for name, f in found.items() if f.nout == 1 and f.signature is None}


REGISTERED: Mapping[str, Any] = MappingProxyType(
    {
        **_elementwise(),
        "pi": np.pi,
        "I": _identity,
        "center": Stateful(_center),
        "scale": Stateful(_scale),
        "round": Stateful(_round),  # with nothing to learn
        "poly": Stateful(columns.poly),
        "bs": Stateful(columns.bs),
        "cr": Stateful(columns.cr),
        "cc": Stateful(columns.cc),
        "C": None,  # the evaluator's own: its argument is a column, not numbers
        **columns.CONTRASTS,
    }
)


def registry(functions: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The registered functions and the caller's, which come first.

    Raises
    ------
    DataError
        If a name cannot stand in a formula.
    """
    for name in functions or {}:
        if not isinstance(name, str) or not is_plain(name) or name in ("C", "offset"):
            raise DataError(
                f"functions: {name!r} cannot be the name of a function in a formula; "
                "use letters, digits, `_` and `.`, and neither C nor offset"
            )
    return {**REGISTERED, **(functions or {})}
