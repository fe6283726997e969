"""Roots of all factors' covariances, and their derivatives, from the coordinates: compiled.

Each set of correlated effects is one *block* of integers: the addresses of its structure's `fill`
and `slopes`, its number of effects k, the coordinate of the block's first number z, where the
factor's L (q, q) stands in the output and q; then the k effects' places in the factor, the
coordinates of their sds, -1 of an sd that is 1, and their positions, floats by their bits. Blocks
follow one another. L = diag(sd) W.
"""

from __future__ import annotations

import numpy as np

from mixedbayes import jit
from mixedbayes.terms.covariance import FILL, SLOPES

HEAD = 6
_fill, _slopes = jit.caller(FILL), jit.caller(SLOPES)


@jit.inner
def _positions(blocks, at, k):
    start = at + HEAD + 2 * k
    return blocks[start : start + k].view(np.float64)


@jit.inner
def roots(work, blocks, W, out):
    """Fill the lower triangles of all L in `out`, and W, from x in row 0 of work."""
    at = w = 0
    while at < blocks.size:
        k, z, L, q = blocks[at + 2 : at + HEAD]
        place, own = blocks[at + HEAD : at + HEAD + k], W[w : w + k * k].reshape(k, k)
        sd = blocks[at + HEAD + k : at + HEAD + 2 * k]
        if k == 1:
            own[0, 0] = 1.0
        else:
            _fill(blocks[at], work, z, _positions(blocks, at, k), own)
        for i in range(k):
            scale = work[0, sd[i]] if sd[i] >= 0 else 1.0
            for j in range(i + 1):
                out[L + place[i] * q + place[j]] = scale * own[i, j]
        at += HEAD + 3 * k
        w += k * k


@jit.inner
def root_slopes(work, blocks, W, d_out):
    """Add derivatives in the L to row 2 of work, as those in the coordinates."""
    at = w = 0
    while at < blocks.size:
        k, z, L, q = blocks[at + 2 : at + HEAD]
        place, own = blocks[at + HEAD : at + HEAD + k], W[w : w + k * k].reshape(k, k)
        sd = blocks[at + HEAD + k : at + HEAD + 2 * k]
        dW = np.zeros((k, k))
        for i in range(k):
            s, d_sd = sd[i], 0.0
            scale = work[0, s] if s >= 0 else 1.0
            for j in range(i + 1):
                d = d_out[L + place[i] * q + place[j]]
                dW[i, j] = d * scale
                d_sd += d * own[i, j]
            if s >= 0:
                work[2, s] += d_sd * work[1, s]
        if k > 1:
            _slopes(blocks[at + 1], work, z, _positions(blocks, at, k), own, dW)
        at += HEAD + 3 * k
        w += k * k
