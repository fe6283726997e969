"""The likelihood of grouped rows, each group's effects integrated out by adaptive quadrature.

With b_j = L u_j, u_j ~ N(0, I_q), and l_j(u) = sum_i log f(y_i | eta_i + z_i' L u) - u'u / 2,

    p(y_j) = (2 pi)^(-q/2) integral of exp(l_j(u)) du,
    log p(y_j) ~ log|T_j| + log sum_k exp(l_j(u_j* + T_j x_k) + x_k'x_k / 2 + log w_k),

with the mode u_j* of l_j, T_j T_j' = (-l_j'')^-1 there, and the nodes x_k and weights w_k of a
`Rule` (Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663). One node is Laplace's
approximation. The gradient is Fisher's, the expectation of that of log f under the weights of the
nodes. Modes are found by Newton's method from differences of slopes, always from the same start, so
that the value depends on the parameters alone.

Rows lie in `blocks.Blocks`: of a block of groups the first rows of all, then the second rows, and
so on, so that what is added up for each group is added in loops over vectors of groups. Arrays of
groups and rows have one such vector for each effect, one after another: u (q, J), A (q, n).
Indices are unsigned, since compiled loops with signed ones look whether they count from the end.
"""

import math

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.numerics.elementary import exp
from mixedbayes.quadrature.rows import call

_STEP = 1e-4  # of the differences of slopes, in eta
_NEWTON = 50  # most steps
# Twice the gain of the last step, after which little is left: nodes may lie around a point that is
# near the mode, and Laplace's approximation has no other nodes.
_NEAR, _NEAREST = 1e-4, 1e-12
_SHORTEST = 1e-8  # of a step that is halved because it does not gain
_MOST_TRIES = 64  # proposals
_u = np.uint64
_GOLDEN, _ONE = _u(0x9E3779B97F4A7C15), _u(0x3FF0000000000000)
_MIX_1, _MIX_2 = _u(0xBF58476D1CE4E5B9), _u(0x94D049BB133111EB)


@inner
def fill(x, value, first, n):
    for i in range(n):
        x[_u(first + i)] = value


@inner
def scaled_columns(Z, L, n, q, r0, r1):
    """Z L (q, n) for L (q, q) lower triangular, of rows r0 to r1."""
    A = np.zeros(q * n)
    for a in range(q):
        for b in range(a, q):
            scale, to, at = L[b * q + a], a * n, b * n
            for i in range(r0, r1):
                A[_u(to + i)] += Z[_u(at + i)] * scale
    return A


@inner
def add_products(slots, s0, s1, q, M, m, m_step, w, v, v_step, out):
    """Add sum_a M_a w_a of each row's group to out (b,).

    M_a has its rows from m + a m_step on, w_a the block's groups from v + a v_step on.
    """
    r0 = slots[s0]
    for a in range(q):
        for s in range(s0, s1):
            row, at = slots[s] - r0, v + a * v_step
            from_ = m + a * m_step + row
            for g in range(slots[s + 1] - slots[s]):
                out[_u(row + g)] += M[_u(from_ + g)] * w[_u(at + g)]


@inner
def add_up(slots, s0, s1, x, out, first):
    """Add x (b,) of each group's rows to `out`, the block's groups from `first` on."""
    r0 = slots[s0]
    for s in range(s0, s1):
        row = slots[s] - r0
        for g in range(slots[s + 1] - slots[s]):
            out[_u(first + g)] += x[_u(row + g)]


@inner
def _add_square(slots, s0, s1, x, M, m, other, n, out, first):
    """Add x M, and x M N where N, from `other` on, is not at -1, likewise."""
    r0 = slots[s0]
    for s in range(s0, s1):
        row = slots[s] - r0
        at, next_ = m + row, other + row
        if other < 0:
            for g in range(slots[s + 1] - slots[s]):
                out[_u(first + g)] += x[_u(row + g)] * M[_u(at + g)]
        else:
            for g in range(slots[s + 1] - slots[s]):
                out[_u(first + g)] += x[_u(row + g)] * M[_u(at + g)] * M[_u(next_ + g)]


