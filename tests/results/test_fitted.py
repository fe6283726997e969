"""Fitted values and residuals, against R's predictions and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from specs import spec_of

from mixedbayes.data import load_data
from mixedbayes.errors import ModelError
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.families.poisson import Poisson
from mixedbayes.results import fitted as module
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.posterior import Posterior


def test_at_the_reml_estimates_they_are_those_of_r(make, reference):
    post = make.reml(make.sleepstudy(), "lme4_sleepstudy_days_subject")
    expected = reference("lme4_sleepstudy_days_subject")["REML"]["predict"]["with_group_effects"]
    np.testing.assert_allclose(fitted(post)["mean"], expected, rtol=1e-9)
    y = load_data("sleepstudy")["Reaction"]
    np.testing.assert_allclose(residuals(post)["mean"], y - expected, atol=1e-6)


def test_the_index_is_the_users(make):
    data = load_data("dyestuff")
    data.index = pd.Index([f"row {i}" for i in range(30)], name="id")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    post = make.random(make.design(data, "Yield", {}, [group]))
    pd.testing.assert_index_equal(fitted(post).index, data.index)
    assert list(residuals(post).columns) == ["mean", "sd", "lower", "upper"]
    assert fitted(post, draws=True).sel(obs="row 3").shape == post.shape


def test_blocks_of_rows_do_not_change_the_numbers(sleep, monkeypatch):
    whole = fitted(sleep), residuals(sleep, kind="pearson")
    monkeypatch.setattr(module, "_BLOCK", 7 * sleep.n_draws)
    pd.testing.assert_frame_equal(fitted(sleep), whole[0])
    pd.testing.assert_frame_equal(residuals(sleep, kind="pearson"), whole[1])


def test_the_table_describes_the_draws(sleep):
    draws = fitted(sleep, draws=True).to_numpy().reshape(sleep.n_draws, -1)
    table = fitted(sleep, 0.8)
    np.testing.assert_allclose(table["mean"], draws.mean(axis=0))
    np.testing.assert_allclose(table["lower"], np.quantile(draws, 0.1, axis=0))
    by_hand = sleep.intercept() + 7 * sleep.fixef()[:, 0]
    by_hand = by_hand + sleep.ranef("Subject")[:, 3] @ [1, 7]
    np.testing.assert_allclose(draws[:, 37], by_hand)


def test_offset_and_weights(make):
    data = load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    offset, weights = np.linspace(-3, 3, 30), np.linspace(0.5, 4, 30)
    plain = make.random(make.design(data, "Yield", {}, [group]))
    values = {str(name): v.to_numpy() for name, v in plain.draws.data_vars.items()}
    design = make.design(data, "Yield", {}, [group], offset=offset, weights=weights)
    post = make.posterior(design, values)
    np.testing.assert_allclose(fitted(post)["mean"], fitted(plain)["mean"] + offset)
    response, pearson = residuals(post, draws=True), residuals(post, kind="pearson", draws=True)
    sd = post.stacked("sigma").reshape(post.shape)[..., None] / np.sqrt(weights)
    np.testing.assert_allclose(pearson, response / sd)


def counts(make, family, response="y", **options):
    data = pd.DataFrame({"y": np.arange(12) % 4, "g": np.arange(12) % 3})
    group = make.group(data, "g", {"Intercept": 1.0})
    plain = make.random(make.design(data, response, {}, [group]))
    values = {str(name): 0.3 * v.to_numpy() for name, v in plain.draws.data_vars.items()}
    return make.posterior(make.design(data, response, {}, [group]), values | options, family)


def test_counts_are_fitted_on_their_own_scale(make):
    post = counts(make, Poisson())
    eta = fitted(post, kind="linear", draws=True)
    mean = fitted(post, draws=True)
    np.testing.assert_allclose(mean, np.exp(eta))
    pearson = residuals(post, kind="pearson", draws=True)
    np.testing.assert_allclose(pearson, (post.design.y - mean) / np.sqrt(mean))


def test_binomial_counts_are_fitted_as_shares(make):
    post = counts(make, Binomial())
    object.__setattr__(post.design, "trials", np.full(12, 4))
    mean = fitted(post, draws=True)
    assert 0 < float(mean.min()) < float(mean.max()) < 1
    pearson = residuals(post, kind="pearson", draws=True)
    sd = np.sqrt(mean * (1 - mean) / 4)
    np.testing.assert_allclose(pearson, (post.design.y / 4 - mean) / sd)


def test_ordered_categories_are_fitted_as_probabilities(make):
    thresholds = np.broadcast_to([-1.0, 0.0, 2.0], (2, 50, 3))
    data = pd.DataFrame({"y": np.arange(12) % 4, "g": np.arange(12) % 3})
    design = make.design(
        data, "y", {}, [make.group(data, "g", {"Intercept": 1.0})], intercept=False
    )
    design = replace(design, response_levels=("a", "b", "c", "d"))
    values = {"sd_g": np.ones((2, 50, 1)), "ranef_g": np.zeros((2, 50, 3, 1))}
    drawn = make.posterior(design, values).draws
    drawn["thresholds"] = ("chain", "draw", "thresholds_dim"), thresholds
    post = Posterior(spec_of(design, Cumulative()), xr.DataTree.from_dict({"posterior": drawn}))
    F = 1 / (1 + np.exp([1.0, 0.0, -2.0]))
    p = np.diff([0, *F, 1])
    table = fitted(post)
    assert table.index.tolist() == np.repeat(data.index, 4).tolist()
    assert table["category"].tolist() == ["a", "b", "c", "d"] * 12
    np.testing.assert_allclose(table["mean"], np.tile(p, 12))
    draws = fitted(post, draws=True)
    assert draws.dims == ("chain", "draw", "obs", "category")
    np.testing.assert_allclose(draws.sum("category"), 1)
    np.testing.assert_allclose(draws.sel(category="c"), p[2])
    # residuals take the codes 1, 2, ... for numbers
    np.testing.assert_allclose(residuals(post)["mean"], data["y"] + 1 - p @ [1, 2, 3, 4])
    assert len(fitted(post, kind="linear")) == 12


@pytest.mark.parametrize("table", [fitted, residuals])
def test_an_unknown_kind_is_answered_with_the_known_ones(sleep, table):
    with pytest.raises(ModelError, match=r"kind='link': .* has kind="):
        table(sleep, kind="link")
