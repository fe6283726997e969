"""In which order the effects' levels are eliminated, so that the factor has few entries.

Approximate minimum degree on a quotient graph (Amestoy, Davis & Duff 1996,
doi:10.1137/S0895479894278952): of the levels that are left the one with the fewest neighbours is
next, its neighbours become neighbours of each other, which is kept as one *element*, the list of
them. That list is the structure of its column of the factor as well. Where what is left is nearly
dense, it is left together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mixedbayes import jit
from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Ints

_DENSE = 0.75  # share of what is left that the next level meets, beyond which the rest is dense


@dataclass(frozen=True, eq=False)
class Order:
    """Levels in the order of elimination, and the later ones that each is coupled with then."""

    order: Ints  # (m,) levels eliminated one by one
    start: Ints  # (m + 1,) where the list of each starts in `met`
    met: Ints  # levels, eliminated ones and those of the tail
    tail: Ints  # levels that are eliminated together, last


def minimum_degree(graph: sparse.csr_array, width: Ints, last: Ints) -> Order:
    """Order of the levels of a symmetric graph; its diagonal and values are not read.

    Parameters
    ----------
    graph : (N, N)
        Which levels are coupled. Rows of levels that come last may be empty.
    width : (N,)
        Columns of each level.
    last : (N,) 0 or 1
        Levels that stay for the tail, and end it.
    """
    found = _minimum_degree(
        graph.indptr.astype(np.int64), graph.indices.astype(np.int64),
        np.asarray(width, np.int64), np.asarray(last, np.int64),
    )  # fmt: skip
    return Order(*found)


@inner
def _insert(head, following, before, i, degree):
    other = head[degree]
    following[i], before[i], head[degree] = other, -1, i
    if other >= 0:
        before[other] = i


@inner
def _remove(head, following, before, i, degree):
    if before[i] >= 0:
        following[before[i]] = following[i]
    else:
        head[degree] = following[i]
    if following[i] >= 0:
        before[following[i]] = before[i]


@inner
def _longer(values, least):
    found = np.empty(max(2 * values.size, least), np.int64)
    for i in range(values.size):
        found[i] = values[i]
    return found


@jit.njit(
    "Tuple((i8[::1], i8[::1], i8[::1], i8[::1]))(i8[::1], i8[::1], i8[::1], i8[::1])",
    nogil=True,
    error_model="numpy",
)
def _minimum_degree(ptr, adjacent, width, last):
    n, total = width.size, 0
    lists = adjacent.copy()  # of each level: elements that it is in, then levels
    elements, length = np.zeros(n, np.int64), np.empty(n, np.int64)
    degree = np.zeros(n, np.int64)
    for i in range(n):
        length[i] = 0
        for at in range(ptr[i], ptr[i + 1]):
            j = adjacent[at]
            if j != i and last[i] == 0:
                lists[ptr[i] + length[i]] = j
                length[i] += 1
                if last[j] == 0:
                    degree[i] += width[j]
        if last[i] == 0:
            total += width[i]
    # buckets of levels by degree
    head, following, before = (
        np.full(total + 1, -1),
        np.full(n, -1),
        np.full(n, -1),
    )
    for i in range(n - 1, -1, -1):
        if last[i] == 0:
            _insert(head, following, before, i, degree[i])
    state = np.zeros(n, np.int64)  # 0: left; 1: an element; 2: one that a later one contains
    mark, outside, seen = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    weight = np.zeros(n, np.int64)  # of each element: columns left in it, those that end the tail
    order, start = np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    met = np.empty(2 * adjacent.size + 16, np.int64)
    place = np.zeros(n, np.int64)  # of each element: its position in the order
    buffer = np.empty(n + 1, np.int64)
    m, left, least = 0, total, 0
    while left > 0:
        while head[least] < 0:
            least += 1
        p = head[least]
        if least > _DENSE * (left - width[p]) and left > width[p]:
            break
        _remove(head, following, before, p, degree[p])
        left -= width[p]
        # its list: levels in its elements, and those that it is coupled with
        end, stamp = start[m], m + 1
        mark[p] = stamp
        for at in range(ptr[p], ptr[p] + length[p]):
            x = lists[at]
            element = at < ptr[p] + elements[p]
            if element and state[x] == 2:
                continue
            first, stop = (start[place[x]], start[place[x] + 1]) if element else (at, at + 1)
            if end + stop - first > met.size:
                met = _longer(met, end + stop - first)
            for k in range(first, stop):
                i = met[k] if element else lists[k]
                if state[i] == 0 and mark[i] != stamp:
                    mark[i] = stamp
                    met[end] = i
                    end += 1
            if element:
                state[x] = 2
        own = 0
        for k in range(start[m], end):
            if last[met[k]] == 0:
                own += width[met[k]]
        state[p], place[p], weight[p] = 1, m, own
        order[m], start[m + 1] = p, end
        # of the elements of its levels: columns outside of its list
        for k in range(start[m], end):
            i = met[k]
            for at in range(ptr[i], ptr[i] + elements[i]):
                e = lists[at]
                if state[e] == 1:
                    if seen[e] != stamp:
                        seen[e], outside[e] = stamp, weight[e]
                    outside[e] -= width[i]
        for k in range(start[m], end):
            i = met[k]
            if last[i] == 1:
                continue
            n_all, near = 1, own - width[i]
            buffer[0] = p
            for at in range(ptr[i], ptr[i] + elements[i]):
                e = lists[at]
                if state[e] == 1:
                    buffer[n_all] = e
                    n_all += 1
                    near += outside[e] if seen[e] == stamp else weight[e]
            n_elements = n_all
            for at in range(ptr[i] + elements[i], ptr[i] + length[i]):
                j = lists[at]
                if state[j] == 0 and mark[j] != stamp:
                    buffer[n_all] = j
                    n_all += 1
                    if last[j] == 0:
                        near += width[j]
            for at in range(n_all):
                lists[ptr[i] + at] = buffer[at]
            elements[i], length[i] = n_elements, n_all
            new = min(near, degree[i] + own - width[i], left - width[i])
            _remove(head, following, before, i, degree[i])
            degree[i] = new
            _insert(head, following, before, i, new)
            least = min(least, new)
        m += 1
    tail, count = np.empty(n - m, np.int64), 0
    for ends in range(2):
        for i in range(n):
            if state[i] == 0 and last[i] == ends:
                tail[count] = i
                count += 1
    return order[:m].copy(), start[: m + 1].copy(), met[: start[m]].copy(), tail
