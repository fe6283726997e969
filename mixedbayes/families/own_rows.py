"""A user's log density of one row, as a function of numbers, compiled with exact derivatives."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Any

import numpy as np
from numba import carray, njit, types

from mixedbayes import jit
from mixedbayes.design.types import Floats
from mixedbayes.families.links import Cloglog, Identity, Link, Log, Logit, Probit
from mixedbayes.families.own_failures import Watched, raised
from mixedbayes.families.rows import RowDensity, compiled, entry_of, tuple_of
from mixedbayes.numerics.dual import dual, value_and_slope

_REAL = types.float64
_ROWS = types.float64[:, ::1]
_SQRT_HALF, _PER_ROOT_2PI = math.sqrt(0.5), 1.0 / math.sqrt(2.0 * math.pi)


# ---- links: mu and d mu / d eta ------------------------------------------------------------------


@compiled
def _identity(eta):
    return eta, 1.0


@compiled
def _log(eta):
    mu = math.exp(eta) if eta < 700.0 else math.inf
    return mu, mu


@compiled
def _logit(eta):
    e = math.exp(-abs(eta))
    return (1.0 if eta > 0.0 else e) / (1.0 + e), e / (1.0 + e) ** 2


@compiled
def _probit(eta):
    return 0.5 * math.erfc(-eta * _SQRT_HALF), _PER_ROOT_2PI * math.exp(-0.5 * eta * eta)


@compiled
def _cloglog(eta):
    hazard = math.exp(min(eta, 700.0))
    return -math.expm1(-hazard), hazard * math.exp(-hazard)


INVERSES: dict[type[Link], Any] = {
    Identity: _identity,
    Log: _log,
    Logit: _logit,
    Probit: _probit,
    Cloglog: _cloglog,
}


# ---- tuples of so many numbers -------------------------------------------------------------------


def _seeded(m: int) -> Any:
    """(mu, *parameters) as dual numbers, that of place `at` with slope 1."""

    @compiled
    def seeded(mu, parameters, at):
        return (dual(mu, 1.0 if at == 0 else 0.0),)

    for j in range(m):
        seeded = _longer(seeded, j)
    return seeded


def _longer(shorter: Any, j: int) -> Any:
    @compiled
    def seeded(mu, parameters, at):
        own = dual(parameters[j], 1.0 if at == j + 1 else 0.0)
        return (*shorter(mu, parameters, at), own)

    return seeded


def _slopes(along: Any, m: int) -> Any:
    """The derivatives by the m parameters."""

    @compiled
    def slopes(y, mu, parameters):
        return ()

    for j in range(m):
        slopes = _and_by(slopes, along, j + 1)
    return slopes


def _and_by(fewer: Any, along: Any, at: int) -> Any:
    @compiled
    def slopes(y, mu, parameters):
        return (*fewer(y, mu, parameters), along(y, mu, parameters, at)[1])

    return slopes


def _scaled(m: int) -> Any:
    """u x of a tuple x."""

    @compiled
    def scaled(u, x):
        return ()

    for j in range(m):
        scaled = _and_scaled(scaled, j)
    return scaled


def _and_scaled(fewer: Any, j: int) -> Any:
    @compiled
    def scaled(u, x):
        return (*fewer(u, x), u * x[j])

    return scaled


@compiled
def _as_it_is(x):
    return x


# ---- the functions -------------------------------------------------------------------------------


def _noting(slot: Floats) -> Any:
    """Writes y, mu and the parameters after a 1 into a slot (3 + m,), unless it is taken."""
    address, size, m = slot.ctypes.data, slot.size, slot.size - 3
    entry = entry_of(m)

    @njit(error_model="numpy", nogil=True)
    def note(y, mu, parameters):
        into = carray(jit.pointer(address), (size,), np.float64)  # type: ignore[call-arg]
        if into[0] == 0.0:
            into[1], into[2] = y, mu
            for k in range(m):
                into[3 + k] = entry(parameters, k)
            into[0] = 1.0

    return jit.unkept(note)


class Compiled(Watched):
    """A function f(y, mu, *parameters) of numbers, with its derivatives by mu and the parameters.

    Where it raises an exception compiled code has NaN, and `failures` counts it.

    Parameters
    ----------
    function
        Python, or compiled by numba already.
    m
        Number of parameters besides mu.
    gradient
        gradient(y, mu, *parameters), the tuple of the derivatives; by dual numbers if None.
    name
        By which errors call it.
    """

    def __init__(self, function: Any, m: int, gradient: Any = None, name: str = "logp") -> None:
        super().__init__()
        self.function, self.m, self.gradient, self.name = _own(function), m, gradient, name
        self._slot = np.zeros(3 + m)
        self._note = _noting(self._slot)
        self._by_hand = None if gradient is None else _own(gradient)

    def _guard(self, function: Any, take: Any, none: Any) -> Any:
        """take(function(*given)) for (given, y, mu, parameters); `none` where it raises.

        What cannot raise is called as it is: code for exceptions costs half as much again.
        """
        if not _may_raise(function, self.m):

            @compiled
            def plain(given, y, mu, parameters):
                return take(function(*given))

            return jit.unkept(plain)
        note = self._note

        @njit(error_model="numpy", nogil=True)
        def guarded(given, y, mu, parameters):
            found = none
            try:
                found = take(function(*given))
            except Exception:
                note(y, mu, parameters)
            return found

        return jit.unkept(guarded)

    @cached_property
    def evaluate(self) -> Any:
        """evaluate(y, mu, parameters): the value, d / d mu, and the tuple of the others."""
        m = self.m
        if self._by_hand is not None:
            value_of = self._guard(self.function, _as_it_is, math.nan)
            slopes_of = self._guard(self._by_hand, _as_it_is, (math.nan,) * (1 + m))

            @njit(error_model="numpy", nogil=True)
            def by_hand(y, mu, parameters):
                given = (y, mu, *parameters)
                slopes = slopes_of(given, y, mu, parameters)
                return value_of(given, y, mu, parameters), slopes[0], slopes[1:]

            return jit.unkept(by_hand)
        seeded, call = _seeded(m), self._guard(self.function, value_and_slope, (math.nan, math.nan))

        @njit(error_model="numpy", nogil=True)
        def along(y, mu, parameters, at):
            return call((y, *seeded(mu, parameters, at)), y, mu, parameters)

        slopes = _slopes(along, m)

        @njit(error_model="numpy", nogil=True)
        def by_dual_numbers(y, mu, parameters):
            value, slope = along(y, mu, parameters, 0)
            return value, slope, slopes(y, mu, parameters)

        return jit.unkept(by_dual_numbers)

    @cached_property
    def _values(self) -> Any:
        as_tuple, call = tuple_of(self.m), self._guard(self.function, _as_it_is, math.nan)

        def values(y, mu, parameters, out):
            for i in range(y.size):
                own = as_tuple(parameters[i])
                out[i] = call((y[i], mu[i], *own), y[i], mu[i], own)

        kinds = types.void(_REAL[::1], _REAL[::1], _ROWS, _REAL[::1])
        return njit(kinds, error_model="numpy", nogil=True)(values)

    @cached_property
    def _all(self) -> Any:
        evaluate, m, as_tuple = self.evaluate, self.m, tuple_of(self.m)
        entry = entry_of(m)

        def both(y, mu, parameters, out):
            for i in range(y.size):
                value, slope, others = evaluate(y[i], mu[i], as_tuple(parameters[i]))
                out[0, i], out[1, i] = value, slope
                for k in range(m):
                    out[2 + k, i] = entry(others, k)

        kinds = types.void(_REAL[::1], _REAL[::1], _ROWS, _ROWS)
        return njit(kinds, error_model="numpy", nogil=True)(both)

    @property
    def failures(self) -> int:
        if self._slot[0]:
            values = self._slot[1:].copy()
            self._slot[0] = 0.0
            self.keep(self.failed(self._exception(values), values.tolist()))
        return self._count

    def _exception(self, values: Floats) -> BaseException | None:
        """Of the function, or the one of its derivatives, at these numbers."""
        for function in (self.function, self._by_hand):
            if function is not None and (error := raised(function, *values.tolist())) is not None:
                return error
        return None

    def returned(self) -> str | None:
        """What the function gives that is no number; None where it is one."""
        kinds = (_REAL,) * (2 + self.m)
        self.function.compile(kinds)
        kind = self.function.overloads[kinds].signature.return_type
        number = isinstance(kind, types.Float | types.Integer | types.Boolean)
        return None if number else str(kind).split("(")[0]

    def slopes_given(self) -> int:
        """So many derivatives there are; numba's error where they do not compile."""
        kinds = (_REAL,) * (2 + self.m)
        if self.gradient is None:
            return 1 + self.m if self._all else 0
        by_hand: Any = self._by_hand
        by_hand.compile(kinds)
        kind = by_hand.overloads[kinds].signature.return_type
        return len(kind) if isinstance(kind, types.BaseTuple) else 0

    def values(self, y: Floats, mu: Floats, parameters: Floats) -> Floats:
        """(N,) for y and mu (N,), parameters (N, m)."""
        return self._called(self._values, y, mu, parameters, np.empty(len(y)))

    def slopes(self, y: Floats, mu: Floats, parameters: Floats) -> Floats:
        """(2 + m, N) the values, and the derivatives by mu and by each parameter."""
        return self._called(self._all, y, mu, parameters, np.empty((2 + self.m, len(y))))

    def _called(self, loop: Any, y: Floats, mu: Floats, parameters: Floats, out: Floats) -> Floats:
        """`out`, filled; `Failed` where the function raised an exception."""
        before = self.failures
        loop(*map(_ready, (y, mu, parameters)), out)
        if self.failures > before:
            assert self._last is not None
            raise self._last
        return out


