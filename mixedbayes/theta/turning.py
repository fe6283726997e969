"""Hamiltonian Monte Carlo by quarter turns, for densities close to N(0, I) in many coordinates.

A trajectory turns position and momentum by about a right angle, in some steps: each follows the
motion under N(0, I) exactly, between pushes by the rest of the gradient (Shahbaba, Lan, Johnson &
Neal 2014, doi:10.1007/s11222-012-9373-1). Under N(0, I) its end has nothing of where it started;
half a turn would come out at the other side, and draws would take turns between the tails.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.theta.record import copy
from mixedbayes.theta.transitions import VALUE_SIGNATURE

_REALS, _INTS = types.float64[::1], types.int64[::1]
_density = jit.caller(VALUE_SIGNATURE)


@jit.njit(
    types.void(types.int64, _INTS, types.int64, *(_REALS,) * 8), nogil=True, error_model="numpy"
)
def turn_chain(
    address, record, steps, z, value, gradient, normals, uniforms, angles, draws, stats
):  # fmt: skip
    """The next draws (n, d) of a chain at z (d,), with log density (1,) and gradient; all move.

    Each turns by its angle (n,) in so many steps. normals (n, d) and uniforms (n,) are random.
    stats (n, 4): log density, acceptance rate, energy, and error of the energy.
    """
    d = z.size
    new, p, slope = np.empty(d), np.empty(d), np.empty(d)
    for k in range(uniforms.size):
        angle = angles[k] / steps
        cos, sin, half = math.cos(angle), math.sin(angle), 0.5 * angle
        energy, found = -value[0], value[0]
        copy(normals[k * d : (k + 1) * d], p)
        copy(gradient, slope)
        for i in range(d):
            energy += 0.5 * p[i] * p[i]
            new[i] = z[i]
        for _ in range(steps):
            for i in range(d):
                x, pushed = new[i], p[i] + half * (slope[i] + new[i])
                new[i], p[i] = cos * x + sin * pushed, cos * pushed - sin * x
            found = _density(address, new, slope, record)
            if not math.isfinite(found):
                break
            for i in range(d):
                p[i] += half * (slope[i] + new[i])
        error = math.inf
        if math.isfinite(found):
            error = -found - energy
            for i in range(d):
                error += 0.5 * p[i] * p[i]
            if not math.isfinite(error):  # as the gradient is there
                error = math.inf
        rate = math.exp(min(-error, 0.0))
        if uniforms[k] < rate:
            copy(new, z)
            copy(slope, gradient)
            value[0] = found
        copy(z, draws[k * d : (k + 1) * d])
        stats[4 * k], stats[4 * k + 1] = value[0], rate
        stats[4 * k + 2], stats[4 * k + 3] = energy, error
