"""Hypotheses about a fit: their prior beside draws of the model's, evidence beside closed forms."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import stats

import mixedbayes as mb
from mixedbayes.predict.hypothesis import hypothesis
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.predict.prior_quantities import NamedPrior
from mixedbayes.results.hypotheses import hypotheses
from mixedbayes.results.named import Named
from mixedbayes.results.statements import NoPrior

S = 4000


def conjugate(seed=1, n=30, slope=0.5, sigma=1.0, spread=2.0):
    """y ~ x with known sigma and normal priors: exact draws, and everything in closed form."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n)})
    data["y"] = 1 + slope * data["x"] + rng.normal(0, sigma, n)
    priors = {"Intercept": mb.Normal(0, 5), "fixef": {"x": mb.Normal(0, spread)}}
    post = hand_made("y ~ x", data, "gaussian", S, rng)
    spec = mb.Model("y ~ x", data, priors=priors).spec
    X, V0 = np.column_stack([np.ones(n), data["x"]]), np.diag([25.0, spread**2])
    V = np.linalg.inv(np.linalg.inv(V0) + X.T @ X / sigma**2)
    m = V @ X.T @ data["y"].to_numpy() / sigma**2
    beta = rng.multivariate_normal(m, V, S)
    idata = post.idata.copy()
    drawn = idata["posterior"].to_dataset()
    drawn["Intercept"].to_numpy()[:] = beta[:, 0]
    drawn["fixef"].to_numpy()[:] = beta[:, 1:]
    idata["posterior"] = drawn
    return replace(post, spec=spec, idata=idata), data, (m, V), (X, V0, sigma)


def test_an_equality_is_the_bayes_factor_of_the_smaller_model():
    post, data, _, (X, V0, sigma) = conjugate()
    y, noise = data["y"], sigma**2 * np.eye(len(data))
    whole = stats.multivariate_normal(None, noise + X @ V0 @ X.T).logpdf(y)
    for at in (0.0, 0.4):
        without = noise + X[:, :1] @ V0[:1, :1] @ X[:, :1].T
        smaller = stats.multivariate_normal(at * data["x"], without).logpdf(y)
        found = hypothesis(post, f"x = {at}")
        assert found["evidence_ratio"][0] == pytest.approx(np.exp(smaller - whole), rel=0.15)
        assert np.isnan(found["probability"][0])


def test_a_direction_is_the_bayes_factor_of_one_side():
    post, _, (m, V), (_, V0, _) = conjugate()
    for text, w in [("x > 0.2", [0, 1, -0.2]), ("Intercept - 2*x < 1", [-1, 2, 1])]:
        w, c = np.array(w[:2], float), w[2]
        after = stats.norm.sf(0, w @ m + c, np.sqrt(w @ V @ w))
        before = stats.norm.sf(0, c, np.sqrt(w @ V0 @ w))
        row = hypothesis(post, text).iloc[0]
        assert row["prior_probability"] == pytest.approx(before, rel=1e-12)
        assert abs(row["probability"] - after) < 4 * row["mcse"]
        odds = row["probability"] / (1 - row["probability"])
        assert row["evidence_ratio"] == pytest.approx(odds * (1 - before) / before)


