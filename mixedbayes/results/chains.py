"""Factors with a chain of effects, `ar1(visit | g)`, for tables and checks: alone, or beside few
others of the same levels, `(1 | g) + ar1(visit | g)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.results.posterior import Posterior

FEWEST = 8  # effects of a level from which on passes over the times are faster


@dataclass(frozen=True, eq=False)
class Chain:
    """The effects of a level in their order, of which a row has one; all others are independent."""

    order: NDArray[np.integer]  # (T,) places of the effects among the factor's
    others: NDArray[np.integer]  # (d,) places of those beside the chain
    place: NDArray[np.integer]  # (n,) of each row's effect in that order
    column: Floats  # (n,) what it is multiplied by
    links: Floats  # (S, T - 1) correlations of neighbours

    @classmethod
    def of(cls, post: Posterior, g: GroupDesign, parameter: str = names.MU) -> Chain | None:
        """None where the factor is of another kind, or has few effects."""
        structure, longest = g.covariance, max(g.blocks, key=len)
        odd = g.related_to is not None or g.arms is not None or any(g.ids) or g.entangled
        if odd or not (structure.chain and structure.one_sd and g.law.normal):
            return None
        k = len(longest)
        if k < FEWEST or sum(len(block) > 1 for block in g.blocks) > 1:
            return None
        order = np.array(sorted(longest))
        others = np.setdiff1d(np.arange(len(g.terms)), order)
        Z = g.Z[:, order]
        if (np.count_nonzero(Z, axis=1) > 1).any():
            return None
        place = np.argmax(Z != 0, axis=1)
        z = g.numbers_of(post.cor_numbers(g.name, parameter))
        numbers = [z[:, m, None] for m in range(z.shape[1])]
        links = structure.between(numbers, np.diff(structure.positions(k)))
        shape = post.n_draws, k - 1
        column = Z[np.arange(len(Z)), place]
        return cls(order, others, place, column, np.broadcast_to(links, shape))
