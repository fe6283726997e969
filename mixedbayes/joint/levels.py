"""Effects of all terms in the joint density: up to the rows, and their derivatives back; compiled.

Each way is a function of its own, which is compiled by itself.
"""

from __future__ import annotations

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.joint import partially_centred
from mixedbayes.joint.operator import add_from_rows, add_to_rows, mix
from mixedbayes.joint.sections import FACTORS, FALLS, MAPS, MIXES, NESTS, RATES, REFS, SHARES, ZED
from mixedbayes.theta.record import ints, reals

_REALS, _RECORD = types.float64[::1], types.int64[::1]


@jit.njit(
    types.UniTuple(types.float64, 2)(types.float64, *(_REALS,) * 8, types.int64, _RECORD),
    short_loops=True, python=False, nogil=True, error_model="numpy",
)  # fmt: skip
def to_rows(total, theta, root, information, scores, b, u, above, eta, h, record):
    """Fill b, u and above (J q of all factors) from theta, and add the effects of each row to eta.

    Returns `total` and their log density without constants, and what the intercept's coordinate has
    of them.
    `above` has the effects of coarser factors that contain a level.
    """
    factors, refs = ints(record, FACTORS).reshape(-1, 13), ints(record, REFS)
    nests, maps = ints(record, NESTS).reshape(-1, 5), ints(record, MAPS)
    ez, mixes, shares = reals(record, ZED), reals(record, MIXES), reals(record, SHARES)
    common = 0.0
    for k in range(len(factors) - 1, -1, -1):  # coarser factors are later
        q, J, e = factors[k, 0], factors[k, 1], factors[k, 3]
        m0, w0 = factors[k, 11], factors[k, 12]
        s, c, o = factors[k, 2], factors[k, 7], e - h
        for i in range(len(nests)):
            if nests[i, 0] == k:
                q_up, at = factors[nests[i, 1], 0], nests[i, 4]
                o_up, t = factors[nests[i, 1], 3] - h + nests[i, 3], nests[i, 2]
                for g in range(J):
                    above[o + g * q + t] += b[o_up + maps[at + g] * q_up]
        own = b[o : o + J * q]
        total += partially_centred.effects(
            theta[e : e + J * q], above[o : o + J * q], J, q, root[s : s + q * q].reshape(q, q),
            information[c:], scores[o : o + J * q], own, u[o : o + J * q],
        )  # fmt: skip
        share = 0.0
        if w0 >= 0:
            for g in range(J):
                share += shares[w0 + g] * own[g * q]
            common += share
        if m0 >= 0:
            mix(mixes[m0:], own, J, q, False)
        if w0 >= 0:
            for g in range(J):
                own[g * q] -= share
        add_to_rows(
            eta, own, factors[k, 9], factors[k, 10], factors[k, 4], factors[k, 8], q,
            refs[factors[k, 5] :], ez[factors[k, 6] :],
        )  # fmt: skip
    return total, common


@jit.njit(
    types.void(*(_REALS,) * 8, types.float64, types.int64, _RECORD),
    short_loops=True, python=False, nogil=True, error_model="numpy",
)  # fmt: skip
def from_rows(slope, root, information, scores, u, above, d_root, grad, pull, h, record):
    """Fill the effects' part of grad from the rows' slopes, and add to the derivatives in root.

    `pull` is the derivative of the intercept's prior, in whose coordinate effects have a share.
    """
    factors, refs = ints(record, FACTORS).reshape(-1, 13), ints(record, REFS)
    nests, maps = ints(record, NESTS).reshape(-1, 5), ints(record, MAPS)
    falls, rates = ints(record, FALLS).reshape(-1, 3), reals(record, RATES)
    ez, mixes, shares = reals(record, ZED), reals(record, MIXES), reals(record, SHARES)
    db, d_above = np.zeros(u.size), np.zeros(u.size)
    for k in range(len(factors)):
        q, J, o = factors[k, 0], factors[k, 1], factors[k, 3] - h
        add_from_rows(
            slope, db[o : o + J * q], factors[k, 9], factors[k, 10], factors[k, 4], factors[k, 8],
            q, refs[factors[k, 5] :], ez[factors[k, 6] :],
        )  # fmt: skip
    for k in range(len(factors)):
        q, J, e = factors[k, 0], factors[k, 1], factors[k, 3]
        m0, w0 = factors[k, 11], factors[k, 12]
        s, c, o = factors[k, 2], factors[k, 7], e - h
        S, dS = root[s : s + q * q].reshape(q, q), d_root[s : s + q * q].reshape(q, q)
        own, up = db[o : o + J * q], above[o : o + J * q]
        d_common = 0.0
        if w0 >= 0:
            d_common = -pull
            for g in range(J):
                d_common -= own[g * q]
        if m0 >= 0:
            mix(mixes[m0:], own, J, q, True)
        if w0 >= 0:
            for g in range(J):
                own[g * q] += shares[w0 + g] * d_common
        partially_centred.effect_slopes(
            grad[e : e + J * q], up, J, q, S, information[c:], scores[o : o + J * q],
            u[o : o + J * q], own, d_above[o : o + J * q], dS,
        )  # fmt: skip
        for i in range(len(falls)):
            if falls[i, 0] == k:
                r, at = factors[falls[i, 1], 2], falls[i, 2]
                d_root[r] += root[r] * partially_centred.information_slope(
                    up, J, S[0, 0], information[c:], scores[o : o + J * q], u[o : o + J * q], own,
                    root[r] ** 2 - rates[at], rates[at + 1 :],
                )  # fmt: skip
        for i in range(len(nests)):
            if nests[i, 0] == k:
                q_up, at = factors[nests[i, 1], 0], nests[i, 4]
                o_up, t = factors[nests[i, 1], 3] - h + nests[i, 3], nests[i, 2]
                for g in range(J):
                    db[o_up + maps[at + g] * q_up] += d_above[o + g * q + t]


call_to_rows, call_from_rows = jit.called(to_rows), jit.called(from_rows)
