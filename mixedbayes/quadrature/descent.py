"""Effects of all but the finest of nested levels, drawn from their density given all else.

From the coarsest levels down, each given those above it, by independence Metropolis as in `draws`:
its proposals are the nodes at which all factors within it are integrated out, see `messages`.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.groups import add_products, fill, widest
from mixedbayes.quadrature.messages import (
    add_rows,
    begin,
    lay,
    most_levels,
    most_nodes,
    open_block,
    plan,
    upward,
)
from mixedbayes.quadrature.modes import room
from mixedbayes.quadrature.proposals import call_propose

_u = np.uint64


@inner
def draw_above(
    family, tree, above, firsts, slots, K, z, scales, eta, u, key, tries
):  # fmt: skip
    """u of all levels but the finest ones from their density given all else; the accepted share.

    u has the start of the search, and then at the finest levels about where their modes are given
    the others. eta (n,) receives what the drawn effects add. NaN where there is no mode.
    """
    D, E, m, accepted, drawn = tree[0], tree[1], family[4].size, 0, 0
    most, acting, none = most_levels(tree), np.zeros(1, np.int64), np.empty(0)
    rows, _ = widest(slots, firsts, tree[2 : 3 + E])
    places, starts = np.zeros(D + 1, np.int64), np.zeros(D, np.int64)
    up, top = np.empty(most, np.int64), np.empty(most, np.int64)
    levels, level, work = np.empty(4 * most), np.empty(10 * most), np.empty(room(rows, 1, 1, m))
    logs, halves, counts = np.empty(most), np.empty(D), np.zeros(D, np.int64)
    spots, lines = np.zeros(D + 1, np.int64), np.zeros(D + 1, np.int64)
    given, t = np.empty(most), np.empty(tries * most)
    weight, chance = np.empty(tries * most), np.empty(tries * most)
    for block in range(E):
        if not open_block(
            family, tree, above, firsts, slots, z, acting, scales, eta, u, block, places, starts,
            up, top, levels, level, work,
        ):  # fmt: skip
            return math.nan
        M, s0, s1 = places[D], firsts[block], firsts[block + 1]
        G, b = places[1], slots[s1] - slots[s0]
        here, w, curves, sds = (
            levels[:M], levels[M : 2 * M], levels[2 * M : 3 * M], levels[3 * M : 4 * M],
        )  # fmt: skip
        for e in range(D - 1):
            d = D - 1 - e
            plan(d + 1, places, scales, curves, sds, K, tries, counts, halves, spots, lines)
            first, end = spots[d], spots[d + 1]
            nodes, v, values = np.empty(end), np.empty(end), np.empty(end)
            messages, many = np.empty(lines[d + 1]), most_nodes(d, places, counts, halves)
            squares, x = np.empty(many), np.empty(many)
            own = propose_level(
                e == 0, d, places, up, scales[d], here, w, curves, given, key, starts[d], tries, t,
                weight, chance, nodes[first:end], v[first:end], level,
            )  # fmt: skip
            fill(values, 0.0, first, end - first)
            lay(
                d + 1, places, up, scales, K, here, w, curves, sds, counts, halves, spots, nodes,
                v, values, logs, level[own:],
            )  # fmt: skip
            add_rows(
                family, slots, s0, s1, z, eta, counts[0], G, nodes, values, none, none, False,
                work[:b], work[b : 2 * b],
            )  # fmt: skip
            upward(
                d + 1, d, places, up, scales, counts, halves, spots, lines, nodes, v, values, logs,
                messages, squares, x, level[own:],
            )  # fmt: skip
            accepted += accept(
                places[d], own, tries, nodes[first:end], v[first:end], values[first:end], weight,
                chance, here, given, level,
            )  # fmt: skip
            drawn += own * (tries - 1)
        over, at, start = level[:G], level[G : 2 * G], level[2 * G : 3 * G]
        for g in range(G):
            over[_u(g)], at[_u(g)] = w[_u(up[_u(g)])], given[_u(up[_u(g)])]
        begin(scales[0], here[:G], curves[:G], over, at, G, start)
        for g in range(G):
            here[_u(g)] = start[_u(g)]
        for f in range(D):
            for i in range(places[f], places[f + 1]):
                u[_u(starts[f] + i - places[f])] = here[_u(i)]
        add_products(slots, s0, s1, 1, z, slots[s0], z.size, at, 0, 0, eta[slots[s0] : slots[s1]])
    return accepted / drawn


@inner
def propose_level(
    coarsest, d, places, up, s, u, w, curves, given, key, number, tries, t, weight, chance, nodes,
    v, work,
):  # fmt: skip
    """Proposals of the levels of factor d into v (tries, G), and w by them into `nodes`.

    `given` is what the drawn effects above add up to, `number` that of the first level among all.
    Returns G.
    """
    i0, i1 = places[d], places[d + 1]
    G = i1 - i0
    over, at, start = work[:G], work[G : 2 * G], work[2 * G : 3 * G]
    for g in range(G):
        a = up[_u(i0 + g)]
        over[_u(g)] = 0.0 if coarsest else w[_u(a)]
        at[_u(g)] = 0.0 if coarsest else given[_u(a)]
    begin(s, u[i0:i1], curves[i0:i1], over, at, G, start)
    call_propose(key, number, G, tries, 1, t, weight, chance)
    for k in range(tries):
        for g in range(G):
            scale = 1.0 / math.sqrt(1.0 + s * s * curves[_u(i0 + g)])
            v[_u(k * G + g)] = start[_u(g)] + scale * t[_u(k * G + g)]
            nodes[_u(k * G + g)] = at[_u(g)] + s * v[_u(k * G + g)]
    return G


@inner
def accept(i0, G, tries, nodes, v, values, weight, chance, u, given, now):
    """Draw u of one factor's levels, from place i0 on, and `given`, what effects add up to with it,
    among proposals. Returns how many of them were accepted.
    """
    accepted = 0
    for k in range(tries):
        for g in range(G):
            at = k * G + g
            log = values[_u(at)] - 0.5 * v[_u(at)] ** 2 + math.log(weight[_u(at)])
            if k > 0 and not math.log(chance[_u(at)]) < log - now[_u(g)]:
                continue
            accepted += 1 if k > 0 else 0
            now[_u(g)], u[_u(i0 + g)], given[_u(i0 + g)] = log, v[_u(at)], nodes[_u(at)]
    return accepted
