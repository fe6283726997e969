"""A term of a linear predictor as the fit encoded it, by which new rows are seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.encode import Encoding, matrix
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.grouping import Grouping, find
from mixedbayes.design.types import Floats, NewTerm


@dataclass(frozen=True, eq=False)
class EncodedTerm(ABC):
    """What replay needs of a term: how its columns are made, and how levels are found.

    name
        The term's.
    inside
        Names of the columns of the data, or constants, that its columns and weights are made of.
    factors
        Names of the columns that say a row's levels, which need not be known to predict for the
        population; none where `inside` says all, as for a smooth.
    bars
        Encodings of the effects' columns.
    """

    name: str
    inside: tuple[str, ...]
    factors: tuple[str, ...]
    bars: tuple[Encoding, ...]

    def columns(self, rows: Rows) -> tuple[Floats, Floats | None]:
        """(m, q) columns of the effects, and (m, k) weights of each row's levels; None: one of 1.

        Without the columns `factors`.
        """
        return bar_columns(self.bars, rows), None

    @abstractmethod
    def new(self, rows: Rows) -> NewTerm:
        """Columns and levels of new rows."""


@dataclass(frozen=True, eq=False)
class EncodedGroup(EncodedTerm):
    """A grouping factor."""

    grouping: Grouping

    def new(self, rows: Rows) -> NewTerm:
        Z, weights = self.columns(rows)
        refs, labels, parts = find(self.grouping, rows.table)
        return NewTerm(self.name, Z, refs[:, None], weights, labels, parts)


def bar_columns(encodings: tuple[Encoding, ...], rows: Rows) -> Floats:
    """Columns of all bars on one grouping factor: (n, q), C-contiguous."""
    columns = [matrix(encoding, rows, intercept=True) for encoding in encodings]
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
