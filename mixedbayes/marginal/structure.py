"""The sparsity of the cross-product matrix in the order of elimination: where each block is stored.

Every level of every factor is a *node*; nodes are numbered chain factors first, finest first, then
the crossed factors. A node's *front* is its column of the lower block triangle, q values per row:

    own q rows | ancestors in the chain | crossed levels met | p population columns | response

All fronts lie one after the other in one flat array.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes.marginal.clusters import Clusters, find_clusters
from mixedbayes.marginal.plan import Factor, Ints
from mixedbayes.numerics.rows import parent_levels, row_blocks

_TABLE = 1 << 26  # largest J_a * J_b for which pairs are marked in a table of bytes


@dataclass(frozen=True, eq=False)
class Structure:
    """Symbolic part of the elimination; K integrated factors in the order of elimination."""

    n_chain: int
    n_population: int
    q: Ints  # (K,)
    levels: Ints  # (K,)
    node0: Ints  # (K + 1,) first node of each factor
    var0: Ints  # (K + 1,) first effect of each factor, all effects counted
    col: Ints  # (crossed nodes + 1,) first dense column of each crossed level, of population last
    off: Ints  # (N + 1,) start of each node's front in the flat array
    parent: Ints  # (nodes of the chain but its coarsest factor,) node number
    blk_ptr: Ints  # (N + 1,) a node's crossed blocks; (1,) where there are none at all
    blk_fac: Ints  # (B,) factor of each crossed block
    blk_col: Ints  # (B,) its first dense column
    blk_row: Ints  # (B,) its first row in the front
    blk_up: Ints  # (B,) the same crossed level in the parent's list, -1 without a parent
    clu_ptr: Ints  # (clusters + 1,) dense columns of each cluster
    met_ptr: Ints  # (clusters + 1,)
    met: Ints  # dense columns that each cluster is coupled with, population and response last
    dense_flops: float
    pairs: dict[tuple[int, int], tuple[Ints, Ints]]  # (a, b) -> sorted keys, block of each key

    @property
    def n_dense(self) -> int:
        """Dense columns, the population columns included."""
        crossed = slice(self.n_chain, None)
        return int(self.q[crossed] @ self.levels[crossed]) + self.n_population

    def positions(self, refs: Sequence[NDArray[np.integer]]) -> Ints:
        """Where each row of data adds its products: (rows, blocks per row) into the flat array.

        The blocks of a row are, for each factor a: (a, a), (a, b) for all later b, and (a,
        population columns and response).
        """
        K, columns = len(self.q), []
        codes = [np.asarray(r, np.int64) for r in refs]
        for a in range(K):
            node = self.node0[a] + codes[a]
            start, q = self.off[node], self.q[a]
            columns.append(start)
            row = int(q)
            for b in range(a + 1, K):
                if b < self.n_chain:
                    columns.append(start + row * q)
                    row += int(self.q[b])
                else:
                    keys, block = self.pairs[a, b]
                    found = np.searchsorted(keys, codes[a] * self.levels[b] + codes[b])
                    columns.append(start + self.blk_row[block[found]] * q)
            columns.append(self.off[node + 1] - (self.n_population + 1) * q)
        return np.stack(columns, axis=1) if columns else np.empty((0, 0), np.int64)


def analyse(factors: Sequence[Factor], n_chain: int, n_population: int) -> Structure:
    """Lay out the fronts of `factors`, given in the order of elimination."""
    K = len(factors)
    refs = [f[0] for f in factors]
    q = np.array([f[1].shape[1] for f in factors], np.int64)
    levels = np.array([f[2] for f in factors], np.int64)
    node0 = np.concatenate([[0], np.cumsum(levels)]).astype(np.int64)
    var0 = np.concatenate([[0], np.cumsum(levels * q)]).astype(np.int64)
    parent = [
        node0[k + 1] + parent_levels(refs[k], refs[k + 1], int(levels[k]))
        for k in range(n_chain - 1)
    ]
    keys = {
        (a, b): _pair_keys(refs[a], refs[b], int(levels[a]), int(levels[b]))
        for a in range(K)
        for b in range(max(a + 1, n_chain), K)
    }
    rows_before = np.array([q[k] + q[k + 1 : n_chain].sum() for k in range(K)], np.int64)
    clusters = _find_clusters(keys, levels, q, n_chain, n_population)
    dense = _dense_columns(clusters, np.repeat(q[n_chain:], levels[n_chain:]), n_population)
    col, clu_ptr, met_ptr, met = dense
    ptr, fac, blk_col, row, pairs = _blocks(keys, node0, levels, q, n_chain, col, rows_before)
    n_rows = np.repeat(rows_before, levels) + n_population + 1
    if len(fac):
        np.add.at(n_rows, np.repeat(np.arange(node0[-1]), np.diff(ptr)), q[fac])
    off = np.concatenate([[0], np.cumsum(n_rows * np.repeat(q, levels))]).astype(np.int64)
    flat_parent = np.concatenate([np.empty(0, np.int64), *parent]).astype(np.int64)
    up = _blocks_in_parent(pairs, flat_parent, node0, levels, n_chain, len(fac))
    return Structure(
        n_chain, n_population, q, levels, node0, var0, col, off, flat_parent,
        ptr, fac, blk_col, row, up, clu_ptr, met_ptr, met, clusters.flops, pairs,
    )  # fmt: skip


def _pair_keys(a: NDArray[np.integer], b: NDArray[np.integer], Ja: int, Jb: int) -> Ints:
    """Sorted keys `level_a * Jb + level_b` of the pairs that occur, in bounded memory."""
    if Ja * Jb <= _TABLE:
        seen = np.zeros(Ja * Jb, np.bool_)
        for rows in row_blocks(len(a)):
            seen[a[rows].astype(np.int64) * Jb + b[rows]] = True
        return np.flatnonzero(seen)
    keys = np.empty(0, np.int64)
    for rows in row_blocks(len(a), 4_000_000):
        keys = np.union1d(keys, a[rows].astype(np.int64) * Jb + b[rows])
    return keys


def _find_clusters(keys, levels, q, n_chain, n_population) -> Clusters:
    """Clusters of the crossed levels, from the levels of the chain's coarsest factor they meet."""
    first = np.concatenate([[0], np.cumsum(levels[n_chain:])])
    met = {b: k for (a, b), k in keys.items() if a == n_chain - 1}
    rows = [np.empty(0, np.int64), *(k // levels[b] for b, k in met.items())]
    columns = [np.empty(0, np.int64), *(first[b - n_chain] + k % levels[b] for b, k in met.items())]
    row, column = np.concatenate(rows), np.concatenate(columns)
    shape = (int(levels[n_chain - 1]) if n_chain else 0, int(first[-1]))
    meetings = sparse.csr_array((np.ones(len(row), np.float32), (row, column)), shape=shape)
    return find_clusters(meetings, np.repeat(q[n_chain:], levels[n_chain:]), n_population)


def _dense_columns(clusters: Clusters, widths: Ints, n_population: int):
    """Columns of the crossed levels, of the clusters, and of what these are coupled with."""
    col = np.zeros(len(widths) + 1, np.int64)
    ends = np.cumsum(widths[clusters.order])
    col[clusters.order] = ends - widths[clusters.order]
    col[-1] = ends[-1] if len(ends) else 0
    last = np.concatenate([[0], np.cumsum(clusters.sizes, dtype=np.int64)])
    ptr = np.concatenate([[0], ends])[last]
    always = np.arange(col[-1], col[-1] + n_population + 1)
    met = [
        np.concatenate([*(np.arange(col[m], col[m] + widths[m]) for m in np.sort(levels)), always])
        for levels in clusters.met
    ]
    met = [np.sort(m) for m in met]
    met_ptr = np.concatenate([[0], np.cumsum([len(m) for m in met], dtype=np.int64)])
    return col, ptr, met_ptr, np.concatenate([np.empty(0, np.int64), *met])


def _blocks(keys, node0, levels, q, n_chain, col, rows_before):
    """Lists of crossed blocks by node, each node's in the order of the dense columns."""
    if not keys:
        none = np.empty(0, np.int64)
        return np.zeros(1, np.int64), none, none, none, {}
    nodes = np.concatenate([node0[a] + k // levels[b] for (a, b), k in keys.items()])
    fac = np.concatenate([np.full(len(k), b) for (_, b), k in keys.items()])
    cols = np.concatenate(
        [col[node0[b] - node0[n_chain] + k % levels[b]] for (_, b), k in keys.items()]
    )
    order = np.lexsort((cols, nodes))
    nodes, fac, cols = nodes[order], fac[order], cols[order]
    ptr = np.searchsorted(nodes, np.arange(node0[-1] + 1)).astype(np.int64)
    before = np.cumsum(q[fac]) - q[fac]  # rows of all earlier blocks
    first = before[np.minimum(ptr[nodes], len(fac) - 1)]
    owner = np.searchsorted(node0, nodes, side="right") - 1
    row = rows_before[owner] + before - first
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ends = np.cumsum([len(k) for k in keys.values()])
    pairs = {
        ab: (k, place[end - len(k) : end]) for (ab, k), end in zip(keys.items(), ends, strict=True)
    }
    return ptr, fac.astype(np.int64), cols.astype(np.int64), row.astype(np.int64), pairs


def _blocks_in_parent(pairs, parent, node0, levels, n_chain, n_blocks) -> Ints:
    up = np.full(n_blocks, -1, np.int64)
    for (a, b), (keys, block) in pairs.items():
        if a < n_chain - 1:
            above, above_block = pairs[a + 1, b]
            level = parent[node0[a] + keys // levels[b]] - node0[a + 1]
            up[block] = above_block[np.searchsorted(above, level * levels[b] + keys % levels[b])]
    return up
