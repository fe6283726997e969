"""Known covariances between the levels of a factor: kin, phylogenies, neighbours.

The effects over the levels are b = R u L' with R R' the known matrix, or the inverse of a known
precision: each effect has the covariance sd^2 A over the levels, and L L' is the covariance of the
effects of one level, as without a relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg

from mixedbayes.errors import DataError, ModelError, listed

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]

MOST_DENSE = 5000  # levels of a matrix that is made dense
_BLOCK = 256


@dataclass(frozen=True, eq=False, repr=False)
class Relation:
    """A known covariance, or precision, between levels, with the levels' labels.

    Parameters
    ----------
    matrix
        (K, K), dense or a SciPy sparse one; symmetric and positive definite.
    levels
        (K,) the label of each row and column, of the type that the data have.
    precision
        Whether the matrix is the inverse of the covariance.
    rank
        Of a covariance that is singular by its nature, such as `icar`'s; otherwise None.
    diagonal
        (K,) of the covariance, where it is known besides a precision; computed when needed.

    Raises
    ------
    DataError
        If the matrix is not square, symmetric and finite, labels repeat or are missing, or a
        variance or precision is not positive.

    See Also
    --------
    pedigree : Of animals.
    phylogeny : Of species.
    car : Of neighbours, with a given dependence.
    icar : Of neighbours, intrinsic.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> A = mb.Relation([[1, 0.5], [0.5, 1]], ["mother", "child"])
    >>> A
    Relation of 2 levels, by their covariance
    """

    matrix: Any
    levels: Any
    precision: bool = False
    rank: int | None = None
    diagonal: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", _square(self.matrix))
        levels = self.levels if isinstance(self.levels, pd.Index) else pd.Index(list(self.levels))
        object.__setattr__(self, "levels", levels)
        _check(self)

    def __repr__(self) -> str:
        how = "inverse covariance" if self.precision else "covariance"
        return f"Relation of {len(self.levels):,} levels, by their {how}"


def _square(matrix: Any) -> Any:
    if sparse.issparse(matrix):
        return sparse.csc_array(matrix, dtype=float)
    try:
        found = np.array(matrix, dtype=float)
    except (TypeError, ValueError) as e:
        raise DataError(f"it holds what is no number ({e})") from e
    return found


def _check(relation: Relation) -> None:
    matrix, levels = relation.matrix, relation.levels
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(f"it is {' x '.join(map(str, matrix.shape))}, and has to be square")
    if len(levels) != len(levels.dropna()) or len(levels) != matrix.shape[0]:
        raise DataError(
            f"it has {matrix.shape[0]:,} rows and {len(levels.dropna()):,} labels of levels"
        )
    if not levels.is_unique:
        twice = levels[levels.duplicated()].unique().tolist()
        raise DataError(
            f"{len(twice):,} labels stand twice: {listed(twice)}; each level stands once"
        )
    values = matrix.data if sparse.issparse(matrix) else matrix
    if not np.isfinite(values).all():
        raise DataError(f"{int((~np.isfinite(values)).sum()):,} of its values are not finite")
    off = abs(matrix - matrix.T)
    worst = float(off.max()) if off.shape[0] else 0.0
    size = float(abs(values).max()) if values.size else 0.0
    if worst > 1e-8 * size:
        dense = off.toarray() if sparse.issparse(off) else off
        i, j = np.unravel_index(int(np.argmax(dense)), dense.shape)
        raise DataError(
            f"it is not symmetric: between {' and '.join(map(repr, levels[[i, j]].tolist()))} it "
            f"is {matrix[i, j]:g} and {matrix[j, i]:g}"
        )
    if (matrix.diagonal() <= 0).any():
        at = int(np.argmax(matrix.diagonal() <= 0))
        kind = "precision" if relation.precision else "variance"
        whose = repr(levels.tolist()[at])
        raise DataError(f"the {kind} of {whose} is {matrix.diagonal()[at]:g}, not positive")


@dataclass(frozen=True, eq=False)
class Related:
    """The relation of a factor's levels.

    name
        In `known`, as the formula has it.
    at
        (J,) where each of the factor's levels is among those of the relation: some of a covariance,
        the others integrated out; all of a precision, whose rows cannot be left out.
    """

    name: str
    relation: Relation
    at: Ints

    @property
    def singular(self) -> bool:
        return self.relation.rank is not None

    @cached_property
    def covariance(self) -> Floats:
        """(J, J) between the factor's levels."""
        if self.relation.precision:
            self._need_dense()
            R = self.root
            return np.asarray(R @ R.T)
        return self.between(self.at, self.at)

    def between(self, rows: Ints, columns: Ints) -> Floats:
        """Covariances of levels of the relation; of a precision, those of the factor."""
        if self.relation.precision:
            place = np.empty(len(self.at), int)
            place[self.at] = np.arange(len(self.at))
            return self.covariance[np.ix_(place[rows], place[columns])]
        matrix = self.relation.matrix
        part = (
            matrix[rows][:, columns] if sparse.issparse(matrix) else matrix[np.ix_(rows, columns)]
        )
        return np.asarray(part.toarray() if sparse.issparse(part) else part)

    @cached_property
    def root(self) -> Floats:
        """(J, J) R with R R' the covariance: lower triangular, but of a precision or singular."""
        self._need_dense()
        if self.relation.precision:
            L = self._cholesky(self.precision_matrix.toarray(), "the precision")
            return np.asarray(linalg.solve_triangular(L, np.eye(len(L)), lower=True).T)
        if self.singular:
            return _symmetric_root(self.covariance)
        return self._cholesky(self.covariance, "the covariance")

    @cached_property
    def unroot(self) -> Floats:
        """(J, J) from b to u = R^-1 b; of a singular covariance the shortest u."""
        if self.singular:
            return np.asarray(np.linalg.pinv(self.root, rcond=1e-8))
        if self.relation.precision:
            return np.asarray(linalg.cholesky(self.precision_matrix.toarray(), lower=True).T)
        return np.asarray(linalg.solve_triangular(self.root, np.eye(len(self.root)), lower=True))

    @property
    def precision_matrix(self) -> sparse.csc_array:
        """(J, J) of a relation that is known by its precision, in the order of the levels."""
        return sparse.csc_array(sparse.csc_array(self.relation.matrix)[self.at][:, self.at])

    @cached_property
    def precision(self) -> sparse.csc_array | None:
        """(J, J) inverse of the covariance; None where that is singular."""
        if self.singular:
            return None
        if self.relation.precision:
            return self.precision_matrix
        L = self.root
        return sparse.csc_array(linalg.cho_solve((L, True), np.eye(len(L))))

    @cached_property
    def log_determinant(self) -> float:
        """Of the precision."""
        if self.relation.precision:
            return float(np.sum(np.log(self._pivots)))
        return float(-2 * np.sum(np.log(np.diag(self.root))))

    @cached_property
    def _pivots(self) -> Floats:
        """(J,) of the precision's factors L D L'; not all positive where it is not definite."""
        return self._factors.U.diagonal()

    @cached_property
    def _factors(self) -> Any:
        try:
            return sparse_linalg.splu(
                self.precision_matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )  # fmt: skip
        except RuntimeError as e:  # exactly singular
            raise self._indefinite("the precision") from e

    @cached_property
    def diagonal(self) -> Floats:
        """(J,) of the covariance."""
        if self.relation.diagonal is not None:
            return np.asarray(self.relation.diagonal, float)[self.at]
        if not self.relation.precision:
            return np.asarray(self.relation.matrix.diagonal()[self.at])
        J, found = len(self.at), []
        for start in range(0, J, _BLOCK):
            columns = np.arange(start, min(start + _BLOCK, J))
            unit = np.zeros((J, len(columns)))
            unit[columns, np.arange(len(columns))] = 1.0
            found.append(self._factors.solve(unit)[columns, np.arange(len(columns))])
        return np.concatenate(found)

    def check(self) -> None:
        """DataError unless the matrix is positive definite, over the factor's levels."""
        if self.singular:
            return
        if self.relation.precision:
            pivots, size = self._pivots, float(self.precision_matrix.diagonal().max())
            if not (pivots > 1e-10 * size).all():
                raise self._indefinite("the precision")
        else:
            self._need_dense()
            _ = self.root

    def _cholesky(self, matrix: Floats, what: str) -> Floats:
        try:
            L = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError as e:
            raise self._indefinite(what) from e
        if np.diag(L).min() ** 2 < 1e-12 * np.diag(matrix).max():
            raise self._indefinite(what)
        return L

    def _indefinite(self, what: str) -> DataError:
        where = f"known[{self.name!r}]: {what} is not positive definite"
        if self.relation.precision:
            return DataError(
                f"{where}, or nearly so: an intrinsic one, D - W of neighbours W, has no inverse; "
                "give mb.icar(W), or mb.car(W, rho) with rho below 1"
            )
        values, vectors = np.linalg.eigh(self.between(self.at, self.at))
        levels = self.relation.levels[self.at[np.argsort(-np.abs(vectors[:, 0]))[:2]]].tolist()
        return DataError(
            f"{where} over the levels of the data: its smallest eigenvalue is {values[0]:.3g}, of "
            f"a difference of {' and '.join(map(repr, levels))} above all. Levels that are one "
            "individual twice are one level; against rounding add a little to the diagonal: "
            "A + 1e-6 I"
        )

    def _need_dense(self) -> None:
        if len(self.at) > MOST_DENSE:
            raise ModelError(
                f"{self.name} relates {len(self.at):,} levels, and a matrix of more than "
                f"{MOST_DENSE:,} is not made dense, as this needs"
            )

    # ---- levels beyond the factor's -------------------------------------------------------------

    def given(self, new: Ints) -> tuple[Floats, Floats]:
        """W (k, J) and C (k, k): new levels have b = W b_known + C u, with the same sds.

        `new` are places in the relation.
        """
        across = self.between(new, self.at)
        if self.singular:
            W = across @ np.linalg.pinv(self.covariance, rcond=1e-8, hermitian=True)
        else:
            W = linalg.cho_solve((self.root, True), across.T).T
        left = self.between(new, new) - W @ across.T
        return np.asarray(W), _symmetric_root(left)

    def anew(self, places: Ints) -> Floats:
        """(k, k) root of the covariance of levels, whatever is known of others."""
        return _symmetric_root(self.between(places, places))


def _symmetric_root(matrix: Floats) -> Floats:
    """R with R R' a covariance that may be singular."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def symmetric_inverse(matrix: Floats) -> Floats:
    """The generalised inverse of a symmetric matrix of lower rank."""
    return np.asarray(np.linalg.pinv(matrix, rcond=1e-10, hermitian=True))
