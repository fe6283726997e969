"""The distinct entries of the residual's inverse covariance, and where in it they stand.

Rows of one *class* have one sigma. The inverse correlations of a group's rows follow from the
positions that it has, so that groups with the same positions and classes share all entries. Of a
chain, whose neighbours alone have entries, they follow from the distance to the row before. Of m
equal correlations the inverse is a I + b_m 1 1', and 1 1' needs the sums of a group's rows alone:
those of each class are further rows. Of a group of one class it has one entry there, in the place
of all pairs; of one of several classes it is of rank one, and no weight is made of its pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes.errors import ModelError
from mixedbayes.marginal.plan import Floats, Ints
from mixedbayes.marginal.sparse.weights import CHAIN, EQUAL
from mixedbayes.terms.chain import DIGITS

Codes = NDArray[np.integer]
Kind = Literal["any", "chain", "equal"]
MOST_POSITIONS = 400  # of correlations that are no chain: their cost grows with the third power


@dataclass(frozen=True, eq=False)
class Correlations:
    """Which rows are correlated: those of one group, by their positions.

    In a "chain" each row depends on the one before it alone, with a correlation that follows from
    their distance; or all are "equal". The groups of one arm have the same correlations.
    """

    refs: Codes  # (n,) group of each row
    places: Codes  # (n,) position of each row, one row for each position of a group
    positions: Floats  # (T,) ascending
    kind: Kind
    arms: Codes | None = None  # (n,) arm of each row's group; None: all in one
    n_arms: int = 1

    @cached_property
    def order(self) -> Ints:
        """(n,) rows by group and position."""
        return np.lexsort((self.places, self.refs))

    @cached_property
    def starts(self) -> Ints:
        """(J + 1,) where in `order` the groups that have rows start."""
        refs = np.asarray(self.refs)[self.order]
        new = np.flatnonzero(np.diff(refs, prepend=-1) != 0)
        return np.append(new, len(refs))

    def arm(self, rows: Ints) -> Codes:
        """The arm of some rows."""
        return np.zeros(len(rows), np.int64) if self.arms is None else np.asarray(self.arms)[rows]

    @cached_property
    def _neighbours(self) -> tuple[Ints, Ints, Floats, Ints]:
        """Of a chain: rows that have one before them in their group, and these; all distances that
        occur, (m, 2) with the arm in front; and which of them each is.
        """
        first = np.zeros(len(self.order), bool)
        first[self.starts[:-1]] = True
        after = np.flatnonzero(~first)
        own, before = self.order[after], self.order[after - 1]
        at = np.asarray(self.positions, float)
        gap, arm = at[self.places[own]] - at[self.places[before]], self.arm(own)
        step = DIGITS * max(float(at[-1] - at[0]), 1e-300)
        key = np.column_stack([arm, np.rint(gap / step)])
        _, index, number = np.unique(key, axis=0, return_index=True, return_inverse=True)
        known = np.column_stack([arm, gap])[index]
        return own, before, known, number.ravel().astype(np.int64)

    @property
    def links(self) -> tuple[Ints, Ints, Ints]:
        """Of a chain: rows that have one before them in their group, these, and the numbers of
        their distances, those of all arms one after the other.
        """
        own, before, _, number = self._neighbours
        return own, before, number

    @property
    def distances(self) -> tuple[Floats, ...]:
        """Of pairs of positions whose roots say all, in each arm: the distinct ones of neighbours
        in a chain, ascending; one where all correlations are equal; no arms where none do.
        """
        if self.kind != "chain":
            return (np.zeros(1),) * self.n_arms if self.kind == "equal" else ()
        known = self._neighbours[2]
        return tuple(known[known[:, 0] == a, 1] for a in range(self.n_arms))

    @property
    def sizes(self) -> tuple[tuple[int, ...], ...]:
        """Of each arm the sizes of its roots: 2 for each distance, or T."""
        if self.kind != "any":
            return tuple((2,) * len(d) for d in self.distances)
        return ((len(self.positions),),) * self.n_arms

    def correlated(self, z: Floats, roots: Floats) -> Floats:
        """(n,) values with these correlations, from independent standard normal ones."""
        e = z.copy()
        if self.kind == "chain":
            own, before, number = self.links
            r, s = roots.reshape(-1, 4)[number, 2:].T
            for k in range(len(own)):  # by group and position
                e[own[k]] = r[k] * e[before[k]] + s[k] * z[own[k]]
            return e
        if self.kind == "equal":
            rho = roots.reshape(self.n_arms, 4)[:, 2]
            for (arm, size), rows in _groups_of(self):
                r = rho[arm]
                whole, own = np.sqrt([1 + (size - 1) * r, 1 - r])  # on the mean, and beside it
                mean = z[rows].mean(axis=1, keepdims=True)
                e[rows] = own * (z[rows] - mean) + whole * mean
            return e
        T = len(self.positions)
        W = roots.reshape(self.n_arms, T, T)
        for (arm, *places), rows in _groups_of(self):
            R = W[arm] @ W[arm].T
            e[rows] = z[rows] @ np.linalg.cholesky(R[np.ix_(places, places)]).T
        return e


@dataclass(frozen=True, eq=False)
class Errors:
    """sigma of each row, exp(offset + columns coefficients) or one number; and correlations."""

    columns: Floats | None = None  # (n, s); None: sigma itself is the parameter
    offset: Floats | None = None  # (n,)
    correlations: Correlations | None = None

    @property
    def n_scales(self) -> int:
        """Coefficients of log sigma; 0 where sigma itself is the parameter."""
        return 0 if self.columns is None else self.columns.shape[1]

    @property
    def n_roots(self) -> int:
        """Entries of the roots of all correlations."""
        roots = () if self.correlations is None else self.correlations.sizes
        return sum(k * k for own in roots for k in own)

    @property
    def size(self) -> int:
        """How many numbers the residual has in the parameter vector."""
        return self.n_roots + max(self.n_scales, 1)

    def draw(self, residual: Floats, n: int, rng: np.random.Generator) -> Floats:
        """(n,) residuals of rows of weight 1, from these numbers (size,)."""
        roots, scale = np.split(residual, [self.n_roots])
        sd = scale[0]
        if self.columns is not None:
            sd = np.exp(self.columns @ scale + (0.0 if self.offset is None else self.offset))
        e, c = rng.normal(size=n), self.correlations
        return sd * (e if c is None else c.correlated(e, roots))


@dataclass(frozen=True, eq=False)
class RankOne:
    """b t t' of each group of several classes, t the sum of u_a times its sums of class a."""

    rows: Ints  # (v,) rows of these sums, by group
    classes: Ints  # (v,) their classes
    group: Ints  # (v,) of G, ascending
    base: Ints  # (G,) which base b is


