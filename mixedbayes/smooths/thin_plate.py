"""Thin plate regression splines, `bs="tp"`.

The penalty is the integral of squared derivatives of order m over all of space, with m the least
order above (d + 1) / 2. Its minimiser has a radial function at each distinct x; of their matrix E
the k eigenvectors with the largest eigenvalues are taken. Wood (2003),
doi:10.1111/1467-9868.00374.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from mixedbayes.errors import DataError
from mixedbayes.smooths.basis import Basis, Floats, Functions, Power, distinct, monomials
from mixedbayes.smooths.natural import NaturalSplines, scaled

MOST = 2000  # distinct points that a radial function is put at, as in mgcv
_CHUNK = 1 << 22  # distances at a time
_SPARE = {1: 8, 2: 27, 3: 100}  # k above the dimension of the null space


@dataclass(frozen=True, eq=False)
class Radial(Functions):
    """Combinations of a radial function at points."""

    points: Floats  # (N, d) around the centre
    weights: Floats  # (N, r)

    def penalised(self, x: Floats) -> Floats:
        z = x - self.centre
        step = max(1, _CHUNK // len(self.points))
        parts = [
            radial(distances(z[k : k + step], self.points), z.shape[1]) @ self.weights
            for k in range(0, len(z), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.weights.shape[1]))


class ThinPlate(Basis):
    """Wood's thin plate regression splines, of any number of variables."""

    name: ClassVar[str] = "tp"
    title: ClassVar[str] = "thin plate regression splines"
    least: ClassVar[int] = 3
    one: ClassVar[bool] = False

    def size(self, d: int) -> int:
        return len(null_powers(d)) + _SPARE.get(d, 100)

    def fit(self, x: Floats, k: int, knots: Sequence[float] = ()) -> Functions:
        d, powers = x.shape[1], null_powers(x.shape[1])
        if k <= len(powers):
            raise ValueError(f"k is {len(powers) + 1} or more, for thin plates of {d} variable(s)")
        every = distinct(x, k, "a thin plate spline")
        # in one variable the unit changes nothing but the size of the penalty
        centre, unit = x.mean(axis=0), scaled(x)[2] if d == 1 else 1.0
        points = (every - centre) / unit
        if len(points) > MOST:
            points = points[np.linspace(0, len(points) - 1, MOST).round().astype(int)]
        T = monomials(points, powers)
        if np.linalg.matrix_rank(T / np.abs(T).max(axis=0)) < len(powers):
            raise DataError(
                f"a thin plate spline of {d} variables takes points that determine a polynomial of "
                f"a degree below {order(d)}, and these lie on a line, or a surface of that kind"
            )
        E = radial(distances(points, points), d)
        U, D = _largest(E, k)
        Q = np.linalg.qr(U.T @ T, mode="complete")[0][:, len(powers) :]
        values, vectors = np.linalg.eigh(Q.T @ (D[:, None] * Q))
        weights = U @ Q @ (vectors / np.sqrt(values))
        if d > 1:
            return Radial(centre, powers, points, weights)
        return NaturalSplines(centre, powers, unit, points[:, 0], E @ weights)


def order(d: int) -> int:
    """Of the derivatives in the penalty of d variables."""
    return (d + 1) // 2 + 1


def null_powers(d: int) -> tuple[Power, ...]:
    """Monomials of a degree below the penalty's order, constant first, then by degree."""
    every = product(range(order(d)), repeat=d)
    found = (p for p in every if sum(p) < order(d))
    return tuple(sorted(found, key=lambda p: (sum(p), tuple(-k for k in p))))


def distances(x: Floats, points: Floats) -> Floats:
    """(m, N) Euclidean distances."""
    squares = sum((x[:, None, k] - points[None, :, k]) ** 2 for k in range(x.shape[1]))
    return np.sqrt(np.asarray(squares))


def radial(r: Floats, d: int) -> Floats:
    """Green's function of the penalty at distance r, in d variables."""
    m = order(d)
    if d % 2:
        by = math.gamma(d / 2 - m) / (2.0 ** (2 * m) * math.pi ** (d / 2) * math.factorial(m - 1))
        return np.asarray(by * r ** (2 * m - d))
    by = (-1.0) ** (m + 1 + d // 2) / (
        2.0 ** (2 * m - 1) * math.pi ** (d / 2) * math.factorial(m - 1) * math.factorial(m - d // 2)
    )
    logs = np.log(r, out=np.zeros_like(r), where=r > 0)
    return np.asarray(by * r ** (2 * m - d) * logs)


def _largest(E: Floats, k: int) -> tuple[Floats, Floats]:
    """Eigenvectors (N, k) and eigenvalues of E, those of the largest size."""
    N = len(E)
    if N > 400 and k < N // 4:
        from scipy.sparse.linalg import eigsh

        values, vectors = eigsh(E, k=k, which="LM", v0=np.ones(N), tol=0)
    else:
        values, vectors = np.linalg.eigh(E)
    chosen = np.argsort(-np.abs(values), kind="stable")[:k]
    return vectors[:, chosen], values[chosen]
