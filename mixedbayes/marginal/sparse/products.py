"""Cross-products of all columns with each other and with the response, on the factor's pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes import jit
from mixedbayes.marginal.columns import ColumnMap, fit_column_map
from mixedbayes.marginal.crossproducts import Rows, prepare_rows
from mixedbayes.marginal.plan import Factor, Floats, Ints
from mixedbayes.marginal.sparse.accumulate import Places, Spread, Sums, spread
from mixedbayes.marginal.sparse.chains import chain_entries
from mixedbayes.marginal.sparse.entries import Entries
from mixedbayes.marginal.sparse.order import minimum_degree
from mixedbayes.marginal.sparse.tree import Tree, build_tree
from mixedbayes.numerics.rows import row_blocks

_SHARE = 0.1  # of the rows, from which on a level's columns are kept as dense ones
_ROWS = 2**16  # looked at together


@dataclass(frozen=True, eq=False)
class Effects:
    """What is integrated of one term: pieces (refs (n,), Z (n, q)), J levels, and their precision.

    b = (I x L) u with u ~ N(0, K^-1 x I); K (J, J) is `precision`, the identity where it is None;
    where there are parts it is sum_i kappa_i parts_i, with numbers kappa_i that are parameters.
    With a `chain` the levels are those of groups, T after T, and each depends on the one before it
    in its group alone: K = precision x C of all groups, with the C^-1 of `chains`.
    """

    pieces: Sequence[tuple[NDArray[np.integer], Floats]]
    n_levels: int
    precision: sparse.csc_array | None = None
    log_determinant: float = 0.0  # log|K|; of parts the caller's
    parts: Sequence[sparse.csc_array] = ()
    noun: str = "level"  # what a level is called: of a smooth a "function"
    chain: Ints | None = None  # (T - 1,) number of the distance of each two neighbours

    @property
    def n_groups(self) -> int:
        """J / T of a chain, J elsewhere."""
        return self.n_levels // (1 if self.chain is None else len(self.chain) + 1)

    @property
    def n_distances(self) -> int:
        """How many of a chain's distances there are."""
        return 0 if self.chain is None else int(self.chain.max()) + 1

    @cached_property
    def entries(self) -> tuple[Ints, Ints, Floats, Ints]:
        """Rows and columns of K, values, and by which number each is multiplied: 0, by none."""
        if self.parts:
            every = [K.tocoo() for K in self.parts]
            kinds = np.repeat(np.arange(len(every)) + 1, [K.nnz for K in every])
            rows, columns, values = (
                np.concatenate([getattr(K, name) for K in every]) for name in ("row", "col", "data")
            )
            return rows.astype(np.int64), columns.astype(np.int64), values, kinds
        own = sparse.eye_array(self.n_groups) if self.precision is None else self.precision
        K = sparse.coo_array(own)
        i, j = K.row.astype(np.int64), K.col.astype(np.int64)
        if self.chain is None:
            return i, j, K.data, np.zeros(K.nnz, np.int64)
        a, b, kind = chain_entries(self.chain)
        T = len(self.chain) + 1
        return (
            (i[:, None] * T + a).ravel(), (j[:, None] * T + b).ravel(),
            np.repeat(K.data, len(a)), np.tile(kind, K.nnz),
        )  # fmt: skip

    @property
    def n_kinds(self) -> int:
        """By how many numbers entries of K are multiplied."""
        return len(self.parts) or 3 * self.n_distances

    @property
    def width(self) -> int:
        """q."""
        return self.pieces[0][1].shape[1]


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of all terms, and after them the population columns, as nodes of one graph."""

    terms: tuple[Effects, ...]
    p: int

    @property
    def node0(self) -> Ints:
        """(K + 2,) first node of each term, of the population columns, and their number."""
        return np.cumsum([0, *(t.n_levels for t in self.terms), self.p])

    @property
    def width(self) -> Ints:
        """(N,) columns of each node."""
        q = [t.width for t in self.terms]
        return np.repeat([*q, 1], np.diff(self.node0)).astype(np.int64)

    @property
    def term(self) -> Ints:
        """(N,) to which term it belongs, K for population columns."""
        return np.repeat(np.arange(len(self.terms) + 1), np.diff(self.node0))

    @property
    def column0(self) -> Ints:
        """(K + 2,) the same in columns."""
        return np.concatenate([[0], np.cumsum(self.width)])[self.node0]

    def met(self, rows: slice) -> sparse.csr_array:
        """(m, N) which nodes of the effects each row has; ones."""
        row, node = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for first, t in zip(self.node0, self.terms, strict=False):
            for refs, Z in t.pieces:
                there = np.flatnonzero((Z[rows] != 0).any(axis=1))
                row.append(there)
                node.append(first + np.asarray(refs[rows], np.int64)[there])
        i, j = np.concatenate(row), np.concatenate(node)
        shape = (rows.stop - rows.start, self.node0[-1])
        found = sparse.csr_array((np.ones(len(i), np.float32), (i, j)), shape=shape)
        found.sum_duplicates()
        found.data[:] = 1.0
        return found


@dataclass(frozen=True, eq=False)
class Pattern:
    """The tree, and the blocks of cross-products by node, in the order of its columns.

    A block is (own columns, columns of a node that is eliminated later, or itself).
    """

    levels: Levels
    tree: Tree
    coupled: sparse.csr_array  # (N, N) upper triangle in that order, with cross-products; ones
    dense: int  # columns that are kept as dense ones, the last


def find_pattern(
    levels: Levels,
    n: int,
    coupling: sparse.csr_array | None = None,
    together: sparse.csr_array | None = None,
) -> Pattern:
    """Which nodes are coupled by rows, or by a precision; their order and fronts.

    `coupling` (n, n) says which rows are correlated given all others, each with itself; `together`
    (J, n) groups of which all rows are, with none else; None where none are.
    """
    N, population = int(levels.node0[-1]), int(levels.node0[-2])
    counts, graph = np.zeros(N), sparse.csr_array((N, N), dtype=np.float32)
    for rows in row_blocks(n, _ROWS):
        counts += levels.met(rows).sum(axis=0)
    last = counts > _SHARE * n
    last[population:] = True
    few, many = np.flatnonzero(~last), np.flatnonzero(last)
    with_many = np.zeros((len(few), len(many)), np.bool_)
    apart = coupling is None and together is None
    whole = None if apart else levels.met(slice(0, n))

    def pairs() -> Iterator[tuple[sparse.csr_array, sparse.csr_array]]:
        """Nodes of some rows, or groups, and nodes with which they are met."""
        for rows in row_blocks(n, _ROWS):
            met = levels.met(rows)
            yield met, met if coupling is None else sparse.csr_array(coupling[rows] @ whole)
        if together is not None:
            for rows in row_blocks(together.shape[0], _ROWS):
                met = sparse.csr_array(together[rows] @ whole)
                yield met, met

    for met, other in pairs():
        left, right = met[:, few], other[:, few]
        graph_few = left.T @ right
        graph = graph + _placed(graph_few, few, N)
        there = other[:, many].toarray()
        there[:, many >= population] = 1.0
        with_many |= (left.T @ there) > 0
    i, j = np.nonzero(with_many)
    dense = np.repeat(many, len(many)), np.tile(many, len(many))
    coupled = _ones(
        [graph.tocoo().row, few[i], many[j], dense[0]],
        [graph.tocoo().col, many[j], few[i], dense[1]], N,
    )  # fmt: skip
    own = np.arange(N)
    structure = _ones(
        [coupled.tocoo().row, *_precision_pairs(levels, 0), own],
        [coupled.tocoo().col, *_precision_pairs(levels, 1), own], N,
    )  # fmt: skip
    tree = build_tree(minimum_degree(structure, levels.width, last.astype(np.int64)), levels.width)
    place = np.empty(N, np.int64)
    place[tree.nodes] = np.arange(N)
    pairs = _ones([place[coupled.tocoo().row], own], [place[coupled.tocoo().col], own], N)
    upper = sparse.csr_array(sparse.triu(pairs, format="csr"))
    upper.sort_indices()
    return Pattern(levels, tree, upper, int(levels.width[many].sum()))


def _placed(found: sparse.csr_array, few: Ints, N: int) -> sparse.csr_array:
    at = found.tocoo()
    return sparse.csr_array((at.data, (few[at.row], few[at.col])), shape=(N, N))


def _ones(rows: Sequence[Ints], columns: Sequence[Ints], N: int) -> sparse.csr_array:
    i, j = np.concatenate(rows), np.concatenate(columns)
    found = sparse.csr_array((np.ones(len(i), np.int8), (i, j)), shape=(N, N))
    found.sum_duplicates()
    return found


def _precision_pairs(levels: Levels, side: int) -> list[Ints]:
    every = zip(levels.node0, levels.terms, strict=False)
    return [first + t.entries[side] for first, t in every]


@dataclass(frozen=True, eq=False)
class Products:
    """Everything in internal bases; see `layout` for what the products are."""

    rows: Rows
    maps: tuple[ColumnMap, ...]  # of each term
    population: Floats  # (p + 1, p + 1) of the population columns and the response, by weights
    places: Places
    spread: Spread  # G
    sums: Sums
    log_weights: float  # sum of log weights


def find_products(
    pattern: Pattern,
    y: Floats,
    X: Floats,
    *,
    weights: Floats | None,
    X_sampled: Floats,
    sampled_factors: Sequence[Factor],
    entries: Entries | None,
    coupling: sparse.csr_array | None,
) -> Products:
    """From the rows; entries is None where R^-1 is the known weights times one number."""
    data = prepare_rows(y, X, (), weights, X_sampled, sampled_factors)
    maps = tuple(_column_map(t, weights) for t in pattern.levels.terms)
    columns = _Columns.of(pattern, data, maps)
    found = _one_set(columns) if entries is None else _sets(columns, entries, coupling)
    population = np.zeros((data.X.shape[1] + 1,) * 2)
    for rows in row_blocks(len(y), _ROWS):
        x, _, e, w = data.population(rows)
        xe = np.column_stack([x, e])
        population += xe.T @ (xe * w[:, None])
    log_weights = 0.0 if weights is None else float(np.log(weights).sum())
    return Products(data, maps, population, *found, log_weights)


def _one_set(columns: _Columns) -> tuple[Places, Spread, Sums]:
    """One pass over the rows."""
    pattern, data = columns.pattern, columns.data
    N, d, few = int(pattern.tree.col[-1]), pattern.dense, columns.few
    r = data.X_sampled.shape[1] + sum(J * Z.shape[1] for _, Z, J in data.sampled_factors)
    ss, sd, dd = sparse.csr_array((few, few)), np.zeros((few, d)), np.zeros((d, d))
    response, yy, vy = np.zeros(N), 0.0, np.zeros(r)
    sampled = sparse.csr_array((N + r, r))
    for rows in row_blocks(len(data.y), _ROWS):
        A, D, V, e, w = columns.of_rows(rows)
        EA, ED, EV, Ee = _scaled(A, w), D * w[:, None], _scaled(V, w), e * w
        ss = sparse.csr_array(ss + A.T @ EA)
        sd += A.T @ ED
        dd += D.T @ ED
        response[:few] += A.T @ Ee
        response[few:] += D.T @ Ee
        yy += float(e @ Ee)
        if r:
            both = [A.T @ EV, sparse.csr_array(D.T @ EV.toarray()), V.T @ EV]
            sampled = sparse.csr_array(sampled + sparse.vstack(both, format="csr"))
            vy += V.T @ Ee
    ss.sort_indices()
    sampled.sort_indices()
    places = _places(pattern, sampled)
    pairs = np.zeros(places.n_pairs)
    _fill(
        ss.indptr.astype(np.int64), ss.indices.astype(np.int64), ss.data, sd, dd,
        places.ptr, places.node, pattern.tree.col, pairs,
    )  # fmt: skip
    value = np.concatenate([pairs, response, [yy], vy, sampled.data])
    return places, Spread(np.array([0, len(value)]), np.arange(len(value)), value), Sums.none()


def _sets(
    columns: _Columns, entries: Entries, coupling: sparse.csr_array | None
) -> tuple[Places, Spread, Sums]:
    """Of all weights."""
    A, D, V, e, _ = columns.of_rows(slice(0, len(columns.data.y)))
    rows = sparse.csr_array(sparse.hstack([A, D, V, e[:, None]], format="csr"))
    own = sparse.csr_array(sparse.hstack([A, D, V], format="csr"))
    there, sampled = (x.astype(bool).astype(np.float32) for x in (own, V))
    if entries.sums is not None:
        rows = sparse.csr_array(sparse.vstack([rows, entries.sums @ rows], format="csr"))
        there, sampled = (
            sparse.csr_array(sparse.vstack([x, entries.together @ x], format="csr"))
            for x in (there, sampled)
        )
    rows.sort_indices()
    met = sampled if coupling is None else coupling @ sampled
    places = _places(columns.pattern, sparse.csr_array(there.T @ met))
    return places, *spread(entries, rows, places)


def _places(pattern: Pattern, sampled: sparse.csr_array) -> Places:
    """Of all products; `sampled` has the pattern of those with the sampled columns."""
    sampled.sort_indices()
    coupled = pattern.coupled
    return Places(
        coupled.indptr.astype(np.int64), coupled.indices.astype(np.int64), pattern.tree.col,
        sampled.indptr.astype(np.int64), sampled.indices.astype(np.int64),
        int(value_starts(pattern)[-1]), sampled.shape[1],
    )  # fmt: skip


def _scaled(A: sparse.csr_array, w: Floats) -> sparse.csr_array:
    return sparse.csr_array(sparse.diags_array(w) @ A)


def _column_map(term: Effects, weights: Floats | None) -> ColumnMap:
    """Of the columns of all pieces."""
    Z = [Z for _, Z in term.pieces]
    if len(Z) == 1:
        return fit_column_map(Z[0], weights)
    return fit_column_map(np.concatenate(Z), None if weights is None else np.tile(weights, len(Z)))


@dataclass(frozen=True, eq=False)
class _Columns:
    """Rows of all columns in the order of elimination."""

    pattern: Pattern
    data: Rows
    maps: tuple[ColumnMap, ...]
    column: Ints  # (N,) first column of each node
    few: int

    @classmethod
    def of(cls, pattern: Pattern, data: Rows, maps: tuple[ColumnMap, ...]) -> _Columns:
        tree = pattern.tree
        column = np.empty(len(tree.nodes), np.int64)
        column[tree.nodes] = tree.col[:-1]
        return cls(pattern, data, maps, column, int(tree.col[-1]) - pattern.dense)

    def of_rows(
        self, rows: slice
    ) -> tuple[sparse.csr_array, Floats, sparse.csr_array, Floats, Floats]:
        """Sparse columns, dense ones, sampled ones, residual of the response, weights."""
        x, s, e, w = self.data.population(rows)
        m, levels = len(e), self.pattern.levels
        D = np.zeros((m, self.pattern.dense))
        D[:, self.column[levels.node0[-2] :] - self.few] = x
        each, found = np.arange(m), []
        for first, t, fitted in zip(levels.node0, levels.terms, self.maps, strict=False):
            for refs, Z in t.pieces:
                z = fitted.apply(Z[rows])
                at = self.column[first + np.asarray(refs[rows], np.int64)]
                inside = at < self.few
                dense = np.flatnonzero(~inside)
                for a in range(t.width):
                    D[dense, at[dense] + a - self.few] += z[dense, a]
                    found.append((each[inside], at[inside] + a, z[inside, a]))
        i, j, values = (np.concatenate([*(f[k] for f in found), []]) for k in range(3))
        shape = (m, self.few)
        A = sparse.csr_array((values, (i.astype(np.int64), j.astype(np.int64))), shape=shape)
        V = [sparse.csr_array(s), *(_indicator(f, rows) for f in self.data.sampled_factors)]
        return A, D, sparse.csr_array(sparse.hstack(V, format="csr")), e, w


def _indicator(factor: Factor, rows: slice) -> sparse.csr_array:
    refs, Z, J = factor
    m, q = Z[rows].shape
    columns = (np.asarray(refs[rows], np.int64)[:, None] * q + np.arange(q)).ravel()
    pointers = np.arange(m + 1) * q
    return sparse.csr_array((Z[rows].ravel(), columns, pointers), shape=(m, J * q))


def value_starts(pattern: Pattern) -> Ints:
    """(N + 1,) where the blocks of each node start."""
    own = np.diff(pattern.tree.col)
    lengths = np.diff(np.concatenate([[0], np.cumsum(own[pattern.coupled.indices])])[
        pattern.coupled.indptr
    ])  # fmt: skip
    return np.concatenate([[0], np.cumsum(own * lengths)])


@jit.njit(
    "void(i8[::1], i8[::1], f8[::1], f8[:, ::1], f8[:, ::1], i8[::1], i8[::1], i8[::1], f8[::1])",
    nogil=True,
)
def _fill(ptr, index, value, sd, dd, node_ptr, node, col, out):
    """Blocks of each node from a sparse matrix of products, and dense ones of the last columns."""
    few, end = sd.shape[0], 0
    for k in range(node_ptr.size - 1):
        q = col[k + 1] - col[k]
        for e in range(node_ptr[k], node_ptr[k + 1]):
            first, width = col[node[e]], col[node[e] + 1] - col[node[e]]
            for a in range(q):
                i = col[k] + a
                if first < few:
                    low, high = ptr[i], ptr[i + 1]
                    while low < high:
                        middle = (low + high) // 2
                        if index[middle] < first:
                            low = middle + 1
                        else:
                            high = middle
                    while low < ptr[i + 1] and index[low] < first + width:
                        out[end + a * width + index[low] - first] = value[low]
                        low += 1
                else:
                    for b in range(width):
                        j = first + b - few
                        out[end + a * width + b] = sd[i, j] if i < few else dd[i - few, j]
            end += q * width
