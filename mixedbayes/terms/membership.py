"""Membership in several levels: `(1 | mm(school1, school2, weights=(w1, w2)))`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedbayes.terms.base import Floats, Ints
from mixedbayes.terms.group import GroupDesign


@dataclass(frozen=True, eq=False)
class Membership(GroupDesign):
    """Effects over levels of which each row has k, with a weight for each.

    The levels are those of all columns `factors` together; refs is (n, k). Row i has
    sum_j w_ij Z_i' b[refs_ij]. Browne, Goldstein & Rasbash (2001), doi:10.1177/1471082X0100100202.
    """

    weights: Floats | None = None  # (n, k)

    @property
    def shares(self) -> Floats:
        """(n, k) of each row's levels."""
        return np.ones(self.refs.shape) if self.weights is None else self.weights

    @property
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        w = self.shares
        return tuple((self.refs[:, p], w[:, p : p + 1] * self.Z) for p in range(w.shape[1]))

    @property
    def by_row(self) -> tuple[Floats, Ints, Floats | None]:
        return self.Z, self.refs, self.shares

    @property
    def row_labels(self) -> pd.Index:
        """(n,) the levels of each row, "a + b"."""
        texts = self.levels.astype(str).to_numpy(object)
        rows = zip(self.refs, self.shares, strict=True)
        return pd.Index([" + ".join(dict.fromkeys(texts[at[w != 0]])) for at, w in rows])

    @property
    def entangled(self) -> str:
        return self.related or f"rows lie in several levels of {self.name}"

    def with_columns(self, Z: Floats, weights: Floats | None) -> Membership:
        return replace(self, Z=Z, weights=self.weights if weights is None else weights)

    def take(self, rows: Ints) -> Membership:
        return replace(self, refs=self.refs[rows], Z=self.Z[rows], weights=self.shares[rows])

    def parents(self, coarse: GroupDesign) -> Ints | None:
        """None but of itself: levels of a membership are in no others, and none are in them."""
        return np.arange(self.n_levels) if coarse is self else None
