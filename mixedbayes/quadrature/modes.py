"""Modes of groups' effects, by Newton's method, with the curvature there.

Values and slopes at u are means of those at eta + h and eta - h, curvatures their differences, so
that families need no second derivatives; h is small in the units of each row's predictor. A row has
one linear predictor, or several, of the mean and of further parameters, on which effects act: eta
(P, n), and A (q, P n) what effects add.

Where a row's log density is not concave, its curvature as it is may lead away from a mode, and
steps take what is left of it without its negative part, which leads up; at the end the curvature
itself is taken, unless it says that the effects are known little better than a priori or not at
all, where it no longer says how wide the density is.
"""

import math

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.groups import (
    add_products,
    add_square,
    add_up,
    factor,
    fill,
    solve,
)
from mixedbayes.quadrature.rows import call

_NEWTON = 50  # most steps
# Twice the gain of the last step, after which little is left: nodes may lie around a point that is
# near the mode, and Laplace's approximation has no other nodes.
NEAR, NEAREST = 1e-4, 1e-12
_SHORTEST = 1e-8  # of a step that is halved because it does not gain
_LEAST = 0.25  # curvature, of the prior's, with which nodes are placed
_u = np.uint64


@inner
def room(most, P, R, m):
    """Numbers of `work` for blocks of so many rows."""
    return (3 * P + R + R * R + 2 + max(m, 1)) * most


@inner
def predictors(slots, s0, s1, j0, J, q, acting, A, eta, u, at, n):
    """eta at u (q, J) into at (P b)."""
    r0, b = slots[s0], slots[s1] - slots[s0]
    for first in range(0, eta.size, n):
        to = first // n * b
        for i in range(b):
            at[_u(to + i)] = eta[_u(first + r0 + i)]
    for r in range(acting.size):
        p = acting[r]
        own = at[p * b : (p + 1) * b]
        add_products(slots, s0, s1, q, A, p * n + r0, eta.size, u, j0, J, own)


@inner
def differences(family, r0, b, acting, P, at, work):
    """Of b rows with predictors at (P b): twice R log p (b,), slopes (R b), curvatures (R R b).

    They lie in work one after another, from 2 P b on; before them is what is needed on the way.
    """
    rows, y, size, extra, parameters, kept, steps = family
    n, R = y.size, acting.size
    up, down, first = work[: P * b], work[P * b : 2 * P * b], 2 * P * b
    total, slope = work[first : first + b], work[first + b : first + (1 + R) * b]
    first += (1 + R) * b
    curve = work[first : first + R * R * b]
    first += R * R * b
    value, d = work[first : first + b], work[first + b :]
    fill(work, 0.0, 2 * P * b, (1 + R) * b)
    for r in range(R):
        p, h = acting[r] * b, acting[r] * n + r0
        for i in range(b):
            at[_u(p + i)] += steps[_u(h + i)]
        call(rows, r0, at, y, size, extra, parameters, kept, value, up, d)
        for i in range(b):
            total[_u(i)] += value[_u(i)]
            at[_u(p + i)] -= 2.0 * steps[_u(h + i)]
        call(rows, r0, at, y, size, extra, parameters, kept, value, down, d)
        for i in range(b):
            total[_u(i)] += value[_u(i)]
            at[_u(p + i)] += steps[_u(h + i)]
        for s in range(R):
            from_, to, own = acting[s] * b, s * b, (r * R + s) * b
            for i in range(b):
                slope[_u(to + i)] += up[_u(from_ + i)] + down[_u(from_ + i)]
                change = down[_u(from_ + i)] - up[_u(from_ + i)]
                curve[_u(own + i)] = 0.5 * change / steps[_u(h + i)]
    for i in range(b):
        total[_u(i)] *= 0.5 / R
    for i in range(R * b):
        slope[_u(i)] *= 0.5 / R


