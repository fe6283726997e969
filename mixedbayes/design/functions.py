"""The functions a formula may call, and nothing else.

Registered are I, C, round, center, scale, the splines, polynomials and contrasts of `columns`, and
NumPy's elementwise functions by plain name: log, exp, sqrt, sin, ... What the caller passes in
`functions={...}` comes on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.design import columns
from mixedbayes.design.types import Floats
from mixedbayes.design.values import Steps
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
        "mo": Steps,  # likewise
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


# ---- functions of the caller's, row by row -----------------------------------------------------
# A transform that looks at all rows, such as x - x.mean(), would give new rows other values than
# the fit gave them. The check asks the function again about some of the rows.


_TOLERANCE = 1e-8  # vectorised code may differ in the last digits with the number of rows


def check_rowwise(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    result: Any,
    text: str,
) -> None:
    """The values of some rows by themselves are those that they have among all rows.

    Parameters
    ----------
    function, arguments, keywords
        Of the call; arrays among the arguments are columns.
    result
        What it gave for all rows.
    text
        Of the call, for the message.

    Raises
    ------
    DataError
        If they differ, or cannot be computed; with what to do instead.
    """
    inputs = [a for a in (*arguments, *keywords.values()) if isinstance(a, np.ndarray)]
    whole = _array(result)
    if not inputs or len(whole) != len(inputs[0]):
        return
    parts = (rows for rows in _parts(inputs[0], whole) if 0 < len(rows) < len(whole))
    for rows in parts:
        own = [_some(a, rows) for a in arguments]
        named = {key: _some(a, rows) for key, a in keywords.items()}
        try:
            with np.errstate(all="ignore"):
                alike = _same(_array(function(*own, **named)), whole, rows)
        except Exception:  # it cannot do with fewer rows
            alike = False
        if not alike:
            raise DataError(
                f"{text} gives {len(rows)} of the {len(whole)} rows other values by themselves "
                "than among all: new rows would not be read as the fitted ones are. Make its "
                "result a column of the data; or write center(x), scale(x), or arithmetic with a "
                "function that returns one number, such as I(x - mean(x)): that number is kept "
                "from the fit"
            )


def _parts(column: NDArray[Any], whole: NDArray[Any]) -> Iterator[NDArray[np.intp]]:
    """Rows to ask about: single ones far apart or rare, every other one, the last half."""
    n = len(column)
    ends = [row for values in (column, whole) for row in (*_order(values)[[0, -1]], *_rare(values))]
    yield from (np.array([row]) for row in sorted({0, n // 2, n - 1, *map(int, ends)}))
    yield from (np.arange(0, n, 2), np.arange(1, n, 2), np.arange(n // 2, n))


def _order(values: NDArray[Any]) -> NDArray[np.intp]:
    return np.argsort(_sortable(values), kind="stable")


def _rare(values: NDArray[Any]) -> NDArray[np.intp]:
    """A row of the value that occurs least, and of that which occurs most."""
    _, rows, counts = np.unique(_sortable(values), return_index=True, return_counts=True)
    return rows[[np.argmin(counts), np.argmax(counts)]]


def _sortable(values: NDArray[Any]) -> NDArray[Any]:
    first = values.reshape(len(values), -1)[:, 0] if values.size else np.zeros(len(values))
    return first if first.dtype.kind in "biuf" else first.astype(str)


def _some(value: Any, rows: NDArray[np.intp]) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    part = value[rows]
    part.flags.writeable = False
    return part


def _array(result: Any) -> NDArray[Any]:
    """What a function gave, one element or line in each row."""
    return np.atleast_1d(np.asarray(result))


def _same(own: NDArray[Any], whole: NDArray[Any], rows: NDArray[np.intp]) -> bool:
    among = whole[rows]
    own = np.broadcast_to(own, among.shape)
    if among.dtype.kind in "biufc" and own.dtype.kind in "biufc":
        finite = np.abs(whole[np.isfinite(whole)]).max(initial=0.0)
        return bool(np.allclose(own, among, _TOLERANCE, _TOLERANCE * finite, equal_nan=True))
    missing = pd.isna(own) & pd.isna(among)
    return bool(np.all((own == among) | missing))
