"""Whitening: the affine map theta = mode + M z, and its transpose for gradients.

M M' approximates the posterior's covariance, so that z has nearly independent coordinates of unit
scale; NUTS moves in these. The variance parameters come first: theta_h = mode_h + C z_h. Given them
the effects and coefficients are nearly normal with precision H = L L', and their centre moves by
B (theta_h - mode_h). The effects of the first, largest grouping factor come before all others in L,
so that their part is block diagonal and what couples them to the rest is sparse:

    L = [[L_1, 0], [K', L_2]],  x_2 = L_2^-T z_2,  x_1 = L_1^-T (z_1 - K x_2).

Of thousands of other effects L_2 is sparse as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack

from mixedbayes import jit
from mixedbayes.theta.record import Floats, Ints, copy, ints, reals
from mixedbayes.theta.sparse_root import SparseRoot, backward, forward, scale

# Sections of a record, see `record`, next to one another.
SECTIONS = (
    "split",  # numbers of variance parameters, of effects of the first factor, and of one level's
    "mode", "hyper", "slopes", "inner",
    "start", "columns", "couplings",  # K as compressed sparse rows
    "outer", "log_det",
    # of a sparse L_2, see `sparse_root`, with its values in `outer`
    "order", "below", "rows", "directions", "scales",
)  # fmt: skip
(SPLIT, MODE, HYPER, SLOPES, INNER, START, COLUMNS, COUPLINGS, OUTER, LOG_DET, ORDER, BELOW,
 ROWS, DIRECTIONS, SCALES) = range(0, 30, 2)  # fmt: skip


_SIGNATURE = "void(float64[::1], int64[::1], int64, float64[::1])"
DENSEST = 2100  # rows up to which L_2 is dense
_FEW = 50  # rows up to which that of the identity is

type Matrix = Floats | sparse.csr_array


@dataclass(frozen=True, eq=False)
class CholeskyFactor:
    """L of the precision H of effects and coefficients."""

    inner: Floats  # (J, q, q) L_1^-1, its blocks
    couplings: Matrix  # (J q, D) K
    root: Floats | SparseRoot  # (D, D) L_2, lower triangular

    @property
    def width(self) -> int:
        """q, effects of a level."""
        return self.inner.shape[1]

    @property
    def log_det(self) -> float:
        """log |L|."""
        diagonal = np.diagonal(self.inner, axis1=1, axis2=2)
        inner = -float(np.log(diagonal).sum())
        if isinstance(self.root, SparseRoot):
            return inner + self.root.log_det
        return inner + float(np.log(np.diag(self.root)).sum())

    @cached_property
    def outer(self) -> Floats:
        """(D, D) L_2^-1, of a dense L_2."""
        assert isinstance(self.root, np.ndarray)
        return _triangular(self.root, np.eye(len(self.root))) if len(self.root) else self.root

    def solve(self, x: Floats) -> Floats:
        """H^-1 x, for x (N,)."""
        n_first = self.couplings.shape[0]
        first = self._inner(x[:n_first], "gij,gj->gi")
        rest = self.whiten(x[n_first:] - self.couplings.T @ first)
        rest = self.colour(rest)
        return np.concatenate([self._inner(first - self.couplings @ rest, "gji,gj->gi"), rest])

    def whiten(self, x: Floats) -> Floats:
        """L_2^-1 x, for x (D,)."""
        if isinstance(self.root, SparseRoot):
            return self.root.whiten(x)
        return _triangular(self.root, x) if len(x) else x

    def colour(self, z: Floats) -> Floats:
        """L_2'^-1 z, for z (..., D)."""
        if isinstance(self.root, SparseRoot):
            return self.root.colour(z)
        if z.ndim > 1:
            return z @ self.outer
        return _triangular(self.root, z, trans=1) if len(z) else z

    def level_blocks(self, spans: Sequence[slice], widths: Sequence[int]) -> list[Floats]:
        """Precision (J, q, q) of each level's effects, by factor, in the order of L.

        Given all later factors, coefficients, and the factor's other levels; earlier ones unknown.
        """
        found = []
        for span, q in zip(spans, widths, strict=True):
            if span.stop <= self.couplings.shape[0]:
                lower = np.linalg.inv(self.inner)
                found.append(lower @ lower.transpose(0, 2, 1))
                continue
            if isinstance(self.root, SparseRoot):
                found.append(self.root.given_later(self._own(span), q))
                continue
            whole = self.given_later(span)
            at = np.arange(len(whole)).reshape(-1, q)
            found.append(whole[at[:, :, None], at[:, None, :]])
        return found

    def given_later(self, span: slice, also: int | None = None) -> Floats:
        """Precision (k, k) of effects that are not the first factor's, given all later ones.

        With the number of a later coordinate, of the effects and this one (k + 1, k + 1).
        """
        own = self._own(span)
        rows = np.arange(own.start, own.stop)
        if also is not None:
            rows = np.append(rows, also - self.couplings.shape[0])
        if isinstance(self.root, SparseRoot):
            return self.root.schur(own.start, rows)
        lower = self.root[rows, own.start :]
        return np.asarray(lower @ lower.T)

    def _own(self, span: slice) -> slice:
        n_first = self.couplings.shape[0]
        return slice(span.start - n_first, span.stop - n_first)

    def _inner(self, x: Floats, how: str) -> Floats:
        q = self.inner.shape[1]
        return np.einsum(how, self.inner, x.reshape(-1, q)).ravel()