@dataclass(frozen=True, eq=False)
class Entries:
    """R^-1 has scale[t] * w_(number[t]) at (rows[t], columns[t]), and at its mirror image; and what
    is `one`.

    Rows from n on are sums of the rows that are given.
    """

    rows: Ints  # (t,)
    columns: Ints  # (t,)
    number: Ints  # (t,)
    scale: Floats  # (t,) root of both rows' known weights
    of: Ints  # (M, 3) of each weight its base, and two classes
    n_bases: int
    class_n: Ints  # (classes,) rows
    scale_X: Floats  # (classes, s)
    scale_0: Floats  # (classes,)
    n_roots: int
    record: Ints  # see `weights.find_weights`; roots by their places among all
    sums: sparse.csr_array | None = None  # (v, n) the rows from n on
    together: sparse.csr_array | None = None  # (J, n) groups all of whose rows are correlated; ones
    one: RankOne | None = None  # of equal correlations

    @property
    def flops(self) -> int:
        """Of the weights: multiplications, and roots or exponentials as many of them."""
        inverse, at = 0, 0
        while at < len(self.record):
            if self.record[at] == CHAIN:
                inverse, at = inverse + 100, at + 3
                continue
            if self.record[at] == EQUAL:
                many = int(self.record[at + 2])
                inverse, at = inverse + 30 * many, at + 3 + 2 * many
                continue
            inverse += int(self.record[at]) ** 3
            many, at = int(self.record[at + 2]), at + 3
            for _ in range(many):
                inverse += int(self.record[at]) ** 3
                at += 2 + int(self.record[at])
        return inverse + 3 * len(self.of) + 20 * self.scale_X.size

    def coupling(self) -> sparse.csr_array | None:
        """(n, n) which rows are correlated, given all others; None where none are, or those
        `together` are.
        """
        apart = self.rows != self.columns
        if self.together is not None or not apart.any():
            return None
        n, i, j = int(self.rows.max()) + 1, self.rows[apart], self.columns[apart]
        own = np.arange(n)
        at = np.concatenate([i, j, own]), np.concatenate([j, i, own])
        return sparse.csr_array((np.ones(len(at[0]), np.float32), at), shape=(n, n))

    def met(self, terms: Sequence[tuple[Sequence[tuple[Codes, Floats]], int, int]]) -> Floats:
        """(G,) how many columns of effects the rows of each group of rank one have; terms by their
        pieces, levels and effects of a level.
        """
        own, sums = self.one, self.sums
        if own is None or sums is None:
            return np.zeros(0)
        (v, n), G = sums.shape, len(own.base)
        ones = np.ones(len(own.rows)), (own.group, own.rows - n)
        rows, total = sparse.csr_array(ones, shape=(G, v)) @ sums, np.zeros(G)
        for pieces, n_levels, width in terms:
            found = sparse.csr_array((G, n_levels))
            for refs, _ in pieces:
                at = np.ones(n), (np.arange(n), np.asarray(refs))
                found = found + rows @ sparse.csr_array(at, shape=(n, n_levels))
            total += width * np.diff(found.indptr)
        return total


