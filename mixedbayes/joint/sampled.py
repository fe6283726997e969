"""A term's effects as they are sampled: by level, with the columns that the rows have of them.

Levels that stand next to each other and have the same rows, such as the functions of one level's
curve, are one level here, with as many effects of one sd: what rows say of them is then known
together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Floats, Ints
from mixedbayes.terms.group import GroupDesign

_MOST = 20  # levels that are made one


@dataclass(frozen=True, eq=False)
class Sampled:
    """Effects b = R u S' of a term, u (J, q) standard normal a priori.

    R (J, J) is `root`, the identity where it is None, S (q, q) the root of one level's covariance.
    Row i adds sum_p Z_ip' b[refs_ip]; without refs it lies in all J levels, with the columns Z_i.
    """

    term: GroupDesign  # or any term
    n_levels: int  # J
    width: int  # q
    refs: Ints | None  # (n, k)
    Z: Floats  # (n, k, q), or (n, J)
    root: Floats | None
    bundle: int = 1  # levels of the term that are one here

    @classmethod
    def of(cls, term: GroupDesign) -> Sampled:
        """The effects of a term over the rows of its design."""
        root = np.asarray(term.mixed(np.eye(term.n_levels))) if term.joins else None
        if term.dense is not None:
            return cls(term, term.n_levels, 1, None, term.dense, root)
        refs = np.stack([np.asarray(refs) for refs, _ in term.pieces], axis=1)
        Z = np.stack([Z for _, Z in term.pieces], axis=1)
        k, q = refs.shape[1], len(term.terms)
        together = 1 < k <= _MOST and q == 1 and root is None
        if together and not (refs % k != np.arange(k)).any():
            first = refs[:, :1] // k
            if not (refs // k != first).any():
                return cls(term, term.n_levels // k, k, first, Z.reshape(-1, 1, k), None, k)
        return cls(term, term.n_levels, q, refs, Z, root)

    @property
    def size(self) -> int:
        """Number of effects."""
        return self.n_levels * self.width

    @property
    def dense(self) -> bool:
        """Whether every row lies in all levels."""
        return self.refs is None

    @property
    def plain(self) -> bool:
        """Whether every row lies in one level, and levels are independent."""
        return self.refs is not None and self.refs.shape[1] == 1 and self.root is None

    @cached_property
    def common(self) -> bool:
        """Whether the first effect of one level is a part of every row's intercept."""
        return self.refs is not None and self.Z.shape[1] == 1 and bool((self.Z[:, 0, 0] == 1).all())

    @property
    def turns(self) -> bool:
        """Whether u may be turned between levels: b is a full matrix times u, or u times one."""
        return self.dense or self.root is not None

    @cached_property
    def ones(self) -> bool:
        """Whether all columns are 1."""
        return not self.dense and self.width == 1 and bool((self.Z == 1).all())

    def there(self, rows: Ints) -> slice:
        """The part of some rows outside of which all columns are 0."""
        found = np.flatnonzero(self.Z[rows].reshape(len(rows), -1).any(axis=1))
        return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)

    def columns(self, rows: Ints) -> sparse.csr_array:
        """(m, J q) the columns of some rows, for b level by level; not of dense ones."""
        assert self.refs is not None
        refs, Z = self.refs[rows], self.Z[rows]
        m, k, q = Z.shape
        index = (refs[:, :, None] * q + np.arange(q)).ravel()
        shape = (m, self.size)
        found = sparse.csr_array((Z.ravel(), index, np.arange(m + 1) * (k * q)), shape=shape)
        if k > 1:
            found.sum_duplicates()
        return found

    def told(self, b: Floats) -> Floats:
        """(..., J, q) effects as the term has them."""
        return b.reshape(*b.shape[:-2], -1, 1) if self.bundle > 1 else b

    def sds(self, sd: Floats) -> Floats:
        """(..., q) sds of these effects, from the term's."""
        return np.repeat(sd, self.bundle, axis=-1) if self.bundle > 1 else sd

    def roots(self, W: Floats) -> Floats:
        """(..., q, q) roots of the correlations of these effects, from the term's."""
        if self.bundle == 1:
            return W
        return np.broadcast_to(np.eye(self.width), (*W.shape[:-2], self.width, self.width))

    def record(self, record: list[int]) -> list[int]:
        """The blocks that `terms.roots` reads, from those of the term."""
        if self.bundle == 1:
            return record
        _, sd, position = record[6:9]
        blocks = [[*record[:5], self.width, i, sd, position] for i in range(self.width)]
        return [word for block in blocks for word in block]


def in_order(terms: Iterable[GroupDesign]) -> list[Sampled]:
    """The effects of each term, by size; those of related levels behind others, smooths last.

    The first is the largest factor of which each row has one level, if there is one.
    """
    found = [Sampled.of(g) for g in terms]
    found.sort(key=lambda s: (s.dense, s.root is not None, -s.size))
    first = next((s for s in found if s.plain), None)
    if first is not None:
        found.remove(first)
        found.insert(0, first)
    return found