@pytest.fixture(scope="module")
def post():
    """Default priors at the covariates' means, slopes correlated, ordered categories beside."""
    rng = np.random.default_rng(2)
    n = 120
    data = pd.DataFrame(
        {
            "y": rng.normal(50, 3, n),
            "x": rng.normal(4, 1, n),
            "arm": np.tile(["a", "b"], n // 2),
            "g": np.arange(n) % 6,
        }
    )
    return hand_made(["y ~ x * arm + (x | g)", "sigma ~ x + (1 | g)"], data, "gaussian", 50, rng)


@pytest.fixture(scope="module")
def prior(post):
    """Draws from the prior by the function that simulates data from it."""
    return prior_predictive(post.spec, 4000, seed=3)["prior"].to_dataset().isel(chain=0)


def same(found, expected):
    return stats.ks_2samp(found, expected).pvalue > 1e-4


def test_draws_are_those_of_the_model_s_prior(post, prior):
    named = Named(post)
    ours = NamedPrior(post, named)
    level = prior["ranef_g"].sel(g=2, g_term="x")
    for text, expected in [
        ("Intercept", prior["Intercept"]),
        ("x", prior["fixef"].sel(term="x")),
        ("arm[b]", prior["fixef"].sel(term="arm[b]")),
        ("sigma_Intercept", prior["sigma_Intercept"]),
        ("sd_g[Intercept]", prior["sd_g"].sel(g_term="Intercept")),
        ("sd_g[x]", prior["sd_g"].sel(g_term="x")),
        ("cor_g[Intercept, x]", prior["cor_g"][:, 0, 1]),
        ("sd_sigma_g[Intercept]", prior["sd_sigma_g"][:, 0]),
        ("ranef[g=2, x]", level),
        ("ranef[g=2, Intercept]", prior["ranef_g"].sel(g=2, g_term="Intercept")),
        ("coef[g=2, x]", level + prior["fixef"].sel(term="x")),
        ("ranef[g=2, sigma_Intercept]", prior["ranef_sigma_g"].sel(g=2)[:, 0]),
    ]:
        assert same(ours.draws(named.find(text)), expected), text
    both = [ours.draws(named.find(f"ranef[g=2, {t}]")) for t in ("Intercept", "x")]
    assert same(both[0] * both[1], prior["ranef_g"].sel(g=2).prod("g_term"))
    two = [ours.draws(named.find(f"coef[g={g}, x]")) for g in (2, 3)]
    between = prior["ranef_g"].sel(g=2, g_term="x") - prior["ranef_g"].sel(g=3, g_term="x")
    assert same(two[0] - two[1], between)


def test_closed_forms_are_those_of_the_draws(post):
    named = Named(post)
    prior = NamedPrior(post, named)
    for weights in [
        {"x": 1.0},
        {"Intercept": 1.0},
        {"arm[b]": -2.0, "x:arm[b]": 3.0},
        {"Intercept": 1.0, "x": 4.0, "sigma_x": 0.5},
        {"sigma_Intercept": -1.0},
    ]:
        drawn = sum(w * prior.draws(name) for name, w in weights.items())
        exact = prior.distribution(weights)
        at = np.quantile(drawn, [0.1, 0.5, 0.8])
        np.testing.assert_allclose(exact.cdf(at), [0.1, 0.5, 0.8], atol=0.01)
        width = 1e-4 * drawn.std()
        slope = (exact.cdf(at + width) - exact.cdf(at - width)) / (2 * width)
        np.testing.assert_allclose(np.exp(exact.logpdf(at)), slope, rtol=1e-5)
    assert prior.distribution({"sd_g[Intercept]": 1.0}) is None  # moved to zero


def test_what_is_symmetric_has_probability_one_half(post):
    texts = [
        "x > 0",
        "x > arm[b]",
        "ranef[g=2, x] > 0",
        "coef[g=2, x] > coef[g=3, x]",
        "coef[g=2, x] > 0",
    ]
    assert (hypothesis(post, *texts)["prior_probability"] == 0.5).all()


def test_joint_statements_count_dependence(post):
    found = hypothesis(post, "coef[g=2, x] > 0 and coef[g=3, x] > 0", "x > 0 and 2 * x > 0")
    assert found["prior_probability"][0] > 0.3  # 1/4 if they were independent
    assert found["prior_probability"][1] == 0.5


def test_ordered_thresholds_have_the_prior_of_sorted_numbers():
    rng = np.random.default_rng(4)
    y = pd.Categorical(rng.choice(list("abc"), 90), ordered=True)
    data = pd.DataFrame({"y": y, "x": rng.normal(3, 1, 90)})
    post = hand_made("y ~ x", data, "cumulative", 50, rng)
    named = Named(post)
    expected = prior_predictive(post.spec, 4000, seed=5)["prior"]["thresholds"].isel(chain=0)
    for k, label in enumerate(("a|b", "b|c")):
        drawn = NamedPrior(post, named).draws(f"thresholds[{label}]")
        assert same(drawn, expected[:, k])
    found = hypothesis(post, "thresholds[b|c] > thresholds[a|b]", "thresholds[a|b] < 0")
    assert found["evidence_ratio"].isna().tolist() == [True, False]


def test_without_a_proper_prior_there_is_no_evidence():
    rng = np.random.default_rng(6)
    data = pd.DataFrame(
        {"y": rng.normal(size=60), "x": rng.normal(5, 1, 60), "z": rng.normal(size=60)}
    )
    data["g"] = np.arange(60) % 6
    flat = {"fixef": {"x": mb.Flat(), "z": mb.Normal(0, 1)}}
    post = hand_made("y ~ x + z + (1 | g)", data, "gaussian", 200, rng)
    post = replace(post, spec=mb.Model("y ~ x + z + (1 | g)", data, priors=flat).spec)
    texts = ("x > 0", "x = 0.5", "z > 1", "Intercept > 0", "coef[g=1, Intercept] > 0", "x - z < 0",
             "icc[g] > .5", "sd_g[Intercept] > 0.5", "ranef[g=1, Intercept] > 0")  # fmt: skip
    found = hypothesis(post, *texts)
    known = ["z > 1", "sd_g[Intercept] > 0.5", "ranef[g=1, Intercept] > 0"]
    assert found.loc[found["prior_probability"].notna(), "hypothesis"].tolist() == known
    note = found.attrs["note"]
    assert "No evidence ratio of x > 0: x has the improper prior Flat()." in note
    assert "coef[g=1, Intercept] > 0: coef[g=1, Intercept] depends on an improper prior" in note
    assert "icc[g] depends on the rows of the data" in note


def test_equalities_at_the_end_of_a_range(post):
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"y": rng.normal(size=60), "g": np.arange(60) % 6})
    priors = {"sd": mb.HalfNormal(2), "sigma": mb.HalfNormal(1)}
    sd = np.abs(rng.normal(0, 0.5, (1, S, 1)))
    post = hand_made("y ~ 1 + (1 | g)", data, "gaussian", S, rng, {"sd_g": sd})
    post = replace(post, spec=mb.Model("y ~ 1 + (1 | g)", data, priors=priors).spec)
    found = hypothesis(
        post, "sd_g[Intercept] = 0", "2 * sd_g[Intercept] + 1 = 1", "0 = sd_g[Intercept]"
    )
    np.testing.assert_allclose(found["evidence_ratio"], 4, rtol=0.15)
    assert hypothesis(post, "sd_g[Intercept] > 0").attrs["note"].count("its prior probability is 1")


