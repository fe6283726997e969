"""Passes over the rows of the data, and which factor's levels lie within which."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**18  # rows looked at together in every pass over the data


def row_blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover n rows; nothing of length n is ever copied."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def parent_levels(
    fine: NDArray[np.integer], coarse: NDArray[np.integer], n_fine: int
) -> NDArray[np.int64] | None:
    """The one coarse level with which each fine level occurs, or None if some meets several.

    Levels are given by their codes in each row. A level without rows, such as one left out, has
    parent 0: any will do, since nothing is known of it.
    """
    parent = np.zeros(n_fine, np.int64)
    for rows in row_blocks(len(fine)):
        parent[fine[rows]] = coarse[rows]
    nested = all(np.array_equal(parent[fine[rows]], coarse[rows]) for rows in row_blocks(len(fine)))
    return parent if nested else None
