"""Fitted values, residuals and checks of censored and truncated responses, by draws made up."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from masses_by_cdf import by_cdf
from scipy import stats

from mixedbayes.checks import residual
from mixedbayes.checks.log_likelihood import log_likelihood
from mixedbayes.checks.predictive import posterior_predictive
from mixedbayes.errors import ModelError
from mixedbayes.families import limited, within
from mixedbayes.plots.residuals import plot_residuals
from mixedbayes.plots.residuals import residuals as quantile_residuals
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.icc import icc
from mixedbayes.results.r2 import r2

N = 300
BEFORE = "Of y before truncation, trunc(lower=0, upper=3)."
BETWEEN = "Of observations between the bounds, trunc(lower=0, upper=3)."


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for module in (limited, within):
        monkeypatch.setattr(module, "log_mass", by_cdf)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def truncated(rng, name="gaussian"):
    """A posterior at the truth, and the distribution between the bounds."""
    g = np.arange(N) % 5
    if name == "gaussian":
        law = stats.truncnorm(-0.5, 1.0, 1.0, 2.0)
        d = pd.DataFrame({"y": law.rvs(N, random_state=1), "g": g})
        given = {"Intercept": 1.0, "sigma": 2.0, "ranef_g": 0.0, "sd_g": 0.5}
        return hand_made("y | trunc(0, 3) ~ 1 + (1 | g)", d, name, 200, rng, given), law
    k = np.arange(1, 6)
    p = stats.poisson(4).pmf(k)
    law = stats.rv_discrete(values=(k, p / p.sum()))
    d = pd.DataFrame({"y": law.rvs(size=N, random_state=2), "g": g})
    return hand_made("y | trunc(1, 5) ~ 1", d, name, 200, rng, {"Intercept": np.log(4)}), law


@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_residuals_of_truncated_responses_are_of_the_distribution_between_the_bounds(name, rng):
    post, law = truncated(rng, name)
    y = post.design.y
    found = quantile_residuals(post)
    assert stats.kstest(found.value, "norm").pvalue > 0.05
    np.testing.assert_allclose(found.fitted, law.mean(), rtol=1e-9)
    np.testing.assert_allclose(residuals(post)["mean"], y - law.mean(), atol=1e-9)
    checked = residual.residuals(post, 1)
    np.testing.assert_allclose(checked.expected, law.mean(), rtol=1e-9)
    assert abs(checked.replicated.mean()) < 0.01


def test_fitted_values_say_which_mean_they_are(rng):
    post, law = truncated(rng)
    before, between = fitted(post), fitted(post, kind="truncated mean")
    np.testing.assert_allclose(before["mean"], 1.0)
    np.testing.assert_allclose(between["mean"], law.mean(), rtol=1e-9)
    assert (before.attrs["note"], between.attrs["note"]) == (BEFORE, BETWEEN)
    assert fitted(post, kind="truncated mean", draws=True).attrs["note"] == BETWEEN
    assert residuals(post).attrs["note"] == BETWEEN
    assert "note" not in fitted(post, kind="linear").attrs
    with pytest.raises(ModelError, match=r"between the bounds of truncation is not known here"):
        residuals(post, kind="pearson")
    assert plot_residuals(post).axes[0].get_xlabel() == "fitted y, between the bounds"
    plain = hand_made("y ~ 1", pd.DataFrame({"y": [1.0, 2.0]}), "gaussian", 5, rng)
    with pytest.raises(ModelError, match=r"y has none: write y \| trunc\(lower, upper\), or use"):
        fitted(plain, kind="truncated mean")


def test_variances_say_that_they_are_of_the_response_before(rng):
    post, _ = truncated(rng)
    assert r2(post).attrs["note"] == icc(post).attrs["note"] == BEFORE
    assert r2(post, draws=True).attrs["note"] == icc(post, draws=True).attrs["note"] == BEFORE
    # 0.5^2 / (0.5^2 + 2^2): sigma is that before truncation
    assert icc(post)["mean"].iloc[0] == pytest.approx(0.25 / 4.25)


class ZeroInflated:
    """0 with probability 0.3, else Poisson(4)."""

    def cdf(self, y):
        return np.where(np.asarray(y) < 0, 0.0, 0.3 + 0.7 * stats.poisson(4).cdf(y))


def skew_normal(mean, sigma, alpha):
    delta = alpha / np.hypot(1, alpha)
    scale = sigma / np.sqrt(1 - 2 * delta**2 / np.pi)
    return stats.skewnorm(alpha, mean - scale * delta * np.sqrt(2 / np.pi), scale)


LAWS = {  # family -> P(Y <= y), the parameters, what the formula adds
    "skew_normal": (skew_normal(1, 2, 3), {"Intercept": 1, "sigma": 2, "alpha": 3}, ""),
    "zero_inflated_poisson": (ZeroInflated(), {"Intercept": np.log(4), "zi": 0.3}, ""),
    "beta_binomial": (
        stats.betabinom(9, 1.5, 3.5), {"Intercept": np.log(3 / 7), "phi": 5}, "trials(n) + ",
    ),
    "binomial": (stats.binom(9, 0.3), {"Intercept": np.log(3 / 7)}, "trials(n) + "),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_censored_rows_have_the_probability_of_their_range(name, rng):
    law, given, more = LAWS[name]
    y = np.array([2.0, 4.0, 3.0, 5.0, 1.0, 0.0])
    d = pd.DataFrame({"y": y, "kind": [0, 1, -1, 2, 2, 1], "y2": y + 2, "n": 9})
    post = hand_made(f"y | {more}cens(kind, y2) ~ 1", d, name, 400, rng, given)
    a, b = np.array([4, -np.inf, 5, 1, 0]), np.array([np.inf, 3, 7, 3, np.inf])
    below, upto = law.cdf(a), law.cdf(np.minimum(b, 1e4))
    found = log_likelihood(post)["y"].to_numpy()[0]
    np.testing.assert_allclose(found[:, 1:], np.tile(np.log(upto - below), (400, 1)), rtol=1e-9)
    # a residual is anywhere in the probabilities of its range, by ranks among 400 replicates
    u = np.stack([stats.norm.cdf(quantile_residuals(post, seed).value[1:]) for seed in range(40)])
    assert (u > below - 0.09).all()
    assert (u < upto + 0.09).all()
    np.testing.assert_allclose(u.mean(axis=0), (below + upto) / 2, atol=0.17)
    np.testing.assert_allclose(u.std(axis=0), (upto - below) / np.sqrt(12), atol=0.09)
    # what is drawn for them is within their limits, of counts out of trials as a share
    unit = 9 if more else 1
    mean = fitted(post, draws=True).to_numpy()[0]
    drawn = unit * (residuals(post, draws=True).to_numpy()[0] + mean)[:, 1:]
    assert (drawn > a - 1e-9).all()
    assert (drawn <= b + 1e-9).all()
    if post.family.discrete:
        np.testing.assert_allclose(drawn, np.round(drawn), atol=1e-9)
        assert (np.round(drawn) > a).all()
    replicated = posterior_predictive(post)["y"]
    assert replicated.attrs["note"] == "Of y before censoring, cens(kind, y2)."
