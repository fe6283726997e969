import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.checks.leave_out import anchored, take
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up
from mixedbayes.model.spec import Spec


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": rng.normal(size=30),
            "x": rng.normal(40, 9, 30),
            "g": np.arange(30) % 6,
            "w": rng.uniform(1, 2, 30),
            "rating": rng.integers(1, 4, 30),
        }
    )


def density(spec):
    setup = set_up(spec.design, spec.priors)
    return MarginalDensity(setup.layout, setup.problem)


def test_anchored_is_the_same_model(data):
    spec = mb.Model("y ~ x + (x | g)", data).spec
    moved = anchored(spec)
    assert spec.priors.mu.intercept_at_means
    assert not moved.priors.mu.intercept_at_means
    for theta in np.random.default_rng(1).normal(size=(3, 4)):
        assert density(moved).logp(theta) == pytest.approx(density(spec).logp(theta))


def test_the_prior_stays_where_it_was_when_rows_are_left_out(data):
    """The intercept's prior at the mean of all rows, written down by hand for the rest."""
    spec = mb.Model("y ~ x + (1 | g)", data).spec
    rest = data[data["x"] < 40]
    rows = np.flatnonzero(data["x"] < 40)
    left = anchored(spec)
    left = Spec(take(left.design, rows), left.family, left.priors)
    mu = spec.priors.mu
    by_hand = mb.Model(
        "y ~ x + (1 | g)",
        rest.assign(x=rest["x"] - data["x"].mean()),
        priors={
            "Intercept": mu.intercept.prior,
            "fixef": mu.fixef[0].prior,
            "sd": mu.sd["g"][0].prior,
            "sigma": spec.priors.parameters["sigma"].prior,
        },
    ).spec
    for theta in np.random.default_rng(1).normal(size=(3, 2)):
        assert density(left).logp(theta) == pytest.approx(density(by_hand).logp(theta))


def test_priors_of_the_user_and_their_columns_are_untouched(data):
    spec = mb.Model("y ~ x + (1 | g)", data, priors={"Intercept": mb.Normal(0, 9)}).spec
    np.testing.assert_array_equal(anchored(spec).design.mu.X, spec.design.mu.X)


def test_default_thresholds_are_anchored_too(data):
    spec = mb.Model("rating ~ x + (1 | g)", data, family="cumulative").spec
    moved = anchored(spec)
    assert moved.design.mu.X.mean() == pytest.approx(0, abs=1e-12)
    assert moved.priors.parameters["thresholds"].given


def test_all_levels_stay(data):
    design = mb.Model("y | weights(w) ~ x + offset(x) + (x | g)", data).design
    rows = np.flatnonzero(data["g"] != 2)
    found = take(design, rows)
    g = found.mu.group("g")
    assert (found.n, g.n_levels) == (25, 6)
    assert 2 not in g.refs
    np.testing.assert_array_equal(found.weights, design.weights[rows])
    np.testing.assert_array_equal(found.mu.offset, design.mu.offset[rows])
