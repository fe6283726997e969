"""Several responses: draws by hand, and what each response has by itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import stats
from several_responses import frame as full_frame

import mixedbayes as mb
from mixedbayes.api.model import Fit
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.errors import ModelError
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.several import of_response
from mixedbayes.results.summary import summary
from mixedbayes.results.varcorr import varcorr

FORMULAS = [
    "mv(weight, height) ~ age + (age | p | child)",
    "height ~ age + sex + (1 | p | child)",
]
APART = ["mv(weight, height, rescor=False) ~ age + (age | p | child)", *FORMULAS[1:]]

RHO = {"rho": np.array([[1.0, 0.6], [0.6, 1.0]])}


def frame(n=60, missing=True, seed=2):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"child": np.arange(n) % 12, "age": rng.uniform(2, 9, n).round(2)})
    d["sex"] = np.where(np.arange(n) % 12 % 2, "m", "f")
    b, e = rng.normal(size=(12, 2)), rng.normal(size=(n, 2))
    d["weight"] = 3 + 2 * d["age"] + b[d["child"], 0] + e[:, 0]
    d["height"] = 60 + 6 * d["age"] + 3 * b[d["child"]].sum(1) + 2 * (e[:, 0] + e[:, 1])
    if missing:
        d.loc[[3, 8], "weight"] = np.nan
        d.loc[[4, 20, 21], "height"] = np.nan
        d.loc[30, ["weight", "height"]] = np.nan
    return d


@pytest.fixture(scope="module")
def post():
    return hand_made(FORMULAS, frame(), "gaussian", 40, np.random.default_rng(4), RHO)


@pytest.fixture(scope="module")
def fit():
    return mb.fit(FORMULAS, frame(), draws=150, tune=150, chains=2, seed=1, progress=False)


def correlations(post):
    return post.stacked("rho")


def test_the_density_of_a_row_is_that_of_its_known_responses(post):
    d, R, every = post.design, correlations(post), post.design.several
    sd = np.exp(post.fixef("sigma"))
    b, beta = post.ranef("child"), post.fixef()
    g = d.mu.groups[0]
    found = by_row(post)
    assert found.shape == (40, every.m)
    for unit in (0, 3, 4, 17):
        rows = np.flatnonzero(every.units == unit)
        places = every.places[rows]
        for s in (0, 7):
            eta = d.mu.X[rows] @ beta[s] + g.Z[rows] @ b[s, g.refs[rows[0]]]
            cov = R[s][np.ix_(places, places)] * np.outer(sd[s, places], sd[s, places])
            expected = stats.multivariate_normal.logpdf(d.y[rows], eta, cov)
            assert found[s, unit] == pytest.approx(expected, rel=1e-10)
    some = np.array([17, 3, 4])
    np.testing.assert_allclose(by_row(post, some), found[:, some], rtol=1e-12)


def test_one_response_is_a_model_with_its_share_of_the_draws(post):
    own = of_response(post, "height")
    assert own.design.mu.terms == ("age", "sex[m]")
    np.testing.assert_array_equal(own.intercept(), post.population("height_Intercept"))
    np.testing.assert_array_equal(own.fixef()[:, 0], post.population("height_age"))
    np.testing.assert_array_equal(own.stacked("sigma"), np.exp(post.fixef("sigma")[:, 1]))
    np.testing.assert_array_equal(own.ranef("child")[..., 0], post.ranef("child")[..., 2])
    weight = of_response(post, "weight")
    np.testing.assert_array_equal(weight.cor("child"), post.cor("child")[:, :2, :2])
    np.testing.assert_array_equal(weight.sd("child"), post.sd("child")[:, :2])
    with pytest.raises(ModelError, match="it has weight, height"):
        of_response(post, "length")


def test_means_of_new_rows_are_those_of_each_response_by_itself(post):
    new = frame(missing=False).iloc[[0, 5, 7]].drop(columns=["weight", "height"])
    new.loc[5, "child"] = 99
    table = predict(post, new, kind="mean", groups="typical")
    assert list(table["response"]) == ["weight", "height"] * 3
    for name in ("weight", "height"):
        own = predict(of_response(post, name), new, kind="mean", groups="typical")
        found = table[table["response"] == name]
        np.testing.assert_allclose(found["mean"], own["mean"], rtol=1e-12)
        np.testing.assert_allclose(found["upper"], own["upper"], rtol=1e-12)
        np.testing.assert_array_equal(found["age"], new["age"])
    draws = predict(post, new, kind="linear", draws=True)
    assert draws.dims == ("chain", "draw", "obs", "response")
    assert list(draws["obs"].to_numpy()) == [0, 5, 7]
    own = predict(of_response(post, "height"), new.iloc[[0, 2]], kind="linear", draws=True)
    np.testing.assert_allclose(draws.sel(response="height", obs=[0, 7]), own, rtol=1e-12)


def test_new_observations_have_the_covariance_of_effects_and_residuals():
    """Of one draw of the parameters many times: those of a new child, and of another row of it."""
    rng = np.random.default_rng(5)
    one = hand_made(FORMULAS, frame(), "gaussian", 1, rng, RHO)
    many = one.idata["posterior"].to_dataset().isel(draw=np.zeros(20_000, int))
    many = many.assign_coords(draw=np.arange(20_000))
    post = replace(one, idata=xr.DataTree.from_dict({"posterior": many}))
    new = pd.DataFrame({"child": [77, 77], "age": [4.0, 6.0], "sex": ["f", "f"]})
    Sigma, R = post.cov("child")[0], post.stacked("rho")[0]
    sd = np.exp(post.fixef("sigma")[0])
    Z = np.array([[1, 4, 0], [0, 0, 1], [1, 6, 0], [0, 0, 1.0]])
    noise = np.kron(np.eye(2), R * np.outer(sd, sd))
    expected = Z @ Sigma @ Z.T + noise
    drawn = predict(post, new, draws=True, seed=3).to_numpy().reshape(-1, 4)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs(np.cov(drawn.T) - expected)[:].max() < 0.04 * scale.max()
    apart = predict(post, new.assign(child=[77, 78]), draws=True, seed=3)
    of_other = np.cov(apart.to_numpy().reshape(-1, 4).T)[:2, 2:]
    assert np.abs(of_other / scale[:2, 2:]).max() < 0.04


def test_tables_of_shares_are_of_each_response(post):
    fit = Fit.__new__(Fit)
    fit.posterior = post
    table = fit.icc()
    assert list(table["response"].unique()) == ["weight", "height"]
    own = fit.response("height").icc()
    np.testing.assert_allclose(table[table["response"] == "height"]["mean"], own["mean"])
    with pytest.raises(ModelError, match=r"fit\.response\('weight'\)\.means"):
        fit.means()
    with pytest.raises(ModelError, match="ask it of the fit of all"):
        fit.response("weight").prior_sensitivity()


WHOLE = [
    "mv(weight, height) ~ age + (1 | p | child)",
    "weight ~ s(age, k=4) + mo(grade) + (1 | p | child) + (0 + ar1(visit) | school)",
    "height ~ age + (1 | p | child) + (1 | gr(school, by=arm)) + (1 | mm(school, school2))",
    "sigma ~ age + (1 | p | child)",
]


@pytest.fixture(scope="module")
def whole():
    d = full_frame()
    d["arm"] = d["school"] % 2
    return hand_made(WHOLE, d, "gaussian", 8, np.random.default_rng(3), RHO)


def test_one_response_has_the_terms_of_every_kind_that_are_its_own(whole):
    """Its rows have the means and sds that they have among all; new rows too."""
    every, eta = whole.design.several, linear_predictor(whole, slice(None))
    log_sd = linear_predictor(whole, slice(None), "sigma")
    new = full_frame(missing=False).iloc[:3].assign(arm=lambda d: d["school"] % 2)
    new.loc[1, "school2"] = 77
    both = predict(whole, new, kind="linear", draws=True, seed=1)
    for k, name in enumerate(("weight", "height")):
        own = of_response(whole, name)
        np.testing.assert_allclose(linear_predictor(own, slice(None)), eta[every.at(k)], rtol=1e-12)
        found = linear_predictor(own, slice(None), "sigma")
        np.testing.assert_allclose(found, log_sd[every.at(k)], rtol=1e-12)
        alone = predict(own, new, kind="linear", draws=True, seed=1)
        known = alone["obs"] != 1  # of a new level there are draws
        seen = both.sel(response=name)[..., known.to_numpy()]
        np.testing.assert_allclose(seen, alone[..., known.to_numpy()], rtol=1e-12)
    weight = of_response(whole, "weight")
    np.testing.assert_array_equal(weight.cor("school"), whole.cor("weight_school"))
    R = whole.stacked("cor_child")
    np.testing.assert_array_equal(weight.stacked("cor_child"), R[:, [0, 2]][:, :, [0, 2]])
    assert own.group("school").arms is not None


def test_shares_of_the_variance_are_of_the_response_that_a_term_is_of(whole):
    table = varcorr(whole).set_index(["group", "term"])["share"]
    own = varcorr(of_response(whole, "weight")).set_index(["group", "term"])["share"]
    assert table["weight_school", "visit"].iloc[0] == own["school", "visit"].iloc[0]


def test_a_summary_has_the_shares_of_those_responses_that_have_group_effects():
    formulas = ["mv(weight, height) ~ age + (1 | child)", "height ~ age"]
    found = summary(hand_made(formulas, frame(), "gaussian", 40, np.random.default_rng(4), RHO))
    assert set(found.icc["response"]) == {"weight"}
    assert set(found.r2["response"]) == {"weight", "height"}


def test_default_priors_are_those_of_each_response_by_itself():
    d = frame(missing=False)
    every = mb.Model(APART, d).priors
    one = mb.Model(["height ~ age + sex + (1 | child)", "sigma ~ 1"], d).priors
    for _, row in one.iterrows():
        match row["parameter"]:
            case "Intercept":
                term = "height_Intercept"
                found = every[(every["parameter"] == "fixef") & (every["term"] == term)]
            case "sigma_Intercept":
                found = every[(every["parameter"] == "sigma_fixef") & (every["term"] == "height")]
            case parameter:
                term = f"height_{row['term']}"
                found = every[(every["parameter"] == parameter) & (every["term"] == term)]
        assert list(found["prior"]) == [row["prior"]]


def test_a_new_child_with_some_responses_has_its_exact_effects_in_every_draw(fit):
    """b given y is normal, by the covariance of effects and of the known responses."""
    new = frame(missing=False, seed=9).iloc[:2].assign(child=50)
    new.loc[0, "weight"] = np.nan
    post = fit.posterior
    found, d = condition_on(post, new).effects, post.design
    places, Z = np.array([1, 0, 1]), np.zeros((3, 3))
    Z[0, 2] = Z[2, 2] = 1
    Z[1, :2] = 1, new["age"][1]
    X = np.zeros((3, len(d.mu.terms)))
    male = (new["sex"] == "m").to_numpy(float)
    X[0, 2:] = 1, new["age"][0], male[0]
    X[1, :2] = 1, new["age"][1]
    X[2, 2:] = 1, new["age"][1], male[1]
    y = np.array([new["height"][0], new["weight"][1], new["height"][1]])
    for s in (0, 5):
        sd = np.exp(post.fixef("sigma")[s])[places]
        R = correlations(post)[s][np.ix_(places, places)]
        R = np.where(np.array([0, 1, 1])[:, None] == [0, 1, 1], R, 0)
        V = Z @ post.cov("child")[s] @ Z.T + R * np.outer(sd, sd)
        gain = post.cov("child")[s] @ Z.T @ np.linalg.inv(V)
        mean = gain @ (y - X @ post.fixef()[s])
        np.testing.assert_allclose(found.mean[s], mean, rtol=1e-8)


def test_left_out_rows_are_those_of_the_frame(fit):
    found = fit.loo(progress=False)
    assert found.n_data_points == fit.posterior.design.several.m == 59
    assert list(found.elpd_i.coords["row"].to_numpy()[:4]) == [0, 1, 2, 3]
    assert 30 not in found.elpd_i.coords["row"]
    assert "59 observations" in str(found)
    assert np.log(np.exp(by_row(fit.posterior)).mean(axis=0)).sum() > found.elpd


def test_code_for_brms_has_every_response_and_the_residuals_correlation():
    d = frame(missing=False)
    code = mb.Model(FORMULAS, d).code("brms")
    for line in (
        "bf(weight ~ 1 + age",
        "bf(height ~ 1 + age + sex",
        "set_rescor(TRUE)",
        'set_prior("lkj(2)", class = "rescor")',
        'class = "sigma", resp = "height")',
        'class = "sd", group = "child", resp = "height"',
    ):
        assert line in code
    alike = mb.Model("mv(weight, height, rescor=False) ~ age", d).code("brms")
    assert "bf(mvbind(weight, height) ~ 1 + age) +" in alike
    assert "set_rescor(FALSE)" in alike
    assert 'rescor"' not in alike
    with pytest.raises(ModelError, match="5 responses are missing in 59 rows"):
        mb.Model(FORMULAS, frame()).code("brms")


def test_effects_have_the_number_of_rows_of_their_response(fit):
    table, d = fit.ranef(group="child"), frame()
    for name in ("weight", "height"):
        known = d.loc[d[name].notna(), "child"].value_counts()
        own = table[table["term"] == f"{name}_Intercept"].set_index("level")["n"]
        assert dict(own) == dict(known)


def test_a_fit_is_exact_quick_and_kept(fit, tmp_path):
    assert str(fit.formulation) == "Marginal()"
    text = str(fit)
    assert "cor weight, height" in text
    assert "residual  weight and height correlated in a row: 59 rows" in text
    assert "rows      59 used, with 113 responses" in text
    assert "ICC adjusted, height" in text
    fit.log_likelihood()
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.varcorr().equals(fit.varcorr())
    made = fit.simulate(seed=3)
    missing = frame()[["weight", "height"]].isna().drop(30)
    pd.testing.assert_frame_equal(made[["weight", "height"]].isna(), missing)
    assert mb.truth(made).parameters["rho"].keys() == {"weight, height"}


@pytest.mark.slow
def test_responses_with_nothing_in_common_have_the_posteriors_of_their_own_models():
    d = frame()
    both = mb.fit("mv(weight, height, rescor=False) ~ age + (1 | child)", d, seed=1, progress=False)
    for name in ("weight", "height"):
        one = mb.fit(
            [f"{name} ~ age + (1 | child)", "sigma ~ 1"], d, seed=2, progress=False
        ).fixef()
        own = both.response(name).fixef()
        for term in ("Intercept", "age"):
            a, b = (t[t["term"] == term].iloc[0] for t in (own, one))
            error = np.hypot(a["sd"] / np.sqrt(a["ess_bulk"]), b["sd"] / np.sqrt(b["ess_bulk"]))
            assert abs(a["mean"] - b["mean"]) < 4 * error + 0.01 * b["sd"]
