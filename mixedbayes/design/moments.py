"""Dates, times of day, periods and durations as positions of visits: days, or equal steps.

Times are days since the first in the fitted data, whatever their zone. Visits are steps: months,
where all are at the same day of a month, or at its end; the shortest distance, where all others are
multiples of it; of periods, their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.evaluate import Rows
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.values import listed, row_name
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Name, Node

_SECOND = 10**6  # microseconds
_DAY = 86_400 * _SECOND
_UNITS = (("day", _DAY), ("hour", 3600 * _SECOND), ("minute", 60 * _SECOND), ("second", _SECOND))
_LAST = 31  # day of a month: its end


@dataclass(frozen=True)
class Moments:
    """How the moments of one variable are numbers, fixed by the data of the fit.

    kind
        "times", "times with a zone", "durations", or "periods" of a frequency: new data have the
        same.
    said
        What 1 is, in words: "days", "months", "steps of 7 days".
    origin
        Where 0 is: a month, a period, or microseconds.
    unit
        Microseconds of 1; 0 of months and of periods.
    day
        Of months: at which day; 0 elsewhere.
    """

    name: str
    kind: str
    said: str
    origin: int
    unit: int = 0
    day: int = 0

    def numbers(self, rows: Rows) -> Floats:
        """(m,) of these rows.

        Raises
        ------
        DataError
            They are of another kind, or between steps.
        """
        column = rows.table.columns[self.name]
        if (now := kind_of_moments(column)) != self.kind:
            raise DataError(
                f"{self.name} was {self.kind} in the fitted data and is {now or column.dtype} "
                "here; convert the column"
            )
        found: Any
        if self.day:
            wrong, found = ~_at_day(column, self.day), _months(column) - self.origin
        elif not self.unit:
            wrong, found = np.zeros(len(column), bool), _ordinals(column) - self.origin
        else:
            passed = _microseconds(column, wall=not self.elapsed) - self.origin
            wrong = np.zeros(len(column), bool) if self.elapsed else passed % self.unit != 0
            found = passed / self.unit
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{self.name} is in {self.said} in the fitted data, and {column.iloc[row]} (row "
                f"{row_name(rows.table.index, row)}) lies between; ou() takes any times, in days"
            )
        return np.asarray(found, float)

    @property
    def elapsed(self) -> bool:
        """Whether they are days that passed, not steps."""
        return self.said == "days"

    def texts(self, column: pd.Series) -> list[str]:
        """How tables write moments: dates plain."""
        if self.kind.startswith("times") and not (_clock(column) != 0).any():
            return [str(v.date()) for v in column]
        if self.kind == "durations":
            return [_said(int(v)) for v in _microseconds(column, wall=False)]
        return [str(v) for v in column]

    def beyond(self, numbers: Sequence[float]) -> str:
        """Moments that the fit has not, in a message."""
        return f"{listed([float(v) for v in numbers], 4)}, in {self.said} from the first"


def is_moments(rows: Rows, node: Node) -> bool:
    """Whether an expression is a column of dates, times, periods or durations."""
    column = rows.table.columns.get(node.name) if isinstance(node, Name) else None
    return column is not None and bool(kind_of_moments(column))


def moments(
    rows: Rows, name: str, *, axis: str, text: str, group: str
) -> tuple[Moments, Floats, list[str]]:
    """Of a column how it is numbers, those of the n rows, and the distinct ones' labels in order.

    `axis` is that of the structure.

    Raises
    ------
    DataError
        Visits in steps are not at equal distances, nor at multiples of the shortest.
    """
    column = rows.table.columns[name]
    if axis in ("order", "steps"):
        own = _steps(column, name, text, group)
    else:
        first = int(_microseconds(column, wall=False).min())
        own = Moments(name, kind_of_moments(column), "days", first, _DAY)
    numbers = own.numbers(rows)
    _, where = np.unique(numbers, return_index=True)
    return own, numbers, own.texts(column.iloc[where])


def _steps(column: pd.Series, name: str, text: str, group: str) -> Moments:
    """By the spacing of the distinct moments."""
    kind = kind_of_moments(column)
    if kind.startswith("periods"):
        return Moments(name, kind, f"steps of 1 {_frequency(column)}", int(_ordinals(column).min()))
    clock = np.unique(_microseconds(column, wall=True))
    gaps = np.diff(clock)
    if kind.startswith("times") and len(gaps) and gaps.min() >= 28 * _DAY:
        day = _LAST if _at_day(column, _LAST).all() else int(pd.DatetimeIndex(column)[0].day)
        if _at_day(column, day).all():
            return Moments(name, kind, "months", int(_months(column).min()), day=day)
    step = int(gaps.min()) if len(gaps) else _DAY
    if (gaps % step).any():
        odd = int(np.argmax(gaps % step > 0))
        raise DataError(
            f"{text}: visits are equal steps apart, or multiples of them, and of {name} the "
            f"shortest distance is {_said(step)}, another {_said(int(gaps[odd]))}; write "
            f"ou({name} | {group}), which takes times at any distances, in days, or make a column "
            "of the visits' numbers"
        )
    return Moments(name, kind, f"steps of {_said(step)}", int(clock[0]), step)


def kind_of_moments(column: pd.Series) -> str:
    """What a column of moments holds, see `Moments`; empty of any other."""
    dtype = column.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return f"periods of {_frequency(column)}"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "times with a zone"
    if dtype.kind == "M":
        return "times"
    return "durations" if dtype.kind == "m" else ""


def _frequency(column: pd.Series) -> str:
    return str(column.dtype.freq.freqstr)


def _microseconds(column: pd.Series, *, wall: bool) -> Ints:
    """(n,) of the time on the wall, or of that which passed."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None) if wall else column.dt.tz_convert("UTC")
    index: Any = pd.Index(column)
    return np.asarray(index.as_unit("us").asi8)


def _ordinals(column: pd.Series) -> Ints:
    return np.asarray(pd.PeriodIndex(column).asi8)


def _months(column: pd.Series) -> Ints:
    times = pd.DatetimeIndex(column)
    return np.asarray(times.year * 12 + times.month, np.int64)


def _at_day(column: pd.Series, day: int) -> Any:
    """(n,) whether a time is midnight of this day of a month, or of its end."""
    times = pd.DatetimeIndex(column)
    own = times.is_month_end if day == _LAST else times.day == day
    return np.asarray(own) & (_clock(column) == 0)


def _clock(column: pd.Series) -> Ints:
    """(n,) microseconds since midnight on the wall."""
    return _microseconds(column, wall=True) % _DAY


def _said(microseconds: int) -> str:
    """A duration in its greatest unit."""
    for unit, size in _UNITS:
        if microseconds % size == 0:
            count = microseconds // size
            return f"{count:,} {unit}{'s' * (count != 1)}"
    return str(pd.Timedelta(microseconds, "us"))
