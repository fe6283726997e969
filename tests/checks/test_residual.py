import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.assumptions import location, normality, scale, shape
from mixedbayes.checks.residual import Beside, Bins, effects, residuals
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
    return Posterior(spec, tree)


X = np.random.default_rng(1).uniform(0, 3, N)
NOISE = np.random.default_rng(2).normal(size=N)


def test_a_right_model_raises_no_doubt():
    found = residuals(posterior(X + NOISE, sigma=1.0), seed=1)
    np.testing.assert_allclose(found.data[0], NOISE, atol=1e-6)
    assert not any(f.look for f in (location(found), scale(found)))
    assert not shape(found, posterior(X + NOISE, sigma=1.0)).look
    assert found.location()[0].table()["outside"].sum() <= 2


# ---- false alarms -----------------------------------------------------------------------------

GROUPS, ROWS, AT = 30, 10, np.linspace(-5, 5, 201)


def right(seed, curve=0.0):
    """A posterior of 0/1 outcomes under all true parameters but the group effects' own values.

    Their posterior is drawn exactly, from a grid, so that nothing but the check can be at fault.
    """
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(GROUPS), ROWS), rng.normal(size=GROUPS * ROWS)
    sd = rng.uniform(0.3, 1.5)
    fixed = 0.2 + 0.6 * x
    eta = fixed + sd * rng.normal(size=GROUPS)[g] + curve * (x**2 - 1)
    y = (rng.uniform(size=len(x)) < special.expit(eta)).astype(int)
    log_p = np.zeros((GROUPS, len(AT))) - AT**2 / (2 * sd**2)
    np.add.at(log_p, g, -np.log1p(np.exp((1 - 2 * y)[:, None] * (fixed[:, None] + AT))))
    share = np.cumsum(special.softmax(log_p, axis=1), axis=1)
    b = np.array([AT[np.minimum(np.searchsorted(p, rng.uniform(size=200)), 200)] for p in share])
    known = {"Intercept": 0.2, "fixef": 0.6, "sd_g": sd, "ranef_g": b.T[None, :, :, None]}
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    return hand_made("y ~ x + (1 | g)", data, "bernoulli", 200, rng, known)


def looks(curve=0.0, sets=60):
    """Shares of data sets that the checks along predictors and fitted values want looked at."""
    found = [residuals(right(seed, curve), seed) for seed in range(sets)]
    return [np.mean([f(r).look for r in found]) for f in (location, scale)]


def test_right_models_of_single_outcomes_raise_few_doubts():
    assert max(looks()) <= 0.05


def test_a_strong_curve_of_single_outcomes_is_found():
    assert looks(curve=0.6, sets=20)[0] >= 0.8


@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ 1 + (1 | g)", "y ~ arm + (1 | g)"])
def test_rows_sorted_by_the_response_have_no_trend(formula):
    """Where fitted values are the same, bins are not in the order of the rows."""
    data = pd.DataFrame({"y": NOISE, "g": np.arange(N) % J, "arm": np.arange(N) % 2})
    given = {"Intercept": 0.0, "fixef": 0.0, "ranef_g": 0.0, "sigma": 1.0}
    post = hand_made(
        formula, data.sort_values("y"), "gaussian", 200, np.random.default_rng(1), given
    )
    found = residuals(post, seed=1)
    assert not location(found).look
    assert not scale(found).look


def test_rows_with_the_same_predictors_are_in_one_bin():
    bins = Bins.shared(np.repeat([3.0, 1.0, 2.0], [50, 100, 50]))
    np.testing.assert_array_equal(bins.at, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(bins.sizes, [100, 50, 50])
    even = Bins.shared(np.arange(47.0))
    np.testing.assert_array_equal(even.sizes, [16, 16, 15])
    np.testing.assert_allclose(even.means(np.arange(47.0)[None]), even.at[None])
    assert len(Bins.shared(np.array([2.0])).at) == 1
    each = Bins.by_draw(
        np.array([[1.0, 3.0, 2.0] * 20, [3.0, 2.0, 1.0] * 20]), np.random.default_rng(1)
    )
    np.testing.assert_allclose(each.at, [1, 5 / 3, 7 / 3, 3])


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
    return Posterior(post.spec, xr.DataTree.from_dict({"posterior": values}))


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
