"""Effects that vary over the levels of a grouping factor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from mixedbayes.numerics.rows import parent_levels
from mixedbayes.terms.base import Floats, Ints, Term
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.unstructured import UNSTRUCTURED


@dataclass(frozen=True, eq=False)
class GroupDesign(Term):
    """The effects that vary over one grouping factor, all bars on that factor together.

    `(1 | g) + (0 + x | g)` is one GroupDesign with terms (Intercept, x) and blocks ((0,), (1,));
    `(x | g)` has the same terms with the single block ((0, 1),).
    """

    name: str  # "Subject", "batch:cask"
    factors: tuple[str, ...]  # ("batch", "cask")
    levels: pd.Index  # (J,) the user's labels, order and dtype; "A:a" strings for combinations
    parts: pd.DataFrame  # (J, len(factors)) the label of each factor at each level
    refs: Ints  # (n,) code of each row's level, 0..J-1
    terms: tuple[str, ...]  # (q,) "Intercept", "Days", ...
    Z: Floats  # (n, q)
    blocks: tuple[tuple[int, ...], ...]  # partition of range(q): correlated within a block
    left_out: tuple[str, ...] = ()  # columns of the bars that depend on others, and are no effects
    # (q,) correlated effects whose columns each column contains: of x:z those of 1, x and z
    margins: tuple[tuple[int, ...], ...] = ()
    covariance: Covariance = UNSTRUCTURED  # of the effects of each block
    law: Law = NORMAL
    ids: tuple[str, ...] = ()  # of each block, as (x | id | g) has it, or empty; (): none has one

    @property
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        return ((self.refs, self.Z),)

    def take(self, rows: Ints) -> GroupDesign:
        return replace(self, refs=self.refs[rows], Z=self.Z[rows])

    def parents(self, coarse: GroupDesign) -> Ints | None:
        """(J,) the level of another factor in which each level lies; None where some is in several.

        A level without rows counts as one in the first.
        """
        return parent_levels(self.refs, coarse.refs, self.n_levels)
