"""Rows in the order in which the integral reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Ints

_ROWS = 256  # of a block, at least
_ROWS_OF_TREES = 1024  # likewise, where a block has whole trees
_GROUPS = 32  # of a block, or a multiple: some vectors of numbers


@dataclass(frozen=True, eq=False)
class Blocks:
    """Groups in blocks, and within a block the first rows of all groups, the second rows, ...

    Groups with most rows come first, so that in a block those that have a row of some number, its
    *slot*, are the first ones.
    """

    levels: Ints  # (J,) the level of each group
    rows: Ints  # (n,) the row in each place
    groups: Ints  # first group of each block, and J
    firsts: Ints  # first slot of each block, and their number
    slots: Ints  # first place of each slot, and n

    @classmethod
    def of(cls, refs: Ints, J: int) -> Blocks:
        """Of rows with these levels (n,), of J in all."""
        counts = np.bincount(refs, minlength=J)
        levels = np.argsort(-counts, kind="stable")
        sizes = counts[levels]
        ends = np.cumsum(sizes)
        groups = [0]
        while groups[-1] < J:
            before = ends[groups[-1] - 1] if groups[-1] else 0
            enough = int(np.searchsorted(ends, before + _ROWS)) + 1
            many = -(-(enough - groups[-1]) // _GROUPS) * _GROUPS
            groups.append(min(groups[-1] + many, J))
        return cls._in_order(refs, levels, sizes, np.array(groups))

    @classmethod
    def of_trees(cls, refs: Ints, roots: Ints, many: int) -> tuple[Blocks, Ints]:
        """Of rows with these levels (n,), each of which lies in one of so many `roots` (J,).

        A block has all levels of its roots; the block of each root is the second.
        """
        counts = np.bincount(refs, minlength=len(roots))
        rows = np.bincount(roots, counts, many)
        filled = (np.cumsum(rows) - rows) // _ROWS_OF_TREES
        block = np.unique(filled, return_inverse=True)[1]
        levels = np.lexsort((-counts, block[roots]))
        groups = np.searchsorted(block[roots][levels], np.arange(block[-1] + 2))
        return cls._in_order(refs, levels, counts[levels], groups), block

    @classmethod
    def _in_order(cls, refs: Ints, levels: Ints, sizes: Ints, groups: Ints) -> Blocks:
        """Of levels in this order, so many rows each, in blocks that begin with these."""
        J = len(levels)
        position = np.empty(J, np.int64)
        position[levels] = np.arange(J)
        group = position[refs]
        block = np.searchsorted(groups, group, side="right") - 1
        by_group = np.argsort(group, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)])
        number = np.empty(len(refs), np.int64)
        number[by_group] = np.arange(len(refs)) - starts[group[by_group]]
        rows = np.lexsort((group, number, block))
        deepest = sizes[groups[:-1]]  # slots of each block
        firsts = np.concatenate([[0], np.cumsum(deepest)])
        slot = firsts[block[rows]] + number[rows]
        slots = np.searchsorted(slot, np.arange(firsts[-1] + 1))
        return cls(levels, rows, groups, firsts, slots)
