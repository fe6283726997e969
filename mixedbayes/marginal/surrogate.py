"""A cheap stand-in for the gradient, where the posterior is smooth and nearly normal.

A leapfrog step that moves the momentum by any function of the position is reversible and keeps
volumes, so NUTS stays exact as long as its energies are: only the share of accepted proposals
depends on how close the stand-in is (Neal 2011, arXiv:1206.1901, section 5.5). The log posterior of
the variance parameters is smooth and, with much data, nearly quadratic in the units of its own
curvature. There a polynomial of degree 4, fitted to gradients at some dozens of points, is as good
as the gradient, and a step costs the value alone, a third of value and gradient. Better still,
whole trajectories follow the polynomial and a draw costs one value, see `theta.transitions`: that
comes first, and NUTS where such proposals are rarely accepted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedbayes.marginal.density import MarginalDensity, Surrogate
from mixedbayes.marginal.problem import Problem
from mixedbayes.marginal.start import ThetaDensity
from mixedbayes.numerics.halton import halton
from mixedbayes.theta.whitening import non_normality

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_FLOPS = 4e3  # of a gradient that takes some 15 microseconds
DEAR_FLOPS = 1e6  # of one whose value takes longer than trajectories on the polynomial
MOST_COORDINATES = 10  # 1,000 coefficients, from 200 gradients
MOST_OF_QUICK = 8  # 494; of more, fitting takes as long as NUTS on a density of some microseconds
_SPREAD = 1.5  # of the points, in posterior sds
_EQUATIONS = 2  # derivatives for each coefficient
_CHECKS = 16  # gradients that it is compared with
ERROR = 0.1  # largest root mean square error of a derivative; those of N(0, I) have 1
_OUTSIDE = 0.01  # share of a normal posterior that is left to the exact gradient


def surrogate_pays(problem: Problem, density: MarginalDensity) -> bool:
    """Whether a gradient takes so long that NUTS gains from a surrogate of it."""
    small = 0 < density.ndim <= MOST_COORDINATES and not density.layout.sampled
    return small and problem.plan.flops > LEAST_FLOPS


def proposals_pay(problem: Problem, density: MarginalDensity) -> bool:
    """Whether proposals from a surrogate cost less than NUTS, where they are accepted."""
    small = 0 < density.ndim <= MOST_OF_QUICK and not density.layout.sampled
    return small or surrogate_pays(problem, density)


def dear(problem: Problem, density: MarginalDensity) -> bool:
    """Whether a value of the density takes longer than a trajectory on the surrogate."""
    return density.likelihood is None and problem.plan.flops > DEAR_FLOPS


def fit_surrogate(density: ThetaDensity, cores: int, error: float = ERROR) -> Surrogate | None:
    """A polynomial for the gradient of a density in the units of its mode's curvature.

    Of degree 4, of degree 3 with more than `MOST_COORDINATES`. None where it misses the gradient at
    points of which it knows nothing by more than `error`: the posterior is too far from normal.
    """
    d = density.ndim
    last = () if d <= MOST_COORDINATES else (d,)
    each = combinations_with_replacement(range(d + 1), 4 - len(last))
    terms = np.array([(*term, *last) for term in each][:-1], np.int64)
    n = -(-_EQUATIONS * len(terms) // d)
    points = _SPREAD * special.ndtri(halton(d, n, seed=0))
    checks = np.random.default_rng(0).standard_normal((_CHECKS, d))
    everywhere = np.concatenate([points, checks])
    if cores == 1:
        found = list(map(density.logp_grad, everywhere))
    else:
        with ThreadPoolExecutor(cores) as pool:
            found = list(pool.map(density.logp_grad, everywhere))
    values, gradients = np.array([v for v, _ in found]), np.array([g for _, g in found])
    if not np.isfinite(values).all():
        return None
    # points far out in the posterior's tails, where few draws come, count less
    weight = np.exp(0.25 * (values[:n] - values.max()))[:, None]
    rows = derivatives(terms, points) * weight[:, :, None]
    solution = np.linalg.lstsq(rows.reshape(-1, len(terms)), (gradients[:n] * weight).ravel())[0]
    miss = derivatives(terms, checks) @ solution - gradients[n:]
    missed = float(np.sqrt(np.mean(miss**2)))
    if missed > error:
        return None
    radius = np.sqrt(special.chdtri(d, _OUTSIDE))
    return Surrogate(terms, solution, float(radius), non_normality(everywhere, gradients), missed)


def derivatives(terms: Ints, points: Floats) -> Floats:
    """(n, d, n_terms) derivatives of each monomial at points (n, d)."""
    n, d = points.shape
    e = np.concatenate([points, np.ones((n, 1))], axis=1)
    out = np.zeros((n, d + 1, len(terms)))
    each = np.arange(len(terms))
    for k in range(4):
        others = e[:, np.delete(terms, k, axis=1)].prod(axis=2)
        out[:, terms[:, k], each] += others
    return out[:, :d]
