"""Effects of one grouping factor that are correlated across parameters: `(x | id | g)` in several
formulas.

All effects over such a factor, of every parameter, have one correlation matrix. Effects with the
same id are one block of it; between blocks it is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from mixedbayes import names
from mixedbayes.terms.group import GroupDesign
from mixedbayes.terms.unstructured import UNSTRUCTURED

type Member = tuple[str, GroupDesign]  # a parameter, and the factor's effects on it
type Place = tuple[str, slice]


@dataclass(frozen=True, eq=False)
class Across:
    """A factor's effects on several parameters, in the order of the predictors."""

    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Of the grouping factor."""
        return self.members[0][1].name

    @cached_property
    def places(self) -> Mapping[str, slice]:
        """Where the effects on each parameter are among all."""
        ends = pairwise(np.cumsum([0, *(len(g.terms) for _, g in self.members)]).tolist())
        return {p: slice(*own) for (p, _), own in zip(self.members, ends, strict=True)}

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """(q,) "Intercept", "sigma_Intercept", ..."""
        return tuple(names.label(p, t) for p, g in self.members for t in g.terms)

    @cached_property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Partition of range(q): correlated within a block."""
        return tuple(self._by_id.values())

    @property
    def ids(self) -> tuple[str, ...]:
        """Of each block, empty where it has none; () where none has one."""
        found = tuple(key if isinstance(key, str) else "" for key in self._by_id)
        return found if any(found) else ()

    @cached_property
    def _by_id(self) -> Mapping[object, tuple[int, ...]]:
        """Blocks by their id, or else by what they are of."""
        found: dict[object, tuple[int, ...]] = {}
        for p, g in self.members:
            first = self.places[p].start
            for k, block in enumerate(g.blocks):
                key = (g.ids[k] if g.ids else "") or (p, k)
                found[key] = (*found.get(key, ()), *(first + i for i in sorted(block)))
        return found

    @cached_property
    def effects(self) -> GroupDesign:
        """All effects side by side, as those of one factor; Z (n, q) is not zero anywhere."""
        _, first = self.members[0]
        return replace(
            first,
            terms=self.terms,
            Z=np.concatenate([g.Z for _, g in self.members], axis=1),
            blocks=self.blocks,
            left_out=(),
            margins=(),
            covariance=UNSTRUCTURED,
            ids=(),
        )


def joined(members: Iterable[Member]) -> tuple[Across, ...]:
    """The factors some of whose effects have one id in several predictors, with all effects."""
    by_name: dict[str, list[Member]] = {}
    for p, g in members:
        by_name.setdefault(g.name, []).append((p, g))
    return tuple(Across(tuple(own)) for own in by_name.values() if _share(own))


def _share(members: Iterable[Member]) -> bool:
    """Whether an id stands in several of them."""
    ids = [name for _, g in members for name in {*g.ids} - {""}]
    return len(set(ids)) < len(ids)
