"""Effects that vary over the levels of a grouping factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes.numerics.rows import parent_levels
from mixedbayes.terms.arms import Arms
from mixedbayes.terms.base import Floats, Ints, Term
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.relation import Related
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
    relation: Related | None = None  # known covariance of the levels; None: they are independent
    arms: Arms | None = None  # by which the covariance of the effects differs
    within: str = ""  # "s(x, g)": the curves of each level that these effects are a part of
    counts: Floats | None = None  # (n,) how many rows of the data each row stands for; None: itself
    # (n,) whether each row takes part in its level, where these stand for others; Z is 0 elsewhere
    active: NDArray[np.bool_] | None = None

    @property
    def rows_per_level(self) -> Ints:
        """(J,) how many rows of the data have each level."""
        if self.counts is None:
            return super().rows_per_level
        found = np.bincount(self.refs, self.counts, self.n_levels)
        return np.asarray(np.rint(found), np.int64)

    @property
    def joins(self) -> bool:  # type: ignore[override]
        return self.relation is not None

    @property
    def related_to(self) -> Related | None:
        return self.relation

    @property
    def related(self) -> str:
        if self.relation is None:
            return ""
        return f"the levels of {':'.join(self.factors)} are related by {self.relation.name}"

    def mixed(self, b: Any) -> Any:
        return b if self.relation is None else self.relation.root @ b

    def unmixed(self, b: Floats) -> Floats:
        return b if self.relation is None else np.asarray(self.relation.unroot @ b)

    @property
    def precision(self) -> sparse.csc_array | None:
        return None if self.relation is None else self.relation.precision

    @property
    def log_determinant(self) -> float:
        return 0.0 if self.relation is None else self.relation.log_determinant

    @property
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        return ((self.refs, self.Z),)

    @property
    def population(self) -> tuple[str, ...]:
        """(q,) the population effects that the effects are deviations from, by name."""
        if self.arms is None:
            return self.terms
        A = len(self.arms.levels)
        q = len(self.terms) // A
        return tuple(
            term.removesuffix(self.arms.term("", k // q)) for k, term in enumerate(self.terms)
        )

    @property
    def row_labels(self) -> pd.Index:
        """(n,) the level of each row."""
        return self.levels.take(self.refs)

    @property
    def of_one_arm(self) -> GroupDesign:
        """The factor as if all its levels were in one arm."""
        return self if self.arms is None else cast(GroupDesign, self.arms.joined(self))

    @property
    def there(self) -> NDArray[np.bool_] | None:
        """(J, q) which effects each level has; None: all."""
        if self.arms is None:
            return None
        q = len(self.terms) // len(self.arms.levels)
        return self.arms.of_level[:, None] == np.arange(len(self.terms)) // q

    def with_columns(self, Z: Floats, weights: Floats | None) -> GroupDesign:
        """The factor with other columns, and weights of levels where it has such."""
        return replace(self, Z=Z)

    def take(self, rows: Ints) -> GroupDesign:
        active = None if self.active is None else self.active[rows]
        return replace(self, refs=self.refs[rows], Z=self.Z[rows], active=active)

    def masked(self, there: NDArray[np.bool_]) -> GroupDesign:
        return replace(self, Z=self.Z * there[:, None])

    def parents(self, coarse: GroupDesign) -> Ints | None:
        """(J,) the level of another factor in which each level lies; None where some is in several.

        A level without rows counts as one in the first.
        """
        if coarse.refs.ndim > 1:
            return None
        return parent_levels(self.refs, coarse.refs, self.n_levels)
