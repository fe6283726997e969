"""Effects in chains, `ar1(visit | g)` and `ou(time | g)`, as the sparse kernel takes them.

Each of the T effects of a level depends on the one before it alone, so that their precision has
entries next to its diagonal alone. The kernel has every effect of every level as a level of one
effect of its own, and its cost is linear in J T, where a dense covariance (T, T) costs J T^3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Floats
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.terms.base import Term
from mixedbayes.terms.chain import distinct_steps

if TYPE_CHECKING:
    from mixedbayes.marginal.sparse.products import Effects

FEWEST = 8  # effects of a level from which on it is faster than a dense covariance


@dataclass(frozen=True, eq=False)
class Chained:
    """A term one block of whose effects is a chain; each other effect is independent of all."""

    term: Term
    blocks: tuple[tuple[int, ...], ...]  # ascending each, in the term's order of blocks
    distances: Floats  # (D,) distinct ones of neighbours
    number: NDArray[np.int64]  # (T - 1,) which of them each two neighbours have

    @classmethod
    def of(cls, term: Term) -> Chained | None:
        """None where the effects are no chain, or so few that a dense covariance is no slower."""
        blocks = tuple(tuple(sorted(block)) for block in term.blocks)
        longest = max(blocks, key=len)
        structure = term.covariance
        chain = structure.chain and structure.one_sd and len(structure.at) == len(longest)
        if not chain or len(longest) < FEWEST or sum(len(b) > 1 for b in blocks) > 1:
            return None
        if len(term.pieces) > 1 or term.arms is not None or any(term.ids):
            return None
        if (np.count_nonzero(term.pieces[0][1][:, longest], axis=1) > 1).any():
            return None  # a row has one position
        return cls(term, blocks, *distinct_steps(structure.positions(len(longest))))

    def effects(self) -> list[Effects]:
        """What the kernel integrates, a term for each block."""
        from mixedbayes.marginal.sparse.products import Effects

        (refs, Z), t = self.term.pieces[0], self.term
        known = t.precision, t.log_determinant
        out = []
        for block in self.blocks:
            if len(block) == 1:
                out.append(Effects([(refs, Z[:, block])], t.n_levels, *known))
                continue
            T, rows = len(block), np.arange(len(refs))
            place = np.argmax(Z[:, block] != 0, axis=1)
            own = np.asarray(refs, np.int64) * T + place
            column = Z[rows, np.array(block)[place]][:, None]
            out.append(Effects([(own, column)], t.n_levels * T, *known, chain=self.number))
        return out

    def sds(self, sd: Floats) -> list[Floats]:
        """(..., 1, 1) of each block, from those of all effects (..., q)."""
        return [sd[..., block[0], None, None] for block in self.blocks]

    def correlated(self, z: Floats, sds: Sequence[float], links: Floats) -> Floats:
        """(J, q) effects with these sds of the blocks, from independent standard normal ones."""
        out, (r, s) = z.copy(), links.reshape(-1, 4)[self.number, 2:].T
        for block, sd in zip(self.blocks, sds, strict=True):
            for k in range(1, len(block)):
                out[:, block[k]] = r[k - 1] * out[:, block[k - 1]] + s[k - 1] * z[:, block[k]]
            out[:, list(block)] *= sd
        return out

    def joined(self, parts: Sequence[Floats]) -> Floats:
        """(..., J, q) effects, from those of each block."""
        if len(parts) == 1:
            return parts[0]
        order = np.argsort([k for block in self.blocks for k in block])
        return np.concatenate(parts, axis=-1)[..., order]

    def summary(self, parts: Sequence[EffectsSummary]) -> EffectsSummary:
        """The same of their summaries."""
        every = ([getattr(part, name) for part in parts] for name in ("mean", "sd", "quantiles"))
        return EffectsSummary(*map(self.joined, every))


def chains_of(terms: Sequence[Term]) -> Mapping[str, Chained]:
    """Those of the terms that are chains, by name."""
    found = ((t.name, Chained.of(t)) for t in terms)
    return {name: chain for name, chain in found if chain is not None}