@inner
def _factor(H, G, q):
    """The lower factors of H (q, q, G) in place, with the reciprocals of their diagonals.

    NaN or infinite where there is none.
    """
    for j in range(q):
        for i in range(j, q):
            to, diagonal = (i * q + j) * G, (j * q + j) * G
            for a in range(j):
                left, right = (i * q + a) * G, (j * q + a) * G
                for g in range(G):
                    H[_u(to + g)] -= H[_u(left + g)] * H[_u(right + g)]
            for g in range(G):
                if i == j:
                    H[_u(to + g)] = 1.0 / math.sqrt(H[_u(to + g)])
                else:
                    H[_u(to + g)] *= H[_u(diagonal + g)]


@inner
def _solve(C, G, q, x, at, forward):
    """C x = x, or C' x = x, in place, of all groups by `_factor`; x_a from `at` + a G on."""
    for k in range(q):
        i = k if forward else q - 1 - k
        to, diagonal = at + i * G, (i * q + i) * G
        for b in range(k):
            a = b if forward else q - 1 - b
            c, from_ = ((i * q + a) if forward else (a * q + i)) * G, at + a * G
            for g in range(G):
                x[_u(to + g)] -= C[_u(c + g)] * x[_u(from_ + g)]
        for g in range(G):
            x[_u(to + g)] *= C[_u(diagonal + g)]


@inner
def find_modes(rows, slots, s0, s1, j0, J, q, A, eta, y, size, extra, parameters, kept, u, C, H,
               work, G, group, near):  # fmt: skip
    """Moves u (q, J) of G groups from j0 on to their modes; factors C (q, q, G) of -l'' by them.

    Values and slopes at u are means of those at eta + h and eta - h, curvatures their differences.
    `work` is (6, b m), H (q, q, G) and group (4 + 2 q, G). Returns False where a density is not
    finite; after many steps the nodes lie around the point that was reached.
    """
    r0, n = slots[s0], eta.size
    b = slots[s1] - r0
    at, up, down = work[0, :b], work[1, :b], work[2, :b]
    value, other, d = work[3, :b], work[4, :b], work[5]
    here, there, gain, step, next_ = 0, G, 2 * G, 4 * G, (4 + q) * G  # places in `group`
    state = 3 * G  # 1: the step is taken; -0.5: it was too long, and is halved; 0: at the mode
    fill(group, -math.inf, here, G)
    fill(group, 1.0, state, G)
    fill(group, 0.0, step, q * G)
    for _ in range(_NEWTON):
        for i in range(b):
            at[_u(i)] = eta[_u(r0 + i)] + _STEP
        add_products(slots, s0, s1, q, A, r0, n, u, j0, J, at)
        call(rows, r0, at, y, size, extra, parameters, kept, value, up, d)
        for i in range(b):
            at[_u(i)] -= 2.0 * _STEP
        call(rows, r0, at, y, size, extra, parameters, kept, other, down, d)
        for i in range(b):
            value[_u(i)] = 0.5 * (value[_u(i)] + other[_u(i)])
            other[_u(i)] = max(0.5 * (down[_u(i)] - up[_u(i)]) / _STEP, 0.0)
            up[_u(i)] = 0.5 * (up[_u(i)] + down[_u(i)])
        fill(group, 0.0, there, 2 * G)
        fill(H, 0.0, 0, q * q * G)
        add_up(slots, s0, s1, value, group, there)
        for a in range(q):
            to, own = next_ + a * G, a * J + j0
            for g in range(G):
                group[_u(to + g)] = -u[_u(own + g)]
                group[_u(there + g)] -= 0.5 * u[_u(own + g)] ** 2
            fill(H, 1.0, (a * q + a) * G, G)
            _add_square(slots, s0, s1, up, A, a * n + r0, -1, n, group, to)
            for e in range(a + 1):
                _add_square(slots, s0, s1, other, A, a * n + r0, e * n + r0, n, H, (a * q + e) * G)
        _factor(H, G, q)
        _solve(H, G, q, group, next_, True)
        for a in range(q):
            to = next_ + a * G
            for g in range(G):
                group[_u(gain + g)] += group[_u(to + g)] ** 2
        _solve(H, G, q, group, next_, False)
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


@inner
def invert(C, G, q, T):
    """T = C'^-1 (q, q, G), column by column, and log |T| of each group into its place q^2 G."""
    fill(T, 0.0, 0, (q * q + 1) * G)
    for c in range(q):
        fill(T, 1.0, (c * q + c) * G, G)
        _solve(C, G, q, T, c * q * G, False)
        for g in range(G):
            T[_u(q * q * G + g)] += math.log(C[_u((c * q + c) * G + g)])


