"""The marginal likelihood as a PyTensor operation with its gradient.

The operation takes the parameters as one vector and the problem's two flat arrays, so that neither
other data nor another model needs anything compiled again: the arrays travel as shared variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import (
    numba_njit,
    register_funcify_default_op_cache_key,
)

from mixedbayes import jit
from mixedbayes.errors import ModelError
from mixedbayes.marginal.evaluate import LIKELIHOOD_SIGNATURE
from mixedbayes.marginal.kernel import general_kernel, sparse_kernel
from mixedbayes.marginal.problem import Problem

__all__ = ["MarginalLogp", "marginal_logp"]

# Compiled graphs call the kernel by this name, not by its code or address: they can be kept in
# PyTensor's disk cache, stay valid when the kernel changes, and need not contain it.
_SYMBOLS = {False: "mixedbayes_marginal_kernel", True: "mixedbayes_sparse_kernel"}
_CALLS = {key: jit.symbol_caller(name, LIKELIHOOD_SIGNATURE) for key, name in _SYMBOLS.items()}


@cache
def _kernel(sparse: bool) -> Any:
    """The compiled function, which graphs find by its name from then on."""
    kernel = sparse_kernel() if sparse else general_kernel()
    jit.bind(_SYMBOLS[sparse], jit.address(kernel, LIKELIHOOD_SIGNATURE))
    return kernel


class MarginalLogp(Op):
    """(x, ints, floats) -> (log p(y | L, sigma, v), its gradient in x).

    x (n,) is (L_1 row by row, ..., L_K, sigma, v); ints and floats are those of a `Problem`, whose
    `sparse` says by which kernel.
    """

    __props__ = ("sparse",)

    def __init__(self, sparse: bool = False) -> None:
        self.sparse = sparse
        _kernel(sparse)

    def make_node(self, x: Any, ints: Any, floats: Any) -> Apply:
        x = pt.as_tensor(x, dtype="float64")
        ints, floats = pt.as_tensor(ints, dtype="int64"), pt.as_tensor(floats, dtype="float64")
        if not x.ndim == ints.ndim == floats.ndim == 1:
            raise ModelError(
                "MarginalLogp takes three vectors, got arrays of "
                f"{x.ndim}, {ints.ndim} and {floats.ndim} dimensions"
            )
        return Apply(self, [x, ints, floats], [pt.dscalar(), x.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        x, ints, floats = (np.ascontiguousarray(a) for a in inputs)
        gradient = np.zeros(x.size)
        output_storage[0][0] = np.asarray(_kernel(self.sparse)(x, gradient, ints, floats))
        output_storage[1][0] = gradient

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Any
    ) -> list[Variable]:
        value, gradient = cotangents
        if not isinstance(gradient.type, DisconnectedType):
            of_x = grad_not_implemented(self, 0, inputs[0], "second derivatives are not available")
        elif isinstance(value.type, DisconnectedType):
            of_x = disconnected_type()
        else:
            of_x = value * outputs[1]
        return [of_x, disconnected_type(), disconnected_type()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True], [False, False], [False, False]]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        return [(), shapes[0]]


def marginal_logp(problem: Problem, L: Sequence[Any], sigma: Any, v: Any | None = None) -> Variable:
    """Scalar variable log p(y | L_1..L_K, sigma, v), with population and group effects integrated.

    Parameters
    ----------
    L : sequence of (q, q)
        Lower triangular factors of the effects' covariances, in the problem's order of factors;
        upper triangles are ignored.
    sigma
        Residual standard deviation, a scalar; or (k,) all numbers of the residual, see
        `Problem.n_residual`.
    v : (r,), optional
        Coefficients that are not integrated; see `build_problem`.

    Raises
    ------
    ModelError
        Another number of factors or of coefficients than the problem has.
    """
    factors = [pt.as_tensor(factor) for factor in L]
    if len(factors) != len(problem.widths):
        raise ModelError(
            f"{len(factors)} factors L given for {len(problem.widths)} grouping factors"
        )
    parts = [f.reshape((q * q,)) for f, q in zip(factors, problem.widths, strict=True)]
    parts.append(pt.as_tensor(sigma).reshape((problem.n_residual,)))
    if v is not None:
        parts.append(pt.as_tensor(v).reshape((problem.n_sampled,)))
    elif problem.n_sampled:
        raise ModelError(f"v is missing: the problem has {problem.n_sampled} sampled coefficients")
    ints = pytensor.shared(problem.ints, name="marginal_ints", borrow=True)
    floats = pytensor.shared(problem.floats, name="marginal_floats", borrow=True)
    logp, _ = MarginalLogp(problem.sparse)(pt.concatenate(parts), ints, floats)
    return logp


@register_funcify_default_op_cache_key(MarginalLogp)
def numba_funcify_marginal_logp(op: MarginalLogp, node: Apply | None = None, **kwargs: Any) -> Any:
    _kernel(op.sparse)
    call = _CALLS[op.sparse]

    @numba_njit
    def marginal_logp(x, ints, floats):  # type: ignore[no-untyped-def]
        x = np.ascontiguousarray(x)
        gradient = np.zeros(x.size)
        ints, floats = np.ascontiguousarray(ints), np.ascontiguousarray(floats)
        value = call(x, gradient, ints, floats)
        return np.asarray(value), gradient

    return marginal_logp
