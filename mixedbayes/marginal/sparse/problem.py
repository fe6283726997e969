"""A Gaussian mixed model, some of whose terms are no grouping factors, reduced to what it needs.

As `marginal.problem`, with effects of any term: rows lie in several levels, or levels have a known
precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from mixedbayes import jit
from mixedbayes.errors import ModelError
from mixedbayes.marginal.plan import MAX_DENSE, Factor, Floats, Ints, SparsePlan
from mixedbayes.marginal.problem import (
    Problem,
    as_factor,
    as_matrix,
    check_rows,
    log_det_precision,
)
from mixedbayes.marginal.sparse.entries import Entries, Errors, find_entries
from mixedbayes.marginal.sparse.layout import Header, pack, read_header, sections
from mixedbayes.marginal.sparse.products import (
    Effects,
    Levels,
    Pattern,
    Products,
    find_pattern,
    find_products,
    value_starts,
)

INDEPENDENT = Errors()  # of one sigma
_TERMS = 255  # most of one model, the population included: an edge keeps its term in 8 bits


@dataclass(frozen=True, eq=False)
class SparseProblem(Problem):
    """Cross-products on the pattern of the factor: all that does not depend on parameters."""

    sparse: ClassVar[bool] = True

    @property
    def header(self) -> Header:
        return read_header(self.ints)

    @property
    def sections(self) -> dict[str, np.ndarray]:
        return sections(self.ints, self.floats)


def build_sparse_problem(
    y: Floats,
    X: Floats,
    terms: Sequence[Effects],
    *,
    weights: Floats | None = None,
    offset: Floats | None = None,
    prior_mean: Floats,
    prior_precision: Floats,
    X_sampled: Floats | None = None,
    sampled_factors: Sequence[Factor] = (),
    names: Sequence[str] | None = None,
    max_dense: int = MAX_DENSE,
    errors: Errors = INDEPENDENT,
) -> SparseProblem:
    """Read the data once, find an order of elimination, and keep the cross-products.

    Parameters
    ----------
    terms
        Integrated effects.
    errors
        The residual's standard deviations and correlations: by default one sigma, and none.

    The others are as in `build_problem`.

    Raises
    ------
    DataError, ModelError
        As `build_problem`; a dense block of the factor beyond `max_dense` columns; correlations of
        too many positions, or too many distinct entries of their inverse.
    """
    y, X = np.asarray(y, np.float64), as_matrix(X)
    terms = tuple(_as_effects(t) for t in terms)
    sampled_factors = [as_factor(f) for f in sampled_factors]
    X_sampled = np.empty((len(y), 0)) if X_sampled is None else as_matrix(X_sampled)
    weights = None if weights is None else np.asarray(weights, np.float64)
    pieces = [(*piece, t.n_levels) for t in terms for piece in t.pieces]
    check_rows(y, X, [*pieces, *sampled_factors], weights, offset, X_sampled)
    if len(terms) >= _TERMS:
        raise ModelError(f"{len(terms)} terms have effects, more than {_TERMS - 1}")
    if offset is not None:
        y = y - np.asarray(offset, np.float64)
    p = X.shape[1]
    entries = find_entries(errors, len(y), weights)
    coupling = entries.coupling()
    pattern = find_pattern(Levels(terms, p), len(y), coupling, entries.together)
    names = tuple(names) if names is not None else tuple(f"term {k + 1}" for k in range(len(terms)))
    plan = _plan_of(pattern, names)
    if plan.n_dense > max_dense:
        raise ModelError(
            f"integrating the effects of {', '.join(names)} needs a dense block of "
            f"{plan.n_dense:,} columns, more than {max_dense:,}; use "
            f"formulation=mb.PartiallyCentered(), or mb.Marginal(max_dense={plan.n_dense}) with "
            "patience"
        )
    found = find_products(
        pattern, y, X, weights=weights, X_sampled=X_sampled, sampled_factors=sampled_factors,
        entries=None if len(entries.of) == 1 else entries, coupling=coupling,
    )  # fmt: skip
    precision = np.asarray(prior_precision, np.float64).reshape(p, p)
    mean = np.asarray(prior_mean, np.float64).reshape(p)
    ints, floats = _pack(pattern, found, entries, mean, precision)
    flops = 2 * len(found.spread.value) + found.sums.flops + entries.flops
    plan = replace(plan, flops=plan.flops + flops)
    return SparseProblem(
        plan, len(y), tuple(t.width for t in terms),
        tuple(t.n_levels for t in terms), p, found.places.n_sampled, ints, floats,
        found.rows.map_x.backward, found.rows.fit_x,
        4 * sum(t.n_distances for t in terms) + errors.size,
        tuple(t.n_levels // t.n_groups for t in terms),
    )  # fmt: skip


def sparse_plan(
    terms: Sequence[Effects],
    n: int,
    n_population: int,
    names: Sequence[str],
    errors: Errors = INDEPENDENT,
) -> SparsePlan:
    """The size of the factor of n rows."""
    entries = find_entries(errors, n, None)
    levels = Levels(tuple(terms), n_population)
    return _plan_of(find_pattern(levels, n, entries.coupling(), entries.together), tuple(names))


def _plan_of(pattern: Pattern, names: tuple[str, ...]) -> SparsePlan:
    terms, tree = pattern.levels.terms, pattern.tree
    return SparsePlan(
        names,
        tuple(t.n_levels for t in terms),
        tuple(t.width for t in terms),
        tuple(t.precision is not None or t.n_kinds > 0 for t in terms),
        tuple(t.noun for t in terms),
        pattern.levels.p,
        tree.entries,
        int((tree.widths + tree.n_rows).max()),
        tree.flops,
    )


def _as_effects(term: Effects) -> Effects:
    pieces = tuple((np.asarray(refs), as_matrix(Z)) for refs, Z in term.pieces)
    K = term.precision
    K, J = None if K is None else sparse.csc_array(K), term.n_groups
    if K is not None and K.shape != (J, J):
        raise ModelError(f"the precision of {J} levels is {K.shape[0]} x {K.shape[1]}")
    return replace(term, pieces=pieces, precision=K)


def _pack(
    pattern: Pattern, found: Products, entries: Entries, mean: Floats, precision: Floats
) -> tuple[Ints, Floats]:
    levels, tree, data = pattern.levels, pattern.tree, found.rows
    terms, p, K = levels.terms, levels.p, len(levels.terms)
    back, forward = data.map_x.backward, data.map_x.forward
    P0 = back.T @ precision @ back
    q, J = np.array([t.width for t in terms], int), np.array([t.n_levels for t in terms], int)
    n_columns, n_effects = int(tree.col[-1]), int(q @ J)
    own, below = tree.widths, tree.n_rows
    front = np.zeros(len(below), np.bool_)
    front[tree.fronts] = True
    k_ptr, k_node, k_val, k_kind = _precisions(pattern, P0)
    term = levels.term[tree.nodes]
    e_ptr, e_n, edges, k_row = _edges(
        tree.first, tree.col, below, tree.at, tree.rows, front,
        pattern.coupled.indptr.astype(np.int64), pattern.coupled.indices.astype(np.int64), term,
        k_ptr, k_node,
    )  # fmt: skip
    column0, places, G, sums = levels.column0, found.places, found.spread, found.sums
    counts = {
        "K": K, "p": p, "r": places.n_sampled, "rx": data.X_sampled.shape[1],
        "n_effects": n_effects, "n_columns": n_columns, "n_nodes": len(tree.nodes),
        "n_fronts": len(tree.fronts), "n_sets": len(entries.of), "n_bases": entries.n_bases,
        "n_classes": len(entries.class_n), "n_scales": entries.scale_X.shape[1],
        "n_roots": entries.n_roots, "n_errors": len(entries.record),
        "n_links": sum(t.n_distances for t in terms),
        "n_ones": len(sums.base), "n_one": sums.widest,
        **dict(zip(("c", "yy", "vy", "v_val", "n_products"), places.starts, strict=True)),
        "n_kinds": 1 + sum(t.n_kinds for t in terms), "n_panels": int(tree.panel[-1]),
        "n_squares": int(tree.square[-1]),
        "n_leaf_rows": int(below[~front].max(initial=0)),
        "n_product": int((own * below)[front].max(initial=0)),
        "widest": int(q.max(initial=1)),
    }  # fmt: skip
    starts = np.cumsum([0, *q**2])
    first_of_node = column0[levels.term] + levels.width * (
        np.arange(len(levels.term)) - levels.node0[levels.term]
    )
    ints = {
        "q": [*q, 1], "l0": starts, "t0": starts, "var0": column0,
        "cov0": np.cumsum([0, *(J * q**2)]), "first": tree.first, "col": tree.col,
        "n_rows": below, "at": tree.at, "rows": tree.rows, "rel": tree.rel,
        "fronts": tree.fronts, "leaf0": tree.leaf0, "child_ptr": tree.child_ptr,
        "children": tree.children, "panel": tree.panel, "square": tree.square, "term": term,
        "effect": first_of_node[tree.nodes], "e_ptr": e_ptr, "e_n": e_n, "edges": edges,
        "v_at": value_starts(pattern)[:-1], "k_ptr": k_ptr, "k_row": k_row,
        "k_kind": k_kind, "v_ptr": places.v_ptr, "v_idx": places.v_idx, "g_ptr": G.ptr,
        "g_row": G.row, "w_of": entries.of, "errors": entries.record,
        "links": _links(terms), "one_base": sums.base, "one_ptr": sums.ptr,
        "sum_ptr": sums.sum_ptr, "sum_class": sums.sum_class, "one_at": sums.at,
    }  # fmt: skip
    log_basis = np.linalg.slogdet(forward)[1] if p else 0.0
    log_dets = found.log_weights + log_det_precision(precision)
    log_dets += sum(t.width * t.n_levels // t.n_groups * t.log_determinant for t in terms)
    n = len(data.y)
    floats: dict[str, Any] = {
        "constants": [0.5 * log_dets - log_basis - 0.5 * n * np.log(2 * np.pi), n],
        "T": np.concatenate([*(m.forward.ravel() for m in found.maps), [1.0]]),
        "XX": found.population, "P0": P0, "m0": forward @ mean - data.fit_x, "R": data.share,
        "TV": data.map_s.forward, "v0": data.fit_s,
        "size": [len(t.pieces) * _level_variance(t) for t in terms],
        "k_val": k_val, "g_val": G.value, "class_n": entries.class_n,
        "scale_X": entries.scale_X, "scale_0": entries.scale_0,
        "sum_val": sums.value,
    }  # fmt: skip
    return pack(counts, ints, floats)


def _links(terms: Sequence[Effects]) -> Ints:
    """(n_links, 2), see `layout`."""
    found, kind = [np.zeros((0, 2), np.int64)], 1
    for t in terms:
        if t.chain is not None:
            many = t.n_groups * np.bincount(t.chain, minlength=t.n_distances)
            found.append(np.column_stack([many, kind + 3 * np.arange(len(many))]))
        kind += t.n_kinds
    return np.concatenate(found)


def _level_variance(term: Effects) -> float:
    """Mean variance of a level's effect of sd 1; of related levels, given the others."""
    return 1.0 if term.precision is None else float(np.mean(1 / term.precision.diagonal()))


