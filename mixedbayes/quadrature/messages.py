"""Nested factors integrated from the finest levels up: each level tells the one above one function.

Given t, what the effects of the levels above add up to, the effect u of a level integrates out by
itself. With w = t + s u, and f the log likelihood of the level's rows as a function of w, or the
sum of m over the levels within it, what it leaves is

    m(t) = log of the integral of exp(f(w)) N(w; t, s^2) dw
         ~ log of the sum over i of a_i exp(f(w_i)) N(w_i; t, s^2),

and m(0) of the coarsest levels is the likelihood. f is evaluated at the nodes w_i themselves, and m
where the level above has its nodes: nothing stands between nodes, all weights a_i are positive, and
a sum that misses part of a density is too small, never too large.

The nodes of a level are one lattice for all t, laid at the mode of w by its sd given all rows, with
steps in units of its sd given t: sums of even steps have an error that vanishes exponentially
(Trefethen & Weideman 2014, doi:10.1137/130932132). Where the levels above are so uncertain beside s
that such a lattice would be long, each t has nodes of its own, of a rule of Gauss and Hermite
around the mode of u given t; u then changes f little, and few of them serve. So rows are evaluated
at some times as many nodes as the coarsest levels have, whatever the number of factors.

The gradient is Fisher's, nodes held where they are: from the coarsest levels down each node gets
its share of the integral.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.groups import add_products, add_up, fill, widest
from mixedbayes.quadrature.modes import room
from mixedbayes.quadrature.rows import call
from mixedbayes.quadrature.tree import climb, levels_of, spread

# The rule of five nodes around the mode of u given t: nodes, and log weights over the density.
_FAR, _NEAR = math.sqrt(5.0 + math.sqrt(10.0)), math.sqrt(5.0 - math.sqrt(10.0))
_OWN_NODES = (-_FAR, -_NEAR, 0.0, _NEAR, _FAR)
_OUTER = math.log((7.0 - 2.0 * math.sqrt(10.0)) / 60.0) + 0.5 * _FAR**2
_MIDDLE = math.log((7.0 + 2.0 * math.sqrt(10.0)) / 60.0) + 0.5 * _NEAR**2
_OWN_RATIOS = (_OUTER, _MIDDLE, math.log(8.0 / 15.0), _MIDDLE, _OUTER)
_OWN = 5
_ROOT_2_PI = math.sqrt(2.0 * math.pi)
_LEAST = -1e300  # logarithm of what is nothing, from which no other is subtracted to no number
_u = np.uint64


@inner
def reach(K):
    """How far a lattice of K nodes reaches, in sds: cut off is as much as its steps miss."""
    return math.sqrt(math.pi * (K - 1.0))


@inner
def plan(D, places, scales, curves, sds, K, top, counts, halves, spots, lines):
    """How many nodes the levels of each factor have, `top` those of the coarsest.

    halves: half the steps of a lattice within reach, 0 where each t has nodes of its own. Functions
    of factor d start at spots[d], (counts[d], G), and its messages at lines[d].
    """
    counts[D - 1], halves[D - 1] = top, 0.5 * (K - 1.0)
    for e in range(1, D):
        d, most = D - 1 - e, 1.0
        s, own = scales[d], _OWN * counts[d + 1]
        for i in range(places[d], places[d + 1]):
            ratio = sds[_u(i)] * math.sqrt(1.0 + s * s * curves[_u(i)]) / s
            most = ratio if ratio > most else most
        half = 0.5 * (K - 1.0) * most
        if 2.0 * half + 1.0 <= own:
            counts[d], halves[d] = 2 * math.ceil(half) + 1, half
        else:
            counts[d], halves[d] = own, 0.0
    spots[0], lines[0] = 0, 0
    for d in range(D):
        G = places[d + 1] - places[d]
        spots[d + 1] = spots[d] + counts[d] * G
        lines[d + 1] = lines[d] + (counts[d + 1] if d + 1 < D else 1) * G


@inner
def begin(s, u, curves, over, t, G, start):
    """Where effects given t lie by the normal density at the mode of all, t being `over` there."""
    for g in range(G):
        h = s * curves[_u(g)]
        start[_u(g)] = u[_u(g)] - h * (t[_u(g)] - over[_u(g)]) / (1.0 + s * h)


@inner
def lay_lattice(n, half, K, G, s, w, sds, nodes, values, logs):
    """Nodes (n, G) of a lattice; logarithms of its weights into logs (G,), those of the outermost
    nodes, which grow from 0 to 1 with `half`, so that nothing jumps, as values.
    """
    by, middle = reach(K) / half, 0.5 * (n - 1.0)
    for i in range(n):
        away = i - middle
        share = math.log(min(half + 1.0 - abs(away), 1.0))
        for g in range(G):
            nodes[_u(i * G + g)] = w[_u(g)] + away * by * sds[_u(g)]
            values[_u(i * G + g)] = share
    for g in range(G):
        logs[_u(g)] = math.log(by * sds[_u(g)] / (s * _ROOT_2_PI))


@inner
def lay_own(k, G, s, start, curves, t, nodes, v, values, logs):
    """Nodes (5, G) for the k-th t, their u into v, and as values the logarithms of their weights
    but for those of each level, which go into logs (G,).
    """
    for g in range(G):
        logs[_u(g)] = -0.5 * math.log(1.0 + s * s * curves[_u(g)])
    for i in range(_OWN):
        at, x, ratio = (k * _OWN + i) * G, _OWN_NODES[i], _OWN_RATIOS[i]
        for g in range(G):
            u = start[_u(g)] + x / math.sqrt(1.0 + s * s * curves[_u(g)])
            v[_u(at + g)] = u
            nodes[_u(at + g)] = t[_u(g)] + s * u
            values[_u(at + g)] = ratio


@inner
def lay(D, places, up, scales, K, u, w, curves, sds, counts, halves, spots, nodes, v, values, logs,
        work):  # fmt: skip
    """Nodes of all factors but the coarsest, from those of the coarsest down; work (3, M)."""
    for e in range(1, D):
        d = D - 1 - e
        i0, i1, s, half = places[d], places[d + 1], scales[d], halves[d]
        G, above = i1 - i0, places[d + 2] - i1
        first, end = spots[d], spots[d + 1]
        own, at_own = nodes[first:end], values[first:end]
        if half > 0.0:
            lay_lattice(
                counts[d], half, K, G, s, w[i0:i1], sds[i0:i1], own, at_own, logs[i0:i1]
            )  # fmt: skip
            continue
        over, t, start = work[:G], work[G : 2 * G], work[2 * G : 3 * G]
        for k in range(counts[d + 1]):
            for g in range(G):
                a = up[_u(i0 + g)]
                over[_u(g)] = w[_u(a)]
                t[_u(g)] = nodes[_u(spots[d + 1] + k * above + a - i1)]
            begin(s, u[i0:i1], curves[i0:i1], over, t, G, start)
            lay_own(k, G, s, start, curves[i0:i1], t, own, v[first:end], at_own, logs[i0:i1])


@inner
def add_rows(family, slots, s0, s1, z, eta, n, G, nodes, values, slopes, d, wanted, at, value):
    """Adds the log likelihoods of the finest levels at their nodes to values (n, G).

    Slopes of rows by predictors (n, b) and parameters (n, b m) where they are wanted.
    """
    rows, y, size, extra, parameters, kept, _ = family
    r0, m = slots[s0], parameters.size
    b, none = slots[s1] - r0, np.empty(0)
    for k in range(n):
        for i in range(b):
            at[_u(i)] = eta[_u(r0 + i)]
        add_products(slots, s0, s1, 1, z, r0, z.size, nodes, k * G, G, at)
        if wanted:
            own, by = slopes[k * b : (k + 1) * b], d[k * m * b : (k + 1) * m * b]
            call(rows, r0, at, y, size, extra, parameters, kept, value, own, by)
        else:
            call(rows, r0, at, y, size, extra, parameters, kept, value, none, none)
        add_up(slots, s0, s1, value, values, k * G)


@inner
def exponents(n, half, k, G, s, nodes, v, values, t, squares, out):
    """Logarithms (n, G) of what nodes add to m at the k-th t, but for the levels' weights.

    And the squares of u there. n is the number of nodes for one t.
    """
    first = 0 if half > 0.0 else k * n * G
    for i in range(n):
        at, to = first + i * G, i * G
        if half > 0.0:
            for g in range(G):
                u = (nodes[_u(at + g)] - t[_u(g)]) / s
                squares[_u(to + g)] = u * u
        else:
            for g in range(G):
                squares[_u(to + g)] = v[_u(at + g)] * v[_u(at + g)]
        for g in range(G):
            out[_u(to + g)] = values[_u(at + g)] - 0.5 * squares[_u(to + g)]


@inner
def add_exponentials(n, G, x, logs, total, out):
    """log sum_i exp(x_i) + logs into out (G,), x (n, G)."""
    for g in range(G):
        out[_u(g)] = _LEAST
        total[_u(g)] = 0.0
    for i in range(n):
        for g in range(G):
            more = x[_u(i * G + g)]
            out[_u(g)] = more if more > out[_u(g)] else out[_u(g)]
    for i in range(n):
        for g in range(G):
            total[_u(g)] += exp(x[_u(i * G + g)] - out[_u(g)])
    for g in range(G):
        out[_u(g)] += math.log(total[_u(g)]) + logs[_u(g)]


@inner
def upward(D, through, places, up, scales, counts, halves, spots, lines, nodes, v, values, logs,
           messages, squares, x, work):  # fmt: skip
    """Messages of the levels of all factors before `through`, added to the values of those above.

    work (2, M); squares and x (n, G), n the most nodes for one t.
    """
    for d in range(through):
        i0, i1, half, last = places[d], places[d + 1], halves[d], d + 1 == D
        G, t, total = i1 - i0, work[: i1 - i0], work[i1 - i0 : 2 * (i1 - i0)]
        above = 0 if last else places[d + 2] - i1
        for k in range(1 if last else counts[d + 1]):
            for g in range(G):
                t[_u(g)] = 0.0
                if not last:
                    t[_u(g)] = nodes[_u(spots[d + 1] + k * above + up[_u(i0 + g)] - i1)]
            n = counts[d] if half > 0.0 else _OWN
            at, end, seen = spots[d], spots[d + 1], lines[d] + k * G
            exponents(
                n, half, k, G, scales[d], nodes[at:end], v[at:end], values[at:end], t, squares, x
            )  # fmt: skip
            out = messages[seen : seen + G]
            add_exponentials(n, G, x, logs[i0:i1], total, out)
            if not last:
                at = spots[d + 1] + k * above
                for g in range(G):
                    values[_u(at + up[_u(i0 + g)] - i1)] += out[_u(g)]


@inner
def downward(D, places, up, scales, counts, halves, spots, lines, nodes, v, values, logs, messages,
             squares, x, work, shares, by_scale):  # fmt: skip
    """Shares of the integral of all nodes; adds slopes by scales."""
    fill(shares, 0.0, 0, spots[D])
    for e in range(D):
        d = D - 1 - e
        i0, i1, half, last = places[d], places[d + 1], halves[d], d + 1 == D
        G, t, share = i1 - i0, work[: i1 - i0], work[i1 - i0 : 2 * (i1 - i0)]
        slope = work[2 * (i1 - i0) : 3 * (i1 - i0)]
        above = 0 if last else places[d + 2] - i1
        fill(slope, 0.0, 0, G)
        for k in range(1 if last else counts[d + 1]):
            for g in range(G):
                t[_u(g)], share[_u(g)] = 0.0, 1.0
                if not last:
                    at = spots[d + 1] + k * above + up[_u(i0 + g)] - i1
                    t[_u(g)], share[_u(g)] = nodes[_u(at)], shares[_u(at)]
            n = counts[d] if half > 0.0 else _OWN
            at, end, seen = spots[d], spots[d + 1], lines[d] + k * G
            exponents(
                n, half, k, G, scales[d], nodes[at:end], v[at:end], values[at:end], t, squares, x
            )  # fmt: skip
            first = spots[d] + (0 if half > 0.0 else k * n * G)
            for i in range(n):
                for g in range(G):
                    less = logs[_u(i0 + g)] - messages[_u(seen + g)]
                    q = share[_u(g)] * exp(x[_u(i * G + g)] + less)
                    shares[_u(first + i * G + g)] += q
                    slope[_u(g)] += q * (squares[_u(i * G + g)] - 1.0)
        for g in range(G):
            by_scale[d] += slope[_u(g)] / scales[d]


@inner
def share_out(slots, s0, s1, n, m, G, shares, slopes, d, d_eta, d_own):
    """Add the rows' slopes at the nodes by the nodes' shares to d_eta (n,) and d_own (m,)."""
    r0 = slots[s0]
    b = slots[s1] - r0
    for k in range(n):
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
def most_nodes(D, places, counts, halves):
    """Most numbers of nodes of levels for one t."""
    most = 0
    for d in range(D):
        n = counts[d] if halves[d] > 0.0 else _OWN
        most = max(most, n * (places[d + 1] - places[d]))
    return most


@inner
def open_block(family, tree, above, firsts, slots, z, acting, scales, eta, u, block, places, starts,
               up, top, levels, level, work):  # fmt: skip
    """Finds a block's levels, and the modes of all in u; False where a density is not finite.

    levels (4, M): modes of u, w there, curvatures by w of what lies below, and sds of w.
    """
    levels_of(tree, above, block, places, starts, up, top)
    D = tree[0]
    M, s0, s1 = places[D], firsts[block], firsts[block + 1]
    here, w, curves = levels[:M], levels[M : 2 * M], levels[2 * M : 3 * M]
    for f in range(D):
        for i in range(places[f], places[f + 1]):
            here[_u(i)] = u[_u(starts[f] + i - places[f])]
    if not climb(
        family, slots, s0, s1, z, acting, eta, D, places, up, top, scales, here, w, curves, work,
        level,
    ):  # fmt: skip
        return False
    spread(D, places, up, scales, curves, levels[3 * M : 4 * M])
    for f in range(D):
        for i in range(places[f], places[f + 1]):
            u[_u(starts[f] + i - places[f])] = here[_u(i)]
    return True


@inner
def integrate_tree(
    family, tree, above, firsts, slots, K, z, scales, eta, each, u, d_eta, by_scale, d_own
):  # fmt: skip
    """The sum of log p of the coarsest levels, -inf where it is none; of each into `each`, else 0.

    u has the start of the search of all levels, factor by factor, and receives their modes. Slopes
    are added to d_eta (n,), by_scale (D,) and d_own (m,) unless d_eta is empty. family as in
    `integral.integrate`; scales (D,) are the sds of effects, the finest factor's first.
    """
    D, E, m, wanted, total = tree[0], tree[1], family[4].size, d_eta.size > 0, 0.0
    most, acting = most_levels(tree), np.zeros(1, np.int64)
    fill(each, 0.0, 0, each.size)
    rows, _ = widest(slots, firsts, tree[2 : 3 + E])
    places, starts = np.zeros(D + 1, np.int64), np.zeros(D, np.int64)
    up, top = np.empty(most, np.int64), np.empty(most, np.int64)
    levels, level, work = np.empty(4 * most), np.empty(10 * most), np.empty(room(rows, 1, 1, m))
    logs, halves, counts = np.empty(most), np.empty(D), np.zeros(D, np.int64)
    spots, lines = np.zeros(D + 1, np.int64), np.zeros(D + 1, np.int64)
    for block in range(E):
        if not open_block(
            family, tree, above, firsts, slots, z, acting, scales, eta, u, block, places, starts,
            up, top, levels, level, work,
        ):  # fmt: skip
            return -math.inf
        M, s0, s1 = places[D], firsts[block], firsts[block + 1]
        G, b, i0 = places[1], slots[s1] - slots[s0], places[D - 1]
        here, w, curves, sds = (
            levels[:M], levels[M : 2 * M], levels[2 * M : 3 * M], levels[3 * M : 4 * M],
        )  # fmt: skip
        plan(D, places, scales, curves, sds, K, K, counts, halves, spots, lines)
        n, last = counts[0], spots[D - 1]
        nodes, v, values = np.empty(spots[D]), np.empty(spots[D]), np.empty(spots[D])
        messages, many = np.empty(lines[D]), most_nodes(D, places, counts, halves)
        squares, x = np.empty(many), np.empty(many)
        slopes, d = np.empty(n * b if wanted else 0), np.empty(n * b * m if wanted else 0)
        lay_lattice(
            K, halves[D - 1], K, M - i0, scales[D - 1], w[i0:], sds[i0:], nodes[last:],
            values[last:], logs[i0:M],
        )  # fmt: skip
        lay(
            D, places, up, scales, K, here, w, curves, sds, counts, halves, spots, nodes, v,
            values, logs, level,
        )  # fmt: skip
        add_rows(
            family, slots, s0, s1, z, eta, n, G, nodes, values, slopes, d, wanted, work[:b],
            work[b : 2 * b],
        )  # fmt: skip
        upward(
            D, D, places, up, scales, counts, halves, spots, lines, nodes, v, values, logs,
            messages, squares, x, level,
        )  # fmt: skip
        for i in range(M - i0):
            found = messages[_u(lines[D - 1] + i)]
            if not math.isfinite(found):
                return -math.inf
            each[_u(starts[D - 1] + i)] = found
            total += found
        if wanted:
            shares = np.empty(spots[D])
            downward(
                D, places, up, scales, counts, halves, spots, lines, nodes, v, values, logs,
                messages, squares, x, level, shares, by_scale,
            )  # fmt: skip
            share_out(slots, s0, s1, n, m, G, shares, slopes, d, d_eta, d_own)
    return total