def _may_raise(function: Any, m: int) -> bool:
    """Whether a compiled function of y, mu and m parameters can raise an exception.

    numba's functions return a status, 0 if there was none.
    """
    kinds = (_REAL,) * (2 + m)
    function.compile(kinds)
    statuses = re.findall(r"^\s*ret i32 (.*)$", function.inspect_llvm(kinds), re.MULTILINE)
    return set(statuses) != {"0"}


def _ready(x: Floats) -> Floats:
    """As compiled code takes arrays: contiguous, and not for reading alone."""
    return np.array(x, np.float64, order="C")


def _own(function: Any) -> Any:
    """The function compiled as the package's are: what divides by 0 is infinite."""
    python = jit.unkept(getattr(function, "py_func", function))
    return njit(error_model="numpy", nogil=True)(python)


def row_density(
    density: Compiled, link: Link, tails: tuple[Compiled, Compiled] | None
) -> RowDensity:
    """The row density on the scale of this link; `tails` are log P(Y <= y) and log P(Y > y)."""
    evaluate, inverse, scaled = density.evaluate, INVERSES[type(link)], _scaled(density.m)

    @compiled
    def row(t, y, size, extra, parameters, shared):
        mu, rate = inverse(t)
        value, slope, d = evaluate(y, mu, parameters)
        return size * value, size * slope * rate, scaled(size, d)

    return RowDensity(row, type(link), concave=False, tails=_tails(tails, inverse))


def _tails(tails: tuple[Compiled, Compiled] | None, inverse: Any) -> Any:
    if tails is None:
        return None
    below, above = (each.evaluate for each in tails)

    @compiled
    def either(t, bound, upper, size, parameters, shared):
        mu, rate = inverse(t)
        if upper:
            value, slope, d = above(bound, mu, parameters)
        else:
            value, slope, d = below(bound, mu, parameters)
        return value, slope * rate, d

    return either
