"""The likelihood of grouped rows, each group's effects integrated out by adaptive quadrature.

With b_j = L u_j, u_j ~ N(0, I_q), and l_j(u) = sum_i log f(y_i | eta_i + z_i' L u) - u'u / 2,

    p(y_j) = (2 pi)^(-q/2) integral of exp(l_j(u)) du,
    log p(y_j) ~ log|R_j| + log sum_k exp(l_j(u_j* + R_j x_k) + x_k'x_k / 2 + log w_k),

with the mode u_j* of l_j, R_j R_j' = (-l_j'')^-1 there, and the nodes x_k and weights w_k of a
`Rule` (Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663). One node is Laplace's
approximation. The gradient is Fisher's, the expectation of that of log f under the weights of the
nodes. Modes are found by Newton's method from differences of slopes, always from the same start, so
that the value depends on the parameters alone.

Groups are dealt with in blocks of some hundreds of rows, all rows of a block at once.
"""

import math

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.rows import call

_STEP = 1e-4  # of the differences of slopes, in eta
_NEWTON = 50  # most steps
_NEAR = 1e-4  # twice the gain of the last step, after which little is left
_SHORTEST = 1e-8  # of a step that is halved because it does not gain


@inner
def _cholesky(H, at, q):
    """The lower factor of H (q q,) from `at` on, in place; whether there is one."""
    for j in range(q):
        for i in range(j, q):
            x = H[at + i * q + j]
            for a in range(j):
                x -= H[at + i * q + a] * H[at + j * q + a]
            if i == j:
                if not x > 0.0:
                    return False
                H[at + j * q + j] = math.sqrt(x)
            else:
                H[at + i * q + j] = x / H[at + j * q + j]
    return True


@inner
def _solve(C, at, q, g, to, forward):
    """C x = g, or C' x = g, in place, of C from `at` on and g from `to` on."""
    for k in range(q):
        i = k if forward else q - 1 - k
        x = g[to + i]
        for a in range(k):
            other = a if forward else q - 1 - a
            x -= (C[at + i * q + other] if forward else C[at + other * q + i]) * g[to + other]
        g[to + i] = x / C[at + i * q + i]


@inner
def scaled_columns(Z, L, n, q):
    """Z L (n q,), row by row, for L (q q,) lower triangular."""
    A = np.zeros(n * q)
    for i in range(n):
        for a in range(q):
            for b in range(a, q):
                A[i * q + a] += Z[i * q + b] * L[b * q + a]
    return A


@inner
def _predict(starts, j0, j1, q, A, u, step, offset, shift, eta, at):
    """eta + shift + A u_j into at, of the rows of groups j0 to j1.

    u_j is at offset + step (j - j0).
    """
    r0 = starts[j0]
    for j in range(j0, j1):
        for i in range(starts[j], starts[j + 1]):
            total = eta[i] + shift
            for a in range(q):
                total += A[i * q + a] * u[offset + step * (j - j0) + a]
            at[i - r0] = total


