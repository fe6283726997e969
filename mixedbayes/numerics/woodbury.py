"""Normal vectors whose covariance is diagonal but for few effects: Woodbury's identity.

r = B u + e with u ~ N(0, I) and e ~ N(0, W^-1) has the covariance V = W^-1 + B B'. With
H = I + B'W B only matrices of the size of u are factored:

    V^-1 = W - W B H^-1 B'W,    |V| = |H| / |W|,    u | r ~ N(H^-1 B'W r, H^-1),
    r'V^-1 r = |W^(1/2) (r - B u)|^2 + |u|^2    with u at its mean.

A row given the others is normal as well: with h = (W B H^-1 B')_ii and e = r - B u at the mean,

    y_i - E[y_i | others] = e_i / (1 - h),    var(y_i | others) = 1 / (w_i (1 - h)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_solve
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
_MANY = 30  # effects
_BLOCK = 2**17  # rows x draws at a time: arrays of this size stay near the processor


@dataclass(frozen=True, eq=False)
class Given:
    """The effects u given r, and the density of r, in every draw."""

    mean: Floats  # (S, k) of u
    root: Floats  # (S, k, k) lower triangular, root root' = H the precision of u
    log_density: Floats  # (S,) of r, u integrated out


def given(r: Floats, B: Floats, w: Floats, variance: Floats) -> Given:
    """For residuals r (S, m), columns B (S, m, k) and W = w / variance, w (m,), variance (S,)."""
    WB = w[:, None] * B / variance[:, None, None]
    H = B.transpose(0, 2, 1) @ WB
    H[:, range(H.shape[1]), range(H.shape[1])] += 1.0
    root = np.linalg.cholesky(H)
    right = (WB.transpose(0, 2, 1) @ r[:, :, None])[:, :, 0]
    if H.shape[1] > _MANY:  # a second factorisation would take longer than a loop
        u = np.stack([cho_solve((own, True), b) for own, b in zip(root, right, strict=True)])
    else:
        u = np.linalg.solve(H, right[:, :, None])[:, :, 0]
    left = r - (B @ u[:, :, None])[:, :, 0]
    log_det = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    quadratic = (w * left**2).sum(axis=1) / variance + (u**2).sum(axis=1)
    constant = len(w) * np.log(2 * np.pi * variance) - np.log(w).sum()
    return Given(u, root, -0.5 * (constant + log_det + quadratic))


def each_row(r: Floats, B: Floats, w: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Log density (S,) of all rows, and (S, m) of each row given the others; as `given`."""
    found = given(r, B, w, variance)
    left = r - (B @ found.mean[:, :, None])[:, :, 0]
    half = np.linalg.solve(found.root, B.transpose(0, 2, 1))
    taken = w * (half**2).sum(axis=1) / variance[:, None]
    return found.log_density, _alone(left, taken, w, variance[:, None])


def _alone(left: Floats, taken: Floats, w: Floats, variance: Floats) -> Floats:
    """log p(y_i | others) for e, h, and w and variance that fit them."""
    quadratic = w * left**2 / (variance * (1 - taken))
    return -0.5 * (np.log(2 * np.pi * variance / w) - np.log1p(-taken) + quadratic)


def of_groups(
    r: Floats,
    columns: Sequence[tuple[Floats, Floats]],
    w: Floats,
    variance: Floats,
    starts: NDArray[np.integer],
    each: bool = False,
) -> tuple[Floats, Floats | None]:
    """`given` of many groups with few effects, by operations on arrays over rows and draws.

    Parameters
    ----------
    r
        (n, S) residuals, those of a group together.
    columns
        Of each factor Z (n, q), and (q, d, S) a root of its effects' covariance; B is all Z L.
    w, variance
        (n,), (S,)
    starts
        (G,) first row of each group.
    each
        Whether each row's density given the others of its group is wanted.

    Returns
    -------
    log density of the groups (G, S), and of each row given the others (n, S) or None.
    """
    n, draws = r.shape
    sizes = np.diff(np.append(starts, n))
    whole, alone = np.empty((len(starts), draws)), np.empty((n, draws)) if each else None
    at, most = 0, max(1, _BLOCK // draws)
    while at < len(starts):
        other = np.flatnonzero(sizes[at:] != sizes[at])
        alike = int(other[0]) if len(other) else len(starts) - at
        size, to = sizes[at], at + min(alike, max(1, most // sizes[at]))
        rows, shape = slice(starts[at], starts[at] + size * (to - at)), (to - at, size, -1)
        B = [
            sum(Z[rows, i].reshape(shape) * L[i, a] for i in range(Z.shape[1]))
            for Z, L in columns
            for a in range(L.shape[1])
        ]
        own = None if alone is None else alone[rows].reshape(shape)
        whole[at:to] = _alike(r[rows].reshape(shape), B, w[rows].reshape(shape), variance, own)
        at = to
    return whole, alone


def _alike(
    r: Floats, B: Sequence[Any], w: Floats, variance: Floats, alone: Floats | None
) -> Floats:
    """(G, S) of groups of m rows each: r and columns (G, m, S), w (G, m, 1); fills `alone`."""
    k, (count, m, draws) = len(B), r.shape
    WB = [w * b / variance for b in B]

    def sums(left: Floats, right: Floats) -> Floats:
        return np.einsum("gms,gms->gs", left, right)

    H = {(a, b): sums(WB[a], B[b]) for a in range(k) for b in range(a + 1)}
    u = [sums(WB[a], r) for a in range(k)]
    for a in range(k):  # H becomes its root, and u = H^-1 B'W r
        H[a, a] += 1.0
        for b in range(a + 1):
            for c in range(b):
                H[a, b] -= H[a, c] * H[b, c]
            H[a, b] = np.sqrt(H[a, a]) if a == b else H[a, b] / H[b, b]
        for b in range(a):
            u[a] -= H[a, b] * u[b]
        u[a] /= H[a, a]
    for a in reversed(range(k)):
        for b in range(a + 1, k):
            u[a] -= H[b, a] * u[b]
        u[a] /= H[a, a]
    left = r.copy()
    for a in range(k):
        left -= u[a][:, None] * B[a]
    log_det, quadratic = np.zeros((count, draws)), sums(w * left, left) / variance
    for a in range(k):
        log_det += np.log(H[a, a])
        quadratic += u[a] ** 2
    constant = m * np.log(2 * np.pi * variance) - np.log(w).sum(axis=1)
    if alone is not None:
        taken = np.zeros_like(left)
        half: list[Floats] = []
        for a in range(k):
            x = np.array(B[a])
            for b in range(a):
                x -= H[a, b][:, None] * half[b]
            x /= H[a, a][:, None]
            half.append(x)
            taken += x**2
        alone[:] = _alone(left, w * taken / variance, w, variance)
    return -0.5 * (constant + 2 * log_det + quadratic)


def solve(w: Floats, B: Any, A: Floats) -> Floats:
    """V^-1 A (n, c) for W = diag(w), a sparse B (n, k) and A (n, c)."""
    WA = w[:, None] * A
    H = sparse.identity(B.shape[1], format="csc") + B.T @ B.multiply(w[:, None])
    return WA - w[:, None] * (B @ splu(H.tocsc()).solve(np.asarray(B.T @ WA)))
