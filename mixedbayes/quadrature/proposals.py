"""Effects of each group drawn from their density given all else, by independence Metropolis.

Random numbers are those of a counter, so that a group's draws are the same whichever others are
drawn with it.
"""

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.groups import add_products, add_up, fill, invert, scaled_columns, widest
from mixedbayes.quadrature.modes import NEAR, call_find_modes, room, settle
from mixedbayes.quadrature.rows import call

_MOST_TRIES = 64  # proposals
_u = np.uint64
_GOLDEN, _ONE = _u(0x9E3779B97F4A7C15), _u(0x3FF0000000000000)
_MIX_1, _MIX_2 = _u(0xBF58476D1CE4E5B9), _u(0x94D049BB133111EB)


@inner
def _mixed(key, i):
    """A number from 0 to 1, the i-th of this key, by SplitMix64 (doi:10.1145/2714064.2660195)."""
    x = key + _u(i) * _GOLDEN
    x = (x ^ (x >> _u(30))) * _MIX_1
    x = (x ^ (x >> _u(27))) * _MIX_2
    x = (x ^ (x >> _u(31))) >> _u(12)
    return jit.from_bits(np.int64(x | _ONE)) - 1.0  # type: ignore[call-arg]


@inner
def _sine(v):
    """sin(2 pi v), for v from -1/4 to 1/4."""
    x = 2.0 * math.pi * v
    z = x * x
    high = 1 / 362880 - z * (1 / 39916800 - z * (1 / 6227020800 - z * (1 / 1307674368000)))
    return x * (1.0 - z * (1 / 6 - z * (1 / 120 - z * (1 / 5040 - z * high))))


@jit.njit(
    types.void(types.uint64, *(types.int64,) * 4, *(types.float64[::1],) * 3),
    python=False, nogil=True, error_model="numpy",
)  # fmt: skip
def propose(key, first, N, tries, q, t, weight, chance):
    """Draws t (tries, q, N) of a t distribution with 4 degrees of freedom in q dimensions.

    weight (tries, N) are the reciprocals of their density, and chance (tries, N) uniform. In one
    and two dimensions from two uniform numbers each (Bailey 1994,
    doi:10.1090/S0025-5718-1994-1219702-8). Numbers are those of groups from `first` on, whichever
    others are asked for.
    """
    if q > 2:
        propose_many(key, first, N, tries, q, t, weight, chance)
        return
    for k in range(tries):
        to, x, y = k * N, k * q * N, (k * q + q - 1) * N
        for g in range(N):
            i = 4 * ((first + g) * _MOST_TRIES + k)
            radius = 2.0 * math.sqrt(1.0 / math.sqrt(1.0 - _mixed(key, i)) - 1.0)
            v = _mixed(key, i + 1) - 0.5
            sine = _sine(v if abs(v) < 0.25 else (0.5 if v > 0.0 else -0.5) - v)
            t[_u(y + g)] = radius * sine
            t[_u(x + g)] = radius * _sine(0.25 - abs(v))
            chance[_u(to + g)] = _mixed(key, i + 2)
        for g in range(N):
            other = t[_u(y + g)] if q > 1 else 0.0
            s = 1.0 + 0.25 * (t[_u(x + g)] ** 2 + other * other)
            weight[_u(to + g)] = s * s * (s if q > 1 else math.sqrt(s))


@inner
def propose_many(key, first, N, tries, q, t, weight, chance):
    """`propose` in any number of dimensions: normal numbers over the root of a chi-square's."""
    each = 3 + 2 * q
    for k in range(tries):
        for g in range(N):
            i, s = each * ((first + g) * _MOST_TRIES + k), 0.0
            chance[_u(k * N + g)] = _mixed(key, i)
            chi = -2.0 * (math.log1p(-_mixed(key, i + 1)) + math.log1p(-_mixed(key, i + 2)))
            for a in range(q):
                size = math.sqrt(-2.0 * math.log1p(-_mixed(key, i + 3 + 2 * a)))
                normal = size * math.cos(2.0 * math.pi * _mixed(key, i + 4 + 2 * a))
                x = normal * math.sqrt(4.0 / chi)
                t[_u((k * q + a) * N + g)] = x
                s += 0.25 * x * x
            weight[_u(k * N + g)] = (1.0 + s) ** (0.5 * (4.0 + q))