@inner
def find_modes(rows, starts, j0, j1, q, A, eta, y, size, extra, parameters, modes, u, C, work):
    """The modes of groups j0 to j1 into u (J, q), and the factors C (J, q, q) of -l'' by them.

    Values and slopes at u are means of those at eta + h and eta - h, curvatures their differences.
    `work` is (6, b m). Returns False where a density is not finite; after many steps the nodes lie
    around the point that was reached.
    """
    r0, many = starts[j0], j1 - j0
    b = starts[j1] - r0
    at, up, down = work[0, :b], work[1, :b], work[2, :b]
    value, other = work[3, :b], work[4, :b]
    step, here, open_ = np.zeros(many * q), np.full(many, -math.inf), many
    done = np.zeros(many, np.bool_)
    for i in range(j0 * q, j1 * q):
        u[i] = modes[i]
    for _ in range(_NEWTON):
        _predict(starts, j0, j1, q, A, u, q, j0 * q, _STEP, eta, at)
        call(rows, r0, at, y, size, extra, parameters, value, up, work[5])
        for i in range(b):
            at[i] -= 2.0 * _STEP
        call(rows, r0, at, y, size, extra, parameters, other, down, work[5])
        for j in range(j0, j1):
            if done[j - j0]:
                continue
            first, c, s, there = j * q, j * q * q, (j - j0) * q, 0.0
            for i in range(starts[j] - r0, starts[j + 1] - r0):
                there += 0.5 * (value[i] + other[i])
            for a in range(q):
                there -= 0.5 * u[first + a] * u[first + a]
            if not there >= here[j - j0] - 1e-6 - 1e-9 * abs(here[j - j0]):  # it was too long
                longest = 0.0
                for a in range(q):
                    step[s + a] *= 0.5
                    u[first + a] -= step[s + a]
                    longest = max(longest, abs(step[s + a]))
                if not longest > _SHORTEST:
                    return False
                continue
            here[j - j0] = there
            for a in range(q):
                step[s + a] = -u[first + a]
                for e in range(a + 1):
                    C[c + a * q + e] = 1.0 if a == e else 0.0
            for i in range(starts[j], starts[j + 1]):
                low, high = down[i - r0], up[i - r0]
                g, w = 0.5 * (high + low), max(0.5 * (low - high) / _STEP, 0.0)
                for a in range(q):
                    z = A[i * q + a]
                    step[s + a] += g * z
                    for e in range(a + 1):
                        C[c + a * q + e] += w * z * A[i * q + e]
            if not _cholesky(C, c, q):
                return False
            _solve(C, c, q, step, s, True)
            gain = 0.0
            for a in range(q):
                gain += step[s + a] * step[s + a]
            if not math.isfinite(gain):
                return False
            _solve(C, c, q, step, s, False)
            for a in range(q):
                u[first + a] += step[s + a]
            if gain < _NEAR:
                done[j - j0] = True
                open_ -= 1
        if open_ == 0:
            return True
    return True


@inner
def _place(nodes, k, step, j0, j1, q, u, C, out):
    """u_j + C_j^-T x of the k-th node x into out (j1 - j0, q); x at k q + step (j - j0)."""
    for j in range(j0, j1):
        to = (j - j0) * q
        for a in range(q):
            out[to + a] = nodes[k * q + step * (j - j0) + a]
        _solve(C, j * q * q, q, out, to, False)
        for a in range(q):
            out[to + a] += u[j * q + a]


@inner
def _log_densities(rows, starts, j0, j1, q, A, effects, eta, y, size, extra, parameters, at, value,
                   slope, d, out, k, K):  # fmt: skip
    """l_j(u_j) of each group at effects (j1 - j0, q), into out[j - j0, k] (..., K)."""
    r0 = starts[j0]
    _predict(starts, j0, j1, q, A, effects, q, 0, 0.0, eta, at)
    call(rows, r0, at, y, size, extra, parameters, value, slope, d)
    for j in range(j0, j1):
        total = 0.0
        for i in range(starts[j] - r0, starts[j + 1] - r0):
            total += value[i]
        for a in range(q):
            total -= 0.5 * effects[(j - j0) * q + a] ** 2
        out[(j - j0) * K + k] = total


@inner
def widest(starts, blocks):
    """Most rows and most groups of a block."""
    rows = groups = 0
    for e in range(blocks.size - 1):
        rows = max(rows, starts[blocks[e + 1]] - starts[blocks[e]])
        groups = max(groups, blocks[e + 1] - blocks[e])
    return rows, groups


