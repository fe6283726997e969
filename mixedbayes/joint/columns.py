"""What multiplies effects and coefficients in each row, for given variance parameters.

The largest factor's columns are kept by level, those of other terms as a sparse matrix, those of
smooths and coefficients as a dense one. They are the columns of b: what they become for u, with
b = R u S', is done to sums over the rows (`Lift`), since it changes with S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Floats, Ints
from mixedbayes.theta.whitening import Matrix


@dataclass(frozen=True, eq=False)
class Rest:
    """Columns (m, D) of all but the largest factor: sparse ones, then dense ones.

    Of thousands, all are in the sparse matrix, and `large` keeps their products sparse.
    """

    sparse: sparse.csr_array
    dense: Floats
    large: bool = False

    @property
    def width(self) -> int:
        return int(self.sparse.shape[1] + self.dense.shape[1])

    def times(self, x: Floats) -> Floats:
        """(m,) for x (D,)."""
        few = self.sparse.shape[1]
        found = self.dense @ x[few:]
        return np.asarray(found + self.sparse @ x[:few] if few else found)

    def back(self, scores: Floats) -> Floats:
        """(D,) for scores (m,)."""
        return np.concatenate([self.sparse.T @ scores, self.dense.T @ scores])

    def weighted(self, w: Floats) -> Rest:
        few = self.sparse.shape[1]
        own = sparse.csr_array(self.sparse.multiply(w[:, None])) if few else self.sparse
        return Rest(own, w[:, None] * self.dense, self.large)

    def led(self, A: sparse.csr_array) -> Rest:
        """A times the columns, for A (k, m)."""
        return Rest(sparse.csr_array(A @ self.sparse), np.asarray(A @ self.dense), self.large)

    def products(self, other: Rest) -> Matrix:
        """(D, D) with the columns of another, which have the same pattern."""
        if self.large:
            return sparse.csr_array(self.sparse.T @ other.sparse)
        few, dense = self.sparse.shape[1], self.dense.T @ other.dense
        if not few:
            return np.asarray(dense)
        out = np.empty((self.width, self.width))
        out[:few, :few] = (self.sparse.T @ other.sparse).toarray()
        out[:few, few:] = self.sparse.T @ other.dense
        out[few:, :few] = out[:few, few:].T
        out[few:, few:] = dense
        return out

    def by_level(self, own: Floats, refs: Ints, levels: sparse.csr_array) -> Matrix:
        """(J q, D) sums over each level's rows of its columns (m, q) times these."""
        J, q = levels.shape[0], own.shape[1]
        if not q:
            return np.zeros((0, self.width))
        sums = [levels @ (own[:, i, None] * self.dense) for i in range(q)]
        dense = np.stack(sums, axis=1).reshape(J * q, -1)
        if not self.sparse.shape[1]:
            return dense
        index = (refs[:, None] * q + np.arange(q)).ravel()
        shape = (len(own), J * q)
        first = sparse.csr_array((own.ravel(), index, np.arange(len(own) + 1) * q), shape=shape)
        both = [first.T @ self.sparse, sparse.csr_array(dense)]
        return sparse.csr_array(sparse.hstack(both, format="csr"))


@dataclass(frozen=True, eq=False)
class Lift:
    """b = T u of all but the largest factor; T is the identity for coefficients.

    Each part is a span of effects, R (J, J) or None, and S (q, q): b = R u S'.
    """

    parts: Sequence[tuple[slice, Floats | None, Floats]]

    def effects(self, u: Floats) -> Floats:
        """T u (D,)."""
        out = u.copy()
        for span, R, S in self.parts:
            b = u[span].reshape(-1, len(S)) @ S.T
            out[span] = (b if R is None else R @ b).ravel()
        return out

    def slopes(self, slopes: Floats) -> Floats:
        """T' slopes (D,)."""
        return self.right(slopes[None])[0]

    def right(self, M: Floats) -> Floats:
        """M T, for M (r, D)."""
        out = M.copy()
        for span, R, S in self.parts:
            own, q = out[:, span], len(S)
            if R is None and q == 1:
                out[:, span] = own * S[0, 0]
                continue
            split = own.reshape(len(M), own.shape[1] // q, q) @ S
            if R is not None:
                split = np.moveaxis(np.tensordot(split, R, axes=(1, 0)), 2, 1)
            out[:, span] = split.reshape(own.shape)
        return out

    def of(self, M: Matrix) -> Matrix:
        """M T, sparse where M is."""
        if isinstance(M, np.ndarray):
            return self.right(M)
        return sparse.csr_array(M @ self._matrix(M.shape[1]))

    def _matrix(self, D: int) -> sparse.csr_array:
        """T (D, D)."""
        end, blocks = 0, list[sparse.csr_array]()
        for span, R, S in self.parts:
            J = (span.stop - span.start) // len(S)
            outer = sparse.eye_array(J, format="csr") if R is None else sparse.csr_array(R)
            blocks.append(sparse.csr_array(sparse.kron(outer, S)))
            end = span.stop
        blocks.append(sparse.csr_array(sparse.eye_array(D - end)))
        return sparse.csr_array(sparse.block_diag(blocks, format="csr"))

    def both(self, C: Matrix) -> Matrix:
        """T' C T, for C (D, D), symmetric; sparse where C is."""
        if isinstance(C, np.ndarray):
            return self.right(self.right(C).T)
        T = self._matrix(C.shape[0])
        return sparse.csr_array(T.T @ (C @ T))


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of u and coefficients in each row, for given phi, and the parameters there."""

    own: Floats  # (m, q) of the first factor, q = 0 without one
    refs: Ints  # (m,) the level of it in each row
    levels: sparse.csr_array  # (J, m) the same as a matrix, 1 where a row is of a level of it
    rest: Rest  # of b and of the coefficients
    lift: Lift
    parameters: Mapping[str, Floats]  # (1,) each
    means: Floats  # of the coefficients' columns, see `JointLayout.centre`
    given: Sequence[Floats | None]  # (q, q) of each factor, see `JointLayout.given_further`

    @property
    def n_first(self) -> int:
        return int(self.levels.shape[0] * self.own.shape[1])

    def eta(self, e: Floats) -> Floats:
        """(m,) the rows' predictors at e, without their offset."""
        found = self.rest.times(self.lift.effects(e[self.n_first :]))
        if self.n_first:
            by_level = e[: self.n_first].reshape(self.levels.shape[0], -1)
            found = found + np.einsum("ij,ij->i", self.own, by_level[self.refs])
        return found

    def back(self, scores: Floats) -> Floats:
        """(N,) slopes of e from those of the rows' predictors."""
        first = self.levels @ (self.own * scores[:, None])
        return np.concatenate([first.ravel(), self.lift.slopes(self.rest.back(scores))])

    def others(self, n: int) -> Matrix:
        """(n, D) columns of the first rows besides the first factor's, for u and coefficients."""
        few = self.rest.sparse[:n], self.rest.dense[:n]
        if not few[0].shape[1]:
            return self.lift.right(few[1])
        both = sparse.csr_array(sparse.hstack([few[0], sparse.csr_array(few[1])], format="csr"))
        return self.lift.of(both)
