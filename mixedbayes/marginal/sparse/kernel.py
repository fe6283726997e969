"""The compiled functions of a sparse problem, with the arguments of those of the other kernels.

They are small: each calls the one function of `core`, which is compiled once, by its address, with
the products that the residual's parameters make, and the numbers of precisions that those of chains
make. In the parameter vector

    x = (L_1 row by row, ..., L_K, roots of all chains' neighbours, of the residual's correlations,
         sigma, v)

the place of sigma has the coefficients of log sigma where that has a formula.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.sparse.chains import link_slopes, read_links
from mixedbayes.marginal.sparse.core import (
    DRAW,
    GRADIENT,
    MOMENTS,
    VALUE,
    sparse_pass,
)
from mixedbayes.marginal.sparse.fronts import read_header
from mixedbayes.marginal.sparse.weights import find_weights, make_products, weight_slopes

_call = jit.called(sparse_pass)


@inner
def residual(h, ints, floats, x):
    """What `sparse_pass` takes beside the point of `effects`: where the residual's parameters are
    in x; the bases, 1 / sigma, and products; and -log|R| / 2, NaN where there is no such R.
    """
    at = x.size - h.r - h.n_roots - max(h.n_scales, 1)
    B, u, w, P = (
        np.empty(h.n_bases), np.empty(h.n_classes), np.empty(h.n_sets), np.empty(h.n_products),
    )  # fmt: skip
    value = find_weights(ints, floats, x, at, B, u, w)
    if np.isfinite(value):
        make_products(ints, floats, B, u, w, P)
    return at, B, u, P, value


@inner
def effects_point(h, ints, x, at):
    """The point of `sparse_pass`: L, numbers of the precisions, v; how many L has; and what the
    numbers change of log|K| / 2.
    """
    many = at - 4 * h.n_links
    out = np.ones(many + h.n_kinds + h.r)
    for i in range(many):
        out[i] = x[i]
    value = read_links(h, ints, x, many, out[many:])
    for i in range(h.r):
        out[many + h.n_kinds + i] = x[x.size - h.r + i]
    return out, many, value


@jit.njit("f8(f8[::1], f8[::1], i8[::1], f8[::1])", nogil=True, error_model="numpy")
def sparse_core(x, grad, ints, floats):
    """The same function of the same arguments as `general.general_core`."""
    h, none = read_header(ints), np.empty(0)
    for i in range(grad.size):
        grad[i] = 0.0
    at, B, u, P, value = residual(h, ints, floats, x)
    if not np.isfinite(value):
        return -np.inf
    point, many, change = effects_point(h, ints, x, at)
    value, exact = value + change, grad.size > 0
    slopes = np.zeros(point.size if exact else 0)
    adjoint = np.empty(P.size if exact else 0)
    mode = GRADIENT if exact else VALUE
    value += _call(mode, point, P, slopes, adjoint, none, none, none, none, ints, floats)
    if not np.isfinite(value):
        return -np.inf
    if exact:
        for i in range(many):
            grad[i] = slopes[i]
        link_slopes(h, ints, x, many, slopes[many:], grad)
        for i in range(h.r):
            grad[x.size - h.r + i] = slopes[many + h.n_kinds + i]
        weight_slopes(ints, floats, x, at, B, u, adjoint, grad[at:])
    return value


@jit.njit("b1(f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])", nogil=True, error_model="numpy")
def sparse_draw_core(x, beta, effects, ints, floats):
    """The same as `draws.draw_core`; effects are in the caller's order."""
    h, none = read_header(ints), np.empty(0)
    at, _, _, P, value = residual(h, ints, floats, x)
    point, _, change = effects_point(h, ints, x, at)
    value += change + _call(DRAW, point, P, none, none, beta, effects, none, none, ints, floats)
    return np.isfinite(value)


@jit.njit(
    "b1(f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8[::1], f8[::1])",
    nogil=True,
    error_model="numpy",
)
def sparse_moments_core(x, mean, cov, cross, beta, ints, floats):
    """The same as `moments.moments_core`; effects are in the caller's order."""
    h, none = read_header(ints), np.empty(0)
    at, _, _, P, value = residual(h, ints, floats, x)
    point, _, change = effects_point(h, ints, x, at)
    value += change + _call(MOMENTS, point, P, none, none, beta, mean, cov, cross, ints, floats)
    return np.isfinite(value)