@inner
def settle(slots, s0, s1, j0, J, q, A, eta, u, T, G, at, B):
    """eta at the modes into at (b,), and A T into B (q, b)."""
    r0, n = slots[s0], eta.size
    b = slots[s1] - r0
    for i in range(b):
        at[_u(i)] = eta[_u(r0 + i)]
    add_products(slots, s0, s1, q, A, r0, n, u, j0, J, at)
    fill(B, 0.0, 0, q * b)
    for c in range(q):  # T is stored column by column: its column c at c q G
        add_products(slots, s0, s1, c + 1, A, r0, n, T, c * q * G, G, B[c * b : (c + 1) * b])


@inner
def widest(slots, firsts, blocks):
    """Most rows and most groups of a block."""
    rows = groups = 0
    for e in range(blocks.size - 1):
        rows = max(rows, slots[firsts[e + 1]] - slots[firsts[e]])
        groups = max(groups, blocks[e + 1] - blocks[e])
    return rows, groups


@inner
def integrate(
    rows, blocks, firsts, slots, nodes, ratios, Z, L, eta, y, size, extra, parameters, kept, each,
    u, d_eta, d_L, d_parameters,
):  # fmt: skip
    """log p(y_j) into each (J,), and u_j* into u (q, J); their sum, -inf where it is none.

    u has the start of the search. d_eta (n,), d_L (q, q), its lower triangle, and d_parameters (m,)
    receive the gradient, unless they are empty. nodes (q, K), ratios (K,). `blocks` are the first
    groups of each block, and J; `firsts` and `slots` are those of `blocks.Blocks`.
    """
    J, K, n, m = each.size, ratios.size, eta.size, parameters.size
    q, wanted = nodes.size // K, d_eta.size > 0
    A = scaled_columns(Z, L, n, q, 0, n)
    most, G = widest(slots, firsts, blocks)
    work, group = np.empty((6, most * max(m, 1))), np.empty((4 + 2 * q) * G)
    C, T, B, centre = np.empty(q * q * G), np.empty((q * q + 1) * G), np.empty(q * most), work[2]
    values, moved = np.empty(K * G), np.empty(q * G)
    again = K if wanted else 0
    slopes, d, W = np.empty((again, most)), np.empty((again, most * m)), np.empty(q * most * wanted)
    none, total = np.empty(0), 0.0
    for block in range(blocks.size - 1):
        j0, s0, s1 = blocks[block], firsts[block], firsts[block + 1]
        G = blocks[block + 1] - j0
        r0 = slots[s0]
        b = slots[s1] - r0
        if not find_modes(
            rows,
            slots,
            s0,
            s1,
            j0,
            J,
            q,
            A,
            eta,
            y,
            size,
            extra,
            parameters,
            kept,
            u,
            C,
            T,
            work,
            G,
            group,
            _NEAR if K > 1 else _NEAREST,
        ):
            return -math.inf
        invert(C, G, q, T)
        settle(slots, s0, s1, j0, J, q, A, eta, u, T, G, centre, B)
        fill(values, 0.0, 0, K * G)
        at, value = work[0, :b], work[1, :b]
        for k in range(K):
            for i in range(b):
                at[_u(i)] = centre[_u(i)]
            for a in range(q):
                x = nodes[a * K + k]
                for i in range(b):
                    at[_u(i)] += B[_u(a * b + i)] * x
            if wanted:
                call(rows, r0, at, y, size, extra, parameters, kept, value, slopes[k, :b], d[k])
            else:
                call(rows, r0, at, y, size, extra, parameters, kept, value, none, none)
            add_up(slots, s0, s1, value, values, k * G)
            place(nodes, k, K, j0, J, q, u, T, G, moved)
            for g in range(G):
                values[_u(k * G + g)] += ratios[k]
            for a in range(q):
                for g in range(G):
                    values[_u(k * G + g)] -= 0.5 * moved[_u(a * G + g)] ** 2
        top, mass = group[:G], group[G : 2 * G]
        fill(top, -math.inf, 0, G)
        fill(mass, 0.0, 0, G)
        for k in range(K):
            for g in range(G):
                x = values[_u(k * G + g)]
                top[_u(g)] = x if x > top[_u(g)] else top[_u(g)]
        for k in range(K):
            for g in range(G):
                x = exp(values[_u(k * G + g)] - top[_u(g)])
                values[_u(k * G + g)] = x
                mass[_u(g)] += x
        for g in range(G):
            x = top[_u(g)] + math.log(mass[_u(g)]) + T[_u(q * q * G + g)]
            if not math.isfinite(x):
                return -math.inf
            each[_u(j0 + g)] = x
            total += x
        if not wanted:
            continue
        for g in range(G):
            mass[_u(g)] = 1.0 / mass[_u(g)]
        fill(W, 0.0, 0, q * b)
        for k in range(K):
            place(nodes, k, K, j0, J, q, u, T, G, moved)
            for g in range(G):
                values[_u(k * G + g)] *= mass[_u(g)]
            for s in range(s0, s1):
                row = slots[s] - r0
                for g in range(slots[s + 1] - slots[s]):
                    share = values[_u(k * G + g)]
                    w = share * slopes[k, _u(row + g)]
                    d_eta[_u(r0 + row + g)] += w
                    for a in range(q):
                        W[_u(a * b + row + g)] += w * moved[_u(a * G + g)]
                    for c in range(m):
                        d_parameters[c] += share * d[k, _u((row + g) * m + c)]
        for a in range(q):
            for e in range(a + 1):
                x = 0.0
                for i in range(b):
                    x += Z[_u(a * n + r0 + i)] * W[_u(e * b + i)]
                d_L[a * q + e] += x
    return total


