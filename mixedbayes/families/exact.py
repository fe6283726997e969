"""Responses that their predictors determine: without a residual its scale has no posterior."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError

_ROUNDING = 1e-12  # residual sd, of the response's, that is none
# Rows that show in most cases that there is a residual, first of few and then of more: so many
# more than the population part has columns.
_SCREENED = (500, 5000)
_NAMED = 8  # terms in a message
_MOST = 10**6  # rows for which all of them are looked at


def refuse_exact(design: Design, y: Floats, scale: str, least: float) -> None:
    """Raise DataError if population and group effects give every response, or nearly so.

    Parameters
    ----------
    design
        The design.
    y
        (n,) the response on the scale of the linear predictor, the offset taken off.
    scale
        The family's parameter that has no posterior then: it goes to 0, or to infinity.
    least
        Residual sd, as a share of the response's, that the sampler can still follow.
    """
    if not np.isfinite(y).all():
        return
    n, spread = design.n, float(np.std(y))
    screened = (k + design.mu.X.shape[1] for k in _SCREENED)
    for rows in dict.fromkeys(min(n, k) for k in (*screened, _MOST)):
        left = _residual(design, y[:rows], np.arange(rows))
        share = None if left is None else left / spread if spread else 0.0
        if share is not None and share > least:
            return
        if share is not None and rows == n:
            raise DataError(_said(design, y, scale, share))


def _residual(design: Design, y: Floats, rows: Ints) -> float | None:
    """Root mean square of what least squares leaves; None with no fewer columns than rows."""
    mu, n = design.mu, len(rows)
    effects: list[sparse.csr_array] = []
    for g in mu.groups:
        if len(g.pieces) > 1 or not g.grouping:
            effects.append(g.take(rows).operator())
            continue
        levels, codes = np.unique(g.refs[rows], return_inverse=True)
        Z = g.Z[rows]
        row, k = np.nonzero(Z)
        shape = (n, Z.shape[1] * len(levels))
        at = row, k * len(levels) + codes[row]
        effects.append(sparse.csr_array((Z[row, k], at), shape=shape))
    columns = sum(c.shape[1] for c in effects)
    if not 0 < columns + mu.intercept + mu.X.shape[1] < n:
        return None
    Q = _orthonormal(mu.X[rows], mu.intercept)
    y = y - y.mean() if mu.intercept else y
    y = y - Q @ (Q.T @ y)
    if not effects:
        return float(np.sqrt(np.mean(y**2)))
    # What the population part leaves is regressed on what it leaves of the groups' columns.
    Z = sparse.csr_array(sparse.hstack(effects))
    size = np.sqrt(np.asarray(Z.multiply(Z).sum(axis=0)).ravel())
    Z = sparse.csr_array(Z.multiply(1 / np.where(size > 0, size, 1.0)))
    Zt = sparse.csr_array(Z.T)

    def ahead(b: Floats) -> Floats:
        fit = Z @ b
        return np.asarray(fit - Q @ (Q.T @ fit))

    def back(v: Floats) -> Floats:
        return np.asarray(Zt @ (v - Q @ (Q.T @ v)))

    A = linalg.LinearOperator(Z.shape, matvec=ahead, rmatvec=back, dtype=np.float64)
    found = linalg.lsmr(A, y, atol=1e-14, btol=1e-14, conlim=0, maxiter=300)[0]
    return float(np.sqrt(np.mean((y - ahead(found)) ** 2)))


def _orthonormal(X: Floats, intercept: bool) -> Floats:
    """(n, p + intercept) columns that span the population part's."""
    n = len(X)
    X = X - X.mean(axis=0) if intercept else X
    size = np.abs(X).max(axis=0, initial=0)
    X = X / np.where(size > 0, size, 1.0)
    return np.linalg.qr(np.column_stack([np.ones((n, int(intercept))), X]))[0]


def _said(design: Design, y: Floats, scale: str, share: float) -> str:
    spread, name = float(np.std(y)), design.response
    none = share <= _ROUNDING
    for g in design.mu.of_one_level:
        high, low = np.full(g.n_levels, -np.inf), np.full(g.n_levels, np.inf)
        np.maximum.at(high, g.refs, y)
        np.minimum.at(low, g.refs, y)
        if np.max(high - low) <= max(10 * share, _ROUNDING) * spread:
            never = "never changes" if none else "hardly changes"
            fact = f"{name} {never} within a level of {g.name} ({g.n_levels} levels"
            remedy = f"keep one row of each level and leave the bar on {g.name} out"
            break
    else:
        parts = [*design.mu.terms, *(g.name for g in design.mu.smooths)]
        parts += [f"the levels of {g.name}" for g in design.mu.factors]
        how = "exactly" if none else "nearly"
        fact = f"{name} is given {how} by {_listed(parts) or 'its mean'} ("
        fact += f"{len(parts)} terms"
        remedy = "leave out of the formula what the response was computed from"
    left = "nothing" if none else f"{share:.1g} of its sd"
    return (
        f"{fact}, {design.n} rows): {left} is left for a residual, too little for a posterior of "
        f"{scale}; {remedy}, or give {scale} a prior between limits, such as "
        f"priors={{{scale!r}: mb.Uniform({_limits(scale, spread)})}}"
    )


def _listed(parts: list[str]) -> str:
    return ", ".join(parts if len(parts) <= _NAMED else [*parts[:_NAMED], "..."])


def _limits(scale: str, spread: float) -> str:
    return f"{0.01 * spread:.2g}, {spread:.2g}" if scale == "sigma" else "1, 100"
