"""The fit of one level along a covariate, on the response scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedbayes.plots.covariate import Covariate
from mixedbayes.plots.multiples import straight
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_GRID = 25  # points of a line under a link that bends it


@dataclass(frozen=True, eq=False)
class Curve:
    """The fit of one level along x, on the response scale."""

    x: Floats  # (m,)
    mean: Floats  # (m,)
    band: Floats  # (2, m)
    population: Floats  # (m,) with every group effect 0
    line: bool  # whether the points lie on one curve, or stand alone


@dataclass(frozen=True, eq=False)
class _Places:
    """Draws of what the fit depends on, at places along the axis."""

    x: Floats  # (m,)
    eta: Floats  # (S, m)
    population: Floats  # (S, m) with every group effect 0
    own: Mapping[str, Floats]  # the family's parameters, (S, ...) or (S, m)
    line: bool


def curve(
    post: Posterior, rows: Rows, axis: Covariate, prob: float, *, alone: bool = True
) -> Curve:
    """The expected response at one level's rows, along the axis.

    Rows at the same x with the same prediction count once. Where x stands `alone`, nothing else
    that the prediction depends on varying over the rows, they form one line, straight on the link
    scale between neighbours; else they are single points.
    """
    at, family = _places(post, rows, axis, alone), post.family
    mean, typical = (
        family.expectation(family.inverse(eta, np), at.own) for eta in (at.eta, at.population)
    )
    band = np.quantile(mean, tails(prob), axis=0)
    return Curve(at.x, mean.mean(axis=0), band, typical.mean(axis=0), at.line)


def category_curves(
    post: Posterior, rows: Rows, axis: Covariate, prob: float, *, alone: bool = True
) -> list[Curve]:
    """As `curve`, the probability of each ordered category."""
    at, family = _places(post, rows, axis, alone), post.family
    p, typical = (
        family.probabilities(family.inverse(eta, np), at.own) for eta in (at.eta, at.population)
    )
    band = np.quantile(p, tails(prob), axis=0)  # (2, m, K)
    mean, typical = p.mean(axis=0), typical.mean(axis=0)
    return [
        Curve(at.x, mean[:, k], band[:, :, k], typical[:, k], at.line) for k in range(p.shape[-1])
    ]


def probabilities(post: Posterior, rows: Rows) -> Floats:
    """(m, K) posterior mean probability of each ordered category at some rows."""
    mu = post.family.inverse(linear_predictor(post, rows).T, np)
    return post.family.probabilities(mu, row_parameters(post, rows)).mean(axis=0)


def population_predictor(post: Posterior, rows: Rows) -> Floats:
    """(S, m) draws of the linear predictor at some rows with every group effect 0."""
    mu = post.design.mu
    eta = post.intercept()[:, None] + post.fixef() @ mu.X[rows].T
    return eta if mu.offset is None else eta + mu.offset[rows]


def _places(post: Posterior, rows: Rows, axis: Covariate, alone: bool) -> _Places:
    eta, population = linear_predictor(post, rows).T, population_predictor(post, rows)
    x = axis.x[rows]
    places, first = np.unique(
        np.column_stack([x, _rounded(eta.mean(axis=0))]), axis=0, return_index=True
    )
    x, eta, population = places[:, 0], eta[:, first], population[:, first]
    by_row = post.design.further
    own = {k: v[:, first] if k in by_row else v for k, v in row_parameters(post, rows).items()}
    line = alone and axis.categories is None and len(x) > 1 and bool(np.all(np.diff(x) > 0))
    if line and not straight(post.family):
        grid = np.linspace(x[0], x[-1], _GRID)
        eta, population = _between(grid, x, eta), _between(grid, x, population)
        own = {k: _between(grid, x, v) if k in by_row else v for k, v in own.items()}
        x = grid
    return _Places(x, eta, population, own, line)


def _between(grid: Floats, x: Floats, draws: Floats) -> Floats:
    return np.array([np.interp(grid, x, row) for row in draws])


def _rounded(a: Floats) -> Floats:
    scale = np.ptp(a) or np.abs(a).max() or 1.0
    return np.round(a / scale, 9)
