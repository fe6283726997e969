"""Whether a function of the caller's gives each row the same, whichever rows come with it.

A transform that looks at all rows, such as x - x.mean(), would give new rows other values than the
fit gave them. The check asks the function again about some of the rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.errors import DataError

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
