"""Sparsity inside the dense block: groups of crossed levels that do not meet each other.

After the chain is eliminated, two crossed levels are coupled if they share a level of the chain's
coarsest factor. Instructors of different departments, say, often share no student. A minimum-degree
elimination finds levels whose removal creates little coupling; among those, the connected groups
(*clusters*) can be factored one by one, each against the columns that it meets, before the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from mixedbayes.marginal.plan import Ints

_WORTH_A_LOOK = 200  # columns below which the dense block is cheap anyway
_GAIN = 0.7  # use clusters if they save at least 30% of the operations


@dataclass(frozen=True, eq=False)
class Clusters:
    """An order of the crossed levels: cluster after cluster, then all others."""

    order: Ints  # (levels,) crossed levels in the order of their columns
    sizes: tuple[int, ...]  # levels in each cluster
    met: tuple[Ints, ...]  # for each cluster, the levels outside of it that it is coupled with
    flops: float  # of the dense block: about (1 + 2) times a Cholesky factor


def find_clusters(meetings: sparse.csr_array, widths: Ints, n_population: int) -> Clusters:
    """Clusters of crossed levels from the (coarsest chain levels, crossed levels) that meet."""
    n, columns = len(widths), int(widths.sum()) + n_population
    none = Clusters(np.arange(n), (), (), float(columns) ** 3)
    if columns < _WORTH_A_LOOK:
        return none
    coupled = (meetings.T @ meetings).toarray() > 0
    np.fill_diagonal(coupled, False)
    order, ratio = _minimum_degree(coupled, widths)
    cuts = {int(np.searchsorted(ratio, r)) for r in np.arange(0.2, 0.85, 0.1)} - {0}
    found = [_clusters(coupled, widths, order[:cut], n_population) for cut in cuts]
    best = min(found, key=lambda c: c.flops, default=none)
    return best if best.flops < _GAIN * none.flops else none


def _minimum_degree(coupled: NDArray[np.bool_], widths: Ints) -> tuple[Ints, Ints]:
    """Levels in the order of elimination, and the share of the remaining columns each met.

    The share is made monotone; it stops where nearly everything left is coupled.
    """
    graph, w = coupled.astype(np.float32), widths.astype(np.float32)
    degree, left = graph @ w, float(widths.sum())
    order: list[int] = []
    ratio: list[float] = []
    while left > 0:
        v = int(np.argmin(degree))
        share = float(degree[v] / left)
        if share > 0.85:
            break
        near = np.flatnonzero(graph[v])
        graph[np.ix_(near, near)] = 1
        graph[near, near] = 0
        graph[v], graph[:, v] = 0, 0
        degree[near] = graph[near] @ w
        degree[v] = np.inf
        left -= float(widths[v])
        order.append(v)
        ratio.append(max(share, ratio[-1] if ratio else 0.0))
    return np.array(order, np.int64), np.array(ratio)


def _clusters(
    coupled: NDArray[np.bool_], widths: Ints, eliminated: Ints, n_population: int
) -> Clusters:
    rest = np.setdiff1d(np.arange(len(widths)), eliminated)
    n, label = connected_components(sparse.csr_array(coupled[np.ix_(eliminated, eliminated)]))
    groups = [np.sort(eliminated[label == c]) for c in range(n)]
    met = tuple(rest[coupled[np.ix_(g, rest)].any(axis=0)] for g in groups)
    flops = float(widths[rest].sum() + n_population) ** 3
    for g, m in zip(groups, met, strict=True):
        c, t = float(widths[g].sum()), float(widths[m].sum() + n_population)
        flops += c**3 + 3 * c**2 * t + 3 * c * t**2
    return Clusters(np.concatenate([*groups, rest]), tuple(map(len, groups)), met, flops)