@inner
def clip(curve, R, b):
    """Leave of each row's curvature (R, R, b) what makes it no saddle: a positive diagonal, and
    beside it at most what that carries."""
    for r in range(R):
        at = (r * R + r) * b
        for i in range(b):
            curve[_u(at + i)] = max(curve[_u(at + i)], 0.0)
    for r in range(R):
        for s in range(r):
            at, other = (r * R + s) * b, (s * R + r) * b
            own, next_ = r * (R + 1) * b, s * (R + 1) * b
            for i in range(b):
                most = math.sqrt(curve[_u(own + i)] * curve[_u(next_ + i)]) / (R - 1)
                c = 0.5 * (curve[_u(at + i)] + curve[_u(other + i)])
                c = max(min(c, most), -most)
                curve[_u(at + i)] = c
                curve[_u(other + i)] = c


@inner
def look(family, slots, s0, s1, j0, J, q, acting, A, eta, u, clipped, H, work, G, group):
    """l_j at u (q, J) of G groups from j0 on, its slope, and -l_j'' into H (q, q, G).

    The first into group[G : 2 G], the second from group[(4 + q) G] on.
    """
    n, r0 = family[1].size, slots[s0]
    P, N, R, b = eta.size // n, eta.size, acting.size, slots[s1] - r0
    at, rest = work[: P * b], work[P * b :]
    there, slopes = G, (4 + q) * G
    predictors(slots, s0, s1, j0, J, q, acting, A, eta, u, at, n)
    differences(family, r0, b, acting, P, at, rest)
    first = 2 * P * b
    curve = rest[first + (1 + R) * b : first + (1 + R + R * R) * b]
    if clipped:
        clip(curve, R, b)
    fill(group, 0.0, there, G)
    fill(H, 0.0, 0, q * q * G)
    add_up(slots, s0, s1, rest[first : first + b], group, there)
    for a in range(q):
        to, own = slopes + a * G, a * J + j0
        for g in range(G):
            group[_u(to + g)] = -u[_u(own + g)]
            group[_u(there + g)] -= 0.5 * u[_u(own + g)] ** 2
        fill(H, 1.0, (a * q + a) * G, G)
        for r in range(R):
            row = a * N + acting[r] * n + r0
            d = rest[first + (1 + r) * b : first + (2 + r) * b]
            add_square(slots, s0, s1, d, A, row, -1, group, to)
            for s in range(R):
                c = curve[(r * R + s) * b : (r * R + s + 1) * b]
                for e in range(a + 1):
                    other = e * N + acting[s] * n + r0
                    add_square(slots, s0, s1, c, A, row, other, H, (a * q + e) * G)


_REALS, _INTS = types.float64[::1], types.int64[::1]
FAMILY = types.Tuple((types.int64, *(_REALS,) * 6))
_SIGNATURE = types.boolean(
    FAMILY, _INTS, *(types.int64,) * 5, _INTS, types.int64, *(_REALS,) * 6, types.int64, _REALS,
    types.float64,
)  # fmt: skip


@jit.njit(_SIGNATURE, python=False, nogil=True, error_model="numpy")
def find_modes(family, slots, s0, s1, j0, J, q, acting, concave, A, eta, u, C, H, work, G, group,
               near):  # fmt: skip
    """Moves u (q, J) of G groups from j0 on to their modes; factors C (q, q, G) of -l'' by them.

    `work` has `room`, H (q, q, G) and group (4 + 2 q, G). Returns False where a density is not
    finite; after many steps the nodes lie around the point that was reached.
    """
    if not climb(family, slots, s0, s1, j0, J, q, acting, A, eta, u, C, H, work, G, group, near):
        return False
    if concave:
        return True
    look(family, slots, s0, s1, j0, J, q, acting, A, eta, u, False, H, work, G, group)
    factor(H, G, q)
    taken = group[:G]
    fill(group, 1.0, 0, G)
    for a in range(q):
        at = (a * q + a) * G
        for g in range(G):
            if not H[_u(at + g)] ** 2 * _LEAST <= 1.0:
                taken[_u(g)] = 0.0
    for a in range(q):
        for e in range(a + 1):
            c = (a * q + e) * G
            for g in range(G):
                C[_u(c + g)] = H[_u(c + g)] if taken[_u(g)] > 0.0 else C[_u(c + g)]
    return True


