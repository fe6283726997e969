"""What a term of a linear predictor is: effects by level, and a sparse map from them to rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from mixedbayes.errors import ModelError
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import Law

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


class Term(ABC):
    """Effects b (J, q), one row for each level, and what they add to the rows, A b.

    A is sparse: row i has the columns of few levels. It is kept as *pieces*, pairs of a level's
    code for each row, refs (n,), and the row's columns there, Z (n, q):

        (A b)_i = sum over pieces of Z_i' b[refs_i].

    A grouping factor is one piece, membership in several levels one for each, a smooth one for each
    of its basis functions, which are its levels. Effects of a level are b = L u, with L from the
    term's covariance and u of its law; levels are independent, unless `mixed` joins them.
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
    joins: ClassVar[bool] = False  # whether `mixed` does anything

    @property
    @abstractmethod
    def pieces(self) -> tuple[tuple[Ints, Floats], ...]:
        """refs (n,) and Z (n, q) of each piece."""

    def mixed(self, b: Any) -> Any:
        """Effects (..., J, q) of levels that are related, from those of independent ones.

        Arrays or graphs: of a known covariance R R' between levels it is R @ b.
        """
        return b

    @property
    def n_levels(self) -> int:
        return len(self.levels)

    @property
    def rows_per_level(self) -> Ints:
        """(J,) how many rows have each level; a row that has several counts in each."""
        counts = (np.bincount(refs, minlength=self.n_levels) for refs, _ in self.pieces)
        return np.sum(list(counts), axis=0)

    @property
    def correlated(self) -> bool:
        """Whether any two effects of a level have a correlation parameter."""
        return any(len(block) > 1 for block in self.blocks)

    @property
    def entangled(self) -> str:
        """Why a row's effects are not those of one level by itself; empty where they are."""
        if self.joins:
            return f"the levels of {self.name} are related"
        return f"rows lie in several levels of {self.name}" if len(self.pieces) > 1 else ""

    @property
    def peculiarity(self) -> str:
        """Why it is no grouping factor with independent normal effects; empty where it is one."""
        if not self.law.normal:
            return f"the effects over {self.name} are {self.law.name}, not normal"
        return self.entangled

    def add(self, eta: Floats, b: Floats, rows: slice | Ints = slice(None)) -> None:
        """Add (A b)_i of some rows to eta (m, ...), for b (..., J, q) of as many draws."""
        for refs, Z in self.pieces:
            there, here = refs[rows], Z[rows]
            for t in range(len(self.terms)):
                eta += (b[..., there, t] * here[:, t]).T

    def operator(self) -> sparse.csr_array:
        """A (n, J q), for effects level by level."""
        q = len(self.terms)
        parts = []
        for refs, Z in self.pieces:
            n = len(refs)
            columns = (np.asarray(refs)[:, None] * q + np.arange(q)).ravel()
            shape = (n, self.n_levels * q)
            parts.append(sparse.csr_array((Z.ravel(), columns, np.arange(n + 1) * q), shape=shape))
        return sum(parts[1:], parts[0])


def need_plain(terms: Iterable[Term], what: str, *, normal: bool = True) -> None:
    """ModelError where a term is no grouping factor with independent, perhaps normal, effects."""
    for term in terms:
        if reason := term.peculiarity if normal else term.entangled:
            raise ModelError(f"{what} is not offered here: {reason}")
