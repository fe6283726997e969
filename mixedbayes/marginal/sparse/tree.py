"""Fronts: which levels are eliminated together, and where what they leave is added.

Levels that are eliminated one after the other and meet nearly the same later ones make one dense
*front*, (own columns | rows below); what its elimination leaves of its rows is added to the front
of the parent, which has all of them (multifrontal; Duff & Reid 1983, doi:10.1145/356044.356047).
Narrow fronts without children are *leaves*: they are many, alike, and made again on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Ints
from mixedbayes.marginal.sparse.order import Order

LEAF = 8  # most columns of a leaf


@dataclass(frozen=True, eq=False)
class Tree:
    """S supernodes, leaves and F fronts; leaves stand in front of their parent, the root is last.

    Columns are numbered in the order of elimination.
    """

    nodes: Ints  # (N,) levels in the order of their columns
    col: Ints  # (N + 1,) first column of each of these
    first: Ints  # (S + 1,) first of these in each supernode
    n_rows: Ints  # (S,) rows below
    at: Ints  # (S,) where they start in `rows` and `rel`; the same for leaves with equal rows
    rows: Ints  # columns
    rel: Ints  # their places in the parent's front
    fronts: Ints  # (F,) supernode of each front
    leaf0: Ints  # (F,) supernode of its first leaf: leaves end where the front is
    child_ptr: Ints  # (F + 1,)
    children: Ints  # (F - 1,) fronts
    panel: Ints  # (F + 1,) where the columns of each front are kept, (own columns, own and rows)
    square: Ints  # (F + 1,) where what is left of its rows is kept; last, how much there is

    @cached_property
    def widths(self) -> Ints:
        """(S,) own columns."""
        return np.diff(self.col[self.first])

    @cached_property
    def entries(self) -> int:
        """Entries of the factor."""
        own, below = self.widths, self.n_rows
        return int(np.sum(own * (own + 1) // 2 + own * below))

    @cached_property
    def flops(self) -> float:
        """Of the factor and the entries of the inverse on its pattern."""
        own, below = self.widths.astype(float), self.n_rows.astype(float)
        return float(np.sum((own + below) ** 3 - below**3))


def build_tree(found: Order, width: Ints) -> Tree:
    """The fronts of levels with this many columns each, in this order of elimination."""
    order, start, met, tail = found.order, found.start, found.met, found.tail
    width = np.asarray(width, np.int64)
    top, up, leaf = _merge(order, start, met, tail, width)
    mixed = np.random.default_rng(0).integers(0, 2**62, len(width))
    sums = np.concatenate([[0], np.cumsum(mixed[met])])  # modulo 2^64
    code = sums[start[1:]] - sums[start[:-1]]
    leaves = np.flatnonzero(leaf)
    leaves = leaves[np.lexsort((leaves, code[leaves], up[leaves]))]
    ends = np.searchsorted(up[leaves], np.arange(len(order) + 2))
    return Tree(*_number(order, start, met, tail, width, top, up, leaf, leaves, ends))


@inner
def _cost(own, below):
    """Operations on a front, those of adding it to its parent and of going there at all."""
    return (own + below) ** 3 - below**3 + below * below + 400.0


@jit.njit(
    "Tuple((i8[::1], i8[::1], i8[::1]))(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])",
    nogil=True,
    error_model="numpy",
)
def _merge(order, start, met, tail, width):
    """Of each eliminated level (and the tail, m): top of its supernode, that one's parent; leaf."""
    m = order.size
    place, parent = np.full(width.size, m), np.full(m + 1, -1)
    own, below = np.zeros(m + 1), np.zeros(m + 1)
    for i in range(m):
        place[order[i]] = i
    for i in range(m):
        own[i], parent[i] = width[order[i]], m
        for at in range(start[i], start[i + 1]):
            below[i] += width[met[at]]
            parent[i] = min(parent[i], place[met[at]])
    for i in range(tail.size):
        own[m] += width[tail[i]]
    top = np.arange(m + 1)
    for i in range(m):
        q = parent[i]
        apart = _cost(own[i], below[i]) + _cost(own[q], below[q])
        if _cost(own[i] + own[q], below[q]) <= apart:
            own[q] += own[i]
            top[i] = q
    up, leaf = np.full(m + 1, -1), np.ones(m + 1, np.int64)
    for i in range(m - 1, -1, -1):
        if top[i] != i:
            top[i] = top[top[i]]
            leaf[i] = 0
        else:
            up[i] = top[parent[i]]
    leaf[m] = 0
    for i in range(m):
        if top[i] == i:
            leaf[up[i]] = 0
            if own[i] > LEAF:
                leaf[i] = 0
    return top, up, leaf


@inner
def _sort(values, first, end):
    """Ascending, in place (Shell's method)."""
    gap = 1
    while 3 * gap < end - first:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, end):
            x, j = values[i], i
            while j >= first + gap and values[j - gap] > x:
                values[j] = values[j - gap]
                j -= gap
            values[j] = x
        gap //= 3


