"""A model's numbers as one array of 64-bit words, which compiled functions read by section.

A function compiled once, and kept on disk, therefore serves every model and every data set. The
first word of a record is its length; then come, for each section, its place and its length, then
the sections; those of real numbers are their bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numba import carray
from numpy.typing import NDArray

from mixedbayes import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]

DENSITY_SIGNATURE = "float64(float64[::1], float64[::1], int64[::1])"


def places(names: Sequence[str]) -> dict[str, int]:
    """Where the head says of each section where it is, for `ints` and `reals`."""
    return {name: 1 + 2 * i for i, name in enumerate(names)}


def pack(names: Sequence[str], sections: Mapping[str, Floats | Ints]) -> Ints:
    """The record of these sections, in the order of their names."""
    parts, head, at = [], [], 1 + 2 * len(names)
    for name in names:
        values = np.asarray(sections[name])
        kind = np.float64 if values.dtype.kind == "f" else np.int64
        words = np.ascontiguousarray(values, kind).ravel().view(np.int64)
        head += [at, words.size]
        parts.append(words)
        at += words.size
    return np.concatenate([np.array([at, *head], np.int64), *parts])


@jit.inner
def copy(source, target):
    """Fill a vector from the first elements of another; `target[:] =` takes seconds to compile."""
    for i in range(target.size):
        target[i] = source[i]


@jit.inner
def copied(source):
    """Another vector of the same real numbers."""
    target = np.empty(source.size)
    copy(source, target)
    return target


@jit.inner
def total_of(x):
    """Their sum, one after another; `x.sum()` takes longer to compile."""
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@jit.inner
def ints(record, section):
    return record[record[section] : record[section] + record[section + 1]]


@jit.inner
def reals(record, section):
    return record[record[section] : record[section] + record[section + 1]].view(np.float64)


@jit.inner
def finite_or_none(total, gradient):
    """A log density; -inf, with a gradient of zeros, where it or its gradient is not finite."""
    finite = math.isfinite(total)
    for i in range(gradient.size):
        finite = finite and math.isfinite(gradient[i])
    if finite:
        return total
    gradient[:] = 0.0
    return -math.inf


def as_c(density: Any) -> Any:
    """A compiled density, of DENSITY_SIGNATURE, as a C function with `jit.LOGP_SIGNATURE`."""

    call = jit.called(density)

    def c_density(n, z, gradient, value, record):
        length = carray(record, (1,), np.int64)[0]
        words = carray(record, (length,), np.int64)
        value[0] = call(carray(z, (n,)), carray(gradient, (n,)), words)
        return 0 if math.isfinite(value[0]) else 1

    return jit.cfunc(jit.LOGP_SIGNATURE, error_model="numpy")(c_density)


class Recorded:
    """A density that a compiled function evaluates from its `record`.

    Calls from several threads at once are safe, and the interpreter lock is released inside.
    """

    compiled: ClassVar[Any]  # with DENSITY_SIGNATURE
    as_c: ClassVar[Any]  # the same by `as_c`

    @property
    def record(self) -> Ints:
        """What the compiled function reads."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        raise NotImplementedError

    def logp_grad(self, z: Floats) -> tuple[float, Floats]:
        """Log density at z (ndim,), and its gradient; -inf and zeros where one is not finite."""
        gradient = np.empty(self.ndim)
        return self._evaluate(z, gradient), gradient

    def _evaluate(self, z: Floats, gradient: Floats) -> float:
        z = np.ascontiguousarray(z, float)
        if z.shape != (self.ndim,):
            raise ValueError(f"theta has shape {z.shape} for {self.ndim} coordinates")
        return float(type(self).compiled(z, gradient, self.record))

    @property
    def c_address(self) -> int:
        """Address of the same as a C function, with `jit.LOGP_SIGNATURE`."""
        return int(type(self).as_c.address)

    @property
    def c_data(self) -> int:
        """Address of the record that the C function takes; valid while this object lives."""
        return int(self.record.ctypes.data)
