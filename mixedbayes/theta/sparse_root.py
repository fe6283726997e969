"""L of a sparse matrix S = L L', its rows and columns in an order that leaves few entries.

Where every order leaves too many, L is that of the blocks C C' on its diagonal and of directions
U in which S is farthest from these, L = C (I + U (diag(scales) - I) U'): a metric, not a factor.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes import jit
from mixedbayes.theta.record import Floats, Ints

_TOGETHER = 256  # columns that are solved for at once
# Of a matrix that is not factored. 30,000 binary rows, 3,000 x 3,000 levels and 14 more: converged,
# lowest ess_tail 2,118 in 71 seconds of a core; no other number was measured.
_DIRECTIONS = 16
_TOLERANCE = 1e-2  # of the scales there


@dataclass(frozen=True, eq=False)
class SparseRoot:
    """S[order][:, order] = C C', C lower triangular, by columns, each from its diagonal down."""

    matrix: sparse.csc_array  # S (D, D)
    order: Ints  # (D,)
    start: Ints  # (D + 1,) where each column begins
    rows: Ints
    values: Floats
    directions: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # (k, D) U', in the order
    scales: Floats = field(default_factory=lambda: np.zeros(0))  # (k,)
    parts: tuple[sparse.csc_array, sparse.csc_array] | None = None  # M and K of S = M - K' K

    @classmethod
    def loose(cls, matrix: sparse.sparray, K: sparse.csr_array, blocks: Ints) -> SparseRoot:
        """Of S = matrix - K' K, from blocks (D,) of neighbouring columns with the same number.

        Raises numpy.linalg.LinAlgError where S is not positive definite.
        """
        S, by_column, D = sparse.csr_array(matrix), sparse.csc_array(K), matrix.shape[0]
        if not np.isfinite(S.data).all():
            raise np.linalg.LinAlgError("the curvature is no finite number")
        pairs = sparse.coo_array(S)
        same = blocks[pairs.row] == blocks[pairs.col]
        own = sparse.csr_array((pairs.data[same], (pairs.row[same], pairs.col[same])), (D, D))
        widest, diagonals, offsets = int(np.bincount(blocks).max()), list[Floats](), list[int]()
        for k in range(widest):
            taken = -by_column[:, : D - k].multiply(by_column[:, k:]).sum(axis=0)
            taken[blocks[: D - k] != blocks[k:]] = 0.0
            for offset in {k, -k}:
                offsets.append(offset)
                diagonals.append(taken)
        root = cls.of(own + sparse.diags_array(diagonals, offsets=offsets, shape=(D, D)))

        def times(v: Floats) -> Floats:
            x = root.colour(v.ravel())
            return root.whiten(S @ x - K.T @ (K @ x))

        k = min(_DIRECTIONS, D - 1)
        operator = linalg.LinearOperator((D, D), matvec=times, dtype=float)
        start = np.cos(np.arange(D))
        squares, U = linalg.eigsh(operator, k, which="BE", tol=_TOLERANCE, v0=start)
        if not squares.min() > 0:
            raise np.linalg.LinAlgError("the curvature is not positive definite")
        parts = sparse.csc_array(S), by_column
        directions = np.ascontiguousarray(U.T)
        return replace(root, directions=directions, scales=np.sqrt(squares), parts=parts)

    @classmethod
    def of(cls, matrix: sparse.sparray) -> SparseRoot:
        """Raises numpy.linalg.LinAlgError where S is not positive definite."""
        S = sparse.csc_array(matrix)
        if not np.isfinite(S.data).all():
            raise np.linalg.LinAlgError("the curvature is no finite number")
        lu = _factors(S)
        pivots = lu.U.diagonal()
        if not (pivots > 0).all() or (lu.perm_r != lu.perm_c).any():  # a pivot beside the diagonal
            raise np.linalg.LinAlgError("the curvature is not positive definite")
        C = sparse.csc_array(lu.L @ sparse.diags_array(np.sqrt(pivots)))
        C.sort_indices()
        order = np.argsort(lu.perm_c).astype(np.int64)
        return cls(S, order, C.indptr.astype(np.int64), C.indices.astype(np.int64), C.data)

    @classmethod
    def identity(cls, D: int) -> SparseRoot:
        each = np.arange(D + 1)
        eye = sparse.csc_array(sparse.eye_array(D))
        return cls(eye, each[:-1], each, each[:-1], np.ones(D))

    @property
    def log_det(self) -> float:
        """log |L|."""
        return float(np.log(self.values[self.start[:-1]]).sum() + np.log(self.scales).sum())

    def whiten(self, x: Floats) -> Floats:
        """L^-1 x, for x (D,)."""
        v = x[self.order]
        _whiten(self.start, self.rows, self.values, v)
        return self._scaled(v)

    def colour(self, z: Floats) -> Floats:
        """L'^-1 z, for z (..., D)."""
        out = np.empty(z.shape)
        rows = (x.reshape(-1, z.shape[-1]) for x in (z, out))
        for own, target in zip(*rows, strict=True):
            v = self._scaled(own.astype(float))
            _colour(self.start, self.rows, self.values, v)
            target[self.order] = v
        return out

    def _scaled(self, v: Floats) -> Floats:
        """(I + U (1 / diag(scales) - I) U') v."""
        if not self.scales.size:
            return v
        return np.asarray(v + ((1 / self.scales - 1) * (self.directions @ v)) @ self.directions)

    def given_later(self, span: slice, q: int) -> Floats:
        """Precision of x in the span given all after it, and nothing before.

        Its blocks (k / q, q, q) along the diagonal.
        """
        lu, step, found = self._before(span.start), max(_TOGETHER // q, 1) * q, []
        for first in range(span.start, span.stop, step):
            own = np.arange(first, min(first + step, span.stop))
            part = self._left(lu, span.start, own)
            at = np.arange(len(part)).reshape(-1, q)
            found.append(part[at[:, :, None], at[:, None, :]])
        return np.concatenate(found)

    def schur(self, before: int, rows: Ints) -> Floats:
        """(k, k) precision of some x given all others but the first ones, which are not known.

        Of a loose root given these as well.
        """
        if self.parts is not None:
            M, K = (part[:, rows] for part in self.parts)
            return np.asarray((M[rows] - K.T @ K).toarray())
        return self._left(self._before(before), before, rows)

    def _before(self, before: int) -> Any:
        return _factors(sparse.csc_array(self.matrix[:before, :before])) if before else None

    def _left(self, lu: Any, before: int, rows: Ints) -> Floats:
        columns = sparse.csc_array(self.matrix[:, rows])
        part = columns[rows].toarray()
        if lu is not None:
            left = columns[:before].toarray()
            part = part - left.T @ lu.solve(left)
        return np.asarray(part)


def _factors(S: sparse.csc_array) -> Any:
    try:
        return linalg.splu(
            S, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError as error:  # exactly singular
        raise np.linalg.LinAlgError("the curvature is singular") from error


@jit.inner
def forward(start, rows, values, v):
    """v = C^-1 v in place."""
    for j in range(v.size):
        x = v[j] / values[start[j]]
        v[j] = x
        for k in range(start[j] + 1, start[j + 1]):
            v[rows[k]] -= values[k] * x


@jit.inner
def backward(start, rows, values, v):
    """v = C'^-1 v in place."""
    for j in range(v.size - 1, -1, -1):
        x = v[j]
        for k in range(start[j] + 1, start[j + 1]):
            x -= values[k] * v[rows[k]]
        v[j] = x / values[start[j]]


@jit.inner
def scale(directions, scales, v):
    """v = (I + U (1 / diag(scales) - I) U') v in place; the directions (k, D) are orthonormal."""
    D = v.size
    for k in range(scales.size):
        along = 0.0
        for i in range(D):
            along += directions[k * D + i] * v[i]
        along *= 1.0 / scales[k] - 1.0
        for i in range(D):
            v[i] += along * directions[k * D + i]


_SIGNATURE = "void(int64[::1], int64[::1], float64[::1], float64[::1])"


@jit.njit(_SIGNATURE, nogil=True, error_model="numpy")
def _whiten(start, rows, values, v):
    forward(start, rows, values, v)


@jit.njit(_SIGNATURE, nogil=True, error_model="numpy")
def _colour(start, rows, values, v):
    backward(start, rows, values, v)
