"""Pooling factors of balanced one-way data against their closed form, and in their limits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mixedbayes as mb
from mixedbayes.results.shrinkage import pooling_kernel, shrinkage, weight_kernel

sds = st.floats(1e-3, 1e3)
sizes = st.integers(1, 10_000)
correlations = st.floats(-0.99, 0.99)
designs = arrays(float, (5, 2), elements=st.floats(-100, 100))


def one_way(tau, sigma, n):
    """Kernels of one intercept per level with n rows: pooling factor and weight."""
    arguments = (
        np.ones((1, 1, 1)),
        np.array([[tau]]),
        np.array([[[float(n)]]]),
        np.array([sigma**2]),
    )
    return pooling_kernel(*arguments).item(), weight_kernel(*arguments).item()


def slopes(sd, rho, z, sigma):
    cor = np.array([[[1, rho], [rho, 1]]])
    return pooling_kernel(cor, np.array([sd]), (z.T @ z)[None], np.array([sigma**2]))[0, 0]


@pytest.fixture(scope="module")
def yields(make):
    """Dyestuff, 6 batches of 5, at lme4's estimates; draws are one."""
    data = mb.load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    return data, make.reml(make.design(data, "Yield", {}, [group]), "lme4_dyestuff")


# ---- closed form --------------------------------------------------------------------------------


@given(sds, sds, sizes)
def test_one_way_factors_are_the_closed_form(tau, sigma, n):
    factor, weight = one_way(tau, sigma, n)
    assert factor == pytest.approx(sigma**2 / (sigma**2 + n * tau**2), rel=1e-9)
    assert weight == pytest.approx(n * tau**2 / (sigma**2 + n * tau**2), rel=1e-9)


def test_balanced_data_are_pooled_by_one_factor(yields):
    """(partial - complete) = (1 - factor) (own - complete), the estimates of every batch."""
    data, post = yields
    table = shrinkage(post)
    tau2, sigma2 = post.sd("Batch").item() ** 2, post.stacked("sigma").item() ** 2
    factor = sigma2 / (sigma2 + 5 * tau2)
    np.testing.assert_allclose(table["pooling"], factor, rtol=1e-12)
    np.testing.assert_allclose(table["borrowed"], sigma2 / tau2, rtol=1e-10)
    means = data.groupby("Batch", observed=True)["Yield"].mean()
    np.testing.assert_allclose(table["no_pooling"], means, rtol=1e-12)
    np.testing.assert_allclose(table["complete_pooling"], data["Yield"].mean(), rtol=1e-12)
    pulled = data["Yield"].mean() + (1 - factor) * (means - data["Yield"].mean())
    np.testing.assert_allclose(table["partial_pooling"], pulled, rtol=1e-9)


def test_the_factor_of_a_fit_is_the_mean_over_its_draws():
    fit = mb.fit("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff"), seed=1, progress=False)
    post, table = fit.posterior, fit.shrinkage(prob=0.9)
    sigma2 = post.stacked("sigma") ** 2
    factor = sigma2 / (sigma2 + 5 * post.sd("Batch")[:, 0] ** 2)
    np.testing.assert_allclose(table["pooling"], factor.mean())
    np.testing.assert_allclose(table["pooling_lower"], np.quantile(factor, 0.05))
    np.testing.assert_allclose(table["pooling_upper"], np.quantile(factor, 0.95))


# ---- limits -------------------------------------------------------------------------------------


@given(sds, sds, sizes)
def test_one_way_factors_tend_to_one_and_zero(tau, sigma, n):
    assert one_way(tau * 1e-9, sigma * 1e3, n)[0] == pytest.approx(1, abs=1e-7)
    assert one_way(tau * 1e9, sigma, n)[0] < 1e-5
    assert one_way(tau, sigma, 10**20)[0] < 1e-5
    assert one_way(0.0, sigma, n) == (1, 0)


@given(arrays(float, (2,), elements=sds), correlations, designs, sds)
def test_factors_of_slopes_tend_to_one_and_zero(sd, rho, z, sigma):
    """Where the population does not differ, and where it differs without limit."""
    np.testing.assert_allclose(slopes(sd * 1e-12, rho, z, sigma), 1, atol=1e-6)
    singular = np.linalg.svd(z, compute_uv=False)
    if singular[1] > 1e-3 * max(singular[0], 1e-3):  # rows that identify both effects
        assert (slopes(sd * 1e12, rho, z, sigma) < 1e-3).all()


@given(sds, sds, sizes)
def test_factors_fall_with_what_is_known(tau, sigma, n):
    factor = one_way(tau, sigma, n)[0]
    assert 0 < factor < 1
    assert one_way(tau, sigma, n + 1)[0] <= factor
    assert one_way(tau * 1.1, sigma, n)[0] <= factor
    assert one_way(tau, sigma * 1.1, n)[0] >= factor


@pytest.mark.parametrize(("sd", "factor"), [(1e-4, 1.0), (1e4, 0.0)])
def test_fits_at_the_limits_are_the_regressions(sd, factor):
    """A prior that says how much batches differ: not at all, or without limit."""
    data = mb.load_data("dyestuff")
    prior = mb.Uniform(sd, 1.001 * sd)
    fit = mb.fit("Yield ~ 1 + (1 | Batch)", data, priors={"sd": prior}, seed=1, progress=False)
    table = fit.shrinkage()
    np.testing.assert_allclose(table["pooling"], factor, atol=1e-3)
    target = table["complete_pooling"] if factor else table["no_pooling"]
    error = fit.coef()["sd"] / np.sqrt(4000)
    assert ((table["partial_pooling"] - target).abs() < 5 * error).all()


# ---- subjects with two rows and with one --------------------------------------------------------


def test_two_rows_move_a_subject_and_one_row_hardly_its_slope(make):
    """Subjects 374 (286, 288 ms) and 373 (245 ms) among eighteen with ten rows; lme4's values."""
    data = mb.load_data("sleepstudy_partial")
    columns = {"Intercept": 1.0, "Days": data["Days"]}
    group = make.group(data, "Subject", columns)
    design = make.design(data, "Reaction", {"Days": data["Days"]}, [group])
    table = shrinkage(make.reml(design, "lme4_sleepstudy_partial"))
    table = table.set_index(["term", "level"])
    intercept, slope = table.loc["Intercept"], table.loc["Days"]

    # 374's own line is 286 + 2 x; its start is believed by half, its slope not at all.
    assert tuple(table.xs("374", level="level")["no_pooling"].round(9)) == (286, 2)
    population = intercept["complete_pooling"].iloc[0]
    assert population < intercept.loc["374", "partial_pooling"] < 286
    assert slope.loc["374", "partial_pooling"] == pytest.approx(11.0783, abs=1e-3)
    # 373 has no slope of its own and is given nearly the population's, and the start is drawn up.
    assert np.isnan(slope.loc["373", "no_pooling"])
    assert slope.loc["373", "partial_pooling"] == pytest.approx(10.3915, abs=1e-3)
    assert 245 < intercept.loc["373", "partial_pooling"] < population

    for term in (intercept, slope):
        others = term["pooling"].drop(["373", "374"])
        assert others.max() < term.loc["374", "pooling"] < term.loc["373", "pooling"] < 1
    assert slope.loc["373", "pooling"] > 0.99
    assert pd.Series(slope["borrowed"]).drop(["373", "374"]).max() < 10
