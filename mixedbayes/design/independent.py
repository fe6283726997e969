"""Linear dependence among columns; those that depend on others are left out, as R and lme4 do.

An empty cell of an interaction makes a column of zeros, a constant column is the intercept, and a
sum of columns is known from them: their coefficients could not be told from the others'. The
column further to the right is left out, on new data as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from mixedbayes.design.encode import Encoding, matrix
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.types import Floats
from mixedbayes.design.values import row_name
from mixedbayes.errors import DataError
from mixedbayes.terms.covariance import Covariance

_CHUNK = 1 << 16
# The cross-product tells residual shares of variance down to about 1e-13. What looks dependent
# there is decided on the residuals themselves, at the tolerance of R's lm.
_SUSPECT = 1e-9
_TOLERANCE = 1e-7
_BEYOND = 1e12  # share of a column of norm one that rounding errors make
_INVOLVED = 1e-6


def dependent(X: Floats, *, centre: bool) -> dict[int, tuple[int, ...]]:
    """Columns of X (n, p) that are combinations of columns to their left.

    With `centre` a column of ones stands in front. Returns for each dependent column the columns
    that it is made of, none if it is zero, or constant with `centre`.
    """
    n, p = X.shape
    if not centre and np.count_nonzero(X) <= n and (np.count_nonzero(X, axis=1) <= 1).all():
        return dict.fromkeys(np.flatnonzero(~X.any(axis=0)).tolist(), ())  # indicators of levels
    mean = X.mean(axis=0) if centre else np.zeros(p)
    size = np.maximum(np.abs(X.max(axis=0, initial=0)), np.abs(X.min(axis=0, initial=0)))
    unit = np.where(size > 0, size, 1.0)
    gram = np.zeros((p, p))
    for rows in _chunks(X, mean, unit):
        gram += rows.T @ rows
    norm = np.sqrt(np.diag(gram))
    # what is left of a constant after centring is rounding error
    constant = norm <= 1e-12 * np.sqrt(n)
    scale = np.where(constant, 1.0, norm)
    gram /= np.outer(scale, scale)
    kept: list[int] = []
    found: dict[int, tuple[int, ...]] = {}
    factor = np.zeros((0, 0))  # Cholesky factor of the kept columns' cross-product
    for j in range(p):
        if constant[j]:
            found[j] = ()
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            row = _solve(factor, gram[kept, j])
            left = gram[j, j] - row @ row
            share = np.linalg.solve(factor.T, row) if left < _SUSPECT else np.zeros(0)
        if np.isnan(left) or not np.all(np.abs(share) < _BEYOND):
            # the columns before it all but depend on each other, and what it is beside them is lost
            found[j] = tuple(kept)
            continue
        if left < _SUSPECT and (_residual(X, mean, unit * scale, j, kept, share) < _TOLERANCE):
            found[j] = tuple(np.asarray(kept)[np.abs(share) > _INVOLVED])
            continue
        factor = np.block([[factor, np.zeros((len(kept), 1))], [row, np.sqrt(max(left, 1e-16))]])
        kept.append(j)
    return found


def _solve(factor: Floats, right: Floats) -> Floats:
    from scipy.linalg import solve_triangular

    if not len(right):
        return right
    return solve_triangular(factor, right, lower=True, check_finite=False)


def _chunks(X: Floats, mean: Floats, unit: Floats) -> Iterator[Floats]:
    for start in range(0, len(X), _CHUNK):
        yield (X[start : start + _CHUNK] - mean) / unit


def _residual(
    X: Floats, mean: Floats, unit: Floats, j: int, kept: list[int], share: Floats
) -> float:
    """Norm of column j minus its combination of the kept ones, all columns of norm one."""
    total = 0.0
    for rows in _chunks(X, mean, unit):
        total += float(np.sum((rows[:, j] - rows[:, kept] @ share) ** 2))
    return float(np.sqrt(total))


# ---- columns that are left out -----------------------------------------------------------------


_MOST = 8  # columns named in a note
_SAME = 1e-6
_NOISE = 1e-9

type Found = Mapping[int, tuple[int, ...]]  # column -> the columns that make it


def independent(encoding: Encoding, X: Floats, where: str) -> tuple[Encoding, Floats]:
    """The encoding and X (n, p) without columns that are combinations of columns before them.

    The encoding's `note` says which they are.
    """
    found = dependent(X, centre=encoding.intercept)
    return _without(encoding, X, found, where)


def independent_effects(
    encoding: Encoding, Z: Floats, where: str, *, covariance: Covariance
) -> tuple[Encoding, Floats]:
    """The same for the effects of a bar, Z (n, q) without the column of ones.

    Effects of the columns that are left vary in all ways in which those of all columns could, where
    linear combinations have the same covariance structure. Elsewhere only columns of zeros are left
    out.

    Raises
    ------
    DataError
        If no effect is left, or other columns depend on each other where they must not.
    """
    found = dependent(Z, centre=encoding.intercept)
    alike = {j: others for j, others in found.items() if Z[:, j].any()}
    if alike and not covariance.closed:
        facts = _facts(encoding, Z, alike)
        raise DataError(f"{where}: {facts}; leave out one of each set")
    kept, left = _without(encoding, Z, found, where)
    if not kept.names and not kept.intercept:
        raise DataError(f"{kept.note}; nothing varies over the groups: leave the bar out")
    return kept, left


def unknown_rows(encoding: Encoding, rows: Rows, X: Floats) -> str:
    """What to know of new rows X (m, p) that the fitted data do not determine; mostly nothing.

    In the fitted rows each column left out is a combination of the intercept and the other
    columns. In new rows it may be another, such as a cell of an interaction that was empty; the
    coefficient there is known from no data.
    """
    if encoding.made_of is None:
        return ""
    kept = frozenset(encoding.names)
    left_out = matrix(replace(encoding, left_out=kept), rows, intercept=False)
    basis = _basis(encoding, X)
    size = np.abs(left_out) + np.abs(basis) @ np.abs(encoding.made_of)
    off = np.abs(left_out - basis @ encoding.made_of) > _SAME * np.maximum(size, 1e-300)
    unknown = off.any(axis=1)
    if not unknown.any():
        return ""
    names = [name for name in encoding.every if name in encoding.left_out]
    apart = [name for name, there in zip(names, off.any(axis=0), strict=True) if there]
    were = "was left out of the model, and its coefficient is"
    if len(apart) > 1:
        were = "were left out of the model, and their coefficients are"
    first = row_name(rows.table.index, int(np.argmax(unknown)))
    return (
        f"{int(unknown.sum())} of {len(unknown)} rows, the first of them {first}, are of a kind "
        f"that the fitted data do not have: {_joined(apart)} {were} taken as 0"
    )


def _without(encoding: Encoding, X: Floats, found: Found, where: str) -> tuple[Encoding, Floats]:
    if not found:
        return encoding, X
    names, one = encoding.names, len(found) == 1
    note = (
        f"{where}: {_facts(encoding, X, found)}; {'it is' if one else 'they are'} left out, in "
        f"predictions as well, where {'its coefficient is' if one else 'their coefficients are'} 0"
    )
    left = np.ascontiguousarray(X[:, [j for j in range(len(names)) if j not in found]])
    without = replace(encoding, left_out=frozenset(names[j] for j in found), note=note)
    basis = _basis(encoding, left)
    return replace(without, made_of=_combinations(basis, X[:, sorted(found)])), left


def _combinations(basis: Floats, columns: Floats) -> Floats:
    """What makes each column (n, k) of the basis (n, p): (p, k), with zeros in place of noise."""
    unit = np.maximum(np.abs(basis).max(axis=0, initial=0), np.finfo(float).tiny)
    shares = np.linalg.lstsq(basis / unit, columns)[0]
    shares[np.abs(shares) < _NOISE * np.abs(columns).max(axis=0)] = 0.0
    return np.asarray(shares / unit[:, None])


def _basis(encoding: Encoding, X: Floats) -> Floats:
    """The intercept, where there is one, and the columns."""
    return np.column_stack([np.ones((len(X), int(encoding.intercept))), X])


def _facts(encoding: Encoding, X: Floats, found: Found) -> str:
    """How many columns depend on others, and each of them with what it depends on."""
    names, facts = encoding.names, []
    for j, others in list(found.items())[:_MOST]:
        if others:
            facts.append(f"{names[j]} is determined by {_joined([names[k] for k in others])}")
        else:
            facts.append(f"{names[j]} is {X[0, j]:g} in every row")
    return (
        f"{len(found)} of {len(names)} columns depend{'s' if len(found) == 1 else ''} on others"
        f"{' and the intercept' if encoding.intercept else ''}: {'; '.join(facts)}"
        f"{'; ...' if len(found) > _MOST else ''}"
    )


def _joined(names: list[str]) -> str:
    more = [f"{len(names) - _MOST} more"] if len(names) > _MOST else []
    return " and ".join([*names[:_MOST], *more])
