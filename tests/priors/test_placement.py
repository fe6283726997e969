"""Where priors are placed, and the one way back to covariate values of zero."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.priors.placement import Centre, Cuts


@pytest.fixture(params=["y ~ x", "y ~ 1", "y ~ 0 + x", "y ~ x*z"])
def predictor(request):
    rng = np.random.default_rng(1)
    data = {"y": rng.normal(size=20), "x": rng.normal(5, 2, 20), "z": rng.normal(-3, 1, 20)}
    return mb.Model(request.param, pd.DataFrame(data)).design.mu


@pytest.mark.parametrize("at_means", [True, False])
def test_the_level_moves_with_the_columns(predictor, at_means):
    centre = Centre.of(predictor, at_means=at_means)
    rng = np.random.default_rng(2)
    level, beta = rng.normal(size=(2, 3)), rng.normal(size=(2, 3, len(predictor.terms)))
    eta = level[..., None] + beta @ predictor.X.T
    here = centre.intercept(level, beta)
    np.testing.assert_allclose(here[..., None] + beta @ centre.columns(predictor.X).T, eta)
    np.testing.assert_allclose(centre.intercept_at_zero(here, beta), level)
    if not at_means:
        np.testing.assert_array_equal(here, level)


def test_thresholds_move_against_the_predictor(predictor):
    rng, X = np.random.default_rng(3), Centre.of(predictor).columns(predictor.X)
    cuts, beta = rng.normal(size=(4, 2)), rng.normal(size=(4, len(predictor.terms)))
    at = Cuts.of(SimpleNamespace(moving=[predictor], several=None), "")
    here = at.thresholds(cuts, beta)
    below = cuts[:, None] - (beta @ predictor.X.T)[..., None]
    moved = here[:, None] - (beta @ X.T)[..., None]
    np.testing.assert_allclose(moved, below)
    np.testing.assert_allclose(at.thresholds_at_zero(here, beta), cuts)
    # each by a predictor of its own beside
    every = Cuts.of(SimpleNamespace(moving=[predictor] * 3, several=None), "")
    own = rng.normal(size=(2, 4, len(predictor.terms)))
    here = every.thresholds(cuts, np.concatenate([beta, *own], axis=1))
    total = beta + own  # (2, 4, p)
    below = cuts[:, None] - np.moveaxis(total @ predictor.X.T, 0, -1)
    np.testing.assert_allclose(here[:, None] - np.moveaxis(total @ X.T, 0, -1), below)
