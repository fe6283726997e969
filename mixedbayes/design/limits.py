"""Responses that are known within limits: censored ones, and truncation of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]

LEFT, NONE, RIGHT, INTERVAL = -1, 0, 1, 2


@dataclass(frozen=True, eq=False)
class Limits:
    """How the responses of some rows were observed.

    Attributes
    ----------
    censoring
        (n,) of each row: 0, the response is y; -1, it is at most y; 1, it is above y; 2, it is
        above y and at most `upper`. None where all responses are known.
    upper
        (n,) the upper ends of intervals, NaN in other rows; None where there are none.
    lowest, highest
        (n,) bounds of what could be observed at all, themselves included; None where there is none.
    """

    censoring: Ints | None = None
    upper: Floats | None = None
    lowest: Floats | None = None
    highest: Floats | None = None

    def take(self, rows: Any) -> Limits:
        """Those of some rows, by position or slice."""
        return Limits(*(None if part is None else part[rows] for part in self._parts))

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.censoring, self.upper, self.lowest, self.highest

    @property
    def truncated(self) -> bool:
        """Whether responses beyond some bound could not be observed."""
        return self.lowest is not None or self.highest is not None

    @property
    def bounds(self) -> Limits | None:
        """The truncation alone; None where there is none."""
        return Limits(lowest=self.lowest, highest=self.highest) if self.truncated else None

    @property
    def needed(self) -> Limits | None:
        """What says something of any row; None where nothing does."""
        c, upper, low, high = self._parts
        found = Limits(
            None if c is None or not c.any() else c,
            None if upper is None or np.isnan(upper).all() else upper,
            None if low is None or (low == -np.inf).all() else low,
            None if high is None or (high == np.inf).all() else high,
        )
        return found if any(part is not None for part in found._parts) else None

    def censored(self, n: int) -> NDArray[np.bool_]:
        """(n,) which responses are known within limits only."""
        return np.zeros(n, bool) if self.censoring is None else self.censoring != NONE

    def range(self, y: Floats) -> tuple[Floats, Floats]:
        """(n,) a and b of each row, a < Y <= b; both y where it is known."""
        if self.censoring is None:
            return y, y
        kind = self.censoring
        upper = np.full(len(y), np.nan) if self.upper is None else self.upper
        a = np.where(kind == LEFT, -np.inf, y)
        b = np.select([kind == RIGHT, kind == INTERVAL], [np.inf, upper], y)
        return a, b

    @property
    def columns(self) -> Mapping[str, Floats]:
        """What there is, by name, as numbers."""
        names = ("censoring", "upper", "lowest", "highest")
        return {
            name: np.asarray(part, float)
            for name, part in zip(names, self._parts, strict=True)
            if part is not None
        }


def limits_of(design: Any, rows: Any = slice(None)) -> Limits | None:
    """Limits of some rows of a design, or of rows like one; None where there are none.

    Of several responses those of each.
    """
    every = getattr(design, "several", None)
    found = design.limits if every is None else every.limits
    return None if found is None else found.take(rows)


def together(n: int, each: Iterable[tuple[Ints, Limits | None]]) -> Limits | None:
    """The limits of n rows, from those of some of them; None where none have any."""
    known = [(at, own) for at, own in each if own is not None]
    if not known:
        return None
    censoring, upper = np.full(n, NONE), np.full(n, np.nan)
    lowest, highest = np.full(n, -np.inf), np.full(n, np.inf)
    for at, own in known:
        for whole, part in zip((censoring, upper, lowest, highest), own._parts, strict=True):
            if part is not None:
                whole[at] = part
    return Limits(censoring, upper, lowest, highest).needed


def limits_words(design: Any, between: bool = False) -> list[str]:
    """What numbers of censored or truncated responses are of; none for others.

    `between` is true where they are of observations between the bounds.
    """
    said = design.formula.response
    if design.limits is None or not said.limits:
        return []
    words = []
    if said.cens:
        words.append(f"of {design.response} before censoring, cens({', '.join(said.cens)})")
    if said.trunc != (None, None):
        bounds = said.limits[-1]
        before = f"of {design.response} before truncation"
        words.append(f"{'of observations between the bounds' if between else before}, {bounds}")
    return words


def limits_note(design: Any, between: bool = False) -> str:
    """`limits_words` as sentences; empty where there are none."""
    return " ".join(f"O{words[1:]}." for words in limits_words(design, between))
