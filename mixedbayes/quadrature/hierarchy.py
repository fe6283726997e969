"""Nested factors as a tree of levels, and its rows in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.quadrature.blocks import Blocks

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Levels of nested factors, the finest factor first, in the order of their blocks.

    A block has whole trees: coarsest levels with all that lies within them.
    """

    NONE: ClassVar[dict[str, Floats | Ints]] = {"tree": _NONE, "above": _NONE, "places": _NONE}

    blocks: Blocks  # of the rows, by the finest factor
    factors: tuple[int, ...]  # of the layout's, the finest first
    levels: tuple[Ints, ...]  # of each factor the level in each place
    starts: tuple[Ints, ...]  # of each factor the first place of each block, and their number
    above: tuple[Ints, ...]  # of each factor but the last the place of the level above each

    @classmethod
    def of(cls, groups: Sequence[GroupDesign], rows: Ints) -> Hierarchy | None:
        """Of factors each of which lies within the next coarser one; None of a single one.

        `rows` are those of the design that are kept.
        """
        if len(groups) < 2:
            return None
        order = sorted(range(len(groups)), key=lambda k: -groups[k].n_levels)
        terms = [groups[k] for k in order]
        parents: list[Ints] = []
        for finer, coarser in pairwise(terms):
            found = finer.parents(coarser)
            assert found is not None  # `obstacle` says so first
            parents.append(np.asarray(found, np.int64))
        root = np.arange(terms[-1].n_levels)
        roots = [root]  # of each level of each factor the coarsest level above it
        for above in reversed(parents):
            roots.insert(0, roots[0][above])
        refs = np.asarray(terms[0].refs, np.int64)[rows]
        blocks, block = Blocks.of_trees(refs, roots[0], terms[-1].n_levels)
        levels = [blocks.levels]
        levels += [np.argsort(block[r], kind="stable") for r in roots[1:]]
        E = len(blocks.groups) - 1
        starts = [
            np.searchsorted(block[r][own], np.arange(E + 1))
            for r, own in zip(roots, levels, strict=True)
        ]
        places = [np.argsort(own) for own in levels]
        ups = [places[d + 1][up][levels[d]] for d, up in enumerate(parents)]
        return cls(blocks, tuple(order), tuple(levels), tuple(starts), tuple(ups))

    @property
    def n_levels(self) -> int:
        """Of all factors."""
        return sum(map(len, self.levels))

    def sections(self) -> dict[str, Floats | Ints]:
        """What `tree.levels_of` reads."""
        head = [len(self.factors), len(self.starts[0]) - 1]
        return {
            "tree": np.concatenate([head, *self.starts]),
            "above": np.concatenate(self.above),
            "places": np.array(self.factors),
        }

    def split(self, u: Floats) -> list[Floats]:
        """Of each factor of the layout, of which `u` (S, J) has all, (S, J_f) level by level."""
        ends = np.cumsum([len(own) for own in self.levels])[:-1]
        found: list[Floats] = [u] * len(self.factors)
        for k, own, part in zip(self.factors, self.levels, np.split(u, ends, axis=-1), strict=True):
            found[k] = part[:, np.argsort(own)]
        return found
