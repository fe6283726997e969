"""Normal vectors whose covariance is diagonal but for few effects: Woodbury's identity.

r = B u + e with u ~ N(0, I) and e ~ N(0, W^-1) has the covariance V = W^-1 + B B'. With
H = I + B'W B only matrices of the size of u are factored:

    V^-1 = W - W B H^-1 B'W,    |V| = |H| / |W|,    u | r ~ N(H^-1 B'W r, H^-1),
    r'V^-1 r = |W^(1/2) (r - B u)|^2 + |u|^2    with u at its mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_solve
from scipy.sparse.linalg import splu

Floats = NDArray[np.float64]
_MANY = 30  # effects


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


def solve(w: Floats, B: Any, A: Floats) -> Floats:
    """V^-1 A (n, c) for W = diag(w), a sparse B (n, k) and A (n, c)."""
    WA = w[:, None] * A
    H = sparse.identity(B.shape[1], format="csc") + B.T @ B.multiply(w[:, None])
    return WA - w[:, None] * (B @ splu(H.tocsc()).solve(np.asarray(B.T @ WA)))
