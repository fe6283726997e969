"""Linear predictors, parameters and sds at the rows used, in every draw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixedbayes.results.posterior import Posterior

Floats = NDArray[np.float64]


def linear_predictor(
    post: Posterior,
    rows: slice | NDArray[np.integer],
    parameter: str = "mu",
    *,
    without: Collection[str] = (),
) -> Floats:
    """(m, S) eta = Intercept + X fixef + sum_k Z_k b_k + offset at some of the rows used.

    The effects of the grouping factors named in `without` are left out.
    """
    predictor = post.predictor(parameter)
    if without:
        groups = tuple(g for g in predictor.groups if g.name not in without)
        predictor = replace(predictor, groups=groups)
    intercept, slopes = post.intercept(parameter), post.fixef(parameter)
    return predictor.eta(intercept, slopes, lambda g: post.ranef(g.name, parameter), rows)


def row_parameters(post: Posterior, rows: slice | NDArray[np.integer]) -> dict[str, Floats]:
    """The family's own parameters (S, ...); (S, m) where one has a formula of its own."""
    found = dict(post.parameters())
    for name in post.design.further:
        eta = linear_predictor(post, rows, name).T
        found[name] = post.family.parameter_link(name).inverse(eta, np)
    return found


def response_sd(post: Posterior, rows: slice | NDArray[np.integer]) -> Floats:
    """(m, S) sd of an observation around its mean, on the scale of `expected`."""
    d = post.design
    mu = post.family.inverse(linear_predictor(post, rows).T, np)
    variance = post.family.variance(
        mu,
        row_parameters(post, rows),
        weights=None if d.weights is None else d.weights[rows],
        trials=None if d.trials is None else d.trials[rows],
    )
    return np.sqrt(variance).T
