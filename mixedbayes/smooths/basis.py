"""What a basis of a smooth is: functions with a penalty, in the form that mixed models have.

A smooth f minimises misfit + lambda J(f), where J is a quadratic penalty. Functions with J = 0 are
its *null space*, for all bases here polynomials of low degree. The others are f = P(x) u with
J = u'u, so that u ~ N(0, sd^2 I) has the curves that the penalty has (Wood 2017, section 5.8,
doi:10.1201/9781315370279; Speed 1991, doi:10.1214/ss/1177011930).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mixedbayes.errors import DataError

Floats = NDArray[np.float64]
type Power = tuple[int, ...]  # of each variable in a monomial


@dataclass(frozen=True, eq=False)
class Functions(ABC):
    """A basis fitted to data: its null space and its penalised functions, at any x (m, d)."""

    centre: Floats  # (d,) origin of the null space's polynomials
    powers: tuple[Power, ...]  # of its monomials; the first is constant

    def null(self, x: Floats) -> Floats:
        """(m, M) monomials around the centre, the first of them 1."""
        return monomials(x - self.centre, self.powers)

    @abstractmethod
    def penalised(self, x: Floats) -> Floats:
        """P(x) (m, r)."""


class Basis(ABC):
    """A kind of basis, by the name that `bs=` has."""

    name: ClassVar[str]
    title: ClassVar[str]  # in prose: "thin plate regression splines"
    least: ClassVar[int]  # the smallest k in one variable
    one: ClassVar[bool] = True  # whether it is of one variable alone
    placed: ClassVar[str] = ""  # how many knots `knots=` takes, in words; empty: none
    line: ClassVar[bool] = True  # whether straight lines are in its null space

    def size(self, d: int) -> int:
        """Default k: functions of d variables, the constant among them."""
        return 10

    @abstractmethod
    def fit(self, x: Floats, k: int, knots: Sequence[float] = ()) -> Functions:
        """The functions for data x (n, d), with mgcv's placement of knots.

        Raises
        ------
        ValueError
            Where k is too small, in words.
        DataError
            Where x has fewer distinct values than the basis needs.
        """


def monomials(x: Floats, powers: Sequence[Power]) -> Floats:
    """(m, M) products of powers of x's columns."""
    return np.stack([np.prod(x ** np.array(p), axis=1) for p in powers], axis=1)


def distinct(x: Floats, k: int, of: str) -> Floats:
    """The distinct rows of x, sorted; DataError where there are fewer than k."""
    found = np.unique(x, axis=0)
    if len(found) < k:
        values = "value" if len(found) == 1 else "values"
        raise DataError(f"{of} takes k={k} distinct values, and there are {len(found)} {values}")
    return found