def _precisions(pattern: Pattern, P0: Floats) -> tuple[Ints, Ints, Floats, Ints]:
    """Upper triangles of all precisions, compressed by node in the order of elimination.

    Pointers, nodes, values, and the kind of each: 0, or 1 + the number of the part that it is of.
    """
    levels, tree = pattern.levels, pattern.tree
    place = np.empty(len(tree.nodes), np.int64)
    place[tree.nodes] = np.arange(len(tree.nodes))
    rows, columns, values, kinds, before = [], [], [], [], 0
    for first, t in zip(levels.node0, levels.terms, strict=False):
        row, column, value, kind = t.entries
        rows.append(place[first + row])
        columns.append(place[first + column])
        values.append(value)
        kinds.append(np.where(kind > 0, before + kind, 0))
        before += t.n_kinds
    ends = place[levels.node0[-2] :]
    rows.append(np.repeat(ends, levels.p))
    columns.append(np.tile(ends, levels.p))
    values.append(P0.ravel())
    kinds.append(np.zeros(P0.size))
    i, j, x, kind = (np.concatenate(parts) for parts in (rows, columns, values, kinds))
    upper = np.flatnonzero(i <= j)
    upper = upper[np.lexsort((j[upper], i[upper]))]
    ptr = np.searchsorted(i[upper], np.arange(len(place) + 1))
    return ptr, j[upper], x[upper], kind[upper]


