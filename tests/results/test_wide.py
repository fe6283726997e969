"""Levels below and terms beside each other; covariances of the population effects."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.data import load_data
from mixedbayes.errors import ModelError
from mixedbayes.results.fixef import fixef_draws, vcov
from mixedbayes.results.library import answer
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import coef, ranef


@pytest.mark.parametrize("table", [ranef, coef])
def test_a_row_for_each_level_and_a_column_for_each_term(sleep, table):
    found, long = table(sleep, wide=True), table(sleep)
    assert found.shape == (18, 2)
    assert found.index.name == "Subject"
    assert list(found) == ["Intercept", "Days"]
    for level, term in (("308", "Days"), ("372", "Intercept")):
        row = long[(long["level"] == level) & (long["term"] == term)]
        assert found.loc[level, term] == row["mean"].item()
    medians = table(sleep, wide=True, statistics="median")
    assert (
        medians.to_numpy().ravel().tolist() == table(sleep, statistics="median")["median"].tolist()
    )


def test_a_constant_intercept_is_among_the_coefficients(make):
    data = load_data("sleepstudy")
    group = make.group(data, "Subject", {"Days": data["Days"]})
    post = make.random(make.design(data, "Reaction", {"Days": data["Days"]}, [group]))
    found = coef(post, wide=True)
    assert list(found) == ["Intercept", "Days"]
    assert found["Intercept"].nunique() == 1
    assert list(ranef(post, wide=True)) == ["Days"]


def test_combined_levels_stand_under_their_parts(nested):
    found = coef(nested, group="batch:cask", wide=True)
    assert found.index.names == ["batch", "cask"]
    long = coef(nested, group="batch:cask")
    assert found.loc[("A", "b"), "Intercept"] == long.query("level == 'A:b'")["mean"].item()
    in_polars = answer(found, "polars")
    assert in_polars.columns[:2] == ["batch", "cask"]


def test_what_is_not_one_number_by_level_is_refused(sleep, nested, make):
    with pytest.raises(ModelError, match="one grouping factor: choose group='batch' or group="):
        coef(nested, wide=True)
    with pytest.raises(ModelError, match=r"\['mean', 'sd'\] are 2: name one"):
        coef(sleep, wide=True, statistics=["mean", "sd"])
    with pytest.raises(ModelError, match="draws=True has none"):
        ranef(sleep, wide=True, draws=True)
    alone = make.random(make.design(load_data("sleepstudy"), "Reaction", {}, []))
    with pytest.raises(ModelError, match="no group effects, so no levels"):
        coef(alone, wide=True)


def test_effects_on_further_parameters_have_columns_of_their_own():
    data = pd.DataFrame({"y": np.arange(12.0), "x": np.tile([0.0, 1.0], 6), "g": np.arange(12) % 4})
    model = mb.Model(["y ~ x + (1 | g)", "sigma ~ x + (1 | g)"], data)
    rng, size = np.random.default_rng(1), (2, 30)
    values = {
        "Intercept": (("chain", "draw"), rng.normal(size=size)),
        "fixef": (("chain", "draw", "term"), rng.normal(size=(*size, 1))),
        "ranef_g": (("chain", "draw", "g", "g_term"), rng.normal(size=(*size, 4, 1))),
        "sigma_Intercept": (("chain", "draw"), rng.normal(size=size)),
        "sigma_fixef": (("chain", "draw", "sigma_term"), rng.normal(size=(*size, 1))),
        "ranef_sigma_g": (("chain", "draw", "g", "sigma_g_term"), rng.normal(size=(*size, 4, 1))),
    }
    post = Posterior(model.spec, xr.DataTree.from_dict({"posterior": xr.Dataset(values)}))
    found = coef(post, wide=True)
    assert list(found) == ["Intercept", "sigma_Intercept"]
    assert found.index.tolist() == [0, 1, 2, 3]
    assert list(answer(found, "polars").columns) == ["g", "Intercept", "sigma_Intercept"]
    assert vcov(post).columns.tolist() == ["Intercept", "x", "sigma_Intercept", "sigma_x"]


def test_covariances_are_those_of_the_draws(sleep):
    found = vcov(sleep)
    _, draws = fixef_draws(sleep)
    np.testing.assert_allclose(found, np.cov(draws.T))
    assert found.loc["Intercept", "Days"] == found.loc["Days", "Intercept"]
    np.testing.assert_allclose(vcov(sleep, correlation=True), np.corrcoef(draws.T))
    table = answer(found, "polars")
    assert isinstance(table, pl.DataFrame)
    assert table["term"].to_list() == ["Intercept", "Days"]


def test_one_effect_none_and_one_that_does_not_vary(make):
    data = load_data("dyestuff")
    one = make.random(make.design(data, "Yield", {}, []))
    assert vcov(one).shape == (1, 1)
    assert vcov(one, correlation=True).to_numpy() == pytest.approx(1)
    none = make.random(make.design(data, "Yield", {}, [], intercept=False))
    with pytest.raises(ModelError, match="no population effects"):
        vcov(none)
    still = make.posterior(
        make.design(data, "Yield", {}, []),
        {"Intercept": np.ones((2, 9)), "sigma": np.ones((2, 9))},
    )
    assert vcov(still).to_numpy() == 0
    assert np.isnan(vcov(still, correlation=True).to_numpy()).all()
