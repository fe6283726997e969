"""Rows with correlated residuals, all groups of one pattern together, for many draws.

Arrays e (S, n) are residuals in units of each row's sd, whose covariance is R within a group. Roots
of R are lower triangular; those of a chain and of equal correlations are never written down, and
what they do to k rows takes k operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

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
    for at, p, root in _roots(own, draws, len(z)):
        out[at, p.rows] = root.coloured(z[at, p.rows])
    return out


def whitened(own: Residual, draws: Draws, e: Floats) -> tuple[Floats, Floats]:
    """Independent residuals (S, n), each row's given those before it in its group; log sds (S, n).

    With root L they are L^-1 e, and the logs those of L's diagonal: the conditional sds. e may
    have several columns, (S, n, c).
    """
    out, logs = np.empty_like(e), np.empty(e.shape[:2])
    for at, p, root in _roots(own, draws, len(e)):
        here = e[at, p.rows]
        whole = root.whitened(here[..., None] if e.ndim == 2 else here)
        out[at, p.rows] = whole[..., 0] if e.ndim == 2 else whole
        logs[at, p.rows] = np.log(root.sd)[:, None]
    return out, logs


def conditional(own: Residual, draws: Draws, e: Floats) -> tuple[Floats, Floats]:
    """Mean and sd (S, n) of each row's residual given those of all other rows of its group.

    With P = R^-1 they are e_i - (P e)_i / P_ii and 1 / sqrt(P_ii). Buerkner, Gabry & Vehtari
    (2021), doi:10.1007/s00180-020-01045-4.
    """
    mean, sd = np.empty_like(e), np.empty_like(e)
    for at, p, root in _roots(own, draws, len(e)):
        mean[at, p.rows], left = root.conditional(e[at, p.rows])
        sd[at, p.rows] = left[:, None]
    return mean, sd


@dataclass(frozen=True, eq=False)
class _Dense:
    """Any correlations, by their root L (s, k, k)."""

    L: Floats

    @property
    def sd(self) -> Floats:
        """(s, k) of each row given those before it."""
        return np.diagonal(self.L, axis1=-2, axis2=-1)

    def coloured(self, z: Floats) -> Floats:
        """L z, for z (s, G, k)."""
        return z @ np.swapaxes(self.L, -1, -2)

    def whitened(self, e: Floats) -> Floats:
        """L^-1 e, for e (s, G, k, c)."""
        return np.linalg.inv(self.L)[:, None] @ e

    def conditional(self, e: Floats) -> tuple[Floats, Floats]:
        """Mean (s, G, k) and sd (s, k) given the others, for e (s, G, k)."""
        W = np.linalg.inv(self.L)
        P = np.swapaxes(W, -1, -2) @ W
        diagonal = np.diagonal(P, axis1=-2, axis2=-1)
        return e - e @ P / diagonal[:, None], 1 / np.sqrt(diagonal)


@dataclass(frozen=True, eq=False)
class _Chain:
    """e_0 = z_0 and e_t = r_t e_(t-1) + s_t z_t, with s_t^2 = 1 - r_t^2."""

    r: Floats  # (s, k - 1)

    @cached_property
    def sd(self) -> Floats:
        left = np.sqrt((1 - self.r) * (1 + self.r))
        return np.concatenate([np.ones((len(left), 1)), left], axis=1)

    def coloured(self, z: Floats) -> Floats:
        out = z.copy()
        for t in range(1, z.shape[2]):
            out[..., t] = self.r[:, None, t - 1] * out[..., t - 1]
            out[..., t] += self.sd[:, None, t] * z[..., t]
        return out

    def whitened(self, e: Floats) -> Floats:
        out = e.copy()
        out[:, :, 1:] -= self.r[:, None, :, None] * e[:, :, :-1]
        return out / self.sd[:, None, :, None]

    def conditional(self, e: Floats) -> tuple[Floats, Floats]:
        own, mean = 1 / self.sd**2, np.zeros_like(e)
        own[:, :-1] += (self.r / self.sd[:, 1:]) ** 2
        share = (self.r / self.sd[:, 1:] ** 2)[:, None]
        mean[..., 1:] += share * e[..., :-1]
        mean[..., :-1] += share * e[..., 1:]
        return mean / own[:, None], 1 / np.sqrt(own)


@dataclass(frozen=True, eq=False)
class _Equal:
    """R = (1 - rho) I + rho 1 1': each row given others depends on their sum alone."""

    rho: Floats  # (s,)
    k: int

    def _shares(self, others: Floats | int) -> tuple[Floats, Floats]:
        """By what the sum of so many others is multiplied, and the sd that is left."""
        rho = self.rho[:, None]
        known = 1 + (others - 1) * rho
        return rho / known, np.sqrt((1 - rho) * (1 + others * rho) / known)

    @cached_property
    def _after(self) -> tuple[Floats, Floats]:
        share, sd = self._shares(np.arange(1, self.k, dtype=float))
        one = np.ones((len(sd), 1))
        return np.concatenate([0 * one, share], axis=1), np.concatenate([one, sd], axis=1)

    @property
    def sd(self) -> Floats:
        return self._after[1]

    def coloured(self, z: Floats) -> Floats:
        share, out, total = self._after[0], z * self.sd[:, None], np.zeros(z.shape[:2])
        for t in range(self.k):
            out[..., t] += share[:, None, t] * total
            total += out[..., t]
        return out

    def whitened(self, e: Floats) -> Floats:
        share, out = self._after[0][:, None, 1:, None], e.copy()
        out[:, :, 1:] -= share * np.cumsum(e, axis=2)[:, :, :-1]
        return out / self.sd[:, None, :, None]

    def conditional(self, e: Floats) -> tuple[Floats, Floats]:
        if self.k == 1:
            return np.zeros_like(e), np.ones((len(e), 1))
        share, sd = self._shares(self.k - 1)
        others = e.sum(axis=2, keepdims=True) - e
        return share[:, None] * others, np.broadcast_to(sd, (len(sd), self.k))