@jit.njit(
    "Tuple((i8[::1], i8[::1], i8[::1], i8[::1]))(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    "b1[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])",
    nogil=True,
)
def _edges(first, col, n_rows, at, rows, front, ptr, node, term, k_ptr, k_node):
    """Places in the fronts of what each node is coupled with, see `layout`."""
    N = term.size
    place = np.zeros(col[N], np.int64)
    e_ptr, e_n, edges = np.empty(N, np.int64), np.empty(N, np.int64), np.empty_like(node)
    k_row, end = np.empty_like(k_node), 0
    for s in range(n_rows.size):
        c0 = col[first[s]]
        own = col[first[s + 1]] - c0
        for j in range(own):
            place[c0 + j] = j
        for i in range(n_rows[s]):
            place[rows[at[s] + i]] = own + i
        for k in range(first[s], first[s + 1]):
            e_ptr[k], e_n[k] = end, ptr[k + 1] - ptr[k]
            for e in range(ptr[k], ptr[k + 1]):
                edges[end] = (place[col[node[e]]] << 8) | term[node[e]]
                end += 1
            for e in range(k_ptr[k], k_ptr[k + 1]):
                k_row[e] = place[col[k_node[e]]]
        k = first[s]
        same = s > 0 and not front[s] and not front[s - 1] and first[s - 1] == k - 1
        if same and first[s + 1] == k + 1 and e_n[k - 1] == e_n[k]:
            for e in range(e_n[k]):
                same = same and edges[e_ptr[k] + e] == edges[e_ptr[k - 1] + e]
            if same:
                end, e_ptr[k] = e_ptr[k], e_ptr[k - 1]
    return e_ptr, e_n, edges[:end].copy(), k_row
