"""log P(a < Y <= b) of rows as a PyTensor operation with its gradient.

For families whose tails PyMC has not: the compiled masses of `families.masses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType, disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import (
    numba_njit,
    register_funcify_default_op_cache_key,
)

from mixedbayes import jit
from mixedbayes.families.base import Family
from mixedbayes.families.masses import mass_of
from mixedbayes.families.registry import family_from_names
from mixedbayes.jit import to_fixed_tuple

_SIGNATURE = types.void(*(types.float64[::1],) * 8)


@cache
def _slopes(family: Family) -> Any:
    """Log masses of rows and their derivatives; `parameters` and the last array row by row."""
    density, m = family.row_density, len(family.parameters)
    assert density is not None
    mass, once = mass_of(density, m), density.once

    def of_none(t, a, b, size, parameters, value, d_t, d):  # type: ignore[no-untyped-def]
        shared = once(())
        for i in range(t.size):
            value[i], d_t[i], _ = mass(t[i], a[i], b[i], size[i], (), shared)

    def of_some(t, a, b, size, parameters, value, d_t, d):  # type: ignore[no-untyped-def]
        for i in range(t.size):
            own = parameters[i * m : (i + 1) * m]
            values = to_fixed_tuple(own, m)  # type: ignore[call-arg,var-annotated]
            found = mass(t[i], a[i], b[i], size[i], values, once(values))
            value[i], d_t[i] = found[0], found[1]
            for k in range(m):
                d[i * m + k] = found[2][k]

    return jit.njit(_SIGNATURE, nogil=True, error_model="numpy")(of_some if m else of_none)


class LogMass(Op):
    """(t, own, a, b, size) -> log P(a < Y <= b) (n,), its derivatives by t (n,) and by own (n, m).

    t (n,) and own (n, m) are the predictor and the parameters as the family's row density has them,
    a and b bounds as `Family.bound` has them.
    """

    __props__ = ("name", "link", "fixed")

    def __init__(self, family: Family) -> None:
        self.name, self.link = family.name, family.link.name
        self.fixed = tuple(sorted(family.fixed.items()))

    @property
    def family(self) -> Family:
        return family_from_names(self.name, self.link, dict(self.fixed))

    def make_node(self, t: Any, own: Any, *rest: Any) -> Apply:
        given = [pt.as_tensor(x, dtype="float64") for x in (t, own, *rest)]
        return Apply(self, given, [given[0].type(), given[0].type(), given[1].type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        t, own, a, b, size = (np.array(x, float) for x in inputs)
        value, d_t, d = np.empty(t.size), np.empty(t.size), np.zeros(own.size)
        _slopes(self.family)(t, a, b, size, own.ravel(), value, d_t, d)
        for place, found in zip(output_storage, (value, d_t, d.reshape(own.shape)), strict=True):
            place[0] = found

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Any
    ) -> list[Variable]:
        value, *others = cotangents
        none = [disconnected_type() for _ in inputs[2:]]
        if any(not isinstance(other.type, DisconnectedType) for other in others):
            said = "second derivatives are not available"
            both = [grad_not_implemented(self, k, inputs[k], said) for k in range(2)]
        elif isinstance(value.type, DisconnectedType):
            both = [disconnected_type(), disconnected_type()]
        else:
            both = [value * outputs[1], value[:, None] * outputs[2]]
        return [*both, *none]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k < 2] * 3 for k in range(len(node.inputs))]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        return [shapes[0], shapes[0], shapes[1]]


def log_mass(
    family: Family, t: Any, parameters: Sequence[Any], a: Any, b: Any, size: Any
) -> Variable:
    """(n,) log P(a < Y <= b), for t (n,) and each parameter, a number or (n,)."""
    density = family.row_density
    assert density is not None
    rows = [pt.zeros_like(t) + p for p in parameters]
    for k in density.odds:
        rows[k] = pt.log(rows[k]) - pt.log1p(-rows[k])
    own = pt.stack(rows, axis=1) if rows else pt.zeros((t.shape[0], 0))
    return LogMass(family)(t, own, a, b, size)[0]


@register_funcify_default_op_cache_key(LogMass)
def numba_funcify_log_mass(op: LogMass, node: Apply | None = None, **kwargs: Any) -> Any:
    # Compiled graphs call the loop by this name, see `marginal_op`.
    fixed = "".join(f"_{name}_{value!r}" for name, value in op.fixed)
    symbol = f"mixedbayes_mass_{op.name}_{op.link}{fixed}"
    jit.bind(symbol, jit.address(_slopes(op.family), _SIGNATURE))
    call = jit.symbol_caller(symbol, _SIGNATURE)

    @numba_njit
    def log_mass(t, own, a, b, size):  # type: ignore[no-untyped-def]
        value, d_t, d = np.empty(t.size), np.empty(t.size), np.zeros(own.size)
        t, a, b, size = t.copy(), a.copy(), b.copy(), size.copy()  # in one piece, and not read-only
        call(t, a, b, size, own.copy().ravel(), value, d_t, d)
        return value, d_t, d.reshape(own.shape)

    return log_mass