def factorise(
    blocks: Floats, couplings: Matrix, rest: Matrix, within: Ints | None = None
) -> CholeskyFactor:
    """L of H with first blocks (J, q, q), H_12 (J q, D), sparse or not, and H_22 (D, D), too.

    `within` (D,) are the blocks from which a sparse L_2 is made where it cannot be factored; see
    `SparseRoot.loose`. Raises numpy.linalg.LinAlgError where H is not positive definite.
    """
    lower = np.linalg.cholesky(blocks)
    q = blocks.shape[1]
    inner = np.linalg.solve(lower, np.broadcast_to(np.eye(q), lower.shape)) if len(lower) else lower
    if len(inner) and isinstance(couplings, np.ndarray):
        K: Matrix = (inner @ couplings.reshape(len(inner), q, -1)).reshape(couplings.shape)
        rest = rest - K.T @ K
    elif len(inner):
        at = np.arange(len(inner))
        block_inverse = sparse.bsr_array((inner, at, np.arange(len(inner) + 1)))
        K = sparse.csr_array(block_inverse @ couplings)
        if within is not None:
            if not np.isfinite(inner).all():
                raise np.linalg.LinAlgError("the curvature is no finite number")
            return CholeskyFactor(inner, K, SparseRoot.loose(rest, K, within))
        both = K.T @ K
        rest = rest - (both.toarray() if isinstance(rest, np.ndarray) else both)
    else:
        K = couplings
    if not isinstance(rest, np.ndarray):
        if not np.isfinite(inner).all():
            raise np.linalg.LinAlgError("the curvature is no finite number")
        if within is not None:
            return CholeskyFactor(inner, K, SparseRoot.loose(rest, sparse.csr_array(K), within))
        return CholeskyFactor(inner, K, SparseRoot.of(rest))
    if not (np.isfinite(rest).all() and np.isfinite(inner).all()):
        raise np.linalg.LinAlgError("the curvature is no finite number")
    return CholeskyFactor(inner, K, _cholesky(rest) if len(rest) else rest)


def _cholesky(S: Floats) -> Floats:
    """L (D, D), by columns, as LAPACK has it: several times as fast as NumPy's of a thousand."""
    L, failed = lapack.dpotrf(np.asfortranarray(S.T), lower=1, clean=1, overwrite_a=0)
    if failed:
        raise np.linalg.LinAlgError("the curvature is not positive definite")
    return np.asarray(L)


