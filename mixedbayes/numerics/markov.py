"""Effects of which each depends on its neighbours alone, given rows of one effect each.

b_1 ~ N(0, 1) and b_t = r_t b_(t-1) + (1 - r_t^2)^(1/2) z_t. One pass over the times has the
density of the rows, and one in either direction the variances of the effects (Kalman, 1960; Fraser
& Potter, 1969): S T operations, where dense matrices take S T^3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


def log_density(
    r: Floats, z: Floats, at: Ints, w: Floats, variance: Floats, links: Floats
) -> Floats:
    """(S,) log density of rows r = z b_at + e, e ~ N(0, variance / w), b integrated out.

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
    """
    mean, left = np.zeros(len(r)), np.ones(len(r))
    out = -0.5 * (len(w) * np.log(2 * np.pi * variance) - np.log(w).sum())
    order = np.argsort(at, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(at, minlength=links.shape[1] + 1))[:-1])
    for t, here in enumerate(rows):
        if t:
            own = links[:, t - 1]
            mean, left = own * mean, own**2 * left + (1 - own) * (1 + own)
        if not len(here):
            continue
        column, e = z[:, here], r[:, here] - z[:, here] * mean[:, None]
        told = (column**2 @ w[here]) / variance
        drawn = (column * e) @ w[here] / variance
        kept = left / (1 + left * told)
        out -= 0.5 * (np.log1p(left * told) + e**2 @ w[here] / variance - drawn**2 * kept)
        mean, left = mean + kept * drawn, kept
    return out


def variances(told: Floats, links: Floats) -> Floats:
    """(S, J, T) variances of b given rows whose precisions are `told` (S, J, T)."""
    before, after = np.ones(told.shape), np.ones(told.shape)
    for t in range(1, told.shape[-1]):
        before[..., t] = _moved(before[..., t - 1], told[..., t - 1], links[:, t - 1, None])
        after[..., -1 - t] = _moved(after[..., -t], told[..., -t], links[:, -t, None])
    # Both have the prior precision of b_t, which is 1.
    return 1 / (1 / before + told + (1 - after) / after)


def _moved(variance: Floats, told: Floats, link: Floats) -> Floats:
    """The variance of a neighbour, from that of an effect and what is then told of it."""
    return link**2 * variance / (1 + variance * told) + (1 - link) * (1 + link)
