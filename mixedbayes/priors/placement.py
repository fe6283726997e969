"""Where default priors are placed: at the covariates' means.

The effect of an arm in `arm*year`, and the standard deviation of an intercept over groups that
have slopes, depend on where the covariate's zero is; the likelihood does not. A default prior must
not either. Each column is replaced by what is left of it after least squares on the columns that
it contains: of x that is x - mean(x), of x:z what 1, x and z leave. With Z T the replaced columns
the effects are b = T b', and the priors are about b'. T has a unit diagonal, and is triangular when
columns stand after those that they contain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mixedbayes.design.counted import mean
from mixedbayes.design.projection import regression
from mixedbayes.design.types import Design, LinearPredictor

Floats = NDArray[np.float64]
type Margins = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Centre:
    """Values of the columns at which a predictor's level is looked at: their means, or zero.

    The intercept is the predictor's value there. It may be of arrays or of graphs.
    """

    means: Any  # (p,)

    @classmethod
    def of(cls, predictor: LinearPredictor, *, at_means: bool = True) -> Centre:
        """At the means of the columns, or at zero."""
        return cls(predictor.means if at_means else np.zeros(len(predictor.terms)))

    def columns(self, X: Floats) -> Floats:
        """(n, p) of which the level is at zero."""
        return X - self.means

    def intercept(self, at_zero: Any, beta: Any) -> Any:
        """(...) from the intercept at zero (...), for slopes (..., p)."""
        return at_zero + beta @ self.means

    def intercept_at_zero(self, here: Any, beta: Any) -> Any:
        """(...) from the intercept here (...), for slopes (..., p)."""
        return here - beta @ self.means


@dataclass(frozen=True, eq=False)
class Cuts:
    """Values of the columns at which thresholds are looked at: their means, or zero.

    Thresholds are on the other side of a predictor, and move against it: all alike with the mean's,
    each by itself with predictors of one threshold. The slopes are those of all of these, side by
    side. Arrays or graphs.
    """

    means: Any  # (p, 1); (p, k) where thresholds have predictors of their own

    @classmethod
    def of(cls, design: Design, vector: str, *, at_means: bool = True) -> Cuts:
        """At the means of the columns of `Design.moving`, or at zero.

        Of thresholds of one of several responses these are the means in its rows.
        """
        moving = design.moving
        if not at_means:
            return cls(np.zeros((sum(len(p.terms) for p in moving), 1)))
        if design.several is None:
            return cls(spread([p.means for p in moving]))
        k = design.several.vectors.index(vector)
        rows, part = design.several.at(k), design.parts[k]
        means = [mean(p.X[rows], part.mu.counts) for p in moving]
        own = [p.parameter for p in part.moving[1:]]
        found = np.zeros((sum(map(len, means)), max(len(own), 1)))
        found[: len(means[0])] = means[0][:, None]
        at = len(means[0])
        for p, there in zip(moving[1:], means[1:], strict=True):
            if p.parameter in own:
                found[at : at + len(there), own.index(p.parameter)] = there
            at += len(there)
        return cls(found)

    def thresholds(self, at_zero: Any, beta: Any) -> Any:
        """(..., k) from thresholds at zero (..., k), for slopes (..., p)."""
        return at_zero - beta @ self.means

    def thresholds_at_zero(self, here: Any, beta: Any) -> Any:
        """(..., k) from thresholds here (..., k), for slopes (..., p)."""
        return here + beta @ self.means


def spread(means: Sequence[Floats]) -> Floats:
    """(p, k) what each threshold reads of the mean's columns, and of those of its own."""
    first, *own = means
    if not own:
        return first[:, None]
    every = np.repeat(first[:, None], len(own), axis=1)
    return np.concatenate([every, linalg.block_diag(*(m[:, None] for m in own))])


@dataclass(frozen=True, eq=False)
class Placement:
    """Effects b = T b', of the population or of one grouping factor, the priors being about b'."""

    T: Floats  # (q, q)

    @classmethod
    def of(cls, R: Floats, margins: Margins) -> Placement | None:
        """Of the columns with this `triangle`; None where none contains another.

        `margins` are the columns that each contains. A constant that is contained in all, and is
        not one of them, was subtracted before.
        """
        if not any(margins):
            return None
        T = np.eye(R.shape[1])
        for inside in set(margins) - {()}:
            own = [k for k, contained in enumerate(margins) if contained == inside]
            T[np.ix_(inside, own)] = -regression(R, own, list(inside))
        return cls(T)

    @classmethod
    def joint(cls, parts: Sequence[tuple[Placement | None, int]]) -> Placement | None:
        """Of several sets of q effects side by side; None where no set has one."""
        if not any(placement for placement, _ in parts):
            return None
        blocks = [np.eye(q) if placement is None else placement.T for placement, q in parts]
        return cls(np.asarray(linalg.block_diag(*blocks)))

    @cached_property
    def inverse(self) -> Floats:
        """(q, q) T^-1: with T = I - N, N nilpotent, the sum of N's powers."""
        N = np.eye(len(self.T)) - self.T
        out = power = np.eye(len(N))
        for _ in range(len(N) - 1):
            power = power @ N
            out = out + power
        return out

    def fixing(self, fixed: Collection[int]) -> Placement | None:
        """With some effects at zero, which others take nothing from."""
        T = self.T.copy()
        T[list(fixed)] = np.eye(len(T))[list(fixed)]
        return None if np.array_equal(T, np.eye(len(T))) else Placement(T)

    def keeping(self, given: list[int]) -> Placement | None:
        """With the effects `given`, whose priors are the user's, as they are at zero."""
        back = self.inverse.copy()
        back[given] = np.eye(len(back))[given]
        if np.array_equal(back, np.eye(len(back))):
            return None
        return Placement(Placement(back).inverse)

    def moves(self, k: int) -> bool:
        """Whether the prior of the k-th sd is about another effect than that at zero."""
        return bool(np.any(self.inverse[k] != np.eye(len(self.T))[k]))

    def columns(self, Z: Floats) -> Floats:
        """(n, q) Z T, column by column: those that are not replaced are only copied."""
        out = Z.copy()
        for k in np.flatnonzero((self.T - np.eye(len(self.T))).any(axis=0)):
            out[:, k] = Z @ self.T[:, k]
        return out

    def effects(self, placed: Floats) -> Floats:
        """b (..., q) from b' (..., q)."""
        return placed @ self.T.T

    def effects_at_means(self, at_zero: Floats) -> Floats:
        """b' (..., q) from b (..., q)."""
        return at_zero @ self.inverse.T

    def at_zero(self, sd: Floats, cor: Floats) -> tuple[Floats, Floats]:
        """sd (..., q) and correlations (..., q, q) of b from those of b'."""
        return _moved(self.T, sd, cor)

    def at_means(self, sd: Floats, cor: Floats) -> tuple[Floats, Floats]:
        """sd (..., q) and correlations (..., q, q) of b' from those of b."""
        return _moved(self.inverse, sd, cor)


def _moved(A: Floats, sd: Floats, cor: Floats) -> tuple[Floats, Floats]:
    """Of A b, from those of b."""
    scaled = A * sd[..., None, :]
    cov = scaled @ cor @ np.swapaxes(scaled, -1, -2)
    new = np.sqrt(np.maximum(np.einsum("...ii->...i", cov), np.finfo(float).tiny))
    out = np.clip(cov / (new[..., :, None] * new[..., None, :]), -1.0, 1.0)
    out[..., range(len(A)), range(len(A))] = 1.0
    return new, out
