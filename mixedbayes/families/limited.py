"""Rows of censored and truncated responses: log densities, and draws within limits.

A family gives the tails of its distribution, `RowDensity.tails`; everything else is here. A row is
either known, with log density log f(y), or known to be in (a, b], with the log of the mass there;
from either is subtracted the log of the mass between the bounds of truncation.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family, Values, per_row
from mixedbayes.families.masses import SUMS, mass_of
from mixedbayes.families.rows import RowDensity, Rows, compiled, shared_of_row
from mixedbayes.jit import to_fixed_tuple

# Numbers of `extra` in a row: the density's own, whether it is a range, b, the bounds, how often it
# counts, and its `Family.tail_size`.
WIDTH = 7
MOST_PARAMETERS = len(SUMS) - 1
_BLOCK = 2**20  # masses computed at once
_ROUNDS = 20  # of draws that are thrown away where they are not within limits
_FEWEST = 0.2  # share of draws that are to be within, for another round
_HALVINGS = 200

# ---- compiled ------------------------------------------------------------------------------------


@cache
def limited(density: RowDensity, m: int) -> RowDensity:
    """The row density of responses within limits; `extra` has WIDTH numbers in a row.

    y is the response, or the lower end a of a range.
    """
    row, mass, add = density.row, mass_of(density, m), SUMS[m]
    whole_of = shared_of_row(density.kept)

    @compiled
    def within(t, y, size, extra, parameters, shared):
        own, is_range, b, low, high, times, scale = extra
        if is_range == 0.0:
            kept = whole_of(y, size, own, parameters, shared)
            value, d_t, d = row(t, y, size, own, parameters, kept)
        else:
            value, d_t, d = mass(t, y, b, scale, parameters, shared)
            value, d_t, d = times * value, times * d_t, add(times, d, 0.0, d)
        if low > -math.inf or high < math.inf:
            whole, slope, rest = mass(t, low, high, scale, parameters, shared)
            value, d_t, d = value - times * whole, d_t - times * slope, add(1.0, d, -times, rest)
        return value, d_t, d

    return RowDensity(
        within, density.scale, density.once, concave=False, smooth=density.smooth,
        odds=density.odds, width=WIDTH,
    )  # fmt: skip


_REALS = types.float64[::1]
_MASSES = types.void(*(_REALS,) * 6)


@cache
def _masses(density: RowDensity, m: int) -> Any:
    """Log masses of many rows: writes into the last array; parameters (n m,) row by row."""
    mass, once = mass_of(density, m), density.once

    def of_none(t, a, b, size, parameters, out):
        shared = once(())
        for i in range(t.size):
            out[i] = mass(t[i], a[i], b[i], size[i], (), shared)[0]

    def of_some(t, a, b, size, parameters, out):
        for i in range(t.size):
            own = parameters[i * m : (i + 1) * m]
            values = to_fixed_tuple(own, m)  # type: ignore[call-arg,var-annotated]
            out[i] = mass(t[i], a[i], b[i], size[i], values, once(values))[0]

    loop = of_some if m else of_none
    return jit.njit(_MASSES, nogil=True, error_model="numpy")(loop)


# ---- arrays --------------------------------------------------------------------------------------


def log_mass(
    family: Family, a: Floats, b: Floats, mu: Floats, parameters: Values,
    weights: Floats | None = None, trials: Ints | None = None,
) -> Floats:  # fmt: skip
    """(S, n) log P(a < Y <= b), for means (S, n); a and b are (n,) or (S, n), perhaps infinite."""
    density, names = family.row_density, family.parameters
    assert density is not None  # `registry.check_limits` has seen to it
    with np.errstate(all="ignore"):
        t = np.asarray(density.scale().link(mu, np), float)
    shape = t.shape
    size = family.tail_size(shape[1], weights, trials)
    given = [per_row(parameters[name]) for name in names]
    for k in density.odds:
        with np.errstate(divide="ignore"):
            given[k] = np.log(given[k]) - np.log1p(-given[k])
    a, b = (family.bound(np.asarray(end, float), trials) for end in (a, b))
    empty = np.broadcast_to(~(a < b), shape)
    a, b = np.where(a < b, a, -np.inf), np.where(a < b, b, np.inf)
    loop, out = _masses(density, len(names)), np.empty(shape)
    step = max(1, _BLOCK // max(1, shape[1]))
    for start in range(0, shape[0], step):
        some = slice(start, start + step)
        size_of = t[some].shape

        def flat(x: Floats, some: slice = some, size_of: tuple[int, ...] = size_of) -> Floats:
            x = x[some] if x.ndim == 2 and len(x) > 1 else x
            return np.array(np.broadcast_to(x, size_of)).ravel()

        own = np.stack([flat(p) for p in given], axis=1).ravel() if given else np.zeros(0)
        found = np.empty(t[some].size)
        loop(flat(t), flat(a), flat(b), flat(size), own, found)
        out[some] = found.reshape(size_of)
    out[empty] = -np.inf
    return out


def log_density(
    family: Family,
    y: Floats,
    mu: Floats,
    parameters: Values,
    *,
    weights: Floats | None = None,
    trials: Ints | None = None,
    limits: Limits | None = None,
) -> Floats:
    """(S, n) log density of responses y (n,) as they were observed; see `Family.log_density`."""
    if limits is None:
        return family.log_density(y, mu, parameters, weights=weights, trials=trials)

    def alone(own: Family, mu: Floats, mine: Values, at: Ints) -> Floats:
        return log_density(
            own, y[at], mu, mine, limits=limits.take(at).needed,
            **of_each(own, at, weights, trials),
        )  # fmt: skip

    if (found := family.each_alone(mu, parameters, alone)) is not None:
        return found
    found = family.log_density(y, mu, parameters, weights=weights, trials=trials)
    times = weights if weights is not None and family.repeats_rows else np.ones(len(y))
    low, high = bounds(family, limits, len(y))
    if limits.censoring is not None and (at := np.flatnonzero(limits.censored(len(y)))).size:
        a, b = limits.range(y)
        a, b = np.maximum(a, low)[at], np.minimum(b, high)[at]
        found = np.array(np.broadcast_to(found, mu.shape))
        own = _of_rows(parameters, at)
        inside = log_mass(family, a, b, mu[:, at], own, _at(weights, at), _at(trials, at))
        found[:, at] = times[at] * inside
    if limits.truncated:
        found = found - times * log_mass(family, low, high, mu, parameters, weights, trials)
    return found


def bounds(family: Family, limits: Limits, n: int) -> tuple[Floats, Floats]:
    """(n,) low and high of low < Y <= high.

    A response that has a probability of its own can be observed at the lower bound itself.
    """
    low = np.full(n, -np.inf) if limits.lowest is None else limits.lowest
    high = np.full(n, np.inf) if limits.highest is None else limits.highest
    if family.discrete:
        return np.ceil(low) - 1, high
    return np.where(np.isin(low, family.atoms), np.nextafter(low, -np.inf), low), high


def simulate(
    family: Family,
    mu: Floats,
    parameters: Values,
    rng: np.random.Generator,
    *,
    weights: Floats | None = None,
    trials: Ints | None = None,
    limits: Limits | None = None,
) -> Floats:
    """(S, n) responses between the bounds of truncation; see `Family.simulate`.

    None of them is censored.
    """
    if limits is None or not limits.truncated:
        return family.simulate(mu, parameters, rng, weights=weights, trials=trials)

    if family.by_response:
        return simulate_each(
            family, mu, parameters, rng, weights=weights, trials=trials, limits=limits
        )
    low, high = bounds(family, limits, mu.shape[1])
    return draw_within(family, low, high, mu, parameters, rng, weights, trials)


def simulate_each(
    family: Family,
    mu: Floats,
    parameters: Values,
    rng: np.random.Generator,
    *,
    weights: Floats | None = None,
    trials: Ints | None = None,
    limits: Limits | None = None,
) -> Floats:
    """(S, n) of several responses of different families, as draws have them, `Family.reported`."""

    def alone(own: Family, mu: Floats, mine: Values, at: Ints) -> Floats:
        if own.columns:
            raise ModelError(
                f"counts of the {own.name} family are in several columns, which have no place "
                "beside other responses: ask fit.response(...) of this one for them"
            )
        known = None if limits is None else limits.take(at).needed
        how = of_each(own, at, weights, trials)
        return simulate(own, mu, mine, rng, limits=known, **how) + own.first_code

    found = family.each_alone(mu, parameters, alone)
    assert found is not None
    return found


def completed(
    family: Family,
    y: Floats,
    mu: Floats,
    parameters: Values,
    rng: np.random.Generator,
    *,
    weights: Floats | None = None,
    trials: Ints | None = None,
    limits: Limits | None = None,
) -> Floats:
    """(S, n) the responses, those that are censored drawn from where they are known to be."""
    out = np.array(np.broadcast_to(np.asarray(y, float), mu.shape))
    if limits is None or limits.censoring is None:
        return out
    at = np.flatnonzero(limits.censored(len(y)))
    low, high = bounds(family, limits, len(y))
    a, b = limits.range(y)
    out[:, at] = draw_within(
        family, np.maximum(a, low)[at], np.minimum(b, high)[at], mu[:, at],
        _of_rows(parameters, at), rng, _at(weights, at), _at(trials, at),
    )  # fmt: skip
    return out


def draw_within(
    family: Family,
    low: Floats,
    high: Floats,
    mu: Floats,
    parameters: Values,
    rng: np.random.Generator,
    weights: Floats | None = None,
    trials: Ints | None = None,
) -> Floats:
    """(S, n) draws of low < Y <= high, for low and high (n,).

    Draws that are not within are made again; where that takes too long, by inversion of the
    distribution function.
    """
    out, left = np.empty(mu.shape), np.ones(mu.shape, bool)
    for _ in range(_ROUNDS):
        drawn = family.simulate(mu, parameters, rng, weights=weights, trials=trials)
        inside = left & (drawn > low) & (drawn <= high)
        before = np.count_nonzero(left)
        out[inside], left = drawn[inside], left & ~inside
        if np.count_nonzero(inside) < _FEWEST * before or not left.any():
            break
    at = np.flatnonzero(left.any(axis=0))
    if at.size:
        found = _invert(
            family, low[at], high[at], mu[:, at], _of_rows(parameters, at), rng,
            _at(weights, at), _at(trials, at),
        )  # fmt: skip
        out[:, at] = np.where(left[:, at], found, out[:, at])
    return out


def _invert(
    family: Family,
    low: Floats,
    high: Floats,
    mu: Floats,
    parameters: Values,
    rng: np.random.Generator,
    weights: Floats | None = None,
    trials: Ints | None = None,
) -> Floats:
    """(S, n) draws by bisection of P(low < Y <= y) / P(low < Y <= high) = u."""

    def log_share(y: Floats) -> Floats:
        return log_mass(family, low, y, mu, parameters, weights, trials) - whole

    whole = log_mass(family, low, high, mu, parameters, weights, trials)
    aim = np.log(rng.uniform(size=mu.shape))
    with np.errstate(all="ignore"):
        centre = np.clip(mu, low, high)
        step = np.maximum(1.0, np.abs(centre))
        left = np.where(np.isfinite(low), low, centre - step)
        right = np.where(np.isfinite(high), high, centre + step)
        for _ in range(_HALVINGS):
            below = ~np.isfinite(low) & (log_share(left) > aim)
            above = ~np.isfinite(high) & (log_share(right) < aim)
            if not (below.any() or above.any()):
                break
            step = 2 * step
            left, right = np.where(below, left - step, left), np.where(above, right + step, right)
        for _ in range(_HALVINGS):
            middle = left + (right - left) / 2
            if family.discrete:
                middle = np.floor(middle)
            settled = (middle <= left) | (middle >= right)
            if settled.all():
                break
            under = log_share(middle) < aim
            left = np.where(~settled & under, middle, left)
            right = np.where(~settled & ~under, middle, right)
    return right


def of_each(own: Family, at: Ints, weights: Floats | None, trials: Ints | None) -> dict[str, Any]:
    """Weights and trials of the rows of one of several responses."""
    counted = trials is not None and (own.trials or own.columns)
    return {"weights": _at(weights, at), "trials": _at(trials, at) if counted else None}


def _at(x: Any, rows: Ints) -> Any:
    return None if x is None else x[rows]


def _of_rows(parameters: Values, rows: Ints) -> dict[str, Floats]:
    """Parameters of some rows: (S, ...) stay, of (S, n) some columns."""
    return {
        name: p[:, rows] if np.ndim(p) == 2 and np.shape(p)[1] > 1 else p
        for name, p in parameters.items()
    }


# ---- a model's rows ------------------------------------------------------------------------------


def rows_of(family: Family, design: Design) -> Rows:
    """The rows of a design, with limits or without."""
    if design.limits is None:
        return family.merged(family.rows(design))
    return limited_rows(family, design)


def limited_rows(family: Family, design: Design) -> Rows:
    """The rows of a design with limits."""
    limits = design.limits
    assert limits is not None
    known = ~limits.censored(design.n)
    rows = family.merged(family.rows(_exact(design, np.flatnonzero(known))))
    low, high = bounds(family, limits, design.n)
    a, b = limits.range(design.y)
    y = family.bound(np.maximum(a, low), design.trials)
    times, own = np.ones(design.n), np.zeros(design.n)
    if design.weights is not None and family.repeats_rows:
        times = np.array(design.weights, float)
    size = np.array(times)
    y[known], size[known], own[known] = rows.y, rows.size, rows.extra
    ends = (family.bound(end, design.trials) for end in (np.minimum(b, high), low, high))
    scale = family.tail_size(design.n, design.weights, design.trials)
    extra = np.column_stack([own, ~known, *ends, times, scale])
    return Rows(y, size, extra.ravel().astype(float), rows.constant)


def _exact(design: Design, known: Ints) -> Design:
    """The design of those rows whose response is known."""
    return replace(
        design,
        y=design.y[known],
        weights=_at(design.weights, known),
        trials=_at(design.trials, known),
        index=design.index[known],
        limits=None,
    )