type _Root = _Dense | _Chain | _Equal


def _roots(
    own: Residual, draws: Draws, S: int
) -> Iterator[tuple[NDArray[np.intp], Pattern, _Root]]:
    """Some draws, as (s, 1, 1), a pattern, and the root of R there; so many that they fit."""
    structure = own.structure
    linear = structure.chain or structure.equal
    for p in own.patterns:
        k, G = len(p.places), len(p.rows)
        step = max(1, int(_NUMBERS // (k * (G if linear else k + G))))
        for start in range(0, S, step):
            some = slice(start, min(start + step, S))
            part = {name: x[some] for name, x in draws.items()}
            yield np.arange(S)[some, None, None], p, _root(own, part, p)


def _root(own: Residual, draws: Draws, p: Pattern) -> _Root:
    structure, k = own.structure, len(p.places)
    if structure.chain:
        z = own.of_arm(draws, p.arm)
        gaps = np.diff(structure.positions(own.n_positions)[p.places])
        r = structure.between([z[:, m, None] for m in range(z.shape[1])], gaps)
        return _Chain(np.broadcast_to(r, (len(z), k - 1)))
    if structure.equal:
        rho = own.of_arm(draws, p.arm)[:, 0]
        if (1 + (k - 1) * rho <= 0).any():
            raise _impossible(own, k)
        return _Equal(rho, k)
    try:
        return _Dense(np.linalg.cholesky(own.block(draws, p)))
    except np.linalg.LinAlgError:
        raise _impossible(own, k) from None


def _impossible(own: Residual, k: int) -> ModelError:
    return ModelError(
        f"residuals are {own.text}, and in some draws {k} rows of one group cannot have these "
        f"correlations: groups of the fit have fewer rows; ask for fewer rows of a group"
    )
