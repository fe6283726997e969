"""Log posterior density of the variance parameters, with its gradient, over unconstrained theta.

log p(theta | y) + log p(y) = log p(y | L, sigma, v) + sum of log priors + log Jacobians, where
theta -> (L, sigma, v) is given by `Layout`. Nothing is left out: its exponential integrates to the
evidence p(y).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mixedbayes.marginal.logpriors import evaluate
from mixedbayes.marginal.parameters import Layout

__all__ = ["MarginalDensity"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Likelihood = Callable[..., tuple[float, tuple[Floats, ...], float, Floats | None]]

_VECTOR, _MATRIX = "float64[::1]", "float64[:, ::1]"
_INTS, _TABLE = "int64[::1]", "int64[:, ::1]"


@dataclass(frozen=True, eq=False)
class MarginalDensity:
    """Log posterior of theta, up to log p(y), for one problem and its priors.

    `likelihood(problem, L, sigma, v)` returns log p(y | L, sigma, v) and its derivatives
    (dL, dsigma, dv). It may be any function: one that is 0 everywhere leaves the prior. Calls
    from several threads at once are safe.
    """

    layout: Layout
    problem: Any
    likelihood: Likelihood

    @property
    def ndim(self) -> int:
        return self.layout.ndim

    @cached_property
    def _maps(self) -> _Maps:
        return _Maps.of(self.layout)

    def logp_grad(self, theta: Floats) -> tuple[float, Floats]:
        """Log density and its gradient (ndim,); -inf and zeros where it is not finite."""
        m = self._maps
        theta = np.ascontiguousarray(theta, float)
        prior, work, L, v = _forward(theta, m.codes, m.numbers, m.rows, m.slots, m.sampled, m.sizes)
        if not math.isfinite(prior):
            return -math.inf, np.zeros(m.ndim)
        factors = [L[at:end].reshape(q, q) for at, end, q in m.integrated]
        logp, dL, dsigma, dv = self.likelihood(self.problem, factors, work[0, m.sigma], v)
        d_L = np.zeros(L.size)
        for (at, end, _), d in zip(m.integrated, dL, strict=True):
            d_L[at:end] = d.ravel()
        finite = _backward(work, L, d_L, dsigma, dv, m.rows, m.slots, m.sampled, m.sizes)
        if not (finite and math.isfinite(logp)):
            return -math.inf, np.zeros(m.ndim)
        return prior + logp, work[2]

    def logp(self, theta: Floats) -> float:
        """Log density at theta (ndim,)."""
        return self.logp_grad(theta)[0]


@dataclass(frozen=True, eq=False)
class _Maps:
    """The layout as arrays of integers, which the compiled functions read.

    All L lie one after the other in a flat array. Each row of each L is one row of `rows`: the
    coordinate of its sd, the first coordinate of its partial correlations and their number, and
    where the flat positions of its entries start in `slots`.
    """

    ndim: int
    codes: Ints
    numbers: Floats
    rows: Ints  # (sum q, 4)
    slots: Ints
    sampled: Ints  # (factors, 4): first spherical coordinate, levels, q, start of L
    integrated: tuple[tuple[int, int, int], ...]  # start and end of L, q
    sigma: int  # its coordinate; the sampled coefficients follow it
    sizes: Ints  # (3,) entries of all L, sigma's coordinate, entries of v

    @classmethod
    def of(cls, layout: Layout) -> _Maps:
        rows, slots, sampled, integrated, at = [], [], [], [], 0
        for f in layout.factors:
            start = layout.starts[f"factor {f.name}"]
            z = start + f.q
            for i, before, _ in f.rows():
                rows.append((start + i, z, len(before), len(slots)))
                slots += [at + i * f.q + j for j in (*before, i)]
                z += len(before)
            if f.n_levels:
                sampled.append((layout.starts[f"spherical {f.name}"], f.n_levels, f.q, at))
            else:
                integrated.append((at, at + f.q**2, f.q))
            at += f.q**2
        n_v = layout.ndim - layout.n_parameters + len(layout.coefficients)
        return cls(
            layout.ndim,
            layout.table.codes,
            layout.table.numbers,
            np.array(rows, np.int64).reshape(-1, 4),
            np.array(slots, np.int64),
            np.array(sampled, np.int64).reshape(-1, 4),
            tuple(integrated),
            layout.starts["sigma"],
            np.array([at, layout.starts["sigma"], n_v], np.int64),
        )


@njit(
    f"Tuple((float64, {_MATRIX}, {_VECTOR}, {_VECTOR}))"
    f"({_VECTOR}, {_TABLE}, {_MATRIX}, {_TABLE}, {_INTS}, {_TABLE}, {_INTS})",
    cache=True,
    nogil=True,
)
def _forward(theta, codes, numbers, rows, slots, sampled, sizes):  # type: ignore[no-untyped-def]
    """theta -> log prior with Jacobians, (x, dx/dt, gradient), all L, v."""
    work = np.empty((3, theta.size))
    L, v = np.zeros(sizes[0]), np.empty(sizes[2])
    prior = evaluate(theta, codes, numbers, work)
    for r in range(len(rows)):
        sd, z, before, slot = work[0, rows[r, 0]], rows[r, 1], rows[r, 2], rows[r, 3]
        left = sd
        for j in range(before):
            L[slots[slot + j]] = left * work[0, z + j]
            left *= math.sqrt(work[1, z + j])  # dx/dt of a partial correlation is 1 - x^2
        L[slots[slot + before]] = left
    at = len(v)
    for s in range(len(sampled)):
        at -= sampled[s, 1] * sampled[s, 2]
    for c in range(at):
        v[c] = work[0, sizes[1] + 1 + c]
    for s in range(len(sampled)):
        u, q, start = sampled[s, 0], sampled[s, 2], sampled[s, 3]
        for g in range(sampled[s, 1]):
            for i in range(q):
                total = 0.0
                for k in range(i + 1):
                    total += L[start + i * q + k] * work[0, u + g * q + k]
                v[at + g * q + i] = total
        at += sampled[s, 1] * q
    return prior, work, L, v


@njit(
    f"boolean({_MATRIX}, {_VECTOR}, {_VECTOR}, float64, {_VECTOR}, {_TABLE}, {_INTS}, {_TABLE}, "
    f"{_INTS})",
    cache=True,
    nogil=True,
)
def _backward(work, L, dL, dsigma, dv, rows, slots, sampled, sizes):  # type: ignore[no-untyped-def]
    """Add the likelihood's derivatives, in theta, to row 2 of work; whether all is finite."""
    grad, sigma = work[2], sizes[1]
    grad[sigma] += dsigma * work[1, sigma]
    at = len(dv)
    for s in range(len(sampled)):
        at -= sampled[s, 1] * sampled[s, 2]
    for c in range(at):
        grad[sigma + 1 + c] += dv[c] * work[1, sigma + 1 + c]
    for s in range(len(sampled)):
        u, q, start = sampled[s, 0], sampled[s, 2], sampled[s, 3]
        for g in range(sampled[s, 1]):
            for i in range(q):
                for k in range(i + 1):
                    dL[start + i * q + k] += dv[at + g * q + i] * work[0, u + g * q + k]
                    grad[u + g * q + k] += dv[at + g * q + i] * L[start + i * q + k]
        at += sampled[s, 1] * q
    for r in range(len(rows)):
        sd, z, before, slot = rows[r, 0], rows[r, 1], rows[r, 2], rows[r, 3]
        # Row i of W: d w_ij / d t_ij = left_j (1 - z_ij^2), d w_ik / d t_ij = -z_ij w_ik for k > j.
        left, later = 1.0, 0.0
        for j in range(before):
            later += dL[slots[slot + j]] * left * work[0, z + j]
            left *= math.sqrt(work[1, z + j])
        later += dL[slots[slot + before]] * left
        grad[sd] += later * work[1, sd]
        left = work[0, sd]
        later *= left
        for j in range(before):
            d = dL[slots[slot + j]] * left
            later -= d * work[0, z + j]
            grad[z + j] += d * work[1, z + j] - work[0, z + j] * later
            left *= math.sqrt(work[1, z + j])
    finite = True
    for i in range(grad.size):
        finite = finite and math.isfinite(grad[i])
    return finite