@inner
def place(nodes, k, K, j0, J, q, u, T, G, out):
    """u_j + T_j x of the k-th node x into out (q, G)."""
    for a in range(q):
        for g in range(G):
            out[_u(a * G + g)] = u[_u(a * J + j0 + g)]
        for c in range(a, q):
            x = nodes[c * K + k]
            for g in range(G):
                out[_u(a * G + g)] += T[_u((c * q + a) * G + g)] * x


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


@inner
def propose(key, first, N, tries, q, t, weight, chance):
    """Draws t (tries, q, N) of a t distribution with 4 degrees of freedom in q dimensions, 1 or 2.

    weight (tries, N) are the reciprocals of their density, and chance (tries, N) uniform. From two
    uniform numbers each (Bailey 1994, doi:10.1090/S0025-5718-1994-1219702-8). Numbers are those of
    groups from `first` on, whichever others are asked for.
    """
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
def draw_each(
    rows, blocks, firsts, slots, from_, to, J, Z, L, eta, y, size, extra, parameters, kept, u, key,
    tries, out,
):  # fmt: skip
    """u (q, g) of each group of blocks from_ to `to` from p(u_j | y_j); see `draws`.

    So many proposals are placed at the mode in units of the curvature there. Returns the accepted
    share; NaN where a group has no mode.
    """
    n, q, first = eta.size, u.size // J, blocks[from_]
    N, accepted = blocks[to] - first, 0
    A = scaled_columns(Z, L, n, q, slots[firsts[from_]], slots[firsts[to]])
    most, G = widest(slots, firsts, blocks)
    work, group = np.empty((6, most * max(parameters.size, 1))), np.empty((4 + 2 * q) * G)
    C, T, B, centre = np.empty(q * q * G), np.empty((q * q + 1) * G), np.empty(q * most), work[2]
    values, moved, none = np.empty(tries * G), np.empty(tries * q * G), np.empty(0)
    t, weight, chance = np.empty(tries * q * G), np.empty(tries * G), np.empty(tries * G)
    for block in range(from_, to):
        j0, s0, s1 = blocks[block], firsts[block], firsts[block + 1]
        G, own = blocks[block + 1] - j0, j0 - first
        r0 = slots[s0]
        b = slots[s1] - r0
        if not find_modes(
            rows, slots, s0, s1, j0, J, q, A, eta, y, size, extra, parameters, kept, u, C, T, work,
            G, group, _NEAR,
        ):  # fmt: skip
            return math.nan
        invert(C, G, q, T)
        settle(slots, s0, s1, j0, J, q, A, eta, u, T, G, centre, B)
        propose(key, j0, G, tries, q, t, weight, chance)
        fill(values, 0.0, 0, tries * G)
        at, value, top = work[0, :b], work[1, :b], group
        fill(top, -math.inf, 0, G)
        for k in range(tries):
            for i in range(b):
                at[_u(i)] = centre[_u(i)]
            add_products(slots, s0, s1, q, B, 0, b, t, k * q * G, G, at)
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
