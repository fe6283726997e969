"""Two nested factors: groups' integrals given an outer effect, which is integrated in its turn.

Given the outer effects v_a ~ N(0, 1) the groups j are independent, and what they add up to,

    F_a(v) = sum over groups j in a of log p(y_j | v) - v^2 / 2,

is a function of one number, whose mode is found by Newton's method from differences of Fisher's
slopes. The same rule that integrates a group's effects then integrates exp(F_a), its nodes placed
at that mode by the curvature there (Rabe-Hesketh, Skrondal & Pickles 2005,
doi:10.1016/j.jeconom.2004.08.017).
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.groups import fill
from mixedbayes.quadrature.integral import integrate
from mixedbayes.quadrature.proposals import propose

_STEP = 0.01  # of the differences of slopes, in v
_NEWTON = 30  # most steps
_NEAR = 1e-3  # twice the gain of the last step
_LONGEST = 3.0  # step, in units of the curvature
_LEAST = 0.25  # curvature, of the prior's
_u = np.uint64


@inner
def given_outer(
    family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, d_eta,
    d_each, above, outer, columns, scale, v, here, value, slope,
):  # fmt: skip
    """F_a at v (A,) into value (A,), and its slope; False where a group has none.

    outer (n,) and above (J,) are the outer levels of rows and groups, columns (n,) what the rows
    have of an effect, scale its sd; eta (n,) is without them, and `here` (n,) with.
    """
    n = outer.size
    for i in range(eta.size):
        here[_u(i)] = eta[_u(i)]
    for i in range(n):
        here[_u(i)] += scale * columns[_u(i)] * v[_u(outer[_u(i)])]
    fill(d_eta, 0.0, 0, d_eta.size)
    total = integrate(
        family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, here, each, u, d_eta,
        d_each,
    )  # fmt: skip
    if not math.isfinite(total):
        return False
    for a in range(v.size):
        value[_u(a)] = -0.5 * v[_u(a)] ** 2
        slope[_u(a)] = -v[_u(a)]
    for j in range(each.size):
        value[_u(above[_u(j)])] += each[_u(j)]
    for i in range(d_eta.size if d_eta.size < n else n):
        slope[_u(outer[_u(i)])] += scale * columns[_u(i)] * d_eta[_u(i)]
    return True


@inner
def outer_modes(
    family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, above,
    outer, columns, scale, v, curve,
):  # fmt: skip
    """Moves v (A,) to the modes of F_a, with minus its curvatures there; False where it has none.

    u receives the groups' modes near them.
    """
    A, N = v.size, eta.size
    slopes, parts, here = np.empty(N), np.empty((L.size + family[4].size) * each.size), np.empty(N)
    value, up, down, at = np.empty(A), np.empty(A), np.empty(A), np.empty(A)
    for _ in range(_NEWTON):
        most = 0.0
        for a in range(A):
            at[_u(a)] = v[_u(a)] + _STEP
        found = given_outer(
            family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u,
            slopes, parts, above, outer, columns, scale, at, here, value, up,
        )  # fmt: skip
        for a in range(A):
            at[_u(a)] = v[_u(a)] - _STEP
        found = found and given_outer(
            family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u,
            slopes, parts, above, outer, columns, scale, at, here, value, down,
        )  # fmt: skip
        if not found:
            return False
        for a in range(A):
            c = max(0.5 * (down[_u(a)] - up[_u(a)]) / _STEP, _LEAST)
            step = 0.5 * (up[_u(a)] + down[_u(a)]) / c
            curve[_u(a)], root = c, math.sqrt(c)
            most = max(most, c * step * step)
            v[_u(a)] += max(min(step, _LONGEST / root), -_LONGEST / root)
        if most < _NEAR:
            break
    return True


@inner
def draw_outer(
    family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, above,
    outer, columns, scale, v, key, tries,
):  # fmt: skip
    """v (A,) from exp(F_a), as `proposals.draw_each` draws groups' effects; the accepted share.

    eta (n,) receives what they add.
    """
    A, none, accepted = v.size, np.empty(0), 0
    curve, value, at, here = np.ones(A), np.empty(A), np.empty(A), np.empty(eta.size)
    if not outer_modes(
        family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, above,
        outer, columns, scale, v, curve,
    ):  # fmt: skip
        return math.nan
    t, weight, chance = np.empty(tries * A), np.empty(tries * A), np.empty(tries * A)
    propose(key, 0, A, tries, 1, t, weight, chance)
    first, logs, start = np.empty(A), np.empty(tries * A), u.copy()
    for k in range(tries):
        for a in range(A):
            at[_u(a)] = v[_u(a)] + t[_u(k * A + a)] / math.sqrt(curve[_u(a)])
        for i in range(u.size):
            u[_u(i)] = start[_u(i)]
        if not given_outer(
            family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u,
            none, none, above, outer, columns, scale, at, here, value, first,
        ):  # fmt: skip
            return math.nan
        for a in range(A):
            logs[_u(k * A + a)] = value[_u(a)] + math.log(weight[_u(k * A + a)])
    for a in range(A):
        now = 0
        for k in range(1, tries):
            gain = logs[_u(k * A + a)] - logs[_u(now * A + a)]
            if math.log(chance[_u(k * A + a)]) < gain:
                now = k
                accepted += 1
        v[_u(a)] += t[_u(now * A + a)] / math.sqrt(curve[_u(a)])
    for i in range(u.size):
        u[_u(i)] = start[_u(i)]
    for i in range(outer.size):
        eta[_u(i)] += scale * columns[_u(i)] * v[_u(outer[_u(i)])]
    return accepted / (A * (tries - 1))


@inner
def integrate_nested(
    family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, d_eta,
    d_each, above, outer, columns, scale, v,
):  # fmt: skip
    """The sum of log p of all outer levels, and the slope by `scale`; see `integrate`.

    v (A,) has the start of the search, and receives the modes; d_eta (P, n) and d_each receive the
    gradient's parts, unless they are empty.
    """
    A, K, N, wanted = v.size, ratios.size, eta.size, d_eta.size > 0
    here, value, up, at = np.empty(N), np.empty(A), np.empty(A), np.empty(A)
    curve, none = np.ones(A), np.empty(0)
    if not outer_modes(
        family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u, above,
        outer, columns, scale, v, curve,
    ):  # fmt: skip
        return -math.inf, 0.0
    size = (L.size + family[4].size) * each.size
    start, again = u.copy(), K if wanted else 0
    values, all_slopes = np.empty(K * A), np.empty(again * N)
    all_parts = np.empty(again * size)
    for k in range(K):
        for a in range(A):
            at[_u(a)] = v[_u(a)] + nodes[k] / math.sqrt(curve[_u(a)])
        for i in range(u.size):
            u[_u(i)] = start[_u(i)]
        own = all_slopes[k * N : (k + 1) * N] if wanted else none
        part = all_parts[k * size : (k + 1) * size] if wanted else none
        if not given_outer(
            family, blocks, firsts, slots, nodes, ratios, acting, concave, Z, L, eta, each, u,
            own, part, above, outer, columns, scale, at, here, value, up,
        ):  # fmt: skip
            return -math.inf, 0.0
        for a in range(A):
            values[_u(k * A + a)] = value[_u(a)] + ratios[k]
    total = 0.0
    for a in range(A):
        top, mass = -math.inf, 0.0
        for k in range(K):
            top = max(top, values[_u(k * A + a)])
        for k in range(K):
            x = exp(values[_u(k * A + a)] - top)
            values[_u(k * A + a)] = x
            mass += x
        for k in range(K):
            values[_u(k * A + a)] /= mass
        total += top + math.log(mass) - 0.5 * math.log(curve[_u(a)])
    for i in range(u.size):
        u[_u(i)] = start[_u(i)]
    if not wanted:
        return total, 0.0
    n, by_scale, J = outer.size, 0.0, each.size
    fill(d_each, 0.0, 0, d_each.size)
    for k in range(K):
        for i in range(N):
            a = outer[_u(i % n)]
            d = values[_u(k * A + a)] * all_slopes[_u(k * N + i)]
            d_eta[_u(i)] += d
            if i < n:
                x = v[_u(a)] + nodes[k] / math.sqrt(curve[_u(a)])
                by_scale += d * columns[_u(i)] * x
        for i in range(size):
            share = values[_u(k * A + above[_u(i % J)])]
            d_each[_u(i)] += share * all_parts[_u(k * size + i)]
    return total, by_scale
