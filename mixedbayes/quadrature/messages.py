"""Nested factors integrated from the finest levels up: each level tells the one above one function.

Given w, what the effects of the levels above add up to, the effect of a level integrates out by
itself, and what it leaves,

    m_j(w) = log of the integral of exp(f_j(w + s u)) N(u; 0, 1) du,

is a function of one number. f_j is the log likelihood of its rows for the finest levels, and the
sum of m over the levels within it for others; at the coarsest levels m(0) is the likelihood. Each
f_j is kept as its values at the nodes of a rule, laid at the mode of w_j by its sd given all rows,
and is a `hermite` series between them, so that rows are evaluated at each node once and the work
does not grow with the power of the number of factors. Integrals over u are adaptive, as in
`integral`, by a rule of as many nodes, whose modes are found on the series.

The gradient is that of these sums, nodes held where they are: from the coarsest levels down each
node of each function gets its share of the integral.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.groups import add_products, add_up, fill, widest
from mixedbayes.quadrature.hermite import (
    add_moments,
    along,
    back,
    coefficients,
    edge_of,
    lines,
    series,
)
from mixedbayes.quadrature.modes import room
from mixedbayes.quadrature.proposals import propose
from mixedbayes.quadrature.rows import call
from mixedbayes.quadrature.tree import climb, levels_of, spread

_REFINED = 1  # steps of Newton's method on a series
_LONGEST = 3.0  # step, in units of the curvature
_u = np.uint64


@inner
def rows_at(family, slots, s0, s1, z, eta, nodes, K, w, sds, point, at, value, values, slopes, d,
            wanted):  # fmt: skip
    """Log likelihoods of the finest levels at the nodes into values (K, G).

    Slopes of rows by predictors (K, b) and parameters (K, b m) where they are wanted.
    """
    rows, y, size, extra, parameters, kept, _ = family
    r0, m = slots[s0], parameters.size
    b, G, none = slots[s1] - r0, point.size, np.empty(0)
    fill(values, 0.0, 0, K * G)
    for k in range(K):
        for g in range(G):
            point[_u(g)] = w[_u(g)] + sds[_u(g)] * nodes[k]
        for i in range(b):
            at[_u(i)] = eta[_u(r0 + i)]
        add_products(slots, s0, s1, 1, z, r0, z.size, point, 0, 0, at)
        if wanted:
            own, by = slopes[k * b : (k + 1) * b], d[k * m * b : (k + 1) * m * b]
            call(rows, r0, at, y, size, extra, parameters, kept, value, own, by)
        else:
            call(rows, r0, at, y, size, extra, parameters, kept, value, none, none)
        add_up(slots, s0, s1, value, values, k * G)


@inner
def centre(c, K, G, edge, s, start, w, sds, t, v, scale, x, b, first, second):
    """Modes v of exp(f(t + s v)) N(v; 0, 1) from `start` on, and the scales of its nodes."""
    for g in range(G):
        v[_u(g)] = start[_u(g)]
    for _ in range(_REFINED):
        for g in range(G):
            p = (t[_u(g)] + s * v[_u(g)] - w[_u(g)]) / sds[_u(g)]
            p = p if p < edge else edge
            x[_u(g)] = p if p > -edge else -edge
        series(c, K, G, 1, x, b, first)
        series(c, K, G, 2, x, b, second)
        for g in range(G):
            by = s / sds[_u(g)]
            inside = abs(x[_u(g)]) < edge
            bend = -by * by * second[_u(g)] if inside else 0.0
            curve = 1.0 + (bend if bend > 0.0 else 0.0)
            most = _LONGEST / math.sqrt(curve)
            step = (by * first[_u(g)] - v[_u(g)]) / curve
            step = step if step < most else most
            v[_u(g)] += step if step > -most else -most
            scale[_u(g)] = 1.0 / math.sqrt(curve)


@inner
def begin(s, u, w, curves, over, t, G, start):
    """Where effects given t lie by the normal density at the mode of all, w being t at that mode.

    `over` (G,) is what the levels above add up to there.
    """
    for g in range(G):
        h = s * curves[_u(g)]
        start[_u(g)] = u[_u(g)] - h * (t[_u(g)] - over[_u(g)]) / (1.0 + s * h)


@inner
def integrate_above(
    c, K, G, nodes, ratios, edge, s, start, w, sds, tangents, t, x, v, p, work, out,
):  # fmt: skip
    """m (G,) at t into `out`; its nodes v (K, G), their places x on the series, their shares p."""
    mode, scale, within, b = work[:G], work[G : 2 * G], work[2 * G : 3 * G], work[3 * G : 4 * G]
    place, value = work[4 * G : 5 * G], work[5 * G : 6 * G]
    centre(c, K, G, edge, s, start, w, sds, t, mode, scale, place, b, within, value)
    for g in range(G):
        out[_u(g)] = -math.inf
    for k in range(K):
        for g in range(G):
            node = mode[_u(g)] + scale[_u(g)] * nodes[k]
            v[_u(k * G + g)] = node
            place[_u(g)] = (t[_u(g)] + s * node - w[_u(g)]) / sds[_u(g)]
        along(c, K, G, edge, tangents, place, within, b, value)
        for g in range(G):
            node = v[_u(k * G + g)]
            total = value[_u(g)] + ratios[k] - 0.5 * node * node
            x[_u(k * G + g)] = within[_u(g)]
            p[_u(k * G + g)] = total
            out[_u(g)] = total if total > out[_u(g)] else out[_u(g)]
    for g in range(G):
        b[_u(g)] = 0.0
    for k in range(K):
        for g in range(G):
            share = exp(p[_u(k * G + g)] - out[_u(g)])
            p[_u(k * G + g)] = share
            b[_u(g)] += share
    for k in range(K):
        for g in range(G):
            p[_u(k * G + g)] /= b[_u(g)]
    for g in range(G):
        out[_u(g)] += math.log(b[_u(g)]) + math.log(scale[_u(g)])


@inner
def upward(D, places, up, scales, nodes, ratios, basis, edge, u, w, sds, curves, values, c,
           tangents, concave, x, v, p, keep, work):  # fmt: skip
    """Functions of all levels of a block from those of the finest in values (K, M), as series c.

    Those of a factor lie from K places[d] on, level by level at each node. The nodes of the
    integrals x, v and p (K, K, M) are kept where that is asked. `work` (12, M), in whose first
    places are then the coarsest levels' log likelihoods.
    """
    K = ratios.size
    M = u.size
    out, over, t = work[:M], work[M : 2 * M], work[2 * M : 3 * M]
    start, more = work[3 * M : 4 * M], work[4 * M :]
    for d in range(D):
        i0, i1, s = places[d], places[d + 1], scales[d]
        G, last = i1 - i0, d + 1 == D
        own, place = c[K * i0 : K * i1], K * K * i0 if keep else 0
        coefficients(basis, values[K * i0 : K * i1], K, G, own)
        straight = tangents[4 * i0 : 4 * i1]
        lines(own, K, G, edge, concave, more[:G], more[G : 2 * G], straight)
        if not last:
            fill(values, 0.0, K * i1, K * (places[d + 2] - i1))
        for k in range(1 if last else K):
            for g in range(G):
                a = up[_u(i0 + g)]
                over[_u(g)] = 0.0 if last else w[_u(a)]
                t[_u(g)] = 0.0 if last else w[_u(a)] + sds[_u(a)] * nodes[k]
            begin(s, u[i0:i1], w[i0:i1], curves[i0:i1], over, t, G, start)
            first = place + (k * K * G if keep else 0)
            end = first + K * G
            integrate_above(
                own, K, G, nodes, ratios, edge, s, start, w[i0:i1], sds[i0:i1], straight, t,
                x[first:end], v[first:end], p[first:end], more, out,
            )  # fmt: skip
            if not last:
                above = places[d + 2] - i1
                for g in range(G):
                    values[_u(K * i1 + k * above + up[_u(i0 + g)] - i1)] += out[_u(g)]


@inner
def downward(D, places, up, scales, basis, sds, K, c, x, v, p, shares, by_scale, work, moments,
             weighted):  # fmt: skip
    """Shares (K, M) of the integral of each node of each function; adds slopes by scales."""
    M = sds.size
    share, b, last_, out = work[:M], work[M : 2 * M], work[2 * M : 3 * M], 0.0
    for e in range(D):
        d = D - 1 - e
        i0, i1 = places[d], places[d + 1]
        G, last = i1 - i0, e == 0
        fill(moments, 0.0, 0, K * G)
        fill(weighted, 0.0, 0, K * G)
        for k in range(1 if last else K):
            for j in range(K):
                at = K * K * i0 + (k * K + j) * G
                for g in range(G):
                    q = p[_u(at + g)]
                    if not last:
                        above = places[d + 2] - i1
                        q *= shares[_u(K * i1 + k * above + up[_u(i0 + g)] - i1)]
                    share[_u(g)] = q
                add_moments(
                    K, G, x[at : at + G], share, v[at : at + G], b, last_, moments, weighted
                )
        back(basis, moments, K, G, shares[K * i0 : K * i1])
        out = 0.0
        for n in range(1, K):
            root, at = math.sqrt(n + 0.0), (K * i0 + n * G)
            for g in range(G):
                out += root * c[_u(at + g)] * weighted[_u((n - 1) * G + g)] / sds[_u(i0 + g)]
        by_scale[d] += out


@inner
def share_out(slots, s0, s1, K, m, G, shares, slopes, d, d_eta, d_own):
    """Add the rows' slopes at the nodes by the nodes' shares to d_eta (n,) and d_own (m,)."""
    r0 = slots[s0]
    b = slots[s1] - r0
    for k in range(K):
        for s in range(s0, s1):
            row = slots[s] - r0
            for g in range(slots[s + 1] - slots[s]):
                w = shares[_u(k * G + g)]
                d_eta[_u(r0 + row + g)] += w * slopes[_u(k * b + row + g)]
                for a in range(m):
                    d_own[a] += w * d[_u((k * b + row + g) * m + a)]


@inner
def most_levels(tree):
    """Most levels of all factors in a block."""
    D, E, most = tree[0], tree[1], 0
    for e in range(E):
        many = 0
        for d in range(D):
            at = 2 + d * (E + 1) + e
            many += tree[at + 1] - tree[at]
        most = max(most, many)
    return most


@inner
def integrate_tree(
    family, tree, above, firsts, slots, nodes, ratios, basis, concave, z, scales, eta, each, u,
    d_eta, by_scale, d_own,
):  # fmt: skip
    """The sum of log p of the coarsest levels, -inf where it is none; of each into `each`, else 0.

    u has the start of the search of all levels, factor by factor, and receives their modes. Slopes
    are added to d_eta (n,), by_scale (D,) and d_own (m,) unless d_eta is empty. family as in
    `integral.integrate`; scales (D,) are the sds of effects, the finest factor's first.
    """
    D, E, K, m, wanted = tree[0], tree[1], ratios.size, family[4].size, d_eta.size > 0
    most, total = most_levels(tree), 0.0
    fill(each, 0.0, 0, each.size)
    rows, _ = widest(slots, firsts, tree[2 : 3 + E])
    acting, edge = np.zeros(1, np.int64), edge_of(nodes, K)
    places, starts = np.zeros(D + 1, np.int64), np.zeros(D, np.int64)
    up, top = np.empty(most, np.int64), np.empty(most, np.int64)
    level, work = np.empty(16 * most), np.empty(room(rows, 1, 1, m))
    at, value = np.empty(rows), np.empty(rows)
    functions = np.empty((3 * K + 8) * most)
    kept = K * K * most if wanted else K * most
    x, v, p = np.empty(kept), np.empty(kept), np.empty(kept)
    again = K if wanted else 0
    slopes, d = np.empty(again * rows), np.empty(again * rows * m)
    moments = np.empty(2 * again * most)
    for block in range(E):
        levels_of(tree, above, block, places, starts, up, top)
        M, s0, s1 = places[D], firsts[block], firsts[block + 1]
        G, b = places[1], slots[s1] - slots[s0]
        own = functions[3 * K * most :]
        here, w, sds = own[:M], own[most : most + M], own[2 * most : 2 * most + M]
        curves = own[3 * most : 3 * most + M]
        tangents = own[4 * most : 4 * (most + M)]
        for f in range(D):
            for i in range(places[f], places[f + 1]):
                here[_u(i)] = u[_u(starts[f] + i - places[f])]
        if not climb(
            family, slots, s0, s1, z, acting, eta, D, places, up, top, scales, here, w, curves,
            work, level,
        ):  # fmt: skip
            return -math.inf
        spread(D, places, up, scales, curves, sds)
        values, c = functions[: K * M], functions[K * most : K * most + K * M]
        rows_at(
            family, slots, s0, s1, z, eta, nodes, K, w, sds, level[:G], at[:b], value[:b],
            values[: K * G], slopes, d, wanted,
        )  # fmt: skip
        upward(
            D, places, up, scales, nodes, ratios, basis, edge, here, w, sds, curves, values, c,
            tangents, concave, x, v, p, wanted, level,
        )  # fmt: skip
        first = places[D - 1]
        for i in range(first, M):
            found = level[_u(i - first)]
            if not math.isfinite(found):
                return -math.inf
            each[_u(starts[D - 1] + i - first)] = found
            total += found
        for f in range(D):
            for i in range(places[f], places[f + 1]):
                u[_u(starts[f] + i - places[f])] = here[_u(i)]
        if wanted:
            shares = functions[2 * K * most : 2 * K * most + K * M]
            downward(
                D, places, up, scales, basis, sds, K, c, x, v, p, shares, by_scale, level,
                moments[: K * most], moments[K * most :],
            )  # fmt: skip
            share_out(slots, s0, s1, K, m, G, shares, slopes, d, d_eta, d_own)
    return total


@inner
def draw_above(
    family, tree, above, firsts, slots, nodes, ratios, basis, concave, z, scales, eta, u, key,
    tries,
):  # fmt: skip
    """u of all levels but the finest ones from their density given all else; the accepted share.

    From the coarsest down, each by independence Metropolis as in `proposals.draw_each`, its density
    that of its series. u has the start of the search, and then at the finest levels their modes.
    eta (n,) receives what the drawn effects add. NaN where there is no mode.
    """
    D, E, K, m = tree[0], tree[1], ratios.size, family[4].size
    most, none, accepted, drawn = most_levels(tree), np.empty(0), 0, 0
    rows, _ = widest(slots, firsts, tree[2 : 3 + E])
    acting, edge = np.zeros(1, np.int64), edge_of(nodes, K)
    places, starts = np.zeros(D + 1, np.int64), np.zeros(D, np.int64)
    up, top = np.empty(most, np.int64), np.empty(most, np.int64)
    level, work = np.empty(16 * most), np.empty(room(rows, 1, 1, m))
    at, value = np.empty(rows), np.empty(rows)
    functions, own = np.empty(2 * K * most), np.empty(9 * most)
    x, v, p = np.empty(K * most), np.empty(K * most), np.empty(K * most)
    t, weight, chance = np.empty(tries * most), np.empty(tries * most), np.empty(tries * most)
    for block in range(E):
        levels_of(tree, above, block, places, starts, up, top)
        M, s0, s1 = places[D], firsts[block], firsts[block + 1]
        G, b = places[1], slots[s1] - slots[s0]
        here, w, sds = own[:M], own[most : most + M], own[2 * most : 2 * most + M]
        curves, given = own[3 * most : 3 * most + M], own[8 * most : 8 * most + M]
        tangents = own[4 * most : 4 * (most + M)]
        for f in range(D):
            for i in range(places[f], places[f + 1]):
                here[_u(i)] = u[_u(starts[f] + i - places[f])]
        if not climb(
            family, slots, s0, s1, z, acting, eta, D, places, up, top, scales, here, w, curves,
            work, level,
        ):  # fmt: skip
            return math.nan
        spread(D, places, up, scales, curves, sds)
        values, c = functions[: K * M], functions[K * most : K * most + K * M]
        rows_at(
            family, slots, s0, s1, z, eta, nodes, K, w, sds, level[:G], at[:b], value[:b],
            values[: K * G], none, none, False,
        )  # fmt: skip
        upward(
            D, places, up, scales, nodes, ratios, basis, edge, here, w, sds, curves, values, c,
            tangents, concave, x, v, p, False, level,
        )  # fmt: skip
        for e in range(D - 1):
            d = D - 1 - e
            i0, i1, number = places[d], places[d + 1], starts[d]
            accepted += draw_level(
                c[K * i0 : K * i1], K, i1 - i0, edge, scales[d], e == 0, i0, up, here, w, sds,
                curves, given, tangents, key, number, tries, t, weight, chance, level,
            )  # fmt: skip
            drawn += (i1 - i0) * (tries - 1)
        for f in range(D):
            for i in range(places[f], places[f + 1]):
                u[_u(starts[f] + i - places[f])] = here[_u(i)]
        for g in range(G):
            level[_u(g)] = given[_u(up[_u(g)])]
        add_products(
            slots, s0, s1, 1, z, slots[s0], z.size, level, 0, 0, eta[slots[s0] : slots[s1]]
        )
    return accepted / drawn


@inner
def draw_level(
    c, K, G, edge, s, coarsest, i0, up, u, w, sds, curves, given, tangents, key, number, tries, t,
    weight, chance, work,
):  # fmt: skip
    """Draw u of one factor's levels, from place i0 on; and `given`, what effects add up to with it.

    Returns how many proposals were accepted. `number` is that of the first level among all.
    """
    own, over, at, mode = work[:G], work[G : 2 * G], work[2 * G : 3 * G], work[3 * G : 4 * G]
    scale, x, b = work[4 * G : 5 * G], work[5 * G : 6 * G], work[6 * G : 7 * G]
    within, value, now = work[7 * G : 8 * G], work[8 * G : 9 * G], work[9 * G : 10 * G]
    placed, spreads = w[i0 : i0 + G], sds[i0 : i0 + G]
    for g in range(G):
        a = up[_u(i0 + g)]
        over[_u(g)] = 0.0 if coarsest else w[_u(a)]
        at[_u(g)] = 0.0 if coarsest else given[_u(a)]
    begin(s, u[i0 : i0 + G], placed, curves[i0 : i0 + G], over, at, G, own)
    centre(c, K, G, edge, s, own, placed, spreads, at, mode, scale, x, b, within, value)
    propose(key, number, G, tries, 1, t, weight, chance)
    straight, accepted = tangents[4 * i0 : 4 * (i0 + G)], 0
    for k in range(tries):
        for g in range(G):
            x[_u(g)] = mode[_u(g)] + scale[_u(g)] * t[_u(k * G + g)]
            over[_u(g)] = (at[_u(g)] + s * x[_u(g)] - placed[_u(g)]) / spreads[_u(g)]
        along(c, K, G, edge, straight, over, within, b, value)
        for g in range(G):
            log = value[_u(g)] - 0.5 * x[_u(g)] ** 2 + math.log(weight[_u(k * G + g)])
            if k == 0:
                now[_u(g)], own[_u(g)] = log, x[_u(g)]
            elif math.log(chance[_u(k * G + g)]) < log - now[_u(g)]:
                now[_u(g)], own[_u(g)] = log, x[_u(g)]
                accepted += 1
    for g in range(G):
        u[_u(i0 + g)] = own[_u(g)]
        given[_u(i0 + g)] = at[_u(g)] + s * own[_u(g)]
    return accepted
