"""Log densities of the user's own in PyTensor, and others as nodes of its graphs.

The only module of the families that imports PyTensor; it loads with a model that needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import generate_fallback_impl, numba_funcify

from mixedbayes.design.types import Floats
from mixedbayes.families.python_rows import Evaluated


class InPyTensor(Evaluated):
    """The log density of rows by a function(y, mu, *parameters) of tensors, and its derivatives."""

    name = "pytensor"
    slowness = (
        "pytensor= is evaluated by Python, one chain at a time. Remedy: give the density as logp=, "
        "a function of numbers, where it can be written so"
    )

    def __init__(self, function: Callable[..., Any], m: int) -> None:
        super().__init__(self._value_of, self._all_of)
        self.function, self.m = function, m

    def prepare(self) -> None:
        assert self._compiled

    @cached_property
    def _graph(self) -> tuple[list[Any], Any]:
        inputs = [pt.dvector(name) for name in ("y", *(f"x{k}" for k in range(self.m + 1)))]
        found = pt.as_tensor_variable(self.function(*inputs))
        return inputs, found + pt.zeros_like(inputs[0])  # one of each row

    @cached_property
    def _compiled(self) -> tuple[Any, Any]:
        inputs, value = self._graph
        by = inputs[1:]
        slopes = pytensor.grad(value.sum(), by, disconnected_inputs="ignore")
        alone = pytensor.function(inputs, value, on_unused_input="ignore")
        both = pytensor.function(inputs, pt.stack([value, *slopes]), on_unused_input="ignore")
        return alone, both

    def _value_of(self, *arguments: Floats) -> Floats:
        return np.asarray(self._compiled[0](*map(np.ascontiguousarray, arguments)))

    def _all_of(self, *arguments: Floats) -> Floats:
        return np.asarray(self._compiled[1](*map(np.ascontiguousarray, arguments)))


def graph(density: Any, y: Any, arguments: Sequence[Any]) -> Any:
    """log p of y given mu and the parameters, as a tensor of their common shape."""
    if isinstance(density, InPyTensor):
        return density.function(y, *arguments)
    every = [pt.as_tensor_variable(x).astype("float64") for x in (y, *arguments)]
    every = pt.broadcast_arrays(*every)
    shape = every[0].shape
    return _Values(density)(*(x.ravel() for x in every)).reshape(shape, ndim=every[0].ndim)


class _Node(Op):
    """Rows of a density that PyTensor cannot look into."""

    def __init__(self, density: Any) -> None:
        self.density = density

    def _asked(self, function: Callable[..., Floats], inputs: Sequence[Any]) -> Floats:
        """What a function gives; what it raises is kept too, for nutpie's code catches it."""
        try:
            return np.array(function(*self._flat(inputs)))
        except Exception as error:
            self.density.keep(error)
            raise

    def _flat(self, inputs: Sequence[Any]) -> tuple[Floats, Floats, Floats]:
        y, mu, *rest = (np.ascontiguousarray(x, float) for x in inputs)
        own = np.stack(rest, axis=1) if rest else np.zeros((len(y), 0))
        return y, mu, np.ascontiguousarray(own)


class _Values(_Node):
    """log p of each row; inputs are vectors y, mu and the parameters."""

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [pt.dvector()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = self._asked(self.density.values, inputs)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        if isinstance(cotangents[0].type, DisconnectedType):
            return [DisconnectedType()() for _ in inputs]
        slopes = _Slopes(self.density)(*inputs)
        own = [cotangents[0] * slopes[k] for k in range(len(inputs) - 1)]
        return [pytensor.gradient.grad_undefined(self, 0, inputs[0]), *own]


class _Slopes(_Node):
    """Derivatives of log p by mu and the parameters, (1 + m, n)."""

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [pt.dmatrix()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = self._asked(self.density.slopes, inputs)[1:]


@numba_funcify.register(_Node)
def _in_python(op: _Node, node: Any = None, **options: Any) -> Any:
    """PyTensor's own way for what numba cannot compile, without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return generate_fallback_impl(op, node=node, **options)
