"""What a few rows say about new levels and about the parameters: exact for a Gaussian model.

Given one posterior draw of everything else, the rows are

    y = e + A b + noise,   b = R u,   u ~ N(0, I),   noise ~ N(0, sigma^2 W^-1)

with e what is known of their means. With B = A R and H = I + B'WB / sigma^2 = C C',

    u | y ~ N(H^-1 B'W(y - e) / sigma^2, H^-1)
    log p(y | draw) = -(m log(2 pi sigma^2) - log|W| + log|H| + |W^(1/2)(y - e - B u)|^2 / sigma^2
                        + |u|^2) / 2                        with u at its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, Ints

_BLOCK = 2**22  # numbers handled at a time, to bound memory


@dataclass(frozen=True, eq=False)
class NewLevels:
    """Levels of one grouping factor that the rows bring along."""

    Z: Floats  # (m, q)
    codes: Ints  # (m,) 0..k-1, or -1 for a row of a level of the fit
    count: int  # k
    root: Floats  # (q, q, S), R R' = Sigma

    @property
    def q(self) -> int:
        return self.Z.shape[1]

    @property
    def size(self) -> int:
        """Number of effects, level by level."""
        return self.count * self.q


@dataclass(frozen=True, eq=False)
class Few:
    """The rows, per posterior draw."""

    residual: Floats  # (m, S) y - e
    sigma: Floats  # (S,)
    weights: Floats | None  # (m,)
    levels: tuple[NewLevels, ...]

    @property
    def size(self) -> int:
        """D, the number of effects of all new levels."""
        return sum(level.size for level in self.levels)


@dataclass(frozen=True, eq=False)
class Update:
    """Distribution of the D effects b given the rows and the draw, and the rows' density."""

    mean: Floats  # (S, D)
    root: Floats  # (S, D, D), covariance root' root
    log_density: Floats  # (S,) log p(y | draw), b integrated

    @property
    def sd(self) -> Floats:
        """(S, D)"""
        return np.sqrt((self.root**2).sum(axis=1))


def update(few: Few, draws: Ints) -> Update:
    """The update at some of the posterior draws."""
    m, variance = len(few.residual), few.sigma[draws] ** 2
    w = np.ones(m) if few.weights is None else few.weights
    r = few.residual[:, draws].T  # (S, m)
    R, B = _root(few, draws), _design(few, draws)
    WB = w[:, None] * B / variance[:, None, None]
    H = B.transpose(0, 2, 1) @ WB
    H[:, range(few.size), range(few.size)] += 1.0
    C = np.linalg.cholesky(H)
    u = np.linalg.solve(H, WB.transpose(0, 2, 1) @ r[:, :, None])[:, :, 0]
    left = r - (B @ u[:, :, None])[:, :, 0]
    log_det = 2 * np.log(np.diagonal(C, axis1=1, axis2=2)).sum(axis=1)
    quadratic = (w * left**2).sum(axis=1) / variance + (u**2).sum(axis=1)
    constant = m * np.log(2 * np.pi * variance) - np.log(w).sum()
    return Update(
        (R @ u[:, :, None])[:, :, 0],
        np.linalg.solve(C, R.transpose(0, 2, 1)),
        -0.5 * (constant + log_det + quadratic),
    )


def in_blocks[T](few: Few, draws: Ints, use: Callable[[Ints, Update], T]) -> Iterator[T]:
    """`use(positions in draws, their update)`, some draws at a time, with bounded memory."""
    step = max(1, _BLOCK // max(1, few.size * max(few.size, len(few.residual))))
    for start in range(0, len(draws), step):
        at = np.arange(start, min(start + step, len(draws)))
        yield use(at, update(few, draws[at]))


def _root(few: Few, draws: Ints) -> Floats:
    """(S, D, D) block-diagonal."""
    out = np.zeros((len(draws), few.size, few.size))
    at = 0
    for level in few.levels:
        root = level.root[:, :, draws].transpose(2, 0, 1)
        for _ in range(level.count):
            out[:, at : at + level.q, at : at + level.q] = root
            at += level.q
    return out


def _design(few: Few, draws: Ints) -> Floats:
    """(S, m, D) B = A R."""
    out = np.zeros((len(draws), len(few.residual), few.size))
    at = 0
    for level in few.levels:
        ZR = level.Z @ level.root[:, :, draws].transpose(2, 0, 1)  # (S, m, q)
        for k in range(level.count):
            rows = level.codes == k
            out[:, rows, at : at + level.q] = ZR[:, rows]
            at += level.q
    return out
