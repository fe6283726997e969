"""Markov chains of a density whose proposals come from a polynomial that is close to it.

Near the mode of a whitened density, log p(z) is nearly a polynomial s(z). Some trajectories of
Hamiltonian Monte Carlo on exp(s) carry z to z'; as a kernel they are reversible with regard to
exp(s), so that z' is accepted with probability

    min(1, p(z') exp(s(z)) / (p(z) exp(s(z')))),

which leaves p as it is (Christen & Fox 2005, doi:10.1198/106186005X76983). A draw takes one value
of the density and no gradient, and hardly depends on the one before it. Outside of its radius s
goes on along straight lines from 0, so that all of space is reached.

Trajectories are quarter turns in small steps: each follows the motion under N(0, I) exactly,
between pushes by the rest of the gradient; see `sample.defaults`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.theta.record import copy

LEAST_FALL = 1.0  # of s per unit of distance, outside of its radius
_REALS, _INTS = types.float64[::1], types.int64[::1]
VALUE_SIGNATURE = types.float64(_REALS, _REALS, _INTS)  # DENSITY_SIGNATURE, as types
_density = jit.caller(VALUE_SIGNATURE)


@jit.inner
def surrogate(z, terms, coefficients, radius, gradient):
    """s(z), and its gradient (d,), outside of the radius that of the point at the radius.

    s = sum_t c_t e_i e_j e_k e_l, (i, j, k, l) = terms[4 t : 4 t + 4] and e = (z, 1).
    """
    d, length = z.size, 0.0
    for i in range(d):
        length += z[i] * z[i]
    length = math.sqrt(length)
    scale = radius / length if length > radius else 1.0
    e, full, total = np.ones(d + 1), np.zeros(d + 1), 0.0
    for i in range(d):
        e[i] = z[i] * scale
    for t in range(coefficients.size):
        i, j, k, m = terms[4 * t], terms[4 * t + 1], terms[4 * t + 2], terms[4 * t + 3]
        first, last = coefficients[t] * e[i] * e[j], coefficients[t] * e[k] * e[m]
        total += first * e[k] * e[m]
        full[i] += e[j] * last
        full[j] += e[i] * last
        full[k] += first * e[m]
        full[m] += first * e[k]
    copy(full[:d], gradient)
    if scale < 1.0:
        fall = 0.0
        for i in range(d):
            fall += full[i] * e[i] / radius
        total += min(fall, -LEAST_FALL) * (length - radius)
    return total


@jit.inner
def quarter_turn(z, value, normals, uniform, steps, terms, coefficients, radius, new, p, gradient):
    """Moves z by a trajectory on exp(s), if it is accepted; s at z, and whether it is new."""
    d, angle = z.size, 0.5 * math.pi / steps
    cos, sin, half = math.cos(angle), math.sin(angle), 0.5 * angle
    energy = value
    copy(z, new)
    for i in range(d):
        p[i] = normals[i]
        energy -= 0.5 * p[i] * p[i]
    surrogate(new, terms, coefficients, radius, gradient)
    there = value
    for _ in range(steps):
        for i in range(d):
            p[i] += half * (gradient[i] + new[i])
            new[i], p[i] = cos * new[i] + sin * p[i], cos * p[i] - sin * new[i]
        there = surrogate(new, terms, coefficients, radius, gradient)
        for i in range(d):
            p[i] += half * (gradient[i] + new[i])
    other = there
    for i in range(d):
        other -= 0.5 * p[i] * p[i]
    if uniform < math.exp(min(other - energy, 0.0)):
        copy(new, z)
        return there, 1
    return value, 0


@jit.njit(
    types.float64(_INTS, *(_REALS,) * 2, types.float64, types.int64, *(_REALS,) * 3),
    short_loops=True, nogil=True, error_model="numpy",
)  # fmt: skip
def accepted_turns(terms, coefficients, z, radius, steps, normals, uniforms, work):
    """The share of accepted trajectories on exp(s), from z (d,), which is moved by all of them.

    normals (n d,) and uniforms (n,) are random; work (3 d,).
    """
    d, n, many = z.size, uniforms.size, 0
    new, p, gradient = work[:d], work[d : 2 * d], work[2 * d :]
    value = surrogate(z, terms, coefficients, radius, gradient)
    for k in range(n):
        value, moved = quarter_turn(
            z, value, normals[k * d : (k + 1) * d], uniforms[k], steps, terms, coefficients, radius,
            new, p, gradient,
        )  # fmt: skip
        many += moved
    return many / n


@jit.njit(
    types.void(
        types.int64, _INTS, _INTS, _REALS, types.float64, types.int64, types.int64, *(_REALS,) * 6
    ),
    short_loops=True, nogil=True, error_model="numpy",
)  # fmt: skip
def chain(
    address, record, terms, coefficients, radius, steps, turns, z, value, normals, uniforms, draws,
    stats,
):  # fmt: skip
    """The next draws (n, d) of a chain at z (d,), whose log density is value (1,); both move.

    A proposal comes after so many turns of so many steps. normals (n, turns, d) and uniforms
    (n, turns + 1) are random. stats (n, 2): log density, and acceptance rate.
    """
    d, none = z.size, np.empty(0)
    n = draws.size // d
    new, p, gradient, there = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    near = surrogate(z, terms, coefficients, radius, gradient)
    for k in range(n):
        copy(z, there)
        other = near
        for t in range(turns):
            at = (k * turns + t) * d
            other, _ = quarter_turn(
                there, other, normals[at : at + d], uniforms[k * (turns + 1) + t], steps, terms,
                coefficients, radius, new, p, gradient,
            )  # fmt: skip
        found = _density(address, there, none, record)
        rate = math.exp(min((found - other) - (value[0] - near), 0.0))
        if uniforms[k * (turns + 1) + turns] < rate:
            copy(there, z)
            near, value[0] = other, found
        copy(z, draws[k * d : (k + 1) * d])
        stats[2 * k], stats[2 * k + 1] = value[0], rate
