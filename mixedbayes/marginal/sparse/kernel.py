"""The compiled functions of a sparse problem, with the arguments of those of the other kernels.

They are small: each calls the one function of `core`, which is compiled once, by its address. Here
rows are independent, with w = 1 / sigma^2, and precisions are known.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.sparse.core import (
    DRAW,
    GRADIENT,
    MOMENTS,
    SIGNATURE,
    VALUE,
    sparse_pass,
)
from mixedbayes.marginal.sparse.fronts import read_header

_SYMBOL = "mixedbayes_sparse_pass"
jit.bind(_SYMBOL, jit.address(sparse_pass, SIGNATURE))
_call = jit.symbol_caller(_SYMBOL, SIGNATURE)


@inner
def with_weights(h, x):
    """What `sparse_pass` takes, of x = (L_1, ..., L_K, sigma, v); sigma is at the place of w."""
    at = x.size - h.r - 1
    out = np.ones(x.size + h.n_kinds)
    for i in range(x.size):
        out[i if i <= at else i + h.n_kinds] = x[i]
    out[at] = 1.0 / x[at] ** 2
    return out


@jit.njit("f8(f8[::1], f8[::1], i8[::1], f8[::1])", nogil=True, error_model="numpy")
def sparse_core(x, grad, ints, floats):
    """The same function of the same arguments as `general.general_core`."""
    h = read_header(ints)
    at, n, none = x.size - h.r - 1, floats[h.constants + 1], np.empty(0)
    for i in range(grad.size):
        grad[i] = 0.0
    sigma = x[at]
    if not (sigma > 0.0 and np.isfinite(sigma)):
        return -np.inf
    point = with_weights(h, x)
    slopes = np.zeros(point.size if grad.size > 0 else 0)
    mode = GRADIENT if grad.size > 0 else VALUE
    value = _call(mode, point, slopes, none, none, none, none, ints, floats) - n * np.log(sigma)
    if not np.isfinite(value):
        return -np.inf
    for i in range(grad.size):
        grad[i] = slopes[i if i <= at else i + h.n_kinds]
    if grad.size > 0:
        grad[at] = (-2.0 * slopes[at] * point[at] - n) / sigma
    return value


@jit.njit("b1(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])", nogil=True, error_model="numpy")
def sparse_draw_core(x, beta, effects, ints, floats):
    """The same as `draws.draw_core`; effects are in the caller's order."""
    none, point = np.empty(0), with_weights(read_header(ints), x)
    return np.isfinite(_call(DRAW, point, none, beta, effects, none, none, ints, floats))


@jit.njit(
    "b1(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    nogil=True,
    error_model="numpy",
)
def sparse_moments_core(x, mean, cov, cross, beta, ints, floats):
    """The same as `moments.moments_core`; effects are in the caller's order."""
    none, point = np.empty(0), with_weights(read_header(ints), x)
    return np.isfinite(_call(MOMENTS, point, none, beta, mean, cov, cross, ints, floats))
