"""Rows with correlated residuals, all groups of one pattern together, for many draws.

Arrays e (S, n) are residuals in units of each row's sd, whose covariance is R within a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mixedbayes.errors import ModelError
from mixedbayes.terms.residual import Pattern, Residual

Floats = NDArray[np.float64]
type Draws = Mapping[str, Floats]  # (S, ...) by the name of the parameter

_NUMBERS = 2e7  # in the matrices that are factored at once


def coloured(own: Residual, draws: Draws, z: Floats) -> Floats:
    """(S, n) residuals with the correlations, from independent standard normal z."""
    out = np.empty_like(z)
    for at, p, R in _blocks(own, draws, len(z)):
        out[at, p.rows] = z[at, p.rows] @ np.swapaxes(_root(own, R), -1, -2)
    return out


def whitened(own: Residual, draws: Draws, e: Floats) -> tuple[Floats, Floats]:
    """Independent residuals (S, n), each row's given those before it in its group; log sds (S, n).

    With root L they are L^-1 e, and the logs those of L's diagonal: the conditional sds. e may
    have several columns, (S, n, c).
    """
    out, logs = np.empty_like(e), np.empty(e.shape[:2])
    for at, p, R in _blocks(own, draws, len(e)):
        L = _root(own, R)
        inverse = np.linalg.inv(L)[:, None]  # (s, 1, k, k)
        if e.ndim == 2:
            out[at, p.rows] = (inverse @ e[at, p.rows][..., None])[..., 0]
        else:
            out[at, p.rows] = inverse @ e[at, p.rows]
        logs[at, p.rows] = np.log(np.diagonal(L, axis1=-2, axis2=-1))[:, None]
    return out, logs


def conditional(own: Residual, draws: Draws, e: Floats) -> tuple[Floats, Floats]:
    """Mean and sd (S, n) of each row's residual given those of all other rows of its group.

    With P = R^-1 they are e_i - (P e)_i / P_ii and 1 / sqrt(P_ii). Buerkner, Gabry & Vehtari
    (2021), doi:10.1007/s00180-020-01045-4.
    """
    mean, sd = np.empty_like(e), np.empty_like(e)
    for at, p, R in _blocks(own, draws, len(e)):
        W = np.linalg.inv(_root(own, R))
        P = np.swapaxes(W, -1, -2) @ W
        diagonal = np.diagonal(P, axis1=-2, axis2=-1)[:, None]
        mean[at, p.rows] = e[at, p.rows] - e[at, p.rows] @ P / diagonal
        sd[at, p.rows] = 1 / np.sqrt(diagonal)
    return mean, sd


def _blocks(
    own: Residual, draws: Draws, S: int
) -> Iterator[tuple[NDArray[np.intp], Pattern, Floats]]:
    """Some draws, as (s, 1, 1), a pattern, and R (s, k, k) there; so many that they fit."""
    for p in own.patterns:
        k, G = len(p.places), len(p.rows)
        step = max(1, int(_NUMBERS // (k * (k + G))))
        for start in range(0, S, step):
            some = slice(start, min(start + step, S))
            R = own.block({name: x[some] for name, x in draws.items()}, p)
            yield np.arange(S)[some, None, None], p, R


def _root(own: Residual, R: Floats) -> Floats:
    try:
        return np.linalg.cholesky(R)
    except np.linalg.LinAlgError:
        k = R.shape[-1]
        raise ModelError(
            f"residuals are {own.text}, and in some draws {k} rows of one group cannot have these "
            f"correlations: groups of the fit have fewer rows; ask for fewer rows of a group"
        ) from None
