"""Rows with correlated residuals, beside dense covariances: densities, conditionals, effects."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from correlated import covariance, posterior, visits
from scipy import stats

import mixedbayes as mb
from mixedbayes.checks.group_density import group_obstacle
from mixedbayes.checks.leave_out import take
from mixedbayes.checks.log_likelihood import by_observation, by_target
from mixedbayes.checks.predictive import replicated
from mixedbayes.checks.sensitivity import log_prior, total_log_likelihood
from mixedbayes.errors import ModelError
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.results.correlated import given_kept, whitened
from mixedbayes.results.fitted import linear_predictor, residuals
from mixedbayes.results.own_priors import quantities
from mixedbayes.terms.correlated_rows import coloured, conditional
from mixedbayes.terms.correlated_rows import whitened as whitened_rows

CASES = {
    "ar1": ("ar1(visit | id)", "y | weights(w) ~ x"),
    "unstr by arm": ("unstr(visit | id, by=arm)", "y ~ x"),
    "ou": ("ou(time | id)", ["y ~ x", "sigma ~ x"]),
    "cosy": ("cosy(id)", ["y ~ x", "sigma ~ x"]),
    "arma11": ("arma11(visit | id)", "y ~ x"),
    "toep": ("toep(visit | id)", "y ~ x"),
    "beside effects": ("ar1(visit | id)", "y ~ x + (1 | id)"),
}


@pytest.fixture(params=CASES)
def post(request):
    residual, formula = CASES[request.param]
    return posterior(residual, formula)


def parts(post, s):
    """y less its mean given the effects, and the rows' covariance, in one draw."""
    eta = linear_predictor(post, slice(None))[:, s]
    return post.design.y - eta, covariance(post, s)


def test_rows_together(post):
    total = total_log_likelihood(post)
    for s in (0, 17):
        r, V = parts(post, s)
        expected = stats.multivariate_normal(np.zeros(len(r)), V).logpdf(r)
        np.testing.assert_allclose(total[s], expected, rtol=1e-9)


def test_a_row_given_all_others_of_its_group(post):
    found = by_observation(post)
    np.testing.assert_allclose(found[:, 3:9], by_observation(post, np.arange(3, 9)), rtol=1e-12)
    r, V = parts(post, 5)
    for i in (0, 4, 11):
        o = np.delete(np.arange(len(r)), i)
        k = np.linalg.solve(V[np.ix_(o, o)], V[o, i])
        sd = np.sqrt(V[i, i] - V[i, o] @ k)
        np.testing.assert_allclose(found[5, i], stats.norm(k @ r[o], sd).logpdf(r[i]), rtol=1e-8)


@pytest.mark.parametrize("residual", ["cosy(id)", "ar1(visit | id)"])
def test_thousands_of_rows_of_a_group_need_no_matrix(residual):
    rng, n = np.random.default_rng(1), 30_000
    d = pd.DataFrame({"id": "a", "visit": np.arange(n), "y": rng.normal(size=n)})
    own = mb.Model("y ~ 1", d, residual=residual).design.residual
    draws = {"rho": np.array([0.3, 0.7])}
    z = rng.normal(size=(2, n))
    e = coloured(own, draws, z)
    white, logs = whitened_rows(own, draws, e)
    np.testing.assert_allclose(white, z, atol=1e-9)
    rho = draws["rho"]
    expected = np.log1p(-rho) if residual.startswith("cosy") else np.log1p(-(rho**2))
    np.testing.assert_allclose(logs[:, -1], 0.5 * expected, atol=1e-3)
    mean, sd = conditional(own, draws, e)
    np.testing.assert_allclose(np.std((e - mean) / sd, axis=1), 1, atol=0.02)