@inner
def integrate(
    rows, starts, blocks, nodes, ratios, modes, Z, L, eta, y, size, extra, parameters, each, u,
    d_eta, d_L, d_parameters,
):  # fmt: skip
    """log p(y_j) into each (J,), and u_j* into u (J, q); their sum, -inf where it is none.

    d_eta (n,), d_L (q q,), its lower triangle, and d_parameters (m,) receive the gradient, unless
    they are empty. `blocks` are the first groups of each block, and J.
    """
    J, K, n, m = starts.size - 1, ratios.size, eta.size, parameters.size
    q, wanted = nodes.size // K, d_eta.size > 0
    A, C = scaled_columns(Z, L, n, q), np.empty(J * q * q)
    most_rows, most = widest(starts, blocks)
    work, effects = np.empty((6, most_rows * max(m, 1))), np.empty((K, most * q))
    values, kept = np.empty(most * K), K if wanted else 0
    slopes, d = np.empty((kept, most_rows)), np.empty((kept, most_rows * m))
    none, total = np.empty(0), 0.0
    for block in range(blocks.size - 1):
        j0, j1 = blocks[block], blocks[block + 1]
        r0 = starts[j0]
        b = starts[j1] - r0
        if not find_modes(
            rows, starts, j0, j1, q, A, eta, y, size, extra, parameters, modes, u, C, work
        ):
            return -math.inf
        for k in range(K):
            _place(nodes, k, 0, j0, j1, q, u, C, effects[k])
            _log_densities(
                rows, starts, j0, j1, q, A, effects[k], eta, y, size, extra, parameters,
                work[0, :b], work[1, :b], slopes[k] if wanted else none, d[k] if wanted else none,
                values, k, K,
            )  # fmt: skip
        for j in range(j0, j1):
            v, largest, mass = (j - j0) * K, -math.inf, 0.0
            for k in range(K):
                values[v + k] += ratios[k]
                largest = max(largest, values[v + k])
            if not math.isfinite(largest):
                return -math.inf
            for k in range(K):
                values[v + k] = math.exp(values[v + k] - largest)
                mass += values[v + k]
            each[j] = largest + math.log(mass)
            for a in range(q):
                each[j] -= math.log(C[j * q * q + a * q + a])
            total += each[j]
            for k in range(kept):
                share = values[v + k] / mass
                for i in range(starts[j], starts[j + 1]):
                    s = share * slopes[k, i - r0]
                    d_eta[i] += s
                    for c in range(m):
                        d_parameters[c] += share * d[k, (i - r0) * m + c]
                    for a in range(q):
                        for e in range(a + 1):
                            d_L[a * q + e] += s * Z[i * q + a] * effects[k, (j - j0) * q + e]
    return total


@inner
def draw_each(
    rows, starts, blocks, modes, Z, L, eta, y, size, extra, parameters, nu, proposals,
    log_uniforms, out,
):  # fmt: skip
    """u (J, q) of each group from p(u_j | y_j), by independence Metropolis; see `draws`.

    `proposals` (J, tries, q) are draws of a t distribution with nu degrees of freedom, which are
    placed at the mode in units of the curvature there. Returns the accepted share; NaN where a
    group has no mode.
    """
    J, n, q, none = starts.size - 1, eta.size, modes.size // (starts.size - 1), np.empty(0)
    tries, accepted = proposals.size // (J * q), 0
    A, C, u = scaled_columns(Z, L, n, q), np.empty(J * q * q), np.empty(J * q)
    most_rows, most = widest(starts, blocks)
    work, effects = np.empty((6, most_rows * max(parameters.size, 1))), np.empty((tries, most * q))
    values = np.empty(most * tries)
    for block in range(blocks.size - 1):
        j0, j1 = blocks[block], blocks[block + 1]
        b = starts[j1] - starts[j0]
        if not find_modes(
            rows, starts, j0, j1, q, A, eta, y, size, extra, parameters, modes, u, C, work
        ):
            return math.nan
        own = proposals[j0 * tries * q : j1 * tries * q]
        for k in range(tries):
            _place(own, k, tries * q, j0, j1, q, u, C, effects[k])
            _log_densities(
                rows, starts, j0, j1, q, A, effects[k], eta, y, size, extra, parameters,
                work[0, :b], work[1, :b], none, none, values, k, tries,
            )  # fmt: skip
        for j in range(j0, j1):
            here, v = 0, (j - j0) * tries
            for k in range(tries):
                square = 0.0
                for a in range(q):
                    square += own[v * q + k * q + a] ** 2
                values[v + k] += 0.5 * (nu + q) * math.log1p(square / nu)
                if (
                    k > 0
                    and log_uniforms[j * (tries - 1) + k - 1] < values[v + k] - values[v + here]
                ):
                    here = k
                    accepted += 1
            for a in range(q):
                out[j * q + a] = effects[here, (j - j0) * q + a]
    return accepted / (J * (tries - 1))
