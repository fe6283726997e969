"""Nested factors of one effect each: modes of all effects of a coarsest level, and their spread.

Levels lie within levels: w_j = s_d u_j + w_above is what the effects of a level and of those that
contain it add up to, u_j ~ N(0, 1), and rows depend on the w of their finest level alone. The
Hessian of such a tree is eliminated from the finest levels up, and steps are found from the
coarsest down, so that a step of Newton's method takes one pass over rows and levels.

Arrays of a block have its levels one factor after another, the finest first: the levels of factor d
in places[d] to places[d + 1], and `up` the place of the level above; of the coarsest its own.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.groups import add_products, add_square, add_up, fill
from mixedbayes.quadrature.modes import clip, differences

_NEWTON = 50  # most steps
_NEAR = 1e-3  # twice the gain of the last step, after which nodes lie near enough to the mode
_SHORTEST = 1e-8  # of a step that is halved because it does not gain
_u = np.uint64


@inner
def levels_of(tree, above, block, places, starts, up, top):
    """Where the levels of a block are, and the first of each factor among all; see the module.

    tree: factors D, blocks E, the first level of each block and their number (D, E + 1); `above`
    is the level above each, among those of its factor. top: place of the coarsest level above.
    """
    D, E, before = tree[0], tree[1], 0
    for d in range(D):
        at = 2 + d * (E + 1)
        starts[d] = before + tree[at + block]
        places[d + 1] = places[d] + tree[at + block + 1] - tree[at + block]
        before += tree[at + E]
    for d in range(D):
        at = 2 + d * (E + 1)
        next_ = tree[at + E + 1 + block] if d + 1 < D else 0
        for i in range(places[d], places[d + 1]):
            if d + 1 < D:
                up[_u(i)] = above[_u(starts[d] + i - places[d])] - next_ + places[d + 1]
            else:
                up[_u(i)] = i
    for k in range(D):
        d = D - 1 - k
        for i in range(places[d], places[d + 1]):
            top[_u(i)] = i if k == 0 else top[_u(up[_u(i)])]


@inner
def add_above(D, places, up, scales, u, w):
    """What effects add up to, w, from the standardised ones of each level, u."""
    for k in range(D):
        d = D - 1 - k
        for i in range(places[d], places[d + 1]):
            w[_u(i)] = scales[d] * u[_u(i)] + (w[_u(up[_u(i)])] if k > 0 else 0.0)


@inner
def look(family, slots, s0, s1, z, acting, eta, D, places, up, scales, u, w, g, H, r, value, gain,
         work):  # fmt: skip
    """Log density at u of the trees of a block, and the elimination of their Hessians.

    Of each level H is the curvature by its w of what lies below, r the slope by its u that
    elimination leaves; at the coarsest levels value is log p, and gain twice what a step gains.
    """
    n, r0 = family[1].size, slots[s0]
    b = slots[s1] - r0
    add_above(D, places, up, scales, u, w)
    at, rest = work[:b], work[b:]
    for i in range(b):
        at[_u(i)] = eta[_u(r0 + i)]
    add_products(slots, s0, s1, 1, z, r0, n, w, 0, 0, at)
    differences(family, r0, b, acting, 1, at, rest)
    curve = rest[4 * b : 5 * b]
    clip(curve, 1, b)
    fill(g, 0.0, 0, g.size)
    fill(H, 0.0, 0, g.size)
    fill(value, 0.0, 0, g.size)
    fill(gain, 0.0, 0, g.size)
    add_up(slots, s0, s1, rest[2 * b : 3 * b], value, 0)
    add_square(slots, s0, s1, rest[3 * b : 4 * b], z, r0, -1, g, 0)
    add_square(slots, s0, s1, curve, z, r0, r0, H, 0)
    for d in range(D):
        s = scales[d]
        for i in range(places[d], places[d + 1]):
            pivot = 1.0 + s * s * H[_u(i)]
            left = s * g[_u(i)] - u[_u(i)]
            r[_u(i)] = left
            value[_u(i)] -= 0.5 * u[_u(i)] ** 2
            gain[_u(i)] += left * left / pivot
            if d + 1 < D:
                p = up[_u(i)]
                value[_u(p)] += value[_u(i)]
                gain[_u(p)] += gain[_u(i)]
                g[_u(p)] += (g[_u(i)] + s * u[_u(i)] * H[_u(i)]) / pivot
                H[_u(p)] += H[_u(i)] / pivot


@inner
def climb(family, slots, s0, s1, z, acting, eta, D, places, up, top, scales, u, w, curves, work,
          level):  # fmt: skip
    """Moves u of a block's levels to the modes of their trees; w there, and their curvatures.

    level (10, M) is overwritten. False where a density is not finite; after many steps nodes lie
    around the point that was reached.
    """
    M, first = u.size, places[D - 1]
    g, H, r = level[:M], level[M : 2 * M], level[2 * M : 3 * M]
    value, gain, step = level[3 * M : 4 * M], level[4 * M : 5 * M], level[5 * M : 6 * M]
    state, here = level[6 * M : 7 * M], level[7 * M : 8 * M]  # as `modes.climb` has them
    moved, longest = level[8 * M : 9 * M], level[9 * M : 10 * M]
    fill(state, 1.0, 0, M)
    fill(here, -math.inf, 0, M)
    fill(step, 0.0, 0, M)
    for _ in range(_NEWTON):
        look(
            family, slots, s0, s1, z, acting, eta, D, places, up, scales, u, w, g, H, r, value,
            gain, work,
        )  # fmt: skip
        open_ = 0
        for i in range(first, M):
            longest[_u(i)] = 0.0
            if state[_u(i)] == 0.0:
                continue
            now, last = value[_u(i)], here[_u(i)]
            if now >= last - 1e-6 - 1e-9 * abs(last):
                if not math.isfinite(gain[_u(i)]):
                    return False
                state[_u(i)], here[_u(i)] = 1.0, now
            else:
                state[_u(i)] = -0.5
            open_ += 1
        for k in range(D):
            d = D - 1 - k
            s = scales[d]
            for i in range(places[d], places[d + 1]):
                way = state[_u(top[_u(i)])]
                over = moved[_u(up[_u(i)])] if k > 0 else 0.0
                new = (r[_u(i)] - s * H[_u(i)] * over) / (1.0 + s * s * H[_u(i)])
                moved[_u(i)] = s * new + over
                new = new if way > 0.0 else -0.5 * step[_u(i)]
                if way != 0.0:
                    u[_u(i)] += new
                    step[_u(i)] = new if way > 0.0 else -new
                if way > 0.0:
                    curves[_u(i)] = H[_u(i)]
                size = abs(step[_u(i)])
                longest[_u(top[_u(i)])] = max(longest[_u(top[_u(i)])], size)
        for i in range(first, M):
            if state[_u(i)] < 0.0:
                if not longest[_u(i)] > _SHORTEST:
                    return False
            elif state[_u(i)] > 0.0 and gain[_u(i)] < _NEAR:
                state[_u(i)] = 0.0
                open_ -= 1
        if open_ == 0:
            break
    add_above(D, places, up, scales, u, w)
    return True


@inner
def spread(D, places, up, scales, curves, sds):
    """Sds of w given the rows, of the normal density with these curvatures."""
    for k in range(D):
        d = D - 1 - k
        s = scales[d]
        for i in range(places[d], places[d + 1]):
            pivot = 1.0 + s * s * curves[_u(i)]
            over = sds[_u(up[_u(i)])] / pivot if k > 0 else 0.0
            sds[_u(i)] = math.sqrt(s * s / pivot + over * over)
