"""A user's log density of many rows at once, which Python evaluates whenever the sampler asks.

The compiled loop calls back into Python, where one thread works at a time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from mixedbayes import jit
from mixedbayes.design.types import Floats
from mixedbayes.families.links import Identity, Link, Log
from mixedbayes.families.own_failures import FunctionError, Watched, place_of, raised
from mixedbayes.families.own_rows import INVERSES
from mixedbayes.families.rows import RowDensity, compiled

type Values = Callable[..., Floats]  # (y, mu, *parameters), all (N,)

_CALL = ctypes.CFUNCTYPE(None, ctypes.c_int64, *(ctypes.c_void_p,) * 4)
_PAIRS = 4  # of points on both sides, at distances 1, 1/2, 1/4, 1/8
_WIDEST = 0.05  # first distance on a scale of logarithms, or in units of the response's spread
_GOOD = 1e-9  # relative difference of the last two extrapolations that is good enough
_ROUNDS = 6  # each with a distance a quarter as large


class Evaluated(Watched):
    """The log density of rows by functions of arrays.

    Parameters
    ----------
    values
        values(y, mu, *parameters), all (N,).
    slopes
        slopes(y, mu, *parameters), (2 + m, N): the values and all derivatives.
    """

    name = "scipy"
    slowness = (
        "scipy= is evaluated in Python, many times for each derivative, one chain at a time. "
        "Remedy: give the density as logp=, a function of numbers, or as pytensor=, beside scipy= "
        "or without it: some hundred times as fast"
    )

    def __init__(self, values: Values, slopes: Values) -> None:
        super().__init__()
        self._values, self._slopes, self._lock = values, slopes, Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, which no other process can have."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())

    @property
    def remedy(self) -> str:
        return (
            "the density is asked for wherever the links lead, at very large and very small "
            "parameters too; give log p there, -np.inf where p(y) is 0, and raise nothing"
        )

    def prepare(self) -> None:
        """Make what the functions need once."""

    def values(self, y: Floats, mu: Floats, parameters: Floats) -> Floats:
        """(N,) for y and mu (N,), parameters (N, m)."""
        return self._called(self._row_by_row, y, mu, parameters)

    def slopes(self, y: Floats, mu: Floats, parameters: Floats) -> Floats:
        """(2 + m, N) the values, and the derivatives by mu and by each parameter."""
        return self._called(self._slopes, y, mu, parameters)

    def _row_by_row(self, y: Floats, *arguments: Floats) -> Floats:
        found = np.asarray(self._values(y, *arguments), float)
        if found.ndim and found.shape != y.shape:
            raise ValueError(f"an array of shape {found.shape} for responses of shape {y.shape}")
        return np.broadcast_to(found, y.shape)

    def _called(self, function: Values, y: Floats, mu: Floats, parameters: Floats) -> Floats:
        arguments = [mu, *np.ascontiguousarray(parameters.T)]
        with self._lock, np.errstate(all="ignore"):
            try:
                return function(y, *arguments)
            except Exception as error:
                raise self._failure(error, function, y, arguments) from error

    def _failure(
        self, error: Exception, function: Values, y: Floats, arguments: Sequence[Floats]
    ) -> FunctionError:
        """With the row at which the function raises it, found by calling it for fewer and fewer."""
        row, there = place_of(function, y, arguments)
        if row is None:
            return self.failed(error, ())
        own = [x[row : row + 1] for x in (y, *arguments)]
        near = "" if raised(self._row_by_row, *own) else "near"  # where a derivative was taken
        return self.failed(there, [float(x[0]) for x in own], near)


def by_differences(values: Values, links: Sequence[Link]) -> Values:
    """The values and derivatives from differences, extrapolated to a distance of 0.

    Steps are on the scale of each argument's link, of mu with the identity link in units of the
    responses' sd. Where extrapolations of two orders do not agree to nine digits, they are made
    again from closer by, as Ridders (1982, doi:10.1016/S0141-1195(82)80057-0) does; the pair that
    agrees best is taken.
    """

    def slopes(y: Floats, *arguments: Floats) -> Floats:
        out = np.empty((1 + len(arguments), len(y)))
        out[0] = values(y, *arguments)
        spread = float(np.std(y)) if len(y) else 0.0
        for k, link in enumerate(links):
            unit = spread if k == 0 and spread > 0 else 1.0
            out[1 + k] = _along(values, y, arguments, k, link, unit)
        return out

    return slopes


def _along(
    values: Values, y: Floats, arguments: tuple[Floats, ...], k: int, link: Link, unit: float
) -> Floats:
    best, error = np.full(len(y), np.nan), np.full(len(y), np.inf)
    left, step = np.arange(len(y)), _WIDEST
    for _ in range(_ROUNDS):
        own = [a[left] for a in arguments]
        found, apart = _extrapolated(values, y[left], own, k, link, unit, step)
        apart = np.where(np.isfinite(apart), apart, np.inf)
        better = apart < error[left]
        best[left[better]], error[left[better]] = found[better], apart[better]
        left = left[error[left] > _GOOD * (1 + np.abs(best[left]))]
        if not left.size:
            break
        step /= 4
    with np.errstate(all="ignore"):
        return best / _rate(arguments[k], link, unit)


def _rate(x: Floats, link: Link, unit: float) -> Floats | float:
    """d x / d of the scale on which steps are made."""
    if isinstance(link, Identity):
        return unit
    return x if isinstance(link, Log) else x * (1 - x)


def _moved(x: Floats, step: Floats, link: Link, unit: float) -> Floats:
    if isinstance(link, Identity):
        return x + unit * step
    if isinstance(link, Log):
        return x * np.exp(step)
    odds = np.exp(step)  # of a share, whichever its link
    return x * odds / (1 - x + x * odds)


def _extrapolated(
    values: Values,
    y: Floats,
    arguments: list[Floats],
    k: int,
    link: Link,
    unit: float,
    step: float,
) -> tuple[Floats, Floats]:
    """Neville's extrapolation of central differences, and how far it is from that before."""
    steps = step / 2.0 ** np.arange(_PAIRS)
    both = np.concatenate([steps, -steps])[:, None]
    many = [np.broadcast_to(a, (2 * _PAIRS, len(y))).ravel() for a in arguments]
    many[k] = _moved(arguments[k], both, link, unit).ravel()
    found = np.asarray(values(np.broadcast_to(y, (2 * _PAIRS, len(y))).ravel(), *many), float)
    found = np.broadcast_to(found, (2 * _PAIRS * len(y),)).reshape(2, _PAIRS, len(y))
    table = (found[0] - found[1]) / (2 * steps[:, None])
    for order in range(1, _PAIRS):
        before = table[-1]
        table = table[1:] + (table[1:] - table[:-1]) / (4.0**order - 1)
    return table[-1], np.abs(table[-1] - before)


