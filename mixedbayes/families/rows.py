"""What the compiled engine knows of a family: the response of each row, and its log density."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from mixedbayes import jit
from mixedbayes.families.links import Link
from mixedbayes.jit import to_fixed_tuple
from mixedbayes.theta.record import Floats

compiled = jit.inner(forceinline=True)


@compiled
def nothing(parameters):
    """Rows share nothing."""
    return ()


@cache
def shared_of_row(kept: Any) -> Any:
    """What a row takes as shared: what all rows share, and what is kept of this one; compiled.

    A function of (y, size, extra, parameters, shared), of `RowDensity.kept`.
    """
    if kept is None:

        @compiled
        def same(y, size, extra, parameters, shared):
            return shared

        return same

    @compiled
    def both(y, size, extra, parameters, shared):
        return shared + kept(y, size, extra, parameters, shared)

    return both


@dataclass(frozen=True, eq=False)
class Rows:
    """The response as the row density takes it; the meaning of each number is the family's."""

    y: Floats  # (n,)
    size: Floats  # (n,)
    extra: Floats  # (n,), or (n width,) row by row
    constant: float  # the part of the log likelihood that depends on the data alone

    @classmethod
    def of(cls, y: Floats, size: Floats, constant: float, extra: Floats | None = None) -> Rows:
        return cls(y, size, np.zeros(len(y)) if extra is None else extra, float(constant))


@dataclass(frozen=True)
class RowDensity:
    """log p of one row with its derivatives, as functions that are compiled into the loop over all.

    row(t, y, size, extra, parameters, shared)
        returns log p, without what depends on the data alone, d log p / d t, and the tuple of the
        derivatives by the family's parameters, which are a tuple as well.
    once(parameters)
        what rows share, as a tuple; called when parameters are new.
    kept(y, size, extra, parameters, shared)
        what does not depend on t in a row, as a tuple of `n_kept` real numbers, which follow those
        of `once` in the row's `shared`; called for each row when parameters are new. None: nothing.
    scale
        t is the linear predictor of the family with this link. With another link g, t is that
        function of eta = g(mean) which has the same mean; see `mixedbayes.families.fronts`.
    concave
        Whether log p is concave in t.
    smooth
        Whether it has a derivative everywhere. Where it has none, the search for the mode ends when
        steps gain little: the slope is nowhere near 0.
    merges
        How rows with the same predictor become one: "sum" of y and size; "size", of rows with the
        same y; "extra" of `extra` and size, whatever y; None, not at all.
    odds
        Places of the parameters, shares with the logit link, that the row takes as log odds, which
        hold shares near 0 and near 1 alike; its derivatives are by these.
    loop
        For a family one of whose parameters is a vector, in place of `row`: the whole loop,
        loop(t, y, size, extra, vector, slope, d), which returns the sum of log p, writes
        d log p / d t into slope (n,) and adds derivatives by the vector (k,) to d (k,).
    loop_of_numbers
        The same where the model has other parameters of the family too, m of them:
        loop_of_numbers(t, y, size, extra, vector, numbers, slope, d, d_numbers) with their values
        (m, n) in each row, and derivatives by these, which it writes into d_numbers (m, n).
    each, each_of_numbers
        The same row by row, for quadrature: each(t, y, size, extra, vector, value, slope, d) writes
        log p of the rows into value (n,) and, unless slope is empty, d log p / d t into slope and
        the derivatives by the vector into d (n k); each_of_numbers(t, y, size, extra, vector,
        numbers, value, slope, d, d_numbers) has numbers and d_numbers (m n). t is the predictor
        itself: `scale` is the family's link. None: the family has no such function.
    tails
        For responses that are censored or truncated; None where there are none.
        tails(t, bound, upper, size, parameters, shared)
        returns log P(Y > bound) if upper, else log P(Y <= bound), for bounds as `Family.bound` has
        them, with the derivatives as `row` does; size is the row's `Family.tail_size`.
    mass
        In the place of tails, of distributions with an atom, which two tails do not tell apart from
        what is beside it: log P(a < Y <= b) of such bounds, as `masses.mass_of` has it.
    width
        Numbers of `extra` in a row, which `row` has as a tuple if there are several.
    """

    row: Any = None
    scale: type[Link] = Link
    once: Any = nothing
    kept: Any = None
    n_kept: int = 0
    concave: bool = True
    smooth: bool = True
    merges: Literal["sum", "size", "extra"] | None = None
    odds: tuple[int, ...] = ()
    loop: Any = None
    loop_of_numbers: Any = None
    each: Any = None
    each_of_numbers: Any = None
    tails: Any = None
    mass: Any = None
    width: int = 1

    @property
    def bounded(self) -> bool:
        """Whether responses may be censored or truncated."""
        return self.tails is not None or self.mass is not None


# ---- so many numbers of a row --------------------------------------------------------------------


@compiled
def _one(extra, i):
    return extra[np.uint64(i)]  # so that loops run on vectors


@cache
def picker(width: int) -> Any:
    """The numbers of `extra` in a row: one, or a tuple."""
    if width == 1:
        return _one

    @compiled
    def several(extra, i):
        return to_fixed_tuple(extra[width * i : width * (i + 1)], width)  # type: ignore[call-arg]

    return several


def tuple_of(m: int) -> Any:
    """The tuple of an array of m numbers."""
    if m == 0:
        return _no_tuple

    @compiled
    def as_tuple(values):
        return to_fixed_tuple(values, m)  # type: ignore[call-arg]

    return as_tuple


@compiled
def _no_tuple(values):
    return ()


def entry_of(m: int) -> Any:
    """One of the m derivatives of a row."""
    return _entry if m else _no_entry


@compiled
def _entry(d, k):
    return d[k]


@compiled
def _no_entry(d, k):
    return 0.0
