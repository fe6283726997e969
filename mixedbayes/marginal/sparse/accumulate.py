"""How the products depend on the residual's inverse covariance: they are G w, of its entries, and
the sum of b t t' over groups in which it is of rank one beside its diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from mixedbayes import jit
from mixedbayes.errors import ModelError
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Floats, Ints
from mixedbayes.marginal.sparse.entries import Entries, RankOne

MOST = 100_000_000  # entries of G, and places of what is of rank one


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

    @property
    def lookup(self) -> tuple[Ints, ...]:
        """What `_place` takes after two columns."""
        width = np.diff(self.col)
        nodes = np.repeat(np.arange(len(width)), np.diff(self.ptr))
        edge0 = np.zeros(len(self.node) + 1, np.int64)
        edge0[1:] = np.cumsum(width[nodes] * width[self.node])
        return (
            self.ptr, self.node, edge0, self.col, np.repeat(np.arange(len(width)), width),
            self.v_ptr, self.v_idx, np.array(self.starts, np.int64),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spread:
    """G by columns: of each weight the products in which it is, and how often."""

    ptr: Ints  # (M + 1,)
    row: Ints
    value: Floats


@dataclass(frozen=True, eq=False)
class Sums:
    """Of each group of `entries.RankOne` the columns of its t, and where their products are."""

    base: Ints  # (G,)
    ptr: Ints  # (G + 1,) columns
    sum_ptr: Ints  # (ptr[G] + 1,) what each of them is a sum of, u_class times value
    sum_class: Ints
    value: Floats
    at: Ints  # (pairs, 2) places of products, of each group the lower triangle row by row; or -1

    @classmethod
    def none(cls) -> Sums:
        """Of no group."""
        empty, zero = np.zeros(0, np.int64), np.zeros(1, np.int64)
        return cls(empty, zero, zero, empty, np.zeros(0), np.zeros((0, 2), np.int64))

    @property
    def widest(self) -> int:
        """Most columns of a group."""
        return int(np.diff(self.ptr).max(initial=0))

    @property
    def flops(self) -> int:
        """Multiplications of all products."""
        return 2 * len(self.value) + 2 * len(self.at)


def spread(entries: Entries, rows: sparse.csr_array, places: Places) -> tuple[Spread, Sums]:
    """G of rows (n, columns + r + 1): of all columns, the sampled ones, and the response; and what
    is of rank one.

    Raises
    ------
    ModelError
        Both would have more than MOST entries.
    """
    counts = np.diff(rows.indptr).astype(np.int64)
    bound = counts[entries.rows] * counts[entries.columns]
    # a weight is at most in all products, however many entries of R^-1 it stands for
    own = np.minimum(np.bincount(entries.number, bound), places.starts[-1])
    sums, column = _sums(entries.one, rows)
    wide = np.diff(sums.ptr)
    total = own.sum() + float(wide @ (wide + 1))
    if total > MOST:
        raise ModelError(
            f"the residual's inverse covariance has {len(own):,} distinct entries, and their "
            f"products with {places.starts[-1]:,} pairs of columns need {total:,.0f} numbers, "
            f"more than {MOST:,}; use formulation=mb.PartiallyCentered(), or a sigma and "
            "correlations that fewer rows have for themselves"
        )
    order, lookup = np.argsort(entries.number, kind="stable"), places.lookup
    ptr, row, value = _accumulate(
        entries.rows[order], entries.columns[order], entries.number[order],
        entries.scale[order], len(entries.of), rows.indptr.astype(np.int64),
        rows.indices.astype(np.int64), rows.data, *lookup,
    )  # fmt: skip
    return Spread(ptr, row, value), replace(sums, at=_pairs(sums.ptr, column, *lookup))


def _sums(one: RankOne | None, rows: sparse.csr_array) -> tuple[Sums, Ints]:
    """Without places; and the columns of each group."""
    if one is None:
        return Sums.none(), np.zeros(0, np.int64)
    found = rows[one.rows].tocoo()
    key = one.group[found.row] * rows.shape[1] + found.col
    order = np.argsort(key, kind="stable")
    known, first = np.unique(key[order], return_index=True)
    group, column = np.divmod(known, rows.shape[1])
    ptr = np.searchsorted(group, np.arange(len(one.base) + 1))
    sums = Sums(
        one.base, ptr, np.append(first, len(key)), one.classes[found.row[order]],
        found.data[order], np.zeros((0, 2), np.int64),
    )  # fmt: skip
    return sums, column.astype(np.int64)


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


@jit.njit(
    "i8[:, ::1](i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    "i8[::1])",
    nogil=True,
)
def _pairs(group_ptr, column, ptr, node, edge0, col, node_of, v_ptr, v_idx, starts):
    """`Sums.at`."""
    total = 0
    for g in range(group_ptr.size - 1):
        m = group_ptr[g + 1] - group_ptr[g]
        total += m * (m + 1) // 2
    out, end = np.empty((total, 2), np.int64), 0
    for g in range(group_ptr.size - 1):
        for i in range(group_ptr[g], group_ptr[g + 1]):
            for j in range(group_ptr[g], i + 1):
                one, other = _place(
                    column[i], column[j], ptr, node, edge0, col, node_of, v_ptr, v_idx, starts
                )
                out[end, 0], out[end, 1] = one, other if other != one else -1
                end += 1
    return out
