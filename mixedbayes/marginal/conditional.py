"""Compiled pieces that draws and moments of the effects share."""

from mixedbayes.marginal.inner import inner


@inner
def read_values(h, ints, k, q, node, rows, place, dense, u, values):
    """v_rows: the values of the effects in the rows of a front, from the ancestors' on."""
    row, up = q, node
    for a in range(k + 1, h.n_chain):
        up = ints[h.parent + up]
        qa = ints[h.q + a]
        for s in range(qa):
            values[row] = u[ints[h.var0 + a] + (up - ints[h.node0 + a]) * qa + s]
            row += 1
    for i in range(row, rows):
        values[i] = dense[place[0, i]]


@inner
def to_original(h, ints, x, u, columns):
    """b = L u, in place, for u (n_effects, columns)."""
    for k in range(h.K):
        q, l0 = ints[h.q + k], ints[h.l0 + k]
        for at in range(ints[h.var0 + k], ints[h.var0 + k + 1], q):
            for i in range(q - 1, -1, -1):
                for c in range(columns):
                    total = 0.0
                    for j in range(i + 1):
                        total += x[l0 + i * q + j] * u[(at + j) * columns + c]
                    u[(at + i) * columns + c] = total


@inner
def read_population(h, mu, S, beta):
    """Mean and covariance (p + 1, p) of the population effects from those of the dense block."""
    first = h.D - h.p
    for i in range(h.p):
        beta[i] = mu[first + i]
        for j in range(h.p):
            low, high = first + min(i, j), first + max(i, j)
            beta[(i + 1) * h.p + j] = S[low, high]


@inner
def read_crossed(h, ints, dense, u):
    """Crossed effects, from the order of the dense columns to that of all effects."""
    at = h.n_effects - h.D + h.p
    for k in range(h.n_chain, h.K):
        for node in range(ints[h.node0 + k], ints[h.node0 + k + 1]):
            column = ints[h.col + node - ints[h.node0 + h.n_chain]]
            for s in range(ints[h.q + k]):
                u[at] = dense[column + s]
                at += 1
