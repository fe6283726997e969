"""A model of rows that are read in batches is the model of the same rows in memory."""

from __future__ import annotations

import numpy as np
import pytest

from mixedbayes.api.model import Model
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up
from tests.support.batches import data, opened_batches

FORMULAS = [
    "y ~ x + (x | a)",
    "y ~ 1 + (1 | b)",
    "y ~ x + z + (x + z | a) + (1 | b)",
    "y ~ x * arm + t + (x || a) + (1 | arm:b)",
    "y ~ 0 + arm + k + (1 | a/b)",
    "y ~ x * z + yes + (1 | a)",
    "y | weights(w) ~ x + t + (x | a) + (1 | b)",
    "y ~ x + offset(z) + (1 | a)",
    "log(y) ~ log(z) + I(x**2) + (log(z) | a)",
    "y ~ scale(x) * center(z) + C(k) + (scale(x) | a)",
    "y ~ poly(x, 2, raw=True) + (1 | a)",
    "y ~ x + (0 + arm | a) + (1 | gr(b, by=arm2))",
    "y ~ x * z * arm + I(x * (arm == 'low')) + (1 | b)",
    "y ~ mo(k) + x + (1 | a)",
    "y ~ bs(x, knots=[45, 50, 55]) + bs(log(z), degree=2, knots=[0], upper_bound=9) + (1 | a)",
    "y ~ poly(x, 1) * arm + poly(1900 + x, 4) + (poly(x, 2) | a)",
    "y ~ bs(x, df=6) + bs(z, 4, include_intercept=False, degree=2) + (1 | a)",
    "y ~ bs(x, df=5, lower_bound=48, upper_bound=53, extrapolation='clip') + (1 | a)",
    "y ~ cr(x, df=4) + cr(log(z), df=3, constraints=None) + (1 | a)",
    "y ~ cc(k, df=3) + cr(z, knots=[0.5, 1], upper_bound=3, extrapolation='clip') + (1 | b)",
    "y ~ x + t",
    "y ~ x",
    "y ~ I(x > 50) * z + I(x * (arm == 'low') > 50) + (I(x > 50) | a)",
    "y ~ I(scale(x) > 0) + I(3.7 * (z > 1) + 0.1) + (1 | a)",
]


def likelihood(model):
    """Value and gradient of the log density at some places, and what is of the layout."""
    setup = set_up(model.design, model.spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    rng, found = np.random.default_rng(5), []
    for _ in range(3):
        gradient = np.empty(density.ndim)
        value = density._evaluate(0.3 * rng.normal(size=density.ndim), gradient)
        found.append(np.append(gradient, value))
    return setup, np.array(found)


def products(design):
    """Of each factor (J, k, k) products of all columns within its levels."""
    w = np.ones(design.n) if design.weights is None else design.weights
    y = design.y - (design.mu.offset if design.mu.offset is not None else 0.0)
    center = 1e6 if y.mean() > 1e5 else 0.0
    Z = [g.Z for g in design.mu.groups]
    A = np.column_stack([np.ones(design.n), design.mu.X, *Z, y - center])
    for g in design.mu.groups:
        out = np.zeros((g.n_levels, A.shape[1], A.shape[1]))
        np.add.at(out, g.refs, w[:, None, None] * A[:, :, None] * A[:, None, :])
        yield out


def frame_for(formula):
    frame = data()
    if "arm2" in formula:
        arm = {f"b{k}": "first" if k < 5 else "second" for k in range(9)}
        frame["arm2"] = frame.b.map(arm)
    return frame


@pytest.mark.parametrize("formula", FORMULAS)
def test_density(formula):
    """Priors to their digits, cross-products to 1e-9, the density and its gradient."""
    frame = frame_for(formula)
    here = Model(formula, frame)
    there = Model(formula, opened_batches(frame, 97))
    assert there.design.n <= here.design.n * (1 if here.design.weights is None else 2)
    assert there.design.used == here.design.n
    assert list(there.priors.prior) == list(here.priors.prior)
    assert list(there.priors.derived_from) == list(here.priors.derived_from)
    assert there.notes == here.notes
    (one, first), (two, second) = likelihood(here), likelihood(there)
    assert one.problem.n == two.problem.n
    np.testing.assert_allclose(second, first, rtol=1e-8, atol=1e-7)
    for ours, theirs in zip(products(here.design), products(there.design), strict=True):
        size = np.sqrt(np.diagonal(ours, axis1=1, axis2=2).sum(axis=0))
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9 * np.outer(size, size).max())
