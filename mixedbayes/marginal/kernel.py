"""The compiled marginal likelihood of a problem.

There are three compiled functions: for a single factor with one or two effects, for grouping
factors, and for any terms (`sparse`). Each is compiled when it is first asked for, once per
installation: numba keeps the code in its disk cache. All take (x, grad, ints, floats), see
`kernel_for`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixedbayes.marginal.plan import Floats, Ints
from mixedbayes.marginal.problem import Problem

Kernel = Callable[[Floats, Floats, Ints, Floats], float]


def kernel_for(problem: Problem) -> Any:
    """The compiled function for a problem's structure, with one signature for all problems.

    `logp = kernel(x, grad, problem.ints, problem.floats)`, float64 and int64 arrays in C order,
    evaluates log p at x = (L_1 row by row, ..., L_K, sigma, v) and writes the gradient into grad.
    Upper triangles of x are ignored, and zero in grad; an empty grad asks for the value alone. The
    function can be called from compiled code, from threads (it releases the interpreter lock and
    holds no state), and by address.
    """
    if problem.sparse:
        return sparse_kernel()
    if is_single(problem):
        from mixedbayes.marginal.single import single_core

        return single_core
    return general_kernel()


def is_single(problem: Problem) -> bool:
    """Whether the problem has one factor, with one or two effects."""
    return not problem.sparse and len(problem.widths) == 1 and problem.widths[0] <= 2


def general_kernel() -> Any:
    """The compiled function that serves every problem of grouping factors."""
    from mixedbayes.marginal.general import general_core

    return general_core


def sparse_kernel() -> Any:
    """The compiled function that serves every problem of any terms."""
    from mixedbayes.marginal.sparse.kernel import sparse_core

    return sparse_core


def value_and_grad(
    problem: Problem, L: Sequence[Floats], sigma: float, v: Floats | None = None
) -> tuple[float, list[Floats], float, Floats]:
    """log p(y | L, sigma, v) and its gradient (dL_1..dL_K lower-triangular, dsigma, dv).

    Minus infinity, with zero gradient, where sigma is not positive or the precision matrix is
    numerically not positive definite.
    """
    x = problem.pack(L, sigma, v)
    grad = np.empty_like(x)
    logp = kernel_for(problem)(x, grad, problem.ints, problem.floats)
    dL, dsigma, dv = problem.unpack(grad)
    return logp, dL, dsigma, dv
