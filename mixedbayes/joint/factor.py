"""The affine map theta = mode + M z of the walk, and its transpose for gradients.

M M' approximates the posterior's covariance, so that z has nearly independent coordinates of unit
scale. The variance parameters come first: theta_h = mode_h + C z_h. Given them the effects and
coefficients are nearly normal with precision H = L L', and their centre moves by B (theta_h -
mode_h). The effects of the first, largest grouping factor come before all others in L, so that
their part is block diagonal and what couples them to the rest is sparse:

    L = [[L_1, 0], [K', L_2]],  x_2 = L_2^-T z_2,  x_1 = L_1^-T (z_1 - K x_2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import linalg, sparse

from mixedbayes.design.types import Floats, Ints


@dataclass(frozen=True, eq=False)
class Factor:
    """L of the precision H of effects and coefficients."""

    inner: Floats  # (J, q, q) L_1^-1, its blocks
    couplings: sparse.csr_array  # (J q, D) K
    outer: Floats  # (D, D) L_2^-1, lower triangular

    @property
    def log_det(self) -> float:
        """log |L|."""
        q = self.inner.shape[1]
        diagonal = self.inner[:, range(q), range(q)].ravel()
        return -float(np.log(diagonal).sum() + np.log(np.diag(self.outer)).sum())

    def solve(self, x: Floats) -> Floats:
        """H^-1 x, for x (N,)."""
        n_first = self.couplings.shape[0]
        first = self._inner(x[:n_first], "gij,gj->gi")
        rest = self.outer @ (x[n_first:] - self.couplings.T @ first)
        rest = self.outer.T @ rest
        return np.concatenate([self._inner(first - self.couplings @ rest, "gji,gj->gi"), rest])

    def level_blocks(self, spans: Sequence[slice], widths: Sequence[int]) -> list[Floats]:
        """Precision (J, q, q) of each level's effects, by factor, in the order of L.

        Given all later factors, coefficients, and the factor's other levels; earlier ones unknown.
        """
        n_first, found = self.couplings.shape[0], []
        for k, span in enumerate(spans):
            if k == 0:
                lower = np.linalg.inv(self.inner)
                found.append(lower @ lower.transpose(0, 2, 1))
                continue
            own = slice(span.start - n_first, span.stop - n_first)
            lower = linalg.solve_triangular(
                self.outer[own, own], np.eye(span.stop - span.start), lower=True
            )
            whole = lower @ lower.T
            q = widths[k]
            at = np.arange(len(whole)).reshape(-1, q)
            found.append(whole[at[:, :, None], at[:, None, :]])
        return found

    def _inner(self, x: Floats, how: str) -> Floats:
        q = self.inner.shape[1]
        return np.einsum(how, self.inner, x.reshape(-1, q)).ravel()


def factorise(blocks: Floats, couplings: sparse.csr_array, rest: Floats) -> Factor:
    """L of H with first blocks (J, q, q), H_12 (J q, D) sparse and H_22 (D, D).

    Raises numpy.linalg.LinAlgError where H is not positive definite.
    """
    lower = np.linalg.cholesky(blocks)
    q = blocks.shape[1]
    inner = np.linalg.solve(lower, np.broadcast_to(np.eye(q), lower.shape)) if len(lower) else lower
    if len(inner):
        at = np.arange(len(inner))
        block_inverse = sparse.bsr_array((inner, at, np.arange(len(inner) + 1)))
        K = sparse.csr_array(block_inverse @ couplings)
        rest = rest - (K.T @ K).toarray()
    else:
        K = couplings
    if not (np.isfinite(rest).all() and np.isfinite(inner).all()):
        raise np.linalg.LinAlgError("the curvature is no finite number")
    L2 = np.linalg.cholesky(rest)
    outer = linalg.solve_triangular(L2, np.eye(len(rest)), lower=True) if len(rest) else rest
    return Factor(inner, K, outer)


@njit(error_model="numpy", nogil=True)
def to_theta(z, mode, h, n_first, hyper, slopes, inner, start, columns, couplings, outer, theta):
    """Fill theta = mode + M z."""
    d = z.size
    D, q = d - h - n_first, inner.size // max(n_first, 1)
    rest = np.zeros(D)
    for i in range(D):
        value = z[h + n_first + i]
        for j in range(i + 1):
            rest[j] += outer[i * D + j] * value
    for i in range(h):
        theta[i] = 0.0
        for j in range(i + 1):
            theta[i] += hyper[i * h + j] * z[j]
    for i in range(d - h):
        shift = mode[h + i]
        for j in range(h):
            shift += slopes[i * h + j] * theta[j]
        theta[h + i] = shift
    for i in range(h):
        theta[i] += mode[i]
    for i in range(D):
        theta[h + n_first + i] += rest[i]
    for i in range(n_first):
        value = z[h + i]
        for k in range(start[i], start[i + 1]):
            value -= couplings[k] * rest[columns[k]]
        g, t = i // q, i % q
        for j in range(t + 1):
            theta[h + g * q + j] += inner[(g * q + t) * q + j] * value


@njit(error_model="numpy", nogil=True)
def to_z(grad, h, n_first, hyper, slopes, inner, start, columns, couplings, outer, out):
    """Fill out = M' grad."""
    d = grad.size
    D, q = d - h - n_first, inner.size // max(n_first, 1)
    rest = grad[h + n_first :].copy()
    for i in range(n_first):
        g, t = i // q, i % q
        value = 0.0
        for j in range(t + 1):
            value += inner[(g * q + t) * q + j] * grad[h + g * q + j]
        out[h + i] = value
        for k in range(start[i], start[i + 1]):
            rest[columns[k]] -= couplings[k] * value
    for i in range(D):
        value = 0.0
        for j in range(i + 1):
            value += outer[i * D + j] * rest[j]
        out[h + n_first + i] = value
    lead = grad[:h].copy()
    for i in range(d - h):
        for j in range(h):
            lead[j] += slopes[i * h + j] * grad[h + i]
    for j in range(h):
        out[j] = 0.0
        for i in range(j, h):
            out[j] += hyper[i * h + j] * lead[i]


def identity(n_first: int, q: int, rest: int) -> Factor:
    """The factor of the identity."""
    eye = np.broadcast_to(np.eye(q), (n_first // q if q else 0, q, q))
    return Factor(np.ascontiguousarray(eye), sparse.csr_array((n_first, rest)), np.eye(rest))


def walk_sections(
    mode: Floats, hyper: Floats, slopes: Floats, factor: Factor
) -> dict[str, Floats | Ints]:
    """The walk as sections of the kernel's record."""
    log_det = float(np.log(np.diag(hyper)).sum()) - factor.log_det
    return {
        "mode": mode,
        "hyper": hyper,
        "slopes": slopes,
        "inner": factor.inner,
        "start": factor.couplings.indptr.astype(np.int64),
        "columns": factor.couplings.indices.astype(np.int64),
        "couplings": factor.couplings.data.astype(float),
        "outer": factor.outer,
        "log_det": np.array([log_det]),
    }
