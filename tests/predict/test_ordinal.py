"""Predictions of ordered categories: their probabilities, in tidy rows."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.predict.predict import predict
from mixedbayes.results.posterior import Posterior

LEVELS = ["low", "middle", "high", "top"]
S = 40


@pytest.fixture(scope="module")
def post():
    """Draws of a model of four categories, made up."""
    rng, n = np.random.default_rng(2), 48
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 6})
    data["y"] = pd.Categorical.from_codes(np.arange(n) % 4, categories=LEVELS, ordered=True)
    model = mb.Model("y ~ x + (1 | g)", data, family="cumulative")
    size = (2, S // 2)
    cuts = np.cumsum(rng.gamma(4, 0.25, (*size, 3)), axis=-1) - 1.5
    values = {
        "fixef": (("term",), rng.normal(0.5, 0.1, (*size, 1))),
        "sd_g": (("g_term",), rng.gamma(40, 0.02, (*size, 1))),
        "ranef_g": (("g", "g_term"), rng.normal(0, 0.5, (*size, 6, 1))),
        "thresholds": (("threshold",), cuts),
    }
    drawn = {k: (("chain", "draw", *dims), v) for k, (dims, v) in values.items()}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(drawn, attrs={"seed": 1})})
    return Posterior(model.spec, tree)


@pytest.fixture
def new():
    return pd.DataFrame({"x": [0.5, -1.0, 2.0], "g": [0, 3, 99]}, index=["a", "b", "c"])


def by_hand(post, eta):
    """(S, K) probabilities by differences of the logistic distribution function."""
    below = special.expit(post.stacked("thresholds") - eta[:, None])
    return np.diff(np.column_stack([np.zeros(len(eta)), below, np.ones(len(eta))]), axis=1)


def test_a_row_for_each_row_and_category(post, new):
    table = predict(post, new, kind="mean", groups="typical")
    assert list(table) == [*new, "category", "mean", "sd", "lower", "upper"]
    pd.testing.assert_frame_equal(table[list(new)], new.loc[[*"aaaabbbbcccc"]])
    assert table.index.tolist() == [*"aaaabbbbcccc"]
    assert table["category"].tolist() == LEVELS * 3
    assert table["category"].cat.ordered
    np.testing.assert_allclose(table.groupby(level=0)["mean"].sum(), 1)
    beta = post.fixef()[:, 0]
    for label, x in new["x"].items():
        p = by_hand(post, beta * x)
        np.testing.assert_allclose(table.loc[label, "mean"], p.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(table.loc[label, "upper"], np.quantile(p, 0.975, axis=0))


def test_known_levels_have_their_own_effects(post, new):
    draws = predict(post, new.iloc[:2], kind="mean", draws=True)
    assert draws.dims == ("chain", "draw", "obs", "category")
    assert draws["category"].to_numpy().tolist() == LEVELS
    eta = post.fixef()[:, 0] * -1.0 + post.ranef("g")[:, 3, 0]
    found = draws.sel(obs="b").to_numpy().reshape(S, 4)
    np.testing.assert_allclose(found, by_hand(post, eta), rtol=1e-12)


def test_the_average_integrates_over_groups(post, new):
    draws = predict(post, new.iloc[:1], kind="mean", groups="average", draws=True)
    found = draws.to_numpy().reshape(S, 4)
    s, cuts = 3, post.stacked("thresholds")
    eta, sd = post.fixef()[s, 0] * 0.5, post.sd("g")[s, 0]

    def below(cut):
        def density(h):
            return special.expit(cut - h) * stats.norm.pdf(h, eta, sd)

        return integrate.quad(density, eta - 10 * sd, eta + 10 * sd)[0]

    expected = np.diff([0, *(below(cut) for cut in cuts[s]), 1])
    np.testing.assert_allclose(found[s], expected, atol=1e-6)


def test_the_table_describes_the_draws(post):
    many = pd.DataFrame({"x": np.linspace(-2, 2, 150), "g": np.arange(150) % 6})
    draws = predict(post, many, kind="mean", draws=True).to_numpy().reshape(S, -1)
    table = predict(post, many, kind="mean", progress=False)
    np.testing.assert_allclose(table["mean"], draws.mean(axis=0))
    np.testing.assert_allclose(table["lower"], np.quantile(draws, 0.025, axis=0))


def test_responses_are_codes_drawn_with_these_probabilities(post):
    one = pd.DataFrame({"x": np.zeros(4000), "g": np.zeros(4000, int)})
    drawn = predict(post, one, draws=True)
    assert drawn.attrs["categories"] == LEVELS
    shares = [(drawn.to_numpy() == k).mean() for k in (1, 2, 3, 4)]
    table = predict(post, one.iloc[:1], kind="mean")
    np.testing.assert_allclose(shares, table["mean"], atol=0.005)


def test_the_whole_package_counts_categories_from_one(post, tmp_path):
    """Observed, replicated and simulated responses, fitted means and residuals have one origin."""
    data = pd.DataFrame({"x": np.linspace(-1, 1, 48), "g": np.arange(48) % 6})
    data["y"] = pd.Categorical.from_codes(np.arange(48) % 4, categories=LEVELS, ordered=True)
    model = mb.Model("y ~ x + (1 | g)", data, family="cumulative")
    fit = model.fit(20, tune=50, chains=1, seed=1, progress=False)
    observed = fit.idata["observed_data"]["y"].to_numpy()
    np.testing.assert_array_equal(observed, data["y"].cat.codes + 1)
    np.testing.assert_allclose(
        fit.residuals(draws=True),
        observed - fit.fitted(draws=True).to_numpy() @ np.arange(1.0, 5.0),
    )
    prior = model.prior_predictive(50, seed=1)
    np.testing.assert_array_equal(prior["observed_data"]["y"], observed)
    fit.pp_check()
    for drawn in (prior["prior_predictive"], fit.idata["posterior_predictive"]):
        assert set(np.unique(drawn["y"])) == {1, 2, 3, 4}
    fit.save(tmp_path / "fit.nc")
    kept = mb.load(tmp_path / "fit.nc").idata["posterior_predictive"]["y"]
    assert list(kept.attrs["categories"]) == LEVELS
    assert list(model.simulate(seed=1)["y"].cat.categories) == LEVELS


def test_whole_numbers_are_categories_by_their_values():
    data = pd.DataFrame({"y": np.tile([1, 3, 4], 5), "x": np.arange(15.0)})
    model = mb.Model("y ~ x", data, family="cumulative")
    drawn = xr.Dataset(
        {
            "fixef": (("chain", "draw", "term"), np.zeros((1, 4, 1))),
            "thresholds": (("chain", "draw", "threshold"), np.tile([-1.0, 1.0], (1, 4, 1))),
        },
        attrs={"seed": 1},
    )
    post = Posterior(model.spec, xr.DataTree.from_dict({"posterior": drawn}))
    table = predict(post, data.iloc[:1], kind="mean")
    assert table["category"].tolist() == [1, 3, 4]