def find_entries(errors: Errors, n: int, weights: Floats | None) -> Entries:
    """The entries for n rows with these known weights.

    Raises
    ------
    ModelError
        Correlations that are no chain, of more than MOST_POSITIONS positions.
    """
    classes, class_n, X, offset = _classes(errors, n)
    root = np.ones(n) if weights is None else np.sqrt(weights)
    c, sums, together, one = errors.correlations, None, None, None
    if c is not None and c.kind == "equal":
        sums, together, of_sums = _sums(c, classes, root)
        parts, one, n_bases, record = _equal(c, together, sums, of_sums)
        n_roots = 4 * c.n_arms
        classes, root = np.append(classes, of_sums), np.append(root, np.ones(len(of_sums)))
    else:
        parts, n_bases, n_roots, record = _parts(c, n)
    rows, columns, base = (np.concatenate(part) for part in zip(*parts, strict=True))
    both, pair = np.unique(classes[rows] * len(class_n) + classes[columns], return_inverse=True)
    key, number = np.unique(base * len(both) + pair, return_inverse=True)
    of = np.column_stack([key // len(both), *np.divmod(both[key % len(both)], len(class_n))])
    return Entries(
        rows, columns, number.astype(np.int64), root[rows] * root[columns], of, n_bases,
        class_n, X, offset, n_roots, record, sums, together, one,
    )  # fmt: skip


def _classes(errors: Errors, n: int) -> tuple[Ints, Ints, Floats, Floats]:
    """Class of each row; rows, columns and offset of each class."""
    if errors.columns is None:
        return np.zeros(n, np.int64), np.array([n]), np.zeros((1, 0)), np.zeros(1)
    offset = np.zeros(n) if errors.offset is None else errors.offset
    every = np.column_stack([offset, errors.columns]) + 0.0  # -0 is 0
    known, number, counts = np.unique(every, axis=0, return_inverse=True, return_counts=True)
    return number.ravel().astype(np.int64), counts, known[:, 1:], known[:, 0]


def _parts(c: Correlations | None, n: int) -> tuple[list[tuple[Ints, Ints, Ints]], int, int, Ints]:
    """Rows, columns and base of all entries; how many bases and root entries; and the record."""
    every = np.arange(n)
    if c is None:
        return [(every, every, np.zeros(n, np.int64))], 1, 0, np.zeros(0, np.int64)
    if c.kind == "chain":
        return _chain(c)
    if len(c.positions) > MOST_POSITIONS:
        raise ModelError(
            f"the residual's correlations have {len(c.positions):,} positions, more than "
            f"{MOST_POSITIONS}; use ar1() or ou(), whose cost does not grow with them"
        )
    return _patterns(c)


def _chain(c: Correlations) -> tuple[list[tuple[Ints, Ints, Ints]], int, int, Ints]:
    own, before, number = c.links
    counts = np.bincount(number, minlength=sum(map(len, c.distances)))
    first, base = c.order[c.starts[:-1]], 1 + 3 * number
    record = [(CHAIN, 4 * g, many) for g, many in enumerate(counts.tolist())]
    parts = [
        (first, first, np.zeros(len(first), np.int64)),
        (own, own, base), (before, before, base + 1), (own, before, base + 2),
    ]  # fmt: skip
    return parts, 1 + 3 * len(counts), 4 * len(counts), np.array(record, np.int64).ravel()


def _sums(
    c: Correlations, classes: Ints, root: Floats
) -> tuple[sparse.csr_array, sparse.csr_array, Ints]:
    """Of equal correlations: (v, n) sums of a group's rows of one class, times the roots of their
    known weights, by group; (J, n) rows of each group; (v,) the classes. Of groups of several rows.
    """
    sizes, n = np.diff(c.starts), len(c.order)
    several = np.repeat(sizes, sizes) > 1
    group = np.repeat(np.cumsum(sizes > 1) - 1, sizes)[several]
    rows, many = c.order[several], int(classes.max(initial=0)) + 1
    known, number = np.unique(group * many + classes[rows], return_inverse=True)
    sums = sparse.csr_array((root[rows], (number, rows)), shape=(len(known), n))
    ones = np.ones(len(rows), np.float32)
    together = sparse.csr_array((ones, (group, rows)), shape=(int((sizes > 1).sum()), n))
    return sums, together, known % many


def _equal(
    c: Correlations, together: sparse.csr_array, sums: sparse.csr_array, of_sums: Ints
) -> tuple[list[tuple[Ints, Ints, Ints]], RankOne, int, Ints]:
    """Rows, columns and base of all entries; what is of rank one; how many bases; the record."""
    sizes, first = np.diff(together.indptr), c.order[c.starts[:-1]]
    alone = first[np.diff(c.starts) == 1]
    arm = c.arm(together.indices[together.indptr[:-1]])
    base, next_base, record = np.empty(len(sizes), np.int64), 1, list[int]()
    own_base = np.empty(c.n_arms, np.int64)
    for a in range(c.n_arms):  # bases are in the order of the record
        here = np.flatnonzero(arm == a)
        own, number, counts = np.unique(sizes[here], return_inverse=True, return_counts=True)
        own_base[a], base[here] = next_base, next_base + 1 + number
        record += [EQUAL, 4 * a, len(own), *np.column_stack([own, counts]).ravel().tolist()]
        next_base += 1 + len(own)
    parts = [
        (alone, alone, np.zeros(len(alone), np.int64)),
        (together.indices, together.indices, own_base[np.repeat(arm, sizes)]),
    ]
    group_of_row = np.empty(len(c.order), np.int64)
    group_of_row[together.indices] = np.repeat(np.arange(len(sizes)), sizes)
    group = group_of_row[sums.indices[sums.indptr[:-1]]]  # of each sum, ascending
    each, apart = len(c.order) + np.arange(len(group)), np.bincount(group)[group] == 1
    parts.append((each[apart], each[apart], base[group[apart]]))
    mixed, number = np.unique(group[~apart], return_inverse=True)
    one = RankOne(each[~apart], of_sums[~apart], number.astype(np.int64), base[mixed])
    return parts, one, next_base, np.array(record, np.int64)


def _patterns(c: Correlations) -> tuple[list[tuple[Ints, Ints, Ints]], int, int, Ints]:
    T, base = len(c.positions), 1
    heads: list[list[int]] = [[] for _ in range(c.n_arms)]
    found = list(_groups_of(c))
    starts: dict[tuple[int, ...], int] = {}
    for a in range(c.n_arms):  # bases are in the order of the record
        own = sorted((key for key, _ in found if key[0] == a))
        counts = {key: len(rows) for key, rows in found if key[0] == a}
        heads[a] = [T, a * T * T, len(own)]
        for key in own:
            heads[a] += [len(key) - 1, counts[key], *key[1:]]
            starts[key] = base
            base += len(key) * (len(key) - 1) // 2
    parts = []
    for key, rows in found:  # rows (groups, m)
        i, j = np.tril_indices(rows.shape[1])
        each = np.arange(len(i)) + starts[key]
        parts.append((rows[:, i].ravel(), rows[:, j].ravel(), np.tile(each, len(rows))))
    record = np.array([x for head in heads for x in head], np.int64)
    return parts, base, c.n_arms * T * T, record


def _groups_of(c: Correlations) -> Iterator[tuple[tuple[int, ...], Ints]]:
    """Arm and positions that occur together in a group, and the rows (groups, m) of such groups;
    of equal correlations arm and m.
    """
    sizes = np.diff(c.starts)
    for m in np.unique(sizes):
        at = c.starts[:-1][sizes == m]
        rows = c.order[at[:, None] + np.arange(m)]
        where = np.full((len(rows), 1), m) if c.kind == "equal" else np.asarray(c.places)[rows]
        key = np.column_stack([c.arm(rows[:, 0]), where])
        known, number = np.unique(key, axis=0, return_inverse=True)
        for k, own in enumerate(known.tolist()):
            yield tuple(own), rows[number.ravel() == k]
