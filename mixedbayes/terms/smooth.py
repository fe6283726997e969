"""What bends in a smooth: coefficients of its penalised functions, all with one sd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.terms.base import Floats, Ints, Term
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.membership import Membership
from mixedbayes.terms.unstructured import UNSTRUCTURED

BEND = "bend"  # the effect of every function, whose sd is how far the curve bends
# Of a curve of each level of a factor: its slope and its level, effects over the factor
LINEAR, LEVEL = "linear", "level"


@dataclass(frozen=True, eq=False)
class SmoothDesign(Term):
    """One penalty of a smooth, Z b with b ~ N(0, sd^2 I): its functions are the levels.

    Functions are scaled so that the variance of Z b at sd = 1 is 1 on average over the rows: the sd
    is the root mean square of how far the curve bends. See `smooths.curve`.
    """

    name: str  # "s(x)", "s(x):f[b]", "t2(a, b)[a]"
    functions: Floats  # (n, r) in the rows
    variables: tuple[str, ...]  # expressions, which the curve is along
    within: str = ""  # "s(x)": of the smooth that this is a penalty of
    terms: tuple[str, ...] = (BEND,)
    blocks: tuple[tuple[int, ...], ...] = ((0,),)
    margins: tuple[tuple[int, ...], ...] = ((),)
    left_out: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    covariance: Covariance = UNSTRUCTURED
    law: Law = NORMAL
    grouping: ClassVar[bool] = False

    @cached_property
    def levels(self) -> pd.Index:
        return pd.RangeIndex(1, self.functions.shape[1] + 1)

    @property
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        n, r = self.functions.shape
        return tuple(
            (np.broadcast_to(np.intp(k), n), self.functions[:, k : k + 1]) for k in range(r)
        )

    @property
    def entangled(self) -> str:
        return f"{self.name} is a smooth, all of whose functions every row has"

    @property
    def dense(self) -> Floats | None:
        return self.functions

    @property
    def meaning(self) -> str:
        return f"how far {self.name} bends, root mean square over the rows"

    def level_dim(self, parameter: str = "mu") -> str:
        return names.prefix(parameter) + names.group_dim(self.name)

    def take(self, rows: Ints) -> SmoothDesign:
        return replace(self, functions=self.functions[rows])

    def masked(self, there: NDArray[np.bool_]) -> SmoothDesign:
        return replace(self, functions=self.functions * there[:, None])


@dataclass(frozen=True, eq=False)
class LevelCurves(Membership):
    """What bends in curves of each level of a factor, all with one sd.

    The levels are the pairs of a level of the factor and a function. Rows lie in all functions of
    one level: refs is (n, r), and `weights` (n, r) has the functions in the rows.
    """

    @property
    def row_labels(self) -> pd.Index:
        """(n,) the level of the factor."""
        return pd.Index(self.parts.iloc[:, 0]).take(self.refs[:, 0])

    @property
    def entangled(self) -> str:
        return f"rows lie in all functions of a level of {self.name}"

    @property
    def meaning(self) -> str:
        return f"how far curves of {self.name} bend, root mean square over the rows"

    def level_dim(self, parameter: str = "mu") -> str:
        return names.prefix(parameter) + names.group_dim(self.name)