def _triangular(L: Floats, x: Floats, trans: int = 0) -> Floats:
    """L^-1 x, or L'^-1 x."""
    found = linalg.solve_triangular(L, x, trans=trans, lower=True, check_finite=False)
    return np.ascontiguousarray(found)


@dataclass(frozen=True, eq=False)
class Whitening:
    """theta = mode + M z."""

    mode: Floats  # (d,)
    hyper: Floats  # (h, h) C, lower triangular
    slopes: Floats  # (d - h, h) B; without entries where it is zero
    factor: CholeskyFactor  # L, of d - h effects and coefficients

    @classmethod
    def identity(cls, h: int, n_first: int = 0, q: int = 1, rest: int = 0) -> Whitening:
        """Of h variance parameters, n_first effects in levels of q, and the rest."""
        eye = np.broadcast_to(np.eye(q), (n_first // q, q, q))
        root = np.eye(rest) if rest <= _FEW else SparseRoot.identity(rest)
        factor = CholeskyFactor(eye, sparse.csr_array((n_first, rest)), root)
        return cls(np.zeros(h + n_first + rest), np.eye(h), np.zeros((0, 0)), factor)

    @property
    def log_det(self) -> float:
        """log |M|."""
        return float(np.log(np.diagonal(self.hyper)).sum()) - self.factor.log_det

    def to_theta(self, z: Floats) -> Floats:
        """theta (..., d) at z (..., d)."""
        h, (n_first, q) = len(self.hyper), (self.factor.couplings.shape[0], self.factor.width)
        moved = z[..., :h] @ self.hyper.T
        rest = self.factor.colour(z[..., h + n_first :])
        first = z[..., h : h + n_first] - rest @ self.factor.couplings.T
        first = first.reshape(*z.shape[:-1], n_first // q, q)
        first = np.einsum("gji,...gj->...gi", self.factor.inner, first)
        given = np.concatenate([first.reshape(*z.shape[:-1], n_first), rest], axis=-1)
        if self.slopes.size:
            given = given + moved @ self.slopes.T
        return self.mode + np.concatenate([moved, given], axis=-1)

    def sections(self) -> dict[str, Floats | Ints]:
        """As compiled functions read it."""
        K = sparse.csr_array(self.factor.couplings)
        return {
            "split": np.array([len(self.hyper), K.shape[0], self.factor.width]),
            "mode": self.mode,
            "hyper": self.hyper,
            "slopes": self.slopes,
            "inner": self.factor.inner,
            "start": K.indptr.astype(np.int64),
            "columns": K.indices.astype(np.int64),
            "couplings": K.data.astype(float),
            "log_det": np.array([self.log_det]),
            **_outer_sections(self.factor),
        }


def _outer_sections(factor: CholeskyFactor) -> dict[str, Floats | Ints]:
    if isinstance(factor.root, SparseRoot):
        root = factor.root
        return {
            "outer": root.values, "order": root.order, "below": root.start, "rows": root.rows,
            "directions": root.directions, "scales": root.scales,
        }  # fmt: skip
    none = np.zeros(0, np.int64)
    dense = {"outer": factor.outer, "directions": np.zeros(0), "scales": np.zeros(0)}
    return {**dense, "order": none, "below": none, "rows": none}


def non_normality(points: Floats, gradients: Floats) -> float:
    """How far a log density is from N(0, I), by its gradients (n, d) at points (n, d).

    The root mean square of their difference from -points, in the coordinate where it is largest.
    """
    return float(np.sqrt(np.mean((gradients + points) ** 2, axis=0)).max())


@jit.njit(_SIGNATURE, short_loops=True, python=False, nogil=True, error_model="numpy")
def to_theta(z, record, at, theta):
    """Fill theta = mode + M z; the whitening's sections start at `at` in the record's head."""
    split, mode, hyper = (
        ints(record, at + SPLIT),
        reals(record, at + MODE),
        reals(record, at + HYPER),
    )
    slopes, inner, outer = (
        reals(record, at + SLOPES), reals(record, at + INNER), reals(record, at + OUTER)
    )  # fmt: skip
    start, columns = ints(record, at + START), ints(record, at + COLUMNS)
    couplings = reals(record, at + COUPLINGS)
    d, h, n_first, q = z.size, split[0], split[1], split[2]
    last = h + n_first
    D, moving = d - last, h if slopes.size else 0
    rest, moved = theta[last:], theta[:h]  # without the mode until the end
    rest[:] = 0.0
    order = ints(record, at + ORDER)
    if order.size:
        v = z[last:].copy()
        scale(reals(record, at + DIRECTIONS), reals(record, at + SCALES), v)
        backward(ints(record, at + BELOW), ints(record, at + ROWS), outer, v)
        for i in range(D):
            rest[order[i]] = v[i]
    else:
        for i in range(D):
            for j in range(i + 1):
                rest[j] += outer[i * D + j] * z[last + i]
    for i in range(h):
        moved[i] = 0.0
        for j in range(i + 1):
            moved[i] += hyper[i * h + j] * z[j]
    for i in range(n_first):
        theta[h + i] = mode[h + i]
        for j in range(moving):
            theta[h + i] += slopes[i * h + j] * moved[j]
    for i in range(n_first):
        value = z[h + i]
        for k in range(start[i], start[i + 1]):
            value -= couplings[k] * rest[columns[k]]
        g, t = i // q, i % q
        for j in range(t + 1):
            theta[h + g * q + j] += inner[(g * q + t) * q + j] * value
    for i in range(D):
        shift = mode[last + i]
        for j in range(moving):
            shift += slopes[(n_first + i) * h + j] * moved[j]
        rest[i] += shift
    for i in range(h):
        moved[i] += mode[i]


@jit.njit(_SIGNATURE, short_loops=True, python=False, nogil=True, error_model="numpy")
def to_z(grad, record, at, out):
    """Fill out = M' grad."""
    split, hyper, slopes = (
        ints(record, at + SPLIT),
        reals(record, at + HYPER),
        reals(record, at + SLOPES),
    )
    inner, outer = reals(record, at + INNER), reals(record, at + OUTER)
    start, columns = ints(record, at + START), ints(record, at + COLUMNS)
    couplings = reals(record, at + COUPLINGS)
    d, h, n_first, q = grad.size, split[0], split[1], split[2]
    last = h + n_first
    D = d - last
    lead, rest = out[:h], out[last:]
    copy(grad, lead)
    copy(grad[last:], rest)
    for i in range(n_first):
        g, t = i // q, i % q
        value = 0.0
        for j in range(t + 1):
            value += inner[(g * q + t) * q + j] * grad[h + g * q + j]
        out[h + i] = value
        for k in range(start[i], start[i + 1]):
            rest[columns[k]] -= couplings[k] * value
    order = ints(record, at + ORDER)
    if order.size:
        v = np.empty(D)
        for i in range(D):
            v[i] = rest[order[i]]
        forward(ints(record, at + BELOW), ints(record, at + ROWS), outer, v)
        scale(reals(record, at + DIRECTIONS), reals(record, at + SCALES), v)
        copy(v, rest)
    else:
        for i in range(D - 1, -1, -1):
            value = 0.0
            for j in range(i + 1):
                value += outer[i * D + j] * rest[j]
            rest[i] = value
    if slopes.size:
        for i in range(d - h):
            for j in range(h):
                lead[j] += slopes[i * h + j] * grad[h + i]
    for j in range(h):
        value = 0.0
        for i in range(j, h):
            value += hyper[i * h + j] * lead[i]
        lead[j] = value


call_to_theta, call_to_z = jit.called(to_theta), jit.called(to_z)