def test_the_note_names_default_priors_and_draws_are_offered(post):
    found = hypothesis(post, "x > 0")
    assert "that of x is a default, made to say little" in found.attrs["note"]
    assert "defaults" not in hypothesis(post, "exp(x / 100)").attrs["note"]
    drawn = hypothesis(post, "x > 0", "x = 1", draws=True)
    assert drawn["holds"].sizes == {"chain": 1, "draw": 50, "hypothesis": 2}
    np.testing.assert_allclose(drawn["estimate"].sel(hypothesis="x = 1")[0], post.fixef()[:, 0] - 1)


def test_errors_show_the_place(post):
    with pytest.raises(mb.FormulaError, match=r"did you mean x") as error:
        hypothesis(post, "x > 0", "xx > 0")
    assert "    xx > 0\n    ^^" in str(error.value)
    with pytest.raises(mb.FormulaError, match="called `99`"):
        hypothesis(post, "coef[g=99, x] > 0")
    with pytest.raises(mb.FormulaError, match="a hypothesis is a text"):
        hypothesis(post, ["x > 0"])
    with pytest.raises(mb.ModelError, match="no hypothesis"):
        hypothesis(post)
    with pytest.raises(mb.ModelError, match="interval"):
        hypothesis(post, "x > 0", interval="hpd")


def test_the_prior_may_be_left_out(post):
    found = hypotheses(["x > 0"], Named(post), chains=1)
    assert "evidence_ratio" not in found
    with pytest.raises(NoPrior):
        NamedPrior(post, Named(post)).draws("r2[marginal]")
