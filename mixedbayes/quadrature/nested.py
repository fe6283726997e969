"""Nested factors: the likelihood, and draws of all effects, from a record.

Compiled apart from `kernel.marginal`, which calls it by its address, and only where factors are
nested.
"""

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.descent import draw_above
from mixedbayes.quadrature.messages import integrate_tree
from mixedbayes.quadrature.proposals import draw_each
from mixedbayes.quadrature.sections import (
    ABOVE,
    ACTING,
    BLOCKS,
    CODES,
    EXTRA,
    FIRSTS,
    GROUPS,
    NUMBERS,
    PLACES,
    RATIOS,
    SIZE,
    SIZES,
    SLOTS,
    STEPS,
    TREE,
    WHY,
    ZED,
    coefficients,
    first_modes,
    keep,
    linear_predictor,
    parameters_of,
)
from mixedbayes.terms.roots import roots
from mixedbayes.theta.logpriors import log_prior
from mixedbayes.theta.record import ints, reals

_LEAST = 1e-100  # sd of effects, beside which smaller ones make no difference
_REALS = types.float64[::1]
NESTED_SIGNATURE = types.float64(*(_REALS,) * 9, types.int64[::1])
call_nested = jit.caller(NESTED_SIGNATURE)


@inner
def scales_of(record, L):
    """Sds of the effects of nested factors, the finest first, from their roots along L."""
    at = ints(record, PLACES)
    found = np.empty(at.size)
    for d in range(at.size):
        found[d] = max(L[at[d] * (at.size + 1)], _LEAST)
    return found


@jit.njit(NESTED_SIGNATURE, nogil=True, error_model="numpy")
def nested(scales, parameters, kept, eta, each, u, d_eta, by_scale, d_own, record):
    """`messages.integrate_tree`, with what it reads of a record."""
    sizes = ints(record, SIZES)
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family = (*rows, parameters, kept, reals(record, STEPS))
    return integrate_tree(
        family, ints(record, TREE), ints(record, ABOVE), ints(record, FIRSTS),
        ints(record, SLOTS), reals(record, RATIOS).size, reals(record, ZED), scales, eta, each, u,
        d_eta, by_scale, d_own,
    )  # fmt: skip


def address() -> int:
    """That of `nested`."""
    return jit.address(nested, NESTED_SIGNATURE)


@jit.njit(
    "float64(float64[::1], uint64, int64, float64[::1], int64[::1])",
    nogil=True, error_model="numpy",
)  # fmt: skip
def draw_nested(phi, key, tries, out, record):
    """u of all levels (J,) into `out` given (phi, coefficients), as `kernel.draw_effects`."""
    sizes, places = ints(record, SIZES), ints(record, PLACES)
    h, intercept, D = sizes[0], sizes[3], places.size
    work, W, L = np.empty((3, phi.size)), np.empty(D * D), np.zeros(D * D)
    codes, numbers = ints(record, CODES).reshape(-1, 2), reals(record, NUMBERS).reshape(-1, 6)
    log_prior(phi, codes, numbers, work)
    roots(work, ints(record, BLOCKS), W, L)
    scales, firsts, slots = scales_of(record, L), ints(record, FIRSTS), ints(record, SLOTS)
    n, groups = reals(record, WHY).size, ints(record, GROUPS)
    beta = coefficients(record, phi[h + intercept :], phi)
    eta = linear_predictor(record, phi, h, intercept, beta, 0, n)
    parameters = parameters_of(record, work[0])
    kept = keep(record, parameters, 0, n)
    first_modes(record, phi, out, out.size, 0, out.size)
    rows = sizes[5], reals(record, WHY), reals(record, SIZE), reals(record, EXTRA)
    family = (*rows, parameters, kept, reals(record, STEPS))
    first = draw_above(
        family, ints(record, TREE), ints(record, ABOVE), firsts, slots,
        reals(record, RATIOS).size, reals(record, ZED), scales, eta, out, ~key, tries,
    )  # fmt: skip
    if not math.isfinite(first):
        return math.nan
    J = groups[groups.size - 1]
    start = out[:J].copy()
    then = draw_each(
        family, groups, firsts, slots, 0, groups.size - 1, J, ints(record, ACTING), sizes[8],
        reals(record, ZED), scales[:1], eta, start, key, tries, out[:J],
    )  # fmt: skip
    return min(first, then)
