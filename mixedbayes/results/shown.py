"""Tables that show all their columns, with as many digits as one reads."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.io.formats.format import get_dataframe_repr_params

from mixedbayes.printable import escaped, printable

_NOTE = 100  # characters in a line of a note
_MOST = 6  # decimals of numbers that count as rounded
_LARGE = 1e15
_SEEN = 200  # rows at each end of a table, by which its columns are judged


class Table(pd.DataFrame):
    """A data frame in every way but one: printed, it has four digits and hides no column.

    In a terminal of 80 columns pandas leaves out the columns in the middle of a table of estimates,
    the estimate itself among them. Here numbers are short, and what is still too wide goes on
    below. A column of whole numbers has no decimals, and one that was rounded has those that are
    left. `attrs["note"]`, which says what the numbers are of where that is not plain, stands below
    the table. A format of your own (`pd.options.display.float_format`) has precedence. The numbers
    in the table have all their digits.
    """

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table

    def __repr__(self) -> str:
        with _look():
            if self._info_repr():
                return super().__repr__()
            text = self.to_string(**get_dataframe_repr_params(), formatters=_formats(self))
        note = self.attrs.get("note", "")
        return printable("\n".join(filter(None, (text, textwrap.fill(note, _NOTE)))))

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        with _look():
            if self._info_repr():
                return super()._repr_html_()
            most, fewest = (pd.get_option(f"display.{end}_rows") for end in ("max", "min"))
            long = most and len(self) > most
            html = self.to_html(
                max_rows=min(fewest or most, most) if long else None,
                show_dimensions=bool(long),
                notebook=True,
                formatters=_formats(self),
            )
        html, note = printable(html), self.attrs.get("note", "")
        return f"{html}<p><small>{escaped(note)}</small></p>" if note else html


def as_table(found: Any) -> Any:
    """A data frame as a Table; anything else, such as draws, as it is."""
    if not isinstance(found, pd.DataFrame):
        return found
    table = Table(found)
    table.attrs.update(found.attrs)
    return table


def tabled[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """A method whose data frames are Tables."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return as_table(method(*args, **kwargs))

    return call


def short(x: float) -> str:
    """A number in four digits, or all those before the point."""
    if not np.isfinite(x) or abs(x) < 1000:
        return f"{x:#.4g}".removesuffix(".")
    return f"{x:.0f}" if abs(x) < 1e15 else f"{x:.4g}"


def decimals_of(values: NDArray[np.float64]) -> int | None:
    """Decimals that all the numbers have at most; None where they have more than some."""
    finite = values[np.isfinite(values)]
    if not len(finite) or np.abs(finite).max() >= _LARGE:
        return None
    return next((k for k in range(_MOST + 1) if (np.round(finite, k) == finite).all()), None)


def _formats(table: pd.DataFrame) -> list[Callable[[float], str] | None] | None:
    """How each column's numbers are printed; None where pandas does it."""
    if pd.get_option("display.float_format") is not short:
        return None
    return [_format(table.iloc[:, k]) for k in range(table.shape[1])]


def _format(column: pd.Series) -> Callable[[float], str] | None:
    if column.dtype != np.float64:
        return None
    ends = column if len(column) <= 2 * _SEEN else pd.concat([column[:_SEEN], column[-_SEEN:]])
    places = decimals_of(ends.to_numpy())

    def text(x: float) -> str:
        if np.isnan(x):
            return "NaN"
        return short(x) if places is None or not np.isfinite(x) else f"{x + 0.0:.{places}f}"

    return text


def _look() -> AbstractContextManager[None]:
    own = pd.get_option("display.float_format")
    return pd.option_context(
        "display.float_format", own or short, "display.max_columns", None,
        "display.expand_frame_repr", True,
    )  # fmt: skip