def test_rows_given_those_that_are_kept(post):
    kept = np.random.default_rng(3).random(post.design.n) < 0.6
    left = np.flatnonzero(~kept)
    found = given_kept(post, left, kept)
    r, V = parts(post, 2)
    for k, i in enumerate(left):
        o = np.flatnonzero(kept & (post.design.residual.refs == post.design.residual.refs[i]))
        mean, var = 0.0, V[i, i]
        if len(o):
            w = np.linalg.solve(V[np.ix_(o, o)], V[o, i])
            mean, var = w @ r[o], var - V[i, o] @ w
        np.testing.assert_allclose(
            found[2, k], stats.norm(mean, np.sqrt(var)).logpdf(r[i]), rtol=1e-8
        )


def test_whole_groups(post):
    found = by_target(post, "id")["y"].to_numpy().reshape(post.n_draws, -1)
    s, own = 7, post.design.residual
    r, V = parts(post, s)
    if post.design.factors:
        V = V + post.sd("id")[s] ** 2 * (own.refs[:, None] == own.refs)
        r = post.design.y - linear_predictor(post, slice(None), without=["id"])[:, s]
    for level in (0, 5):
        rows = np.flatnonzero(own.refs == level)
        expected = stats.multivariate_normal(np.zeros(len(rows)), V[np.ix_(rows, rows)])
        np.testing.assert_allclose(found[s, level], expected.logpdf(r[rows]), rtol=1e-8)


def test_whitened_residuals_are_independent_given_those_before_them(post):
    white, _ = whitened(post, np.arange(post.design.n))
    r, V = parts(post, 1)
    order = np.lexsort((post.design.residual.places, post.design.residual.refs))
    L = np.linalg.cholesky(V[np.ix_(order, order)])
    np.testing.assert_allclose(white[1, order], np.linalg.solve(L, r[order]), atol=1e-8)
    found = residuals(post, kind="normalized", draws=True).to_numpy().reshape(white.shape)
    np.testing.assert_allclose(found, white)


@pytest.mark.parametrize("residual", ["unstr(visit | id, by=arm)", "toep(visit | id)"])
def test_correlations_that_depend_on_each_other_have_one_prior_density(residual):
    post = posterior(residual)
    others = (q for q in quantities(post) if q.kind != "residual")
    found = log_prior(post) - sum(q.prior.logpdf(q.placed) for q in others)
    rho = post.stacked("rho")
    if residual.startswith("unstr"):
        expected = mb.LKJ(2).logpdf(rho).sum(axis=1)
    else:
        R = post.design.residual.correlations({"rho": rho})[:, 0]
        inverse = np.linalg.inv(R[:, :3, :3])
        second = -inverse[:, 0, 2] / np.sqrt(inverse[:, 0, 0] * inverse[:, 2, 2])
        inverse = np.linalg.inv(R)
        third = -inverse[:, 0, 3] / np.sqrt(inverse[:, 0, 0] * inverse[:, 3, 3])
        law = stats.beta(2, 2, loc=-1, scale=2)
        expected = sum(law.logpdf(z) for z in (rho[:, 0], second, third))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_some_rows_of_a_design():
    post = posterior("ar1(visit | id)")
    some = np.array([3, 1, 8])
    own = take(post.design, some).residual
    np.testing.assert_array_equal(own.refs, post.design.residual.refs[some])
    np.testing.assert_array_equal(own.places, post.design.residual.places[some])


def test_levels_that_cut_through_groups_are_not_left_out():
    d = visits().assign(site=lambda d: d.visit % 2)
    post = posterior("ar1(visit | id)", "y ~ x + (1 | site)", d)
    assert "correlated across levels of site; use target='id'" in group_obstacle(post, "site")
    with pytest.raises(ModelError, match="correlated across levels of site"):
        by_target(post, "site")


# ---- new groups --------------------------------------------------------------------------------


