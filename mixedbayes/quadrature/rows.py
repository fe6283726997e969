"""log p of each row with its derivatives, compiled for a family.

As `joint.loop`, with the row density and the link in front of it compiled in; what the integral
makes of it is compiled once, and calls it by its address.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.families.fronts import Front, inverse
from mixedbayes.families.rows import (
    RowDensity,
    compiled,
    entry_of,
    picker,
    shared_of_row,
    tuple_of,
)
from mixedbayes.joint.loop import predictor_of, taken_of

_REALS = types.float64[::1]
# rows(first, eta, y, size, extra, parameters, kept, value, slope, d): of the rows from `first` on,
# with linear predictors eta (b,), log p into value (b,); and unless slope is empty d / d eta into
# slope (b,) and d / d parameter into d (b, m). With an empty value it writes into kept what they
# keep, k numbers each, see `RowDensity.kept`, which the other calls read. y, size and extra are as
# the joint loop has them. Where parameters have formulas, eta and slope are (P, b), the mean's
# predictor first, and the others in the order of the parameters; `parameters` are then those
# without one, the elements of a vector among them.
ROWS_SIGNATURE = types.void(types.int64, *(_REALS,) * 9)
call = jit.caller(ROWS_SIGNATURE)


_u = np.uint64  # of indices, see `integral`


@compiled
def _one(extra, i):
    return extra[_u(i)]


def _keep(function: Any, k: int) -> Any:
    """Writes what is kept of a row, k numbers, into an array of all rows."""
    if function is None:

        @compiled
        def nothing(y, size, extra, parameters, shared, out, at):
            return

        return nothing
    write = _write(k)

    @compiled
    def keep(y, size, extra, parameters, shared, out, at):
        write(function(y, size, extra, parameters, shared), out, k * at)

    return keep


def _write(k: int) -> Any:
    """The first k elements of a tuple into an array, from a place on."""
    if k == 0:

        @compiled
        def none(values, out, at):
            return

        return none
    before = _write(k - 1)

    @compiled
    def some(values, out, at):
        before(values, out, at)
        out[_u(at + k - 1)] = values[k - 1]

    return some


def _whole(k: int) -> Any:
    """What a row takes as shared, from what all rows share and the numbers that are kept of it."""
    if k == 0:

        @compiled
        def same(shared, kept, at):
            return shared

        return same
    own = _own(k, k)

    @compiled
    def both(shared, kept, at):
        return shared + own(kept, k * at)

    return both


def _own(left: int, k: int) -> Any:
    """The tuple of the last of k numbers of an array."""
    if left == 0:

        @compiled
        def none(kept, at):
            return ()

        return none
    rest, place = _own(left - 1, k), k - left

    @compiled
    def some(kept, at):
        return (kept[_u(at + place)], *rest(kept, at))

    return some


@cache
def rows_of(density: RowDensity, front: Front, codes: tuple[int, ...]) -> Any:
    """The compiled function, with ROWS_SIGNATURE, for a model with these parameters that are
    numbers: of each the code of the link of its formula, 0 without one, see `families.fronts`.
    """
    if density.row is None:
        if len(set(codes[1:])) > 1:
            raise ValueError(f"linear predictors beside the first have different links: {codes}")
        return _rows_of_vector(density, (codes[0], codes[-1]) if codes else ())
    body = _of_predictors(density, front, codes) if any(codes) else _alike(density, front, codes)
    return jit.njit(ROWS_SIGNATURE, nogil=True, error_model="numpy", fastmath={"contract"})(body)


@cache
def _rows_of_vector(density: RowDensity, codes: tuple[int, ...]) -> Any:
    """Of a family one of whose parameters is a vector: all others have formulas, with links by
    these codes, that of the first and that of all others.
    """
    body = _of_numbers(density, *codes) if codes else _of_vector(density)
    return jit.njit(ROWS_SIGNATURE, nogil=True, error_model="numpy", fastmath={"contract"})(body)


def _of_vector(density: RowDensity) -> Any:
    """Rows that share a vector of parameters; nothing is kept."""
    each = density.each

    def rows(first, eta, y, size, extra, parameters, kept, value, slope, d):
        last = first + value.size
        each(eta, y[first:last], size[first:last], extra[first:last], parameters, value, slope, d)

    return rows


def _of_numbers(density: RowDensity, code: int, others: int) -> Any:
    """Rows that have numbers of their own as well; as many as there are predictors."""
    each = density.each_of_numbers

    def rows(first, eta, y, size, extra, parameters, kept, value, slope, d):
        b = value.size
        last, m, width = first + b, eta.size - b, extra.size // y.size
        numbers, rates = np.empty(m), np.empty(m)
        for i in range(b):
            numbers[_u(i)], rates[_u(i)] = inverse(code, eta[_u(b + i)])
        for i in range(b, m):
            numbers[_u(i)], rates[_u(i)] = inverse(others, eta[_u(b + i)])
        each(
            eta[:b], y[first:last], size[first:last], extra[width * first : width * last],
            parameters, numbers, value, slope[:b], d, slope[b:],
        )  # fmt: skip
        for i in range(m if slope.size > 0 else 0):
            slope[_u(b + i)] *= rates[_u(i)]

    return rows


def _alike(density: RowDensity, front: Front, codes: tuple[int, ...]) -> Any:
    """Rows that have all parameters in common."""
    m = len(codes)
    row, once, before = density.row, density.once, front.function
    keep, whole = _keep(density.kept, density.n_kept), _whole(density.n_kept)
    taken, pick = taken_of(density.odds, m), picker(density.width) if density.width > 1 else _one
    as_tuple, entry = tuple_of(m), entry_of(m)

    def rows(first, eta, y, size, extra, parameters, kept, value, slope, d):
        found, rates = np.empty(m), np.empty(m)
        for k in range(m):
            found[k], rates[k] = taken(k, parameters[k])
        own = as_tuple(found)
        shared = once(own)
        if value.size == 0:
            for i in range(eta.size):
                at = first + i
                keep(y[_u(at)], size[_u(at)], pick(extra, at), own, shared, kept, at)
            return
        if slope.size == 0:
            for i in range(eta.size):
                at = first + i
                t, _ = before(eta[_u(i)])
                known = whole(shared, kept, at)
                v, _, _ = row(t, y[_u(at)], size[_u(at)], pick(extra, at), own, known)
                value[_u(i)] = v
            return
        for i in range(eta.size):
            at = first + i
            t, rate = before(eta[_u(i)])
            known = whole(shared, kept, at)
            v, d_t, d_own = row(t, y[_u(at)], size[_u(at)], pick(extra, at), own, known)
            value[_u(i)], slope[_u(i)] = v, d_t * rate
            for k in range(m):
                d[_u(i * m + k)] = entry(d_own, k) * rates[k]

    return rows


def _of_predictors(density: RowDensity, front: Front, codes: tuple[int, ...]) -> Any:
    """Rows some of whose parameters have linear predictors of their own; nothing is kept."""
    row, once, before, m = density.row, density.once, front.function, len(codes)
    whole, pick = shared_of_row(density.kept), picker(density.width) if density.width > 1 else _one
    as_tuple, entry, taken = tuple_of(m), entry_of(m), taken_of(density.odds, m)
    of_predictor, free = predictor_of(density.odds, m), codes.count(0)

    def rows(first, eta, y, size, extra, parameters, kept, value, slope, d):
        b = value.size
        found, rates, own = np.empty(m), np.empty(m), 0
        for k in range(m):
            if codes[k] == 0:
                found[k], rates[k] = taken(k, parameters[own])
                own += 1
        for i in range(b):
            at, place = first + i, i
            for k in range(m):
                if codes[k] != 0:
                    place += b
                    found[k], rates[k] = of_predictor(k, codes[k], eta[_u(place)])
            values, more = as_tuple(found), pick(extra, at)
            t, rate = before(eta[_u(i)])
            known = whole(y[_u(at)], size[_u(at)], more, values, once(values))
            v, d_t, d_own = row(t, y[_u(at)], size[_u(at)], more, values, known)
            value[_u(i)] = v
            if slope.size == 0:
                continue
            slope[_u(i)], place, own = d_t * rate, i, 0
            for k in range(m):
                if codes[k] != 0:
                    place += b
                    slope[_u(place)] = entry(d_own, k) * rates[k]
                else:
                    d[_u(i * free + own)] = entry(d_own, k) * rates[k]
                    own += 1

    return rows


def address(density: RowDensity, front: Front, codes: tuple[int, ...]) -> int:
    """Address of the compiled function, for `call`."""
    return jit.address(rows_of(density, front, codes), ROWS_SIGNATURE)
