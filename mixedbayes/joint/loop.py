"""The log likelihood of all rows with its derivatives: one loop, compiled for a family when used.

The family's row density and the link in front of it are compiled into the loop; the density calls
it by its address.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.families.fronts import Front, bits_of, inverse, odds
from mixedbayes.families.rows import (
    RowDensity,
    compiled,
    entry_of,
    picker,
    shared_of_row,
    tuple_of,
)

_REALS = types.float64[::1]
# sum of log p of rows with eta, y, size (n,), extra (n width,) and the family's parameters: writes
# d / d eta into slope (n,) and adds d / d parameter to d_parameters. `own` has some bits for each
# of the m parameters that are numbers: 0, or the code of the link of its formula; see `links`.
# eta then has the mean's predictor in the first n places and below it those of these parameters, n
# each; `parameters` are the others, and after them the elements of the one that is a vector.
LOOP_SIGNATURE = types.float64(types.int64, *(_REALS,) * 7)
call = jit.caller(LOOP_SIGNATURE)
_BLOCK = 256  # rows whose terms are kept before they are added
_u = np.uint64  # of indices, which negative ones would keep from running on vectors


@cache
def loop_of(density: RowDensity, front: Front, m: int) -> Any:
    """The compiled loop, with LOOP_SIGNATURE, for a model with m parameters that are numbers."""
    if density.row is not None:
        pick = picker(density.width)
        body = _of_rows(density, front.function, m, pick)
    elif m == 0:
        body = _whole(density.loop, front.function)
    else:
        body = _whole_of_numbers(density.loop_of_numbers, front.function, m)
    return jit.njit(LOOP_SIGNATURE, nogil=True, error_model="numpy")(body)


def _of_rows(density: RowDensity, before: Any, m: int, pick: Any) -> Any:
    row, once, whole, some = density.row, density.once, shared_of_row(density.kept), density.odds
    bits, mask = bits_of(m), (1 << bits_of(m)) - 1
    as_tuple, entry, taken = tuple_of(m), entry_of(m), taken_of(some, m)
    of_predictor = predictor_of(some, m)

    def loop(own, eta, y, size, extra, parameters, slope, d_parameters):
        total, sums, rates = 0.0, np.zeros(m), np.empty(m)
        found = np.empty(m)
        if own == 0:
            for k in range(m):
                found[k], rates[k] = taken(k, parameters[k])
            values = as_tuple(found)
            shared = once(values)
            value, of_row = np.empty(_BLOCK), np.empty(_BLOCK * m)
            for first in range(0, eta.size, _BLOCK):
                many = min(_BLOCK, eta.size - first)
                for i in range(many):  # without sums it may run on vectors of rows
                    at = first + i
                    t, rate = before(eta[_u(at)])
                    own_extra = pick(extra, at)
                    kept = whole(y[_u(at)], size[_u(at)], own_extra, values, shared)
                    v, d_t, d = row(t, y[_u(at)], size[_u(at)], own_extra, values, kept)
                    value[_u(i)], slope[_u(at)] = v, d_t * rate
                    for k in range(m):
                        of_row[_u(i * m + k)] = entry(d, k)
                for i in range(many):
                    total += value[_u(i)]
                    for k in range(m):
                        sums[k] += of_row[_u(i * m + k)]
            for k in range(m):
                d_parameters[k] += sums[k] * rates[k]
            return total
        n = eta.size // (1 + m - parameters.size)
        for i in range(n):
            at, free = i, 0
            for k in range(m):
                code = own >> bits * k & mask
                if code:
                    at += n
                    found[k], rates[k] = of_predictor(k, code, eta[at])
                else:
                    found[k], rates[k] = taken(k, parameters[free])
                    free += 1
            values = as_tuple(found)
            t, rate = before(eta[i])
            own_extra = pick(extra, i)
            kept = whole(y[i], size[i], own_extra, values, once(values))
            v, d_t, d = row(t, y[i], size[i], own_extra, values, kept)
            total += v
            slope[i], at, free = d_t * rate, i, 0
            for k in range(m):
                if own >> bits * k & mask:
                    at += n
                    slope[at] = entry(d, k) * rates[k]
                else:
                    d_parameters[free] += entry(d, k) * rates[k]
                    free += 1
        return total

    return loop


@compiled
def _as_it_is(k, value):
    """What the row takes of parameter k, and its slope in the parameter."""
    return value, 1.0


@compiled
def _by_link(k, code, eta):
    """What the row takes of a parameter with this predictor, and its slope in that."""
    return inverse(code, eta)


def taken_of(some: tuple[int, ...], m: int) -> Any:
    """`_as_it_is`, log odds of some of the m parameters."""
    if not some:
        return _as_it_is
    as_odds = tuple(k in some for k in range(m))

    @compiled
    def taken(k, value):
        if as_odds[k]:
            return math.log(value) - math.log1p(-value), 1.0 / (value * (1.0 - value))
        return value, 1.0

    return taken


def predictor_of(some: tuple[int, ...], m: int) -> Any:
    """`_by_link`, log odds of some of the m parameters."""
    if not some:
        return _by_link
    as_odds = tuple(k in some for k in range(m))

    @compiled
    def of_predictor(k, code, eta):
        if as_odds[k]:
            return odds(code, eta)
        return inverse(code, eta)

    return of_predictor


def _whole(body: Any, before: Any) -> Any:
    def loop(own, eta, y, size, extra, parameters, slope, d_parameters):
        t, rate = np.empty(eta.size), np.empty(eta.size)
        for i in range(eta.size):
            t[i], rate[i] = before(eta[i])
        total = body(t, y, size, extra, parameters, slope, d_parameters)
        for i in range(eta.size):
            slope[i] *= rate[i]
        return total

    return loop


def _whole_of_numbers(body: Any, before: Any, m: int) -> Any:
    bits, mask = bits_of(m), (1 << bits_of(m)) - 1

    def loop(own, eta, y, size, extra, parameters, slope, d_parameters):
        copies = 1
        for k in range(m):
            if own >> bits * k & mask:
                copies += 1
        n, at, free = eta.size // copies, 0, 0
        values, rates, d = np.empty((m, n)), np.empty((m, n)), np.empty((m, n))
        for k in range(m):
            code = own >> bits * k & mask
            if code:
                at += n
                for i in range(n):
                    values[k, i], rates[k, i] = inverse(code, eta[at + i])
            else:
                for i in range(n):
                    values[k, i] = parameters[free]
                free += 1
        t, rate = np.empty(n), np.empty(n)
        for i in range(n):
            t[i], rate[i] = before(eta[i])
        vector, d_vector = parameters[free:], d_parameters[free:]
        total = body(t, y, size, extra, vector, values, slope, d_vector, d)
        for i in range(n):
            slope[i] *= rate[i]
        at, free = 0, 0
        for k in range(m):
            if own >> bits * k & mask:
                at += n
                for i in range(n):
                    slope[at + i] = d[k, i] * rates[k, i]
            else:
                for i in range(n):
                    d_parameters[free] += d[k, i]
                free += 1
        return total

    return loop


def address(density: RowDensity, front: Front, m: int) -> int:
    """Address of the compiled loop, for `call`."""
    return jit.address(loop_of(density, front, m), LOOP_SIGNATURE)