@jit.njit(
    "Tuple((i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    "i8[::1], i8[::1], i8[::1], i8[::1]))(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    "i8[::1], i8[::1], i8[::1], i8[::1])",
    nogil=True,
    error_model="numpy",
)
def _number(order, start, met, tail, width, top, up, leaf, leaves, ends):
    m, n = order.size, width.size
    # fronts in the order of elimination, children before parents
    child, sibling = np.full(m + 1, -1), np.full(m + 1, -1)
    n_fronts, n_super = 1, leaves.size + 1
    for i in range(m - 1, -1, -1):
        if top[i] == i and leaf[i] == 0:
            sibling[i], child[up[i]] = child[up[i]], i
            n_fronts += 1
            n_super += 1
    post, path, depth = np.empty(n_fronts, np.int64), np.empty(n_fronts, np.int64), 1
    following = child.copy()
    path[0], count = m, 0
    level = np.zeros(n_fronts, np.int64)
    while depth > 0:
        i = path[depth - 1]
        c = following[i]
        if c >= 0:
            following[i] = sibling[c]
            path[depth] = c
            depth += 1
        else:
            depth -= 1
            post[count], level[count] = i, depth
            count += 1
    # supernodes and their levels
    tops, fronts = np.empty(n_super, np.int64), np.empty(n_fronts, np.int64)
    leaf0, number = np.empty(n_fronts, np.int64), np.empty(m + 1, np.int64)
    s = 0
    for f in range(n_fronts):
        leaf0[f] = s
        for k in range(ends[post[f]], ends[post[f] + 1]):
            tops[s], number[leaves[k]] = leaves[k], s
            s += 1
        fronts[f], tops[s], number[post[f]] = s, post[f], s
        s += 1
    first = np.zeros(n_super + 1, np.int64)
    for i in range(m):
        first[number[top[i]] + 1] += 1
    first[n_super] += tail.size
    for s in range(n_super):
        first[s + 1] += first[s]
    nodes, fill = np.empty(n, np.int64), first.copy()
    for i in range(m):
        s = number[top[i]]
        nodes[fill[s]] = order[i]
        fill[s] += 1
    for i in range(tail.size):
        nodes[n - tail.size + i] = tail[i]
    col, column = np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    for k in range(n):
        column[nodes[k]] = col[k]
        col[k + 1] = col[k] + width[nodes[k]]
    # rows
    size = 0
    for s in range(n_super - 1):
        for k in range(start[tops[s]], start[tops[s] + 1]):
            size += width[met[k]]
    rows, rel = np.empty(size, np.int64), np.empty(size, np.int64)
    n_rows, at, end = np.zeros(n_super, np.int64), np.zeros(n_super, np.int64), 0
    for f in range(n_fronts):
        for s in range(leaf0[f], fronts[f] + 1):
            i, at[s] = tops[s], end
            if i < m:
                for k in range(start[i], start[i + 1]):
                    for a in range(width[met[k]]):
                        rows[end] = column[met[k]] + a
                        end += 1
                n_rows[s] = end - at[s]
                _sort(rows, at[s], end)
                same = leaf0[f] < s < fronts[f] and n_rows[s] == n_rows[s - 1]
                if same:
                    for k in range(n_rows[s]):
                        same = same and rows[at[s] + k] == rows[at[s - 1] + k]
                    if same:
                        end, at[s] = at[s], at[s - 1]
    # places in the parents' fronts
    child_ptr, children = np.zeros(n_fronts + 1, np.int64), np.empty(n_fronts - 1, np.int64)
    place, count = np.zeros(col[n], np.int64), 0
    for f in range(n_fronts):
        own, last = fronts[f], 0
        for j in range(col[first[own]], col[first[own + 1]]):
            place[j] = last
            last += 1
        for k in range(at[own], at[own] + n_rows[own]):
            place[rows[k]] = last
            last += 1
        for s in range(leaf0[f], own):
            for k in range(at[s], at[s] + n_rows[s]):
                rel[k] = place[rows[k]]
        c = child[post[f]]
        while c >= 0:
            s = number[c]
            for k in range(at[s], at[s] + n_rows[s]):
                rel[k] = place[rows[k]]
            children[count] = s
            count += 1
            c = sibling[c]
        child_ptr[f + 1] = count
    # where panels and squares are kept: squares on two stacks, which parents and children take in
    # turn, so that one is free when the other is full
    panel, square = np.zeros(n_fronts + 1, np.int64), np.zeros(n_fronts + 1, np.int64)
    index = np.zeros(n_super, np.int64)
    for f in range(n_fronts):
        index[fronts[f]] = f
    high, most = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for f in range(n_fronts):
        s, side = fronts[f], level[f] % 2
        own = col[first[s + 1]] - col[first[s]]
        panel[f + 1] = panel[f] + own * (own + n_rows[s])
        square[f] = high[side]
        high[side] += n_rows[s] ** 2
        most[side] = max(most[side], high[side])
        for k in range(child_ptr[f], child_ptr[f + 1]):
            high[1 - side] -= n_rows[children[k]] ** 2
            children[k] = index[children[k]]
    for f in range(n_fronts):
        if level[f] % 2 == 1:
            square[f] += most[0]
    square[n_fronts] = most[0] + most[1]
    return (
        nodes, col, first, n_rows, at, rows[:end].copy(), rel[:end].copy(), fronts, leaf0,
        child_ptr, children, panel, square,
    )  # fmt: skip
