"""A term of a linear predictor as the fit encoded it, by which new rows are seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.axis import beyond, elsewhere
from mixedbayes.design.encode import Encoding, matrix
from mixedbayes.design.evaluate import Rows, UnseenLevels
from mixedbayes.design.grouping import Grouping, find
from mixedbayes.design.types import Floats, NewTerm
from mixedbayes.errors import DataError
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.unstructured import UNSTRUCTURED


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

    def alone(self, rows: Rows) -> tuple[Floats, Floats | None]:
        """The same for rows that have nothing in common: of each the law of its effects counts."""
        return self.columns(rows)

    def extended(self, rows: Rows) -> tuple[Floats, Floats | None, tuple[float, ...]]:
        """The same, with a column for each of the positions at which the fit has no effects."""
        return *self.columns(rows), ()

    @abstractmethod
    def new(self, rows: Rows) -> NewTerm:
        """Columns and levels of new rows."""

    def new_extended(self, rows: Rows) -> NewTerm:
        """The same, with the columns of `extended`."""
        return self.new(rows)


@dataclass(frozen=True, eq=False)
class EncodedGroup(EncodedTerm):
    """A grouping factor."""

    grouping: Grouping
    covariance: Covariance = UNSTRUCTURED

    def alone(self, rows: Rows) -> tuple[Floats, Floats | None]:
        if not self.covariance.one_sd:
            Z, weights, _ = self.extended(rows)  # refuses other positions
            return Z, weights
        columns = [
            _columns(encoding, rows)
            if encoding.along is None
            else elsewhere(encoding, rows, self.covariance)
            for encoding in self.bars
        ]
        return np.concatenate(columns, axis=1), None

    def extended(self, rows: Rows) -> tuple[Floats, Floats | None, tuple[float, ...]]:
        if all(encoding.along is None for encoding in self.bars):
            return super().extended(rows)
        columns, further, others = [], np.zeros((rows.table.n, 0)), np.zeros(0)
        for encoding in self.bars:
            if encoding.along is None:
                columns.append(_columns(encoding, rows))
            else:
                own, further, others = beyond(encoding, rows, self.covariance)
                columns.append(own)
        return np.concatenate([*columns, further], axis=1), None, tuple(others.tolist())

    def new(self, rows: Rows) -> NewTerm:
        return self._new(rows, *self.columns(rows))

    def new_extended(self, rows: Rows) -> NewTerm:
        return self._new(rows, *self.extended(rows))

    def _new(
        self, rows: Rows, Z: Floats, weights: Floats | None, others: tuple[float, ...] = ()
    ) -> NewTerm:
        refs, labels, parts = find(self.grouping, rows.table)
        return NewTerm(self.name, Z, refs[:, None], weights, labels, parts, others)


def bar_columns(encodings: tuple[Encoding, ...], rows: Rows) -> Floats:
    """Columns of all bars on one grouping factor: (n, q), C-contiguous."""
    columns = [_columns(encoding, rows) for encoding in encodings]
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _columns(encoding: Encoding, rows: Rows) -> Floats:
    try:
        return matrix(encoding, rows, intercept=True)
    except UnseenLevels as error:
        if not encoding.unseen:
            raise
        raise DataError(f"{error}. {encoding.unseen}") from error
