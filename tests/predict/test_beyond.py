"""Effects at visits and times that the fitted data do not have."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import DataError
from mixedbayes.predict import chains
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.posterior import Posterior

S = 3000
TIMES = np.array([0.0, 1.0, 4.0, 9.0])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    who, time = np.repeat(np.arange(8), 4), np.tile(TIMES, 8)
    return pd.DataFrame({
        "y": rng.normal(size=32), "who": who, "time": time, "visit": time.astype(int),
        "site": who % 3, "kind": np.array(list("abcd"))[np.searchsorted(TIMES, time)],
    })  # fmt: skip


def of_prior(text, data):
    """Draws from the prior as a posterior."""
    spec = mb.Model(text, data).spec
    tree = prior_predictive(spec, S, 2)
    return Posterior(spec, xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}))


@pytest.fixture(scope="module", params=["ou(time | who)", "(1 | who) + ar1(visit | who)"])
def post(request, data):
    return of_prior(f"y ~ {request.param}", data)


def known(post):
    """Effects (S, J, 4) of the four times, sds (S,), and correlations as a function of lags."""
    told, sd = post.stacked("cor_who")[:, 0], post.sd("who")[:, -1]
    kind = post.design.mu.groups[0].covariance.kind

    def cor(lags):
        lags = np.abs(lags)[None]
        return (
            np.exp(-lags / told[:, None, None]) if kind == "range" else told[:, None, None] ** lags
        )

    return post.ranef("who")[:, :, -4:], sd, cor


def linear(post, new, **asked):
    """(S, m) draws of what the effects of the visits or times add."""
    h = predict(post, new, kind="linear", draws=True, seed=4, **asked).to_numpy().reshape(S, -1)
    h = h - post.intercept()[:, None]
    who = new["who"].to_numpy()
    if post.ranef("who").shape[2] > 4 and (who < 8).all():
        h -= post.ranef("who")[:, who, 0]
    return h


def uniform(u):
    """Whether numbers are from U(0, 1), by Kolmogorov and Smirnov."""
    return stats.kstest(u, "uniform").pvalue > 1e-3


def test_other_times_of_a_known_level_have_their_conditional_law(post):
    b, sd, cor = known(post)
    there = np.array([2.0, 3.0, 15.0])
    new = pd.DataFrame({"who": 5, "time": [*there, 4.0], "visit": [*there.astype(int), 4]})
    h = linear(post, new)
    np.testing.assert_allclose(h[:, 3], b[:, 5, 2])  # of the fit
    R11, R21 = cor(TIMES[:, None] - TIMES), cor(there[:, None] - TIMES)
    K = np.linalg.solve(R11, R21.transpose(0, 2, 1)).transpose(0, 2, 1)
    left = cor(there[:, None] - there) - K @ R21.transpose(0, 2, 1)
    z = h[:, :3] - np.einsum("sij,sj->si", K, b[:, 5])
    u = np.linalg.solve(np.linalg.cholesky(left + 1e-12 * np.eye(3)), z[..., None])[..., 0]
    u = u / sd[:, None]
    assert all(uniform(stats.norm.cdf(u[:, k])) for k in range(3))
    assert np.abs(np.corrcoef(u.T) - np.eye(3)).max() < 4 / np.sqrt(S)
    # a row by itself, and a level's two rows at one time
    alone = pd.DataFrame({"who": [5, 5], "time": [2.0, 2.0], "visit": [2, 2]})
    twice = linear(post, alone)
    np.testing.assert_array_equal(twice[:, 0], twice[:, 1])


def test_new_levels_at_other_times_have_the_law_of_all(post):
    _, sd, cor = known(post)
    there = np.array([4.0, 2.0, 15.0])
    new = pd.DataFrame({"who": 99, "time": there, "visit": there.astype(int)})
    h = linear(post, new)
    tau = post.sd("who")[:, 0] if post.ranef("who").shape[2] > 4 else np.zeros(S)
    V = tau[:, None, None] ** 2 + sd[:, None, None] ** 2 * cor(there[:, None] - there)
    u = np.linalg.solve(np.linalg.cholesky(V), h[..., None])[..., 0]
    assert all(uniform(stats.norm.cdf(u[:, k])) for k in range(3))
    assert np.abs(np.corrcoef(u.T) - np.eye(3)).max() < 4 / np.sqrt(S)


def test_averages_and_typical_levels_at_other_times(post):
    new = pd.DataFrame({"time": [2.5], "visit": [2.5]})
    h = predict(post, new, groups="average", kind="linear", draws=True).to_numpy().ravel()
    np.testing.assert_allclose(h, post.intercept())
    y = predict(post, new, groups="average", draws=True, seed=1).to_numpy().ravel()
    V = post.sd("who")[:, -1] ** 2 + post.stacked("sigma") ** 2
    V = V + (post.sd("who")[:, 0] ** 2 if post.ranef("who").shape[2] > 4 else 0)
    assert uniform(stats.norm(post.intercept(), np.sqrt(V)).cdf(y))
    far = predict(post, new, groups="typical", kind="mean", draws=True).to_numpy().ravel()
    np.testing.assert_allclose(far, post.intercept())


def test_rows_of_a_new_level_at_other_times_say_what_the_normal_law_says(post):
    rows = pd.DataFrame({"who": 50, "time": [2.0, 4.0], "visit": [2, 4], "y": [0.5, -0.2]})
    found = condition_on(post, rows)
    _, sd, cor = known(post)
    every = np.array([*TIMES, 2.0])
    V = sd[:, None, None] ** 2 * cor(every[:, None] - every)
    if post.ranef("who").shape[2] > 4:  # the intercept's effect is the first
        V = np.concatenate([np.zeros((S, 1, 5)), V], axis=1)
        V = np.concatenate([np.zeros((S, 6, 1)), V], axis=2)
        V[:, 0, 0] = post.sd("who")[:, 0] ** 2
    Z = np.zeros((2, V.shape[1]))
    Z[0, -1] = Z[1, -3] = 1
    Z[:, : V.shape[1] - 5] = 1
    W = Z @ V @ Z.T + post.stacked("sigma")[:, None, None] ** 2 * np.eye(2)
    r = rows["y"].to_numpy() - post.intercept()[:, None]
    mean = (V @ Z.T @ np.linalg.solve(W, r[..., None]))[..., 0]
    np.testing.assert_allclose(found.effects.mean, mean, atol=1e-7)
    assert found.ranef()["term"].iloc[-1] in ("time[2]", "visit[2]")
    more = pd.DataFrame({"who": [50, 50, 50], "time": [2.0, 4.0, 3.0], "visit": [2, 4, 3]})
    h = found.predict(more, kind="linear", draws=True).to_numpy().reshape(S, 3)
    drawn = found.known["mu"]["who"].effects[0].T
    mu = found.posterior.intercept() + (drawn[:, 0] if drawn.shape[1] == 6 else 0)
    np.testing.assert_allclose(h[:, :2], mu[:, None] + drawn[:, [-1, -3]])
    assert np.isfinite(h).all()


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ("cs(kind | who)", r"have an effect for each|has an effect for each level of kind"),
        ("toep(C(visit) | who)", "has an effect for each level"),
        ("hetar1(visit | who)", "an sd of its own in hetar1"),
        ("ar1(visit | who)", None),
        ("ar1(I(visit*2) | who)", "levels are 2 apart in the fitted data, and 5"),
    ],
)
def test_other_levels_are_refused_with_the_reason(data, bars, said):
    post = of_prior(f"y ~ {bars}", data)
    new = pd.DataFrame({"who": [3], "visit": [2], "kind": ["z"]})
    if said is None:
        with pytest.raises(DataError, match=r"visit(?s:.*)levels are 1 apart(?s:.*)ou\(visit"):
            predict(post, new.assign(visit=2.5))
        assert np.isfinite(predict(post, new)["mean"]).all()
        return
    with pytest.raises(DataError, match=said):
        predict(post, new.assign(visit=2.5 if "I(" in bars else 2))
    assert np.isfinite(predict(post, new, groups="typical")["mean"]).all()


# ---- chains of many times, whose effects are taken by their neighbours ---------------------------


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 9, 7))
    who, time = np.repeat(np.arange(3), 7), np.tile(times, 3)
    return pd.DataFrame({"y": rng.normal(size=21), "who": who, "time": time})


def test_effects_of_long_chains_have_their_distribution(many, monkeypatch):
    """New levels, other times of levels old and new, and levels that are not named."""
    monkeypatch.setattr(chains, "MANY", 3)
    post = of_prior("y ~ 0 + ou(time | who)", many)
    reach, sd = post.stacked("cor_who")[:, 0], post.sd("who")[:, 0]
    at = np.array([*many["time"][[0, 3, 6]], 4.321, -2.0, 4.4, 11.0])
    for who, seen in ((99, False), (1, True)):
        new = pd.DataFrame({"who": who, "time": at})
        h = predict(post, new, kind="linear", draws=True, seed=4).to_numpy().reshape(S, -1)
        u = h / sd[:, None]
        R = np.exp(-np.abs(np.subtract.outer(at, at)) / reach[:, None, None])
        z = np.linalg.solve(np.linalg.cholesky(R), u[..., None])[..., 0]
        assert np.abs(z.mean(axis=0)).max() < 4.5 / np.sqrt(S)
        assert np.abs(np.cov(z.T) - np.eye(len(at))).max() < 6 / np.sqrt(S)
        if seen:
            np.testing.assert_allclose(h[:, :3], post.ranef("who")[:, 1, [0, 3, 6]])
    new = pd.DataFrame({"who": 1, "time": at})
    found = predict(post, new, kind="linear", groups="average", draws=True).to_numpy()
    assert not found.any()
    asked = predict(post, new, kind="response", groups="new", seed=5, draws=True).to_numpy()
    y = asked.reshape(S, -1) / np.sqrt(sd**2 + post.parameters()["sigma"] ** 2)[:, None]
    assert np.abs(y.std(axis=0) - 1).max() < 4.5 / np.sqrt(S)
