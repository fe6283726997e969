"""A covariance of the effects for each arm: `(x | gr(g, by=arm))`.

Each level lies in one arm. The effects of a level are those of its arm: the columns of every other
arm are 0 in its rows, so that a factor with q effects and A arms is one with A q of them, in A sets
that are independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Arms:
    """The arms of a factor's levels."""

    by: str  # the column
    levels: pd.Index  # (A,) labels of the arms
    of_level: Ints  # (J,) the arm of each level; -1 of a level without rows

    def term(self, term: str, arm: int) -> str:
        """The name of an effect in an arm: "Intercept:armA"."""
        value = self.levels[arm]
        whole = isinstance(value, float | np.floating) and float(value).is_integer()
        return f"{term}:{self.by}{int(value) if whole else value}"

    def spread(self, Z: Floats, codes: Ints) -> Floats:
        """(n, A q) the columns (n, q) of each row in its arm, 0 in the others."""
        n, q = Z.shape
        out = np.zeros((n, len(self.levels), q))
        out[np.arange(n), codes] = Z
        return out.reshape(n, len(self.levels) * q)

    def split(self, g: Any) -> Any:
        """The factor with the effects of each arm."""
        q, A = len(g.terms), len(self.levels)
        steps = range(0, A * q, q)
        return replace(
            g,
            terms=tuple(self.term(t, a) for a in range(A) for t in g.terms),
            Z=self.spread(g.Z, self.of_level[g.refs]),
            blocks=tuple(tuple(k + at for k in block) for at in steps for block in g.blocks),
            margins=tuple(tuple(k + at for k in own) for at in steps for own in g.margins),
            arms=self,
        )

    def joined(self, g: Any) -> Any:
        """The factor that `split` made this one of."""
        q = len(g.terms) // len(self.levels)
        return replace(
            g,
            terms=g.population[:q],
            Z=g.Z.reshape(len(g.Z), -1, q).sum(axis=1),
            blocks=g.blocks[: len(g.blocks) // len(self.levels)],
            margins=g.margins[:q],
            arms=None,
        )