call_propose = jit.called(propose)


@inner
def draw_each(
    family, blocks, firsts, slots, from_, to, J, acting, concave, Z, L, eta, u, key, tries, out,
):  # fmt: skip
    """u (q, g) of each group of blocks from_ to `to` from p(u_j | y_j); see `draws`, `integrate`.

    So many proposals are placed at the mode in units of the curvature there. Returns the accepted
    share; NaN where a group has no mode.
    """
    rows, y, size, extra, parameters, kept, _ = family
    n, q, R, first = y.size, u.size // J, acting.size, blocks[from_]
    N, P, accepted = blocks[to] - first, eta.size // n, 0
    A = scaled_columns(Z, L, eta.size, q, slots[firsts[from_]], slots[firsts[to]], n)
    most, G = widest(slots, firsts, blocks)
    work, group = np.empty(room(most, P, R, parameters.size)), np.empty((4 + 2 * q) * G)
    C, T, B = np.empty(q * q * G), np.empty((q * q + 1) * G), np.empty(q * R * most)
    values, moved, centre = np.empty(tries * G), np.empty(tries * q * G), np.empty(P * most)
    t, weight, chance = np.empty(tries * q * G), np.empty(tries * G), np.empty(tries * G)
    none = np.empty(0)
    for block in range(from_, to):
        j0, s0, s1 = blocks[block], firsts[block], firsts[block + 1]
        G, own = blocks[block + 1] - j0, j0 - first
        r0 = slots[s0]
        b = slots[s1] - r0
        if not call_find_modes(
            family, slots, s0, s1, j0, J, q, acting, concave, A, eta, u, C, T, work, G, group, NEAR,
        ):  # fmt: skip
            return math.nan
        invert(C, G, q, T)
        settle(slots, s0, s1, j0, J, q, acting, A, eta, u, T, G, n, centre, B)
        call_propose(key, j0, G, tries, q, t, weight, chance)
        fill(values, 0.0, 0, tries * G)
        at, value, top = work[: P * b], work[P * b : (P + 1) * b], group
        fill(top, -math.inf, 0, G)
        for k in range(tries):
            for i in range(P * b):
                at[_u(i)] = centre[_u(i)]
            for r in range(R):
                p = acting[r]
                add_products(
                    slots, s0, s1, q, B, r * b, R * b, t, k * q * G, G, at[p * b : (p + 1) * b]
                )
            call(rows, r0, at, y, size, extra, parameters, kept, value, none, none)
            add_up(slots, s0, s1, value, values, k * G)
            for a in range(q):
                to_ = (k * q + a) * G
                for g in range(G):
                    moved[_u(to_ + g)] = u[_u(a * J + j0 + g)]
                for c in range(a, q):
                    at_ = (k * q + c) * G
                    for g in range(G):
                        moved[_u(to_ + g)] += T[_u((c * q + a) * G + g)] * t[_u(at_ + g)]
                for g in range(G):
                    values[_u(k * G + g)] -= 0.5 * moved[_u(to_ + g)] ** 2
            for g in range(G):
                x = values[_u(k * G + g)]
                top[_u(g)] = x if x > top[_u(g)] else top[_u(g)]
        for k in range(tries):
            for g in range(G):
                weight[_u(k * G + g)] *= exp(values[_u(k * G + g)] - top[_u(g)])
        for g in range(G):
            here = 0
            for k in range(1, tries):
                if chance[_u(k * G + g)] * weight[_u(here * G + g)] < weight[_u(k * G + g)]:
                    here = k
                    accepted += 1
            for a in range(q):
                out[_u(a * N + own + g)] = moved[_u((here * q + a) * G + g)]
    return accepted / (N * (tries - 1))
