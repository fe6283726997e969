"""How the products depend on the entries of the residual's inverse covariance: products = G w."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mixedbayes import jit
from mixedbayes.errors import ModelError
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Floats, Ints
from mixedbayes.marginal.sparse.entries import Entries

MOST = 100_000_000  # entries of G


@dataclass(frozen=True, eq=False)
class Places:
    """Where the products are: see `layout`."""

    ptr: Ints  # (N + 1,) edges of the nodes, in the order of elimination
    node: Ints
    col: Ints  # (N + 1,)
    v_ptr: Ints  # (columns + r + 1,) products with the r sampled columns, compressed by rows
    v_idx: Ints
    n_pairs: int
    n_sampled: int

    @property
    def starts(self) -> tuple[int, int, int, int, int]:
        """Of the products with the response, its square, the sampled columns' two; their end."""
        c = self.n_pairs
        yy = c + int(self.col[-1])
        vy = yy + 1
        v_val = vy + self.n_sampled
        return c, yy, vy, v_val, v_val + len(self.v_idx)


@dataclass(frozen=True, eq=False)
class Spread:
    """G by columns: of each weight the products in which it is, and how often."""

    ptr: Ints  # (M + 1,)
    row: Ints
    value: Floats


def spread(entries: Entries, rows: sparse.csr_array, places: Places) -> Spread:
    """G of rows (n, columns + r + 1): of all columns, the sampled ones, and the response.

    Raises
    ------
    ModelError
        G would have more than MOST entries.
    """
    counts = np.diff(rows.indptr).astype(np.int64)
    bound = counts[entries.rows] * counts[entries.columns]
    # a weight is at most in all products, however many entries of R^-1 it stands for
    own = np.minimum(np.bincount(entries.number, bound), places.starts[-1])
    if own.sum() > MOST:
        raise ModelError(
            f"the residual's inverse covariance has {len(own):,} distinct entries, and their "
            f"products with {places.starts[-1]:,} pairs of columns need {own.sum():,.0f} numbers, "
            f"more than {MOST:,}; use formulation=mb.PartiallyCentered(), or a sigma and "
            "correlations that fewer rows have for themselves"
        )
    order = np.argsort(entries.number, kind="stable")
    edge0 = np.zeros(len(places.node) + 1, np.int64)
    width = np.diff(places.col)
    nodes = np.repeat(np.arange(len(width)), np.diff(places.ptr))
    edge0[1:] = np.cumsum(width[nodes] * width[places.node])
    ptr, row, value = _accumulate(
        entries.rows[order], entries.columns[order], entries.number[order],
        entries.scale[order], len(entries.of), rows.indptr.astype(np.int64),
        rows.indices.astype(np.int64), rows.data, places.ptr, places.node, edge0,
        places.col, np.repeat(np.arange(len(width)), width), places.v_ptr, places.v_idx,
        np.array(places.starts, np.int64),
    )  # fmt: skip
    return Spread(ptr, row, value)


@inner
def _find(index, low, high, wanted):
    while low < high:
        middle = (low + high) // 2
        if index[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _place(a, b, ptr, node, edge0, col, node_of, v_ptr, v_idx, starts):
    """Where the product of columns a and b is, and that of b and a; -1 where one of them is kept.

    The sampled columns follow those that are eliminated, and the response follows them.
    """
    N, response = col[-1], v_ptr.size - 1
    a, b = min(a, b), max(a, b)
    if b == response:
        if a == response:
            return starts[1], starts[1]
        return (starts[0] + a if a < N else starts[2] + a - N), -1
    if b >= N:
        at = starts[3] + _find(v_idx, v_ptr[a], v_ptr[a + 1], b - N)
        return at, (starts[3] + _find(v_idx, v_ptr[b], v_ptr[b + 1], a - N) if a >= N else -1)
    i, j = node_of[a], node_of[b]
    e = ptr[i] + j - i  # where all later ones are met
    if e >= ptr[i + 1] or node[e] != j:
        e = _find(node, ptr[i], ptr[i + 1], j)
    width, a, b = col[j + 1] - col[j], a - col[i], b - col[j]
    return edge0[e] + a * width + b, (edge0[e] + b * width + a if i == j else -1)


@jit.njit(
    "Tuple((i8[::1], i8[::1], f8[::1]))(i8[::1], i8[::1], i8[::1], f8[::1], i8, i8[::1], i8[::1],"
    "f8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])",
    nogil=True,
)
def _accumulate(
    first, second, number, scale, n_sets, indptr, indices, data, ptr, node, edge0, col, node_of,
    v_ptr, v_idx, starts,
):  # fmt: skip
    """Entries in the order of their weights' numbers; a sum of each product at a time."""
    total, seen = np.zeros(starts[4]), np.full(starts[4], -1)
    touched, out_ptr = np.empty(starts[4], np.int64), np.zeros(n_sets + 1, np.int64)
    row, value, end, t = np.empty(1024, np.int64), np.empty(1024), 0, 0
    for m in range(n_sets):
        many = 0
        while t < number.size and number[t] == m:
            i, j = first[t], second[t]
            share = scale[t] if i != j else 0.5 * scale[t]
            for p in range(indptr[i], indptr[i + 1]):
                for q in range(indptr[j], indptr[j + 1]):
                    a, b, x = indices[p], indices[q], share * data[p] * data[q]
                    place = _place(a, b, ptr, node, edge0, col, node_of, v_ptr, v_idx, starts)
                    for at in place:
                        if at >= 0:
                            if seen[at] != m:
                                seen[at], total[at] = m, 0.0
                                touched[many] = at
                                many += 1
                            total[at] += x
            t += 1
        if end + many > row.size:
            size = max(2 * row.size, end + many)
            more_row, more_value = np.empty(size, np.int64), np.empty(size)
            for k in range(end):
                more_row[k], more_value[k] = row[k], value[k]
            row, value = more_row, more_value
        for k in range(many):
            row[end], value[end] = touched[k], total[touched[k]]
            end += 1
        out_ptr[m + 1] = end
    return out_ptr, row[:end].copy(), value[:end].copy()