@inner
def climb(family, slots, s0, s1, j0, J, q, acting, A, eta, u, C, H, work, G, group, near):
    """`find_modes`, with the curvature by which the last steps were made."""
    here, there, gain, step, next_ = 0, G, 2 * G, 4 * G, (4 + q) * G  # places in `group`
    state = 3 * G  # 1: the step is taken; -0.5: it was too long, and is halved; 0: at the mode
    fill(group, -math.inf, here, G)
    fill(group, 1.0, state, G)
    fill(group, 0.0, step, q * G)
    for _ in range(_NEWTON):
        look(family, slots, s0, s1, j0, J, q, acting, A, eta, u, True, H, work, G, group)
        factor(H, G, q)
        solve(H, G, q, group, next_, True)
        fill(group, 0.0, gain, G)
        for a in range(q):
            to = next_ + a * G
            for g in range(G):
                group[_u(gain + g)] += group[_u(to + g)] ** 2
        solve(H, G, q, group, next_, False)
        open_ = 0
        for g in range(G):
            if group[_u(state + g)] == 0.0:
                continue
            now, last = group[_u(there + g)], group[_u(here + g)]
            if now >= last - 1e-6 - 1e-9 * abs(last):
                if not math.isfinite(group[_u(gain + g)]):
                    return False
                group[_u(state + g)], group[_u(here + g)] = 1.0, now
            else:
                group[_u(state + g)] = -0.5
            open_ += 1
        for a in range(q):
            to, from_, own = step + a * G, next_ + a * G, a * J + j0
            for g in range(G):
                keep = group[_u(state + g)]
                new = group[_u(from_ + g)] if keep > 0.0 else -0.5 * group[_u(to + g)]
                u[_u(own + g)] += new if keep != 0.0 else 0.0
                group[_u(to + g)] = new if keep > 0.0 else -new
            for e in range(a + 1):
                c = (a * q + e) * G
                for g in range(G):
                    taken = group[_u(state + g)] > 0.0
                    C[_u(c + g)] = H[_u(c + g)] if taken else C[_u(c + g)]
        for g in range(G):
            if group[_u(state + g)] < 0.0:
                longest = 0.0
                for a in range(q):
                    longest = max(longest, abs(group[_u(step + a * G + g)]))
                if not longest > _SHORTEST:
                    return False
            elif group[_u(state + g)] > 0.0 and group[_u(gain + g)] < near:
                group[_u(state + g)] = 0.0
                open_ -= 1
        if open_ == 0:
            return True
    return True


call_find_modes = jit.called(find_modes)


@inner
def settle(slots, s0, s1, j0, J, q, acting, A, eta, u, T, G, n, at, B):
    """eta at the modes into at (P b), and A T of the predictors with effects into B (q, R b)."""
    r0, N, R = slots[s0], eta.size, acting.size
    b = slots[s1] - r0
    predictors(slots, s0, s1, j0, J, q, acting, A, eta, u, at, n)
    fill(B, 0.0, 0, q * R * b)
    for c in range(q):  # T is stored column by column: its column c at c q G
        for r in range(R):
            own = B[(c * R + r) * b : (c * R + r + 1) * b]
            row = acting[r] * n + r0
            add_products(slots, s0, s1, c + 1, A, row, N, T, c * q * G, G, own)


@inner
def moved_to(nodes, first, step, q, acting, B, b, P, centre, at):
    """Predictors at (P b) of the node x, x_a = nodes[first + a step], from those at the modes."""
    R = acting.size
    for i in range(P * b):
        at[_u(i)] = centre[_u(i)]
    for a in range(q):
        x = nodes[first + a * step]
        for r in range(R):
            to, from_ = acting[r] * b, (a * R + r) * b
            for i in range(b):
                at[_u(to + i)] += B[_u(from_ + i)] * x