def row_density(density: Evaluated, link: Link, m: int) -> RowDensity:
    """The row density on the scale of this link, a whole loop that calls Python once."""
    inverse = INVERSES[type(link)]

    def called(n: int, y: int, mu: int, parameters: int, out: int) -> None:
        found = _array(out, (2 + m, n))
        try:
            own = _array(parameters, (m, n)) if m else np.zeros((0, n))
            found[:] = density.slopes(_array(y, (n,)).copy(), _array(mu, (n,)), own.T)
        except BaseException as error:  # compiled code passes none on, nor Ctrl-C
            density.keep(error)
            found[:] = np.nan

    callback = _CALL(called)

    def of_numbers(t, y, size, extra, vector, numbers, slope, d, d_numbers):
        n = t.size
        mu, rate, found = np.empty(n), np.empty(n), np.empty((2 + m, n))
        for i in range(n):
            mu[i], rate[i] = inverse(t[i])
        callback(n, y.ctypes, mu.ctypes, numbers.ctypes, found.ctypes)
        total = 0.0
        for i in range(n):
            total += size[i] * found[0, i]
            slope[i] = size[i] * found[1, i] * rate[i]
            for k in range(m):
                d_numbers[k, i] = size[i] * found[2 + k, i]
        return total

    whole = compiled(jit.unkept(of_numbers))

    @compiled
    def alone(t, y, size, extra, vector, slope, d):
        none = np.empty((0, t.size))
        return whole(t, y, size, extra, vector, none, slope, d, none)

    return RowDensity(scale=type(link), concave=False, loop=alone, loop_of_numbers=whole)


def _array(address: int, shape: tuple[int, ...]) -> Floats:
    kind = ctypes.c_double * int(np.prod(shape))
    return np.frombuffer(kind.from_address(address)).reshape(shape)