def test_condition_on_whitens_the_rows():
    post = posterior("ar1(visit | id)", "y ~ x + (1 | id)", draws=400)
    new = pd.DataFrame({"visit": [1, 2, 4], "id": "new", "x": [0.1, -1, 2], "y": [1.0, 2, 0]})
    found = condition_on(post, new, seed=1)
    s = 4
    X = np.array(new.x)
    r = new.y.to_numpy() - post.intercept()[s] - X * post.fixef()[s, 0]
    sd, sigma, rho = post.sd("id")[s, 0], post.stacked("sigma")[s], post.stacked("rho")[s]
    at = np.array([1, 2, 4])
    V = sigma**2 * rho ** np.abs(np.subtract.outer(at, at)) + sd**2
    mean = sd**2 * np.ones(3) @ np.linalg.solve(V, r)
    var = sd**2 - sd**4 * np.ones(3) @ np.linalg.solve(V, np.ones(3))
    np.testing.assert_allclose(found.effects.mean[s, 0], mean, rtol=1e-8)
    np.testing.assert_allclose(found.effects.sd[s, 0], np.sqrt(var), rtol=1e-8)


# ---- draws --------------------------------------------------------------------------------------


def many(residual, formula="y ~ x", draws=3000, **how):
    """Many draws that are all the same, so that replicates have one covariance."""
    post = posterior(residual, formula, draws=draws, **how)
    tree = post.idata.copy()
    data = tree["posterior"].to_dataset()
    same = {n: v.copy(data=np.broadcast_to(v.to_numpy()[:1, :1], v.shape)) for n, v in data.items()}
    tree["posterior"].dataset = data.assign(same)
    return replace(post, idata=tree)


@pytest.mark.parametrize("residual", ["ar1(visit | id)", "unstr(visit | id, by=arm)"])
def test_replicates_have_the_covariance(residual):
    post = many(residual)
    y = replicated(post, "auto", 1)["y"].to_numpy().reshape(post.n_draws, -1)
    V = covariance(post, 0)
    scale = np.sqrt(np.outer(np.diag(V), np.diag(V)))
    np.testing.assert_allclose(np.cov(y.T) / scale, V / scale, atol=0.08)


def test_new_rows_are_drawn_together_and_described_one_by_one():
    post = many("ou(time | id)")
    new = pd.DataFrame({"time": [0.5, 1.1, 9.0, 1.1], "id": ["n", "n", "n", "p00"], "x": 0.0})
    y = predict(post, new, kind="response", draws=True, seed=3).to_numpy().reshape(-1, 4)
    reach = post.stacked("range")[0]
    at = new.time.to_numpy()
    R = np.exp(-np.abs(np.subtract.outer(at, at)) / reach)
    R[3, :3] = R[:3, 3] = 0
    np.testing.assert_allclose(np.corrcoef(y.T), R, atol=0.06)
    table = predict(post, new.drop(columns=["time", "id"]), kind="response", seed=3)
    np.testing.assert_allclose(table["sd"], post.stacked("sigma")[0], rtol=0.05)
    with pytest.raises(mb.DataError, match="lack 2 column"):
        predict(post, new.drop(columns=["time", "id"]), kind="response", draws=True)


def test_prior_predictive_draws_correlated_rows():
    narrow = {"fixef": mb.Normal(0, 0.01), "Intercept": mb.Normal(0, 0.01)}
    priors = narrow | {"rho": mb.Uniform(0.8, 0.99), "sigma": mb.Uniform(0.9, 1.1)}
    model = mb.Model("y ~ x", visits(), residual="ar1(visit | id)", priors=priors)
    tree = model.prior_predictive(draws=2000, seed=1)
    rho = tree["prior"]["rho"].to_numpy()
    assert rho.shape == (1, 2000)
    assert rho.min() > 0.8
    y, own = tree["prior_predictive"]["y"].to_numpy()[0], model.design.residual
    i = int(np.flatnonzero(own.places == 0)[0])
    j = np.flatnonzero((own.refs == own.refs[i]) & (own.places == 1))[0]
    other = np.flatnonzero(own.refs != own.refs[i])[0]
    assert np.corrcoef(y[:, i], y[:, j])[0, 1] > 0.8
    assert abs(np.corrcoef(y[:, i], y[:, other])[0, 1]) < 0.1
