import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes.checks.assumptions import location, normality, scale, shape
from mixedbayes.checks.residual import Beside, effects, residuals
from mixedbayes.results.posterior import Posterior

N, J = 400, 20


def posterior(y, family="gaussian", draws=50, trials=None, **parameters):
    """The true parameters as a posterior, with a line x and levels g, and no group effects."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": y, "x": X, "g": np.arange(N) % J})
    left = "y"
    if trials is not None:
        data["t"], left = trials, "y | trials(t)"
    spec = mb.Model(f"{left} ~ x + (1 | g)", data, family=family).spec
    one = np.ones((4, draws))
    values = {
        "Intercept": (("chain", "draw"), 0 * one),
        "fixef": (("chain", "draw", "term"), one[..., None]),
        "sd_g": (("chain", "draw", "g_term"), one[..., None]),
        "ranef_g": (("chain", "draw", "g", "g_term"), rng.normal(size=(4, draws, J, 1)) * 1e-9),
        **{name: (("chain", "draw"), value * one) for name, value in parameters.items()},
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values)})
    return Posterior(spec.design, spec.family, tree)


X = np.random.default_rng(1).uniform(0, 3, N)
NOISE = np.random.default_rng(2).normal(size=N)


def test_a_right_model_raises_no_doubt():
    found = residuals(posterior(X + NOISE, sigma=1.0), seed=1)
    np.testing.assert_allclose(found.data[0], NOISE, atol=1e-6)
    assert not any(f.look for f in (location(found), scale(found)))
    assert not shape(found, posterior(X + NOISE, sigma=1.0)).look
    assert found.location()[0].table()["outside"].sum() <= 2


def test_a_curve_is_seen():
    said = location(residuals(posterior(X + (X - 1.5) ** 2 + NOISE, sigma=1.0), seed=1))
    assert said.look
    assert "a curve or a predictor is missing" in said.said
    assert said.table["rows"].sum() == N


def test_a_variance_that_grows_is_seen():
    growing = residuals(posterior(X + NOISE * X / 1.7, sigma=1.0), seed=1)
    assert scale(growing).look
    assert not location(growing).look


def test_heavy_tails_are_named():
    t = stats.t(2).rvs(N, random_state=4)
    post = posterior(X + t, sigma=float(t.std()))
    said = shape(residuals(post, seed=1), post)
    assert said.look
    assert "heavier tails" in said.said
    assert "student_t" in said.said


def test_skew_is_named():
    e = stats.expon().rvs(N, random_state=4) - 1
    post = posterior(X + e, sigma=1.0)
    assert "longer right tail" in shape(residuals(post, seed=1), post).said


@pytest.mark.parametrize("inflated", [False, True])
def test_counts_are_judged_by_their_own_variance(inflated):
    rng = np.random.default_rng(3)
    rate = np.exp(X) * (rng.gamma(1, 1, N) if inflated else 1)
    found = residuals(posterior(rng.poisson(rate), "poisson"), seed=1)
    assert scale(found).look == inflated


def test_shares_of_trials_are_on_one_scale():
    rng = np.random.default_rng(3)
    t = rng.integers(5, 30, N)
    y = rng.binomial(t, 1 / (1 + np.exp(-X)))
    found = residuals(posterior(y, "binomial", trials=t), seed=1)
    assert found.data.std() == pytest.approx(1, abs=0.1)
    assert found.replicated.std() == pytest.approx(1, abs=0.05)
    assert not scale(found).look


def with_effects(b, draws=100):
    """Effects b (J,) known but for a little noise."""
    post = posterior(X + NOISE, sigma=1.0, draws=draws)
    values = post.draws.copy()
    noise = 0.05 * np.random.default_rng(1).normal(size=(4, draws, J, 1))
    values["ranef_g"] = values["ranef_g"].dims, b[:, None] + noise
    return Posterior(post.design, post.family, xr.DataTree.from_dict({"posterior": values}))


def test_normal_effects_raise_no_doubt():
    b = stats.norm.ppf((np.arange(J) + 0.5) / J)
    post = with_effects(b)
    (found,) = effects(post, post.design.mu.groups[0], seed=1)
    said = normality(found)
    assert not said.look
    assert "like a normal sample" in said.said
    assert found.extreme()[0] in ("0", "19", 0, 19)


def test_a_group_that_does_not_belong_is_named():
    b = stats.norm.ppf((np.arange(J) + 0.5) / J)
    b[7] = 6.0
    post = with_effects(b)
    (found,) = effects(post, post.design.mu.groups[0], seed=1)
    said = normality(found)
    assert said.look
    assert "the largest is that of 7, +6.0 sd" in said.said


def test_p_is_uniform_where_data_and_replicates_are_alike():
    rng = np.random.default_rng(6)
    p = [Beside(*rng.normal(size=(2, 300, 8))).p() for _ in range(40)]
    assert np.mean(p) == pytest.approx(0.5, abs=0.03)
