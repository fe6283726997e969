"""Cross-products of the columns and the response: the only passes over the rows of data.

Each pass takes rows in chunks, so that the extra memory does not depend on their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes import jit
from mixedbayes.design.standing import Standing
from mixedbayes.marginal.columns import ColumnMap, fit_column_map
from mixedbayes.marginal.plan import Factor, Floats, Ints
from mixedbayes.marginal.structure import Structure
from mixedbayes.numerics.rows import BLOCK, row_blocks

type Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Parts:
    """Rows of which each takes part in the levels of some factors.

    All together they have the products of columns of two factors; some of them alone, whose weights
    are positive, those of the population, and others those of one factor.

    Attributes
    ----------
    population
        (n,) which rows have the products of population columns.
    active
        Of each factor (n,) which rows take part; None: all.
    own
        Of each factor (n,) which rows have its products alone.
    """

    population: Bools
    active: tuple[Bools | None, ...]
    own: tuple[Bools, ...]

    @classmethod
    def of(cls, standing: Standing, factors: Sequence[Sequence[str]]) -> "Parts | None":
        """Of rows that stand for others, and the columns of each factor; None where all take part
        in all.
        """
        apart = standing.apart
        if apart is None:
            return None
        parts = [apart.part_of(columns) for columns in factors]
        return cls(
            apart.single == 0,
            tuple(None if k is None else apart.active[:, k] for k in parts),
            tuple(apart.single == (k or 0) for k in parts),
        )

    def ordered(self, order: Sequence[int]) -> "Parts":
        """With the factors in another order."""
        return Parts(
            self.population,
            tuple(self.active[k] for k in order),
            tuple(self.own[k] for k in order),
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """The data, and the exact changes of basis under which their products keep their digits.

    With x = map_x(X), s = map_s(X_sampled) - x @ share, z_k = map_k(Z_k) and the residual
    e = y - offset - x @ (fit_x + share @ fit_s) - s @ fit_s, the model reads
    e = x @ delta + s @ (T_s v - fit_s) + sum_k z_k (T_k b_k) + noise.
    """

    y: Floats  # (n,) offset subtracted
    X: Floats  # (n, p)
    factors: Sequence[Factor]  # in the order of elimination
    weights: Floats | None
    X_sampled: Floats  # (n, rx)
    sampled_factors: Sequence[Factor]
    map_x: ColumnMap
    map_s: ColumnMap
    maps: tuple[ColumnMap, ...]
    share: Floats  # (p, rx)
    fit_x: Floats  # (p,)
    fit_s: Floats  # (rx,)
    apart: Parts | None = None

    @property
    def n(self) -> int:
        return len(self.y)

    def population(self, rows: slice) -> tuple[Floats, Floats, Floats, Floats]:
        """x (m, p), s (m, rx), residual (m,) and weights (m,) of a chunk."""
        x = self.map_x.apply(self.X[rows])
        s = self.map_s.apply(self.X_sampled[rows])
        e = self.y[rows] - x @ self.fit_x - s @ self.fit_s
        w = np.ones(len(e)) if self.weights is None else self.weights[rows]
        return x, s - x @ self.share, e, w

    def effects(self, rows: slice) -> list[Floats]:
        found = [m.apply(f[1][rows]) for m, f in zip(self.maps, self.factors, strict=True)]
        if self.apart is None:
            return found
        pairs = zip(found, self.apart.active, strict=True)
        return [z if there is None else z * there[rows, None] for z, there in pairs]


def prepare_rows(
    y: Floats,
    X: Floats,
    factors: Sequence[Factor],
    weights: Floats | None,
    X_sampled: Floats,
    sampled_factors: Sequence[Factor],
    apart: Parts | None = None,
) -> Rows:
    """Choose the bases and subtract the weighted least-squares fit of all population columns."""

    def fitted(columns: Floats, own: Bools | None) -> ColumnMap:
        if own is None or weights is None:
            return fit_column_map(columns, weights)
        return fit_column_map(columns[own], weights[own])

    of_all = None if apart is None else apart.population
    each = [None] * len(factors) if apart is None else apart.own
    map_x, map_s = fitted(X, of_all), fitted(X_sampled, of_all)
    maps = tuple(fitted(f[1], own) for f, own in zip(factors, each, strict=True))
    p, rx = X.shape[1], X_sampled.shape[1]
    gram, moment = np.zeros((p + rx, p + rx)), np.zeros(p + rx)
    for rows in row_blocks(len(y)):
        u = np.hstack([map_x.apply(X[rows]), map_s.apply(X_sampled[rows])])
        wu = u if weights is None else u * weights[rows, None]
        if of_all is not None:
            wu = wu * of_all[rows, None]
        gram += wu.T @ u
        moment += wu.T @ y[rows]
    fit = np.linalg.lstsq(gram, moment, rcond=1e-10)[0]
    share = np.linalg.lstsq(gram[:p, :p], gram[:p, p:], rcond=1e-10)[0]
    return Rows(
        y, X, factors, weights, X_sampled, sampled_factors, map_x, map_s, maps, share,
        fit[:p], fit[p:], apart,
    )  # fmt: skip


def accumulate_fronts(data: Rows, structure: Structure, fronts: Floats) -> tuple[Floats, float]:
    """Add all rows to `fronts` in place; products of (x, residual) and sum of log weights."""
    XX, log_weights = np.zeros((structure.n_population + 1,) * 2), 0.0
    for rows in row_blocks(data.n, BLOCK // 4):
        x, _, e, w = data.population(rows)
        xe = np.column_stack([x, e])
        own = w if data.apart is None else w * data.apart.population[rows]
        XX += xe.T @ (xe * own[:, None])
        if data.weights is not None:
            log_weights += float(np.log(w[w > 0]).sum())
        if data.factors:
            at = structure.positions([f[0][rows] for f in data.factors])
            _add_rows(at, structure.q, np.hstack(data.effects(rows)), xe, w, fronts)
    return XX, log_weights


@jit.njit("void(i8[:, ::1], i8[::1], f8[:, ::1], f8[:, ::1], f8[::1], f8[::1])", nogil=True)
def _add_rows(at, q, z, xe, w, fronts):
    """Add w * (later columns) x (own columns) of every row and factor at its places."""
    for i in range(z.shape[0]):
        block, za = 0, 0
        for a in range(q.size):
            zb = za
            for b in range(a, q.size):
                start = at[i, block]
                for s in range(q[b]):
                    weighted = w[i] * z[i, zb + s]
                    for t in range(q[a]):
                        fronts[start + s * q[a] + t] += weighted * z[i, za + t]
                zb += q[b]
                block += 1
            start = at[i, block]
            for s in range(xe.shape[1]):
                weighted = w[i] * xe[i, s]
                for t in range(q[a]):
                    fronts[start + s * q[a] + t] += weighted * z[i, za + t]
            za += q[a]
            block += 1


def sampled_products(data: Rows, var0: Ints) -> tuple[sparse.csr_array, Floats]:
    """Products of (effects, x, s, sampled effects) with the sampled columns, and with e.

    Returns a sparse ((N + p + r), r) matrix and its (r,) companion for the response.
    """
    rx = data.X_sampled.shape[1]
    r = rx + sum(J * Z.shape[1] for _, Z, J in data.sampled_factors)
    n_rows = int(var0[-1]) + data.X.shape[1] + r
    products, with_response = sparse.csr_array((n_rows, r)), np.zeros(r)
    if r == 0:
        return products, with_response
    for rows in row_blocks(data.n):
        x, s, e, w = data.population(rows)
        sampled = [_indicator(refs[rows], Z[rows], J) for refs, Z, J in data.sampled_factors]
        V = sparse.hstack([sparse.csr_array(s), *sampled], format="csr")
        integrated = [
            _indicator(refs[rows], z, J)
            for (refs, _, J), z in zip(data.factors, data.effects(rows), strict=True)
        ]
        A = sparse.hstack([*integrated, sparse.csr_array(x), V], format="csr")
        WV = sparse.csr_array(V * w[:, None])
        products = products + A.T @ WV
        with_response += WV.T @ e
    products = sparse.csr_array(products)
    products.sort_indices()
    return products, with_response


def _indicator(refs: NDArray[np.integer], Z: Floats, n_levels: int) -> sparse.csr_array:
    """(m, J q): row i holds Z[i] in the columns of its level."""
    m, q = Z.shape
    columns = np.asarray(refs, np.int64)[:, None] * q + np.arange(q)
    pointers = np.arange(0, m * q + 1, q) if q else np.zeros(m + 1, np.int64)
    return sparse.csr_array((Z.ravel(), columns.ravel(), pointers), shape=(m, n_levels * q))
