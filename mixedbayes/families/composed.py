"""One compiled density of rows of several families: each row's is that of its response."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mixedbayes import jit
from mixedbayes.families.fronts import SAME, Front, inverse, odds
from mixedbayes.families.links import Identity
from mixedbayes.families.rows import (
    RowDensity,
    compiled,
    entry_of,
    picker,
    shared_of_row,
    tuple_of,
)

HEAD = 2  # numbers of `extra` of each response before those of rows: its width, and its thresholds


@dataclass(frozen=True)
class Component:
    """The rows of one response.

    places
        Of its own numbers among those of all responses, which are predictors.
    codes
        Of the links of these, see `fronts`.
    first
        Where the predictor of its mean is among those of all; -1: it is that of the mean of all.
    """

    density: RowDensity
    front: Front
    places: tuple[int, ...]
    codes: tuple[int, ...]
    first: int = -1


@cache
def composed(components: tuple[Component, ...], m: int) -> RowDensity:
    """Rows with m numbers, and after them that of their response, 0, 1, ....

    `extra` has HEAD numbers of each response, and then those of all rows of the first response, of
    the second, and so on; thresholds are in the same order.
    """
    return RowDensity(
        scale=Identity,
        concave=all(c.density.concave and c.front is SAME for c in components),
        smooth=all(c.density.smooth for c in components),
        loop_of_numbers=_loop(components, m),
    )


def _loop(components: tuple[Component, ...], m: int) -> Any:
    rest: Any = _nothing
    for k in reversed(range(len(components))):
        rest = _before(k, components[k], rest)
    start = HEAD * len(components)

    @compiled
    def loop(t, y, size, extra, vector, numbers, slope, d_vector, d):
        for i in range(t.size):
            slope[i] = 0.0
            for j in range(m + 1):
                d[j, i] = 0.0
        return rest(
            t, y, size, extra, start, vector, 0, numbers, numbers[m], slope, d_vector, d
        )  # fmt: skip

    return loop


@compiled
def _nothing(t, y, size, extra, at, vector, cut, numbers, which, slope, d_vector, d):
    return 0.0


def _before(k: int, c: Component, others: Any) -> Any:
    """The rows of the k-th response, and those of the others."""
    q, first = len(c.places), c.first
    body, before = _whole(c.density, q), c.front.function
    places, codes = (*c.places, 0), (*c.codes, 0)  # tuples that are not empty
    as_odds = (*(j in c.density.odds for j in range(q)), False)

    @jit.inner
    def rows(t, y, size, extra, at, vector, cut, numbers, which, slope, d_vector, d):
        n = 0
        for i in range(t.size):
            n += which[i] == k
        here, own_t, rate = np.empty(n, np.int64), np.empty(n), np.empty(n)
        own_y, own_size, own_slope = np.empty(n), np.empty(n), np.empty(n)
        own, rates, own_d = np.empty((q, n)), np.empty((q, n)), np.empty((q, n))
        i = 0
        for row in range(t.size):
            if which[row] == k:
                here[i], own_y[i], own_size[i] = row, y[row], size[row]
                if first < 0:
                    own_t[i], rate[i] = before(t[row])
                else:
                    own_t[i], rate[i] = before(numbers[first, row])
                for j in range(q):
                    x = numbers[places[j], row]
                    if as_odds[j]:
                        own[j, i], rates[j, i] = odds(codes[j], x)
                    else:
                        own[j, i], rates[j, i] = inverse(codes[j], x)
                i += 1
        width, cuts = int(extra[HEAD * k]), int(extra[HEAD * k + 1])
        stop, end = at + n * width, cut + cuts
        total = body(
            own_t, own_y, own_size, extra[at:stop], vector[cut:end], own, own_slope,
            d_vector[cut:end], own_d,
        )  # fmt: skip
        for i in range(n):
            row = here[i]
            if first < 0:
                slope[row] = own_slope[i] * rate[i]
            else:
                d[first, row] = own_slope[i] * rate[i]
            for j in range(q):
                d[places[j], row] = own_d[j, i] * rates[j, i]
        return total + others(
            t, y, size, extra, stop, vector, end, numbers, which, slope, d_vector, d
        )  # fmt: skip

    return rows


def _whole(density: RowDensity, m: int) -> Any:
    """The loop over the rows of one response, with all of its m numbers in each row."""
    if density.loop is None:
        return _of_rows(density, m)
    if m:
        return density.loop_of_numbers
    loop = density.loop

    @compiled
    def whole(t, y, size, extra, vector, numbers, slope, d_vector, d):
        return loop(t, y, size, extra, vector, slope, d_vector)

    return whole


def _of_rows(density: RowDensity, m: int) -> Any:
    row, once, pick = density.row, density.once, picker(density.width)
    as_tuple, entry, with_kept = tuple_of(m), entry_of(m), shared_of_row(density.kept)

    @compiled
    def whole(t, y, size, extra, vector, numbers, slope, d_vector, d):
        total, found = 0.0, np.empty(m)
        for i in range(t.size):
            for j in range(m):
                found[j] = numbers[j, i]
            values, own_extra = as_tuple(found), pick(extra, i)
            shared = with_kept(y[i], size[i], own_extra, values, once(values))
            value, slope[i], own = row(t[i], y[i], size[i], own_extra, values, shared)
            total += value
            for j in range(m):
                d[j, i] = entry(own, j)
        return total

    return whole
