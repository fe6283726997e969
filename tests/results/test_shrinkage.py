"""Shrinkage: against R's separate fits and lme4's modes, its limits, and what is not identified."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mixedbayes.data import load_data
from mixedbayes.errors import ModelError
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Log
from mixedbayes.results.level_fits import complete_pooling, level_fits
from mixedbayes.results.shrinkage import (
    pooling_kernel,
    shrinkage,
    weight_kernel,
)


def slopes(make, data, response="Reaction", group="Subject", x="Days", **options):
    columns = {"Intercept": 1.0, x: data[x]}
    groups = [make.group(data, group, columns)]
    return make.design(data, response, {x: data[x]}, groups, **options)


def by_term(table, column):
    return table.pivot(index="level", columns="term", values=column)


def test_the_ends_are_the_separate_and_the_common_fits_of_r(make, reference):
    post = make.reml(make.sleepstudy(), "lme4_sleepstudy_days_subject")
    table = shrinkage(post)
    separate = reference("lm_sleepstudy_no_pooling")
    found = by_term(table, "no_pooling").loc[separate["levels"]]
    np.testing.assert_allclose(found["Intercept"], separate["Intercept"], rtol=1e-10)
    np.testing.assert_allclose(found["Days"], separate["Days"], rtol=1e-9)
    complete = by_term(table, "complete_pooling").iloc[0]
    assert complete["Intercept"] == pytest.approx(251.40510484848485)
    assert complete["Days"] == pytest.approx(10.467285959595958)
    assert set(table["note"]) == {""}


@pytest.mark.parametrize("name", ["sleepstudy_days_subject", "sleepstudy_partial"])
def test_weights_turn_separate_fits_into_the_conditional_modes_of_lme4(make, name):
    data = load_data("sleepstudy" if name == "sleepstudy_days_subject" else name)
    post = make.reml(slopes(make, data), f"lme4_{name}")
    own = shrinkage(post)["no_pooling"].to_numpy().reshape(-1, 2)
    population = np.array([post.intercept()[0], post.fixef()[0, 0]])
    weights = shrinkage(post, draws=True)["weight_Subject"].to_numpy()[0, 0]
    modes = np.einsum("jst,jt->js", weights, own - population)
    known = ~np.isnan(own).any(axis=1)
    np.testing.assert_allclose(modes[known], post.ranef("Subject")[0][known], atol=1e-9)
    assert known.sum() >= 18


def test_subjects_with_too_few_rows_have_no_fit_of_their_own(make):
    data = load_data("sleepstudy_partial")
    table = shrinkage(make.random(slopes(make, data))).set_index(["level", "term"])
    assert table.loc[("374", "Intercept"), "no_pooling"] == pytest.approx(286)
    assert table.loc[("374", "Days"), "no_pooling"] == pytest.approx(2)
    assert np.isnan(table.loc[("373", "Days"), "no_pooling"])
    assert table.loc[("373", "Days"), "note"] == "1 row for 2 effects (Intercept, Days)"


def test_a_single_row_at_zero_identifies_the_intercept(make):
    # the row of subject 373 is on day 0
    data = load_data("sleepstudy_partial")
    table = shrinkage(make.random(slopes(make, data))).set_index(["level", "term"])
    assert table.loc[("373", "Intercept"), "no_pooling"] == pytest.approx(245)
    assert table.loc[("373", "Intercept"), "note"] == ""


def test_a_predictor_that_stands_still_is_named(make):
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "x": [0.0, 1, 2, 4, 4, 4], "g": list("aaabbb")})
    table = shrinkage(make.random(slopes(make, data, "y", "g", "x"))).set_index(["level", "term"])
    assert np.isnan(table.loc["b", "no_pooling"]).all()
    assert set(table.loc["b", "note"]) == {"x does not vary over the level's 3 rows"}
    assert table.loc[("a", "x"), "no_pooling"] == pytest.approx(1.5)


def test_collinear_columns_are_named_and_the_others_still_fitted(make):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=8), rng.normal(size=8)
    data = pd.DataFrame({"y": 1 + a + 5 * b, "g": ["p"] * 8})
    group = make.group(data, "g", {"Intercept": 1.0, "a": a, "2a": 2 * a, "b": b})
    fits = level_fits(group, data["y"].to_numpy(), None)
    np.testing.assert_allclose(fits.estimate[0, [0, 3]], [1, 5])
    assert np.isnan(fits.estimate[0, [1, 2]]).all()


def test_a_far_origin_costs_no_digits(make):
    rng = np.random.default_rng(4)
    x = np.tile(np.arange(5.0), 6)
    data = pd.DataFrame({"x": x + 2e6, "g": np.repeat(list("abcdef"), 5)})
    data["y"] = 3 * x + rng.normal(size=30)
    near = data.assign(x=x)
    far = level_fits(slopes(make, data, "y", "g", "x").mu.groups[0], data["y"].to_numpy(), None)
    plain = level_fits(slopes(make, near, "y", "g", "x").mu.groups[0], data["y"].to_numpy(), None)
    np.testing.assert_allclose(far.estimate[:, 1], plain.estimate[:, 1], rtol=1e-8)
    common = complete_pooling(slopes(make, data, "y", "g", "x"))
    assert common["x"] == pytest.approx(np.polyfit(x, data["y"], 1)[0], rel=1e-8)


def test_weights_and_offset_are_those_of_weighted_least_squares(make):
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(size=20), "g": list("ab") * 10})
    data["y"] = rng.normal(size=20)
    w, offset = rng.uniform(0.2, 3, 20), rng.normal(size=20)
    design = slopes(make, data, "y", "g", "x", weights=w, offset=offset)
    table = shrinkage(make.random(design)).set_index(["level", "term"])
    y = data["y"].to_numpy() - offset
    for level in "ab":
        rows = (data["g"] == level).to_numpy()
        slope, intercept = np.polyfit(data["x"][rows], y[rows], 1, w=np.sqrt(w[rows]))
        assert table.loc[(level, "x"), "no_pooling"] == pytest.approx(slope)
        assert table.loc[(level, "Intercept"), "no_pooling"] == pytest.approx(intercept)
    slope, intercept = np.polyfit(data["x"], y, 1, w=np.sqrt(w))
    assert table.loc[("a", "x"), "complete_pooling"] == pytest.approx(slope)
    assert table.loc[("a", "Intercept"), "complete_pooling"] == pytest.approx(intercept)


def test_what_the_factor_does_not_vary_is_taken_at_its_mean(make):
    data = load_data("penicillin")
    one = {"Intercept": 1.0}
    groups = [make.group(data, "plate", one), make.group(data, "sample", one)]
    post = make.random(make.design(data, "diameter", {}, groups))
    table = shrinkage(post).set_index(["group", "level"])
    sample = groups[1]
    y = data["diameter"].to_numpy() - post.ranef("sample")[:, :, 0].mean(axis=0)[sample.refs]
    first = y[(data["plate"] == "a").to_numpy()].mean()
    assert table.loc[("plate", "a"), "no_pooling"] == pytest.approx(first)


def test_partial_pooling_is_the_coefficient(sleep):
    table = shrinkage(sleep)
    expected = sleep.ranef("Subject")[:, 2, 1].mean() + sleep.fixef()[:, 0].mean()
    assert table.loc[5, "partial_pooling"] == pytest.approx(expected)


def test_a_term_without_population_effect_pools_to_zero(make):
    data = load_data("sleepstudy")
    group = make.group(data, "Subject", {"Intercept": 1.0, "Days": data["Days"]})
    table = shrinkage(make.random(make.design(data, "Reaction", {}, [group])))
    assert set(by_term(table, "complete_pooling")["Days"]) == {0.0}
    common = by_term(table, "complete_pooling")["Intercept"]
    np.testing.assert_allclose(common, data["Reaction"].mean())


def test_one_intercept_is_the_textbook_formula(make):
    sd, sigma2, n = np.array([[2.0], [0.5]]), np.array([4.0, 1.0]), np.array([1.0, 10.0, 1000.0])
    found = pooling_kernel(np.ones((2, 1, 1)), sd, n[:, None, None], sigma2)[:, :, 0]
    np.testing.assert_allclose(found, sigma2[:, None] / (sigma2[:, None] + n * sd**2))


def test_pooling_is_the_conditional_over_the_population_variance():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(3, 3))
    cov = a @ a.T
    sd = np.sqrt(np.diag(cov))
    cor = cov / np.outer(sd, sd)
    z = rng.normal(size=(5, 3))
    gram, sigma2 = z.T @ z, 1.7
    conditional = np.linalg.inv(np.linalg.inv(cov) + gram / sigma2)
    found = pooling_kernel(cor[None], sd[None], gram[None], np.array([sigma2]))[0, 0]
    np.testing.assert_allclose(found, np.diag(conditional) / np.diag(cov))
    weight = weight_kernel(cor[None], sd[None], gram[None], np.array([sigma2]))[0, 0]
    expected = cov @ np.linalg.inv(cov + sigma2 * np.linalg.inv(gram))
    np.testing.assert_allclose(weight, expected, atol=1e-12)


def test_levels_without_information_pool_completely():
    cor, sd = np.array([[[1, 0.5], [0.5, 1]]]), np.array([[1.0, 2.0]])
    np.testing.assert_allclose(pooling_kernel(cor, sd, np.zeros((1, 2, 2)), np.ones(1)), 1)
    assert not weight_kernel(cor, sd, np.zeros((1, 2, 2)), np.ones(1)).any()


def test_an_sd_of_zero_pools_completely_and_a_huge_one_not_at_all():
    gram = np.array([[[10.0, 45.0], [45.0, 285.0]]])
    none = pooling_kernel(np.eye(2)[None], np.zeros((1, 2)), gram, np.ones(1))
    np.testing.assert_allclose(none, 1)
    all_own = pooling_kernel(np.eye(2)[None], np.full((1, 2), 1e7), gram, np.ones(1))
    assert all_own.max() < 1e-12


sds = arrays(float, (2,), elements=st.floats(0, 1e6))
columns = arrays(float, (4, 2), elements=st.floats(-1e3, 1e3))


@given(sds, st.floats(-1, 1), columns, st.floats(1e-6, 1e6))
def test_pooling_lies_between_0_and_1(sd, rho, z, sigma):
    cor = np.array([[[1, rho], [rho, 1]]])
    found = pooling_kernel(cor, sd[None], (z.T @ z)[None], np.array([sigma**2]))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


@given(st.floats(0.01, 10), st.floats(-0.99, 0.99), columns, columns)
def test_more_rows_never_pool_more(sd, rho, z, more):
    cor, sd = np.array([[[1, rho], [rho, 1]]]), np.array([[sd, 1.0]])
    gram = np.stack([z.T @ z, z.T @ z + more.T @ more])
    few, many = pooling_kernel(cor, sd, gram, np.ones(1))[0]
    assert (many <= few + 1e-6).all()


def test_the_interval_is_over_the_draws(sleep):
    row = shrinkage(sleep, 0.5).iloc[0]
    draws = shrinkage(sleep, draws=True)["pooling_Subject"]
    first = draws.isel(Subject=0, Subject_term=0).to_numpy()
    assert row["pooling"] == pytest.approx(first.mean())
    assert row["pooling_lower"] == pytest.approx(np.quantile(first, 0.25))
    assert row["pooling_upper"] == pytest.approx(np.quantile(first, 0.75))


def test_levels_with_equal_rows_are_matched_to_their_own(make):
    data = load_data("sleepstudy_partial").sample(frac=0.7, random_state=1)
    post = make.random(slopes(make, data))
    table = by_term(shrinkage(post), "pooling")
    draws = shrinkage(post, draws=True)["pooling_Subject"].mean(("chain", "draw"))
    for level in table.index:
        np.testing.assert_allclose(table.loc[level, "Days"], draws.sel(Subject=level)[1])


def test_without_groups_there_is_nothing_to_pool(make):
    data = load_data("sleepstudy")
    with pytest.raises(ModelError, match="no group effects"):
        shrinkage(make.random(make.design(data, "Reaction", {}, [])))


def test_least_squares_need_the_identity_link(make, sleep):
    values = {str(name): v.to_numpy() for name, v in sleep.draws.data_vars.items()}
    post = make.posterior(sleep.design, values, Gaussian(link=Log()))
    with pytest.raises(ModelError, match="gaussian family with log link"):
        shrinkage(post)
