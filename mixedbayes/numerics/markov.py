"""Effects of which each depends on its neighbours alone, given rows of one such effect each.

b_1 ~ N(0, 1) and b_t = r_t b_(t-1) + (1 - r_t^2)^(1/2) z_t. One pass over the times has the
density of the rows, and one in either direction the variances of the effects (Kalman, 1960; Fraser
& Potter, 1969): S T operations, where dense matrices take S T^3. Beside the chain there may be few
other effects u ~ N(0, I) of all the rows, whose columns go through the same passes: with V the
rows' covariance by the chain alone, Woodbury's identity needs X'V^-1 X.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


def log_density(
    r: Floats,
    z: Floats,
    at: Ints,
    w: Floats,
    variance: Floats,
    links: Floats,
    X: Floats | None = None,
) -> Floats:
    """(S,) log density of rows r = z b_at + X u + e, e ~ N(0, variance / w), without b and u.

    Parameters
    ----------
    r, z
        (S, m) what is left of the rows, and what b is multiplied by in them.
    at
        (m,) the place of each row's effect.
    w, variance
        (m,) and (S,).
    links
        (S, T - 1) correlations of neighbours.
    X
        (S, m, d) columns of the other effects; None without.
    """
    columns = r[:, :, None] if X is None else np.concatenate([r[:, :, None], X], axis=2)
    c = columns.shape[2]
    mean, left = np.zeros((len(r), c)), np.ones(len(r))
    square = np.zeros((len(r), c, c))  # of the columns, by V^-1
    out = -0.5 * (len(w) * np.log(2 * np.pi * variance) - np.log(w).sum())
    order = np.argsort(at, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(at, minlength=links.shape[1] + 1))[:-1])
    for t, here in enumerate(rows):
        if t:
            link = links[:, t - 1]
            mean, left = link[:, None] * mean, link**2 * left + (1 - link) * (1 + link)
        if not len(here):
            continue
        column = z[:, here]
        e = columns[:, here] - column[:, :, None] * mean[:, None]
        we = w[here, None] * e / variance[:, None, None]
        told = (column**2 @ w[here]) / variance
        drawn = np.einsum("sm,smc->sc", column, we)
        kept = left / (1 + left * told)
        out -= 0.5 * np.log1p(left * told)
        square += np.swapaxes(e, 1, 2) @ we
        square -= kept[:, None, None] * drawn[:, :, None] * drawn[:, None, :]
        mean, left = mean + kept[:, None] * drawn, kept
    out -= 0.5 * square[:, 0, 0]
    if c == 1:
        return out
    H = square[:, 1:, 1:] + np.eye(c - 1)
    half = np.linalg.solve(root := np.linalg.cholesky(H), square[:, 1:, :1])[..., 0]
    log_det = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return out + 0.5 * ((half**2).sum(axis=1) - log_det)


def each_row(
    r: Floats,
    z: Floats,
    at: Ints,
    w: Floats,
    variance: Floats,
    links: Floats,
    X: Floats | None = None,
) -> tuple[Floats, Floats]:
    """`log_density` of all rows (S,), and of each given all others (S, m).

    With P the inverse of the rows' covariance, row i given the others has the variance 1 / P_ii and
    is (P r)_i / P_ii from its mean; 1 - P_ii variance / w is the share that the effects' variance
    given all rows has of the row's.
    """
    m, T = len(w), links.shape[1] + 1
    columns = r[:, :, None] if X is None else np.concatenate([r[:, :, None], X], axis=2)
    each = sparse.csr_array((np.ones(m), (at, np.arange(m))), shape=(T, m))
    precision = w / variance[:, None]
    told = (each @ (precision * z**2).T).T
    pulls = np.moveaxis((precision * z)[:, :, None] * columns, 2, 0)
    drawn = np.stack([(each @ own.T).T for own in pulls], axis=2)
    alone, mean = _smoothed(told[:, None], drawn[:, None], links)
    alone, mean = alone[:, 0], mean[:, 0]
    left = columns - z[:, :, None] * mean[:, at]  # of each column, without the chain
    rest, spread = left[:, :, 0], z**2 * alone[:, at]
    if columns.shape[2] > 1:
        square = np.einsum("sm,smi,smj->sij", precision, columns, left, optimize=True)
        H = np.linalg.inv(square[:, 1:, 1:] + np.eye(square.shape[1] - 1))
        u = (H @ square[:, 1:, :1])[:, None, :, 0]
        rest = rest - (left[:, :, 1:] * u).sum(axis=2)
        spread = spread + np.einsum("smi,sij,smj->sm", left[:, :, 1:], H, left[:, :, 1:])
    share = 1 - precision * spread
    own = -0.5 * (np.log(2 * np.pi / (precision * share)) + precision * rest**2 / share)
    return log_density(r, z, at, w, variance, links, X), own


def variances(told: Floats, links: Floats) -> Floats:
    """(S, J, T) variances of b given rows whose precisions are `told` (S, J, T)."""
    return _smoothed(told, np.zeros((*told.shape, 0)), links)[0]


def variances_beside(
    told: Floats, drawn: Floats, square: Floats, links: Floats
) -> tuple[Floats, Floats]:
    """(S, J, T) variances of b, and (S, J, d) of other effects u, given the rows of J levels.

    Parameters
    ----------
    told
        (S, J, T) sums of w z^2 / variance over the rows of each effect of the chain.
    drawn
        (S, J, T, d) those of w z X / variance.
    square
        (S, J, d, d) sums of w X X' / variance over all rows.
    links
        (S, T - 1).
    """
    alone, mean = _smoothed(told, drawn, links)
    H = square - np.swapaxes(drawn, -1, -2) @ mean + np.eye(drawn.shape[-1])
    others = np.linalg.inv(H)
    own = alone + np.einsum("...td,...de,...te->...t", mean, others, mean)
    return own, np.diagonal(others, axis1=-2, axis2=-1)


def _smoothed(told: Floats, drawn: Floats, links: Floats) -> tuple[Floats, Floats]:
    """Variances (S, J, T) of b, and its means (S, J, T, d) were the rows each of these columns."""
    T = told.shape[-1]
    before, after = np.ones(told.shape), np.ones(told.shape)
    first, last = np.zeros(drawn.shape), np.zeros(drawn.shape)
    for t in range(1, T):
        for variance, mean, own, seen, link in (
            (before, first, t, t - 1, links[:, t - 1, None]),
            (after, last, T - 1 - t, T - t, links[:, T - 1 - t, None]),
        ):
            v, said = variance[..., seen], told[..., seen]
            left = v / (1 + v * said)
            variance[..., own] = link**2 * left + (1 - link) * (1 + link)
            moved = (mean[..., seen, :] / v[..., None] + drawn[..., seen, :]) * left[..., None]
            mean[..., own, :] = link[..., None] * moved
    # Both have the prior precision of b_t, which is 1.
    found = 1 / (1 / before + told + (1 - after) / after)
    summed = first / before[..., None] + drawn + last / after[..., None]
    return found, found[..., None] * summed
