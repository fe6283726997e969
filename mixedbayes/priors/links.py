"""Roots of the correlations of two neighbours, W (2, 2), which say all of a chain: as arrays,
graphs, and the blocks that compiled code makes them by. They serve equal correlations as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.terms.chain import SMALLEST
from mixedbayes.terms.covariance import Covariance

Floats = NDArray[np.float64]

FIXED = -1  # coordinate of an sd that is 1


def link_roots(structure: Covariance, z: Floats, distances: Floats) -> Floats:
    """(..., 4 D) roots for D distances, from the numbers z (..., m)."""
    own = [z[..., m, None] for m in range(z.shape[-1])]
    r = np.asarray(structure.between(own, distances))
    W = np.zeros((*r.shape, 4))
    W[..., 0], W[..., 2] = 1.0, r
    W[..., 3] = np.sqrt(np.maximum((1 - r) * (1 + r), SMALLEST))
    return W.reshape(*z.shape[:-1], -1)


def link_graph(structure: Covariance, z: Sequence[Any], distances: Floats, xp: Any) -> Any:
    """The same (4 D,) as a graph, from scalars z; `xp` is pytensor's tensor module."""
    r = structure.between([xp.as_tensor(x)[None] for x in z], distances)
    one, none = xp.ones_like(r), xp.zeros_like(r)
    return xp.stack([one, none, r, xp.sqrt((1 - r) * (1 + r))], axis=1).ravel()


def link_blocks(structure: Covariance, distances: Floats, z: int, out: int) -> list[int]:
    """The blocks that `terms.roots` reads: numbers from coordinate z on, roots from `out` on."""
    record = list[int]()
    for k, distance in enumerate(distances):
        record += root_block(structure, np.array([0.0, distance]), z, out + 4 * k)
    return record


def root_block(structure: Covariance, at: Floats, z: int, out: int) -> list[int]:
    """The block of correlations of effects at positions `at`, their sds 1."""
    k = len(at)
    places = (*range(k), *[FIXED] * k, *at.astype(float).view(np.int64).tolist())
    return [*structure.addresses, k, z, out, k, *places]
