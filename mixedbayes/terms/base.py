"""What a term of a linear predictor is: effects by level, and a sparse map from them to rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.terms.arms import Arms
from mixedbayes.terms.covariance import Covariance, sd_places
from mixedbayes.terms.law import Law
from mixedbayes.terms.relation import Related

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


class Term(ABC):
    """Effects b (J, q), one row for each level, and what they add to the rows, A b.

    A is sparse: row i has the columns of few levels. It is kept as *pieces*, pairs of a level's
    code for each row, refs (n,), and the row's columns there, Z (n, q):

        (A b)_i = sum over pieces of Z_i' b[refs_i].

    A grouping factor is one piece, membership in several levels one for each, a smooth one for each
    of its basis functions, which are its levels. Effects of a level are b = L u, with L from the
    term's covariance and u of its law; levels are independent, unless `mixed` joins them: then the
    precision of one effect of sd 1 over all levels is `precision`.
    """

    name: str
    factors: tuple[str, ...]  # columns whose combinations are the levels
    levels: pd.Index  # (J,)
    terms: tuple[str, ...]  # (q,) names of the effects
    # Partition of range(q), each block in ascending order: correlated within a block.
    blocks: tuple[tuple[int, ...], ...]
    covariance: Covariance
    law: Law
    ids: tuple[str, ...] = ()  # of each block, which correlate it with others; (): none has one
    arms: Arms | None = None  # by which the covariance of the effects differs
    within: str = ""  # the smooth that it is a part of
    counts: Floats | None = None  # (n,) how many rows of the data each row stands for; None: itself
    # (n,) whether each row takes part in its level, where these stand for others; None: all do
    active: NDArray[np.bool_] | None = None
    joins: ClassVar[bool] = False  # whether `mixed` does anything
    # Whether the levels are groups, which differ from a population; those of a smooth are not: it
    # belongs to the population, and takes part in every prediction.
    grouping: ClassVar[bool] = True

    @property
    @abstractmethod
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        """refs (n,) and Z (n, q) of each piece."""

    @property
    def by_row(self) -> tuple[Floats, Ints, Floats | None]:
        """The pieces row by row: the effects' columns (n, q), codes of levels (n, k), weights.

        A row's columns at its level j are its columns times the weight w_j, of (n, k); None: 1.
        """
        refs = np.stack([refs for refs, _ in self.pieces], axis=1)
        if refs.shape[1] == 1:
            return self.pieces[0][1], refs, None
        if len(self.terms) > 1:
            raise NotImplementedError(f"{type(self).__name__} has several pieces and effects")
        return np.ones((len(refs), 1)), refs, np.concatenate([Z for _, Z in self.pieces], axis=1)

    def counting(self, counts: Floats | None) -> Floats | None:
        """(n,) how often each row counts in sums over the levels, from what it counts else."""
        return counts if self.active is None else self.counts

    def weighing(self, weights: Floats | None) -> Floats | None:
        """(n,) weights of rows in sums over the levels, from what they are else."""
        return weights if self.active is None or weights is None else weights * self.active

    def take(self, rows: Ints) -> Self:
        """The term in some of the rows; all levels stay."""
        raise NotImplementedError(f"{type(self).__name__} has no take()")

    def masked(self, there: NDArray[np.bool_]) -> Self:
        """The term with nothing in the rows that are not `there` (n,)."""
        raise NotImplementedError(f"{type(self).__name__} has no masked()")

    @property
    def dense(self) -> Floats | None:
        """A (n, J) as it is, where every row lies in all levels and q is 1; None elsewhere."""
        return None

    def level_dim(self, parameter: str = "mu") -> str:
        """Dimension of the levels, which predictors have in common where they are groups."""
        return names.group_dim(self.name)

    @property
    def meaning(self) -> str:
        """What the effects' sds are, in words, where it is not that of effects over groups."""
        return ""

    @property
    def precision(self) -> sparse.csc_array | None:
        """(J, J) of one effect of sd 1 over the levels; None where they are independent."""
        return None

    @property
    def log_determinant(self) -> float:
        """Log determinant of `precision`."""
        return 0.0

    def mixed(self, b: Any) -> Any:
        """Effects (..., J, q) of levels that are related, from those of independent ones.

        Arrays or graphs: of a known covariance R R' between levels it is R @ b.
        """
        return b

    def unmixed(self, b: Floats) -> Floats:
        """Effects (..., J, q) of independent levels, from those that `mixed` made of them."""
        return b

    @property
    def of_one_arm(self) -> Term:
        """The term as if all its levels were in one arm."""
        return self

    @property
    def population(self) -> tuple[str, ...]:
        """(q,) the population effects that the effects are deviations from, by name."""
        return self.terms

    @property
    def there(self) -> NDArray[np.bool_] | None:
        """(J, q) which effects each level has; None: all."""
        return None

    @property
    def related_to(self) -> Related | None:
        """The known relation of its levels; None where there is none."""
        return None

    @property
    def spread(self) -> Floats | None:
        """(n,) variance of what an intercept of sd 1 adds to each row; None: 1 in all of them."""
        _, refs, weights = self.by_row
        if weights is None and not self.joins:
            return None
        w = np.ones(refs.shape) if weights is None else weights
        if self.joins and self.related_to is None:
            need_plain([self], "a share of the variance")
        own, total = self.related_to, np.zeros(len(refs))
        diagonal = np.ones(self.n_levels) if own is None else own.diagonal
        for a in range(refs.shape[1]):
            total += w[:, a] ** 2 * diagonal[refs[:, a]]
            for b in range(a):
                i, j = refs[:, a], refs[:, b]
                both = (i == j).astype(float) if own is None else own.covariance[i, j]
                total += 2 * w[:, a] * w[:, b] * both
        return total

    @property
    def n_levels(self) -> int:
        return len(self.levels)

    @property
    def rows_per_level(self) -> Ints:
        """(J,) how many rows have each level; a row that has several counts once in each."""
        _, refs, weights = self.by_row
        if weights is None:
            return np.bincount(refs[:, 0], minlength=self.n_levels)
        rows, places = np.nonzero(weights)
        found = np.unique(np.column_stack([rows, refs[rows, places]]), axis=0)[:, 1]
        return np.bincount(found, minlength=self.n_levels)

    @property
    def correlated(self) -> bool:
        """Whether any two effects of a level have a correlation parameter."""
        return any(len(block) > 1 for block in self.blocks)

    @property
    def related(self) -> str:
        """That its levels are not independent, in words; empty where they are."""
        return f"the levels of {self.name} are related" if self.joins else ""

    @property
    def unusual_law(self) -> str:
        """That its effects are not normal, in words; empty where they are."""
        return (
            ""
            if self.law.normal
            else f"the effects over {self.name} are {self.law.name}, not normal"
        )

    @property
    def sd_places(self) -> tuple[int, ...]:
        """(q,) which of `sd_terms` each effect has."""
        return sd_places(self.blocks, self.covariance)

    @property
    def sd_terms(self) -> tuple[str, ...]:
        """(m,) what each standard deviation is of: an effect, or all levels of a variable."""
        places = self.sd_places
        shared = {k for k in places if places.count(k) > 1}
        first = (self.terms[places.index(k)] for k in range(max(places) + 1))
        return tuple(self.covariance.of if k in shared else t for k, t in enumerate(first))

    @property
    def cor_terms(self) -> tuple[tuple[str, str], ...]:
        """The numbers that draws have of the correlations: ("visit", "lag 1").

        None where nothing is correlated, or they are all correlations, a matrix.
        """
        block = max(self.blocks, key=len)
        labels = self.covariance.labels(len(block)) if len(block) > 1 else ()
        return tuple((self.covariance.of, label) for label in labels)

    def told_sd(self, sd: Floats) -> Floats:
        """(..., m) each sd once, from those of all effects (..., q)."""
        places = self.sd_places
        return sd[..., [places.index(k) for k in range(max(places) + 1)]]

    def every_sd(self, told: Any) -> Any:
        """(..., q) sds of all effects; arrays or graphs."""
        places = self.sd_places
        return told if len(set(places)) == len(places) else told[..., list(places)]

    def told_cor(self, cor: Floats) -> Floats:
        """(..., m) the numbers `cor_terms` of correlations (..., q, q), which they may be."""
        if not self.cor_terms:
            return cor
        block = max(self.blocks, key=len)
        return self.covariance.numbers(cor[..., *np.ix_(block, block)])

    def told_numbers(self, z: Floats) -> Floats:
        """(..., m) the numbers `cor_terms`, from the z (..., m) of the longest block."""
        return self.covariance.numbers_of(z, max(map(len, self.blocks)))

    def numbers_of(self, told: Floats) -> Floats:
        """The z (..., m) of the longest block, from the numbers `cor_terms` (..., m)."""
        return self.covariance.from_numbers(told, max(map(len, self.blocks)))

    def every_cor(self, told: Floats) -> Floats:
        """(..., q, q) correlations of all effects."""
        if not self.cor_terms:
            return told
        block, q = max(self.blocks, key=len), len(self.terms)
        own = self.covariance.matrix(told, len(block))
        if len(block) == q:
            return own
        cor = np.broadcast_to(np.eye(q), (*own.shape[:-2], q, q)).copy()
        cor[..., *np.ix_(block, block)] = own
        return cor

    @property
    def same_block(self) -> NDArray[np.bool_]:
        """(q, q) whether two effects are of one block."""
        of = np.zeros(len(self.terms), int)
        for k, block in enumerate(self.blocks):
            of[list(block)] = k
        return of[:, None] == of

    @property
    def entangled(self) -> str:
        """Why a row's effects are not those of one level by itself; empty where they are."""
        if self.joins:
            return self.related
        return f"rows lie in several levels of {self.name}" if len(self.pieces) > 1 else ""

    @property
    def peculiarity(self) -> str:
        """Why it is no grouping factor with independent normal effects; empty where it is one."""
        return self.unusual_law or self.entangled

    @property
    def no_closed_form(self) -> str:
        """Why its effects do not integrate out of a normal response; empty where they do."""
        return self.unusual_law or (self.related if self.precision is None else "")

    def add(self, eta: Floats, b: Floats, rows: slice | Ints = slice(None)) -> None:
        """Add (A b)_i of some rows to eta (m, ...), for b (..., J, q) of as many draws."""
        if self.dense is not None:
            eta += (b[..., 0] @ self.dense[rows].T).T
            return
        for refs, Z in self.pieces:
            there, here = refs[rows], Z[rows]
            for t in range(len(self.terms)):
                own = np.flatnonzero(here[:, t])
                if 2 * len(own) > len(here):
                    eta += (b[..., there, t] * here[:, t]).T
                else:  # effects that few rows have, such as those of a visit
                    eta[own] += (b[..., there[own], t] * here[own, t]).T

    def operator(self) -> sparse.csr_array:
        """A (n, J q), for effects level by level."""
        if self.dense is not None:
            return sparse.csr_array(self.dense)
        q = len(self.terms)
        parts = []
        for refs, Z in self.pieces:
            n = len(refs)
            columns = (np.asarray(refs)[:, None] * q + np.arange(q)).ravel()
            shape = (n, self.n_levels * q)
            parts.append(sparse.csr_array((Z.ravel(), columns, np.arange(n + 1) * q), shape=shape))
        return sum(parts[1:], parts[0])


def need_normal(terms: Iterable[Term], what: str) -> None:
    """ModelError where a term's effects are not normal."""
    for term in terms:
        if term.unusual_law:
            raise ModelError(f"{what} is not offered here: {term.unusual_law}")


def need_independent(terms: Iterable[Term], what: str, *, normal: bool = True) -> None:
    """ModelError where a term's levels are related, or perhaps its effects are not normal."""
    for term in terms:
        if reason := term.related or (term.unusual_law if normal else ""):
            raise ModelError(f"{what} is not offered here: {reason}")


def need_plain(terms: Iterable[Term], what: str, *, normal: bool = True) -> None:
    """ModelError where a term is no grouping factor with independent, perhaps normal, effects."""
    for term in terms:
        if reason := term.peculiarity if normal else term.entangled:
            raise ModelError(f"{what} is not offered here: {reason}")
