import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.data import load_data
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import ranef

SLOPES = "Reaction ~ Days + (Days | Subject)"
SD, SIGMA, BETA = np.array([24.7, 5.9]), 25.6, np.array([251.4, 10.5])
COR = np.array([[1, 0.07], [0.07, 1]])
COV = COR * np.outer(SD, SD)


@pytest.fixture(scope="module")
def sleep():
    return load_data("sleepstudy")


@pytest.fixture(scope="module")
def partial():
    """Subjects 374 with two rows and 373 with one."""
    data = load_data("sleepstudy_partial")
    return data[data["Subject"].isin(["373", "374"])]


def known(make, sleep, s=2, **others):
    """A posterior of known parameters, which may differ between draws where they are given so."""
    values = {
        names.INTERCEPT: np.full(s, BETA[0]),
        names.FIXEF: BETA[1:],
        names.SIGMA: SIGMA,
        names.sd("Subject"): SD,
        names.cor("Subject"): COR,
        names.ranef("Subject"): np.zeros((18, 2)),
    }
    return make.posterior(SLOPES, sleep, values | others)


def blup(Z, r, cov, sigma2):
    """Mean and covariance of b given r = Z b + e, b ~ N(0, cov), e ~ N(0, diag(sigma2))."""
    V = Z @ cov @ Z.T + np.diag(sigma2)
    gain = cov @ Z.T @ np.linalg.inv(V)
    return gain @ r, cov - gain @ Z @ cov


def design_of(days):
    return np.column_stack([np.ones(len(days)), days])


# known parameters: the best linear unbiased prediction


def test_known_parameters_give_the_blup(make, sleep, partial):
    result = condition_on(known(make, sleep), partial)
    table = result.ranef().set_index(["level", "term"])
    assert result.ranef()["level"].drop_duplicates().tolist() == ["374", "373"]
    for level in ("373", "374"):
        rows = partial[partial["Subject"] == level]
        Z = design_of(rows["Days"])
        mean, cov = blup(Z, rows["Reaction"] - Z @ BETA, COV, np.full(len(rows), SIGMA**2))
        found = table.loc[level]
        np.testing.assert_allclose(found["mean"], mean, rtol=1e-10)
        np.testing.assert_allclose(found["sd"], np.sqrt(np.diag(cov)), rtol=1e-10)
        np.testing.assert_allclose(found["upper"], mean + 1.959963985 * found["sd"], rtol=1e-8)
        assert (found["n"] == len(rows)).all()
        total = result.coef().set_index(["level", "term"]).loc[level]
        np.testing.assert_allclose(total["mean"], mean + BETA, rtol=1e-10)
    assert result.importance.reliable
    np.testing.assert_allclose(result.importance.weights, 0.5)


def test_predictions_of_the_new_level_have_the_blup_s_distribution(make, sleep, partial):
    s = 20_000
    rows = partial[partial["Subject"] == "374"]
    result = condition_on(known(make, sleep, s), rows)
    Z, days = design_of(rows["Days"]), np.array([0.0, 4.0, 9.0])
    mean, cov = blup(Z, rows["Reaction"] - Z @ BETA, COV, np.full(2, SIGMA**2))
    new = pd.DataFrame({"Days": days, "Subject": "374"})
    z = design_of(days)
    found = result.predict(new, kind="mean")
    sd = np.sqrt(np.einsum("ri,ij,rj->r", z, cov, z))
    np.testing.assert_allclose(found["mean"], z @ (BETA + mean), atol=4 * sd.max() / np.sqrt(s))
    np.testing.assert_allclose(found["sd"], sd, rtol=0.03)
    response = result.predict(new)
    np.testing.assert_allclose(response["sd"], np.hypot(sd, SIGMA), rtol=0.03)
    draws = result.coef(draws=True)["coef_Subject"]
    assert draws.dims == ("chain", "draw", "Subject", "Subject_term")
    np.testing.assert_allclose(np.cov(draws.to_numpy().reshape(-1, 2).T), cov, rtol=0.1, atol=1)


def test_weights_of_rows_count(make, sleep):
    data = sleep.assign(w=1.0)
    formula = "Reaction | weights(w) ~ 1 + (1 | Subject)"
    values = {names.INTERCEPT: 250, names.SIGMA: 20, names.sd("Subject"): [30.0]}
    post = make.posterior(formula, data, values)
    rows = pd.DataFrame({"Reaction": [300.0, 270.0], "w": [4.0, 0.5], "Subject": "x"})
    mean, cov = blup(np.ones((2, 1)), [50.0, 20.0], np.array([[900.0]]), np.array([100.0, 800.0]))
    found = condition_on(post, rows).ranef()
    np.testing.assert_allclose(found[["mean", "sd"]], [[mean[0], np.sqrt(cov[0, 0])]], rtol=1e-10)
    with pytest.raises(DataError, match=r"weights\(w\)"):
        condition_on(post, rows.drop(columns="w"))


def test_a_group_without_spread_has_no_effects(make, sleep, partial):
    post = known(make, sleep, **{names.sd("Subject"): [20.0, 0.0]})
    found = condition_on(post, partial).ranef().set_index("term")
    np.testing.assert_allclose(found.loc["Days", ["mean", "sd", "lower", "upper"]], 0, atol=1e-9)
    assert (found.loc["Intercept", "sd"] > 5).all()


def test_new_levels_of_nested_factors_are_updated_together(make):
    """A new batch with two casks, and a new cask of a batch that is known."""
    data = load_data("pastes")
    formula = "strength ~ 1 + (1 | batch/cask)"
    inner = "batch:cask"
    rng = np.random.default_rng(0)
    b = rng.normal(0, 1.3, (10, 1))
    values = {
        names.INTERCEPT: 60,
        names.SIGMA: 0.8,
        names.sd("batch"): [1.3],
        names.sd(inner): [2.9],
        names.ranef("batch"): b,
        names.ranef(inner): np.zeros((30, 1)),
    }
    post = make.posterior(formula, data, values)
    rows = pd.DataFrame(
        {
            "strength": [63.0, 62.5, 58.0, 66.0],
            "batch": ["Z", "Z", "Z", "B"],
            "cask": ["a", "a", "b", "q"],
        }
    )
    found = condition_on(post, rows)
    # effects: batch Z; casks Z:a, Z:b, B:q
    A = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1.0]])
    r = rows["strength"].to_numpy() - 60 - np.array([0, 0, 0, b[1, 0]])
    mean, cov = blup(A, r, np.diag([1.3**2, 2.9**2, 2.9**2, 2.9**2]), np.full(4, 0.64))
    table = found.ranef()
    assert table["level"].tolist() == ["Z", "Z:a", "Z:b", "B:q"]
    np.testing.assert_allclose(table["mean"], mean, rtol=1e-9)
    np.testing.assert_allclose(table["sd"], np.sqrt(np.diag(cov)), rtol=1e-10)
    only = found.ranef(group=inner)
    assert only[["batch", "cask"]].to_numpy().tolist() == [["Z", "a"], ["Z", "b"], ["B", "q"]]
    new = pd.DataFrame({"batch": ["Z", "Z"], "cask": ["a", "other"]})
    eta = found.predict(new, kind="linear", draws=True)
    effects = found.ranef(draws=True)
    total = 60 + effects["ranef_batch"][..., 0, 0] + effects["ranef_batch_cask"][..., 0, 0]
    np.testing.assert_allclose(eta[..., 0], total, rtol=1e-12)


# what the rows say about the parameters


def test_draws_are_weighted_by_the_rows_density(make, sleep, partial):
    rng = np.random.default_rng(0)
    s = 6
    beta = BETA + rng.normal(size=(s, 2)) * [20, 4]
    sigma = rng.uniform(15, 40, s)
    sd = SD * rng.uniform(0.3, 2, (s, 2))
    others = {
        names.INTERCEPT: beta[:, 0],
        names.FIXEF: beta[:, 1:],
        names.SIGMA: sigma,
        names.sd("Subject"): sd,
    }
    post = known(make, sleep, s, **others)
    with pytest.warns(UserWarning, match="6 draws are too few"):
        result = condition_on(post, partial)
    Z = design_of(partial["Days"])
    same = partial["Subject"].to_numpy()[:, None] == partial["Subject"].to_numpy()
    log_density = [
        stats.multivariate_normal.logpdf(
            partial["Reaction"],
            Z @ beta[k],
            (Z @ (COR * np.outer(sd[k], sd[k])) @ Z.T) * same + sigma[k] ** 2 * np.eye(3),
        )
        for k in range(s)
    ]
    weights = np.exp(log_density - np.max(log_density))
    np.testing.assert_allclose(result.importance.weights, weights / weights.sum(), rtol=1e-9)


def test_an_uncertain_intercept_is_updated(make, sleep):
    """beta ~ N(250, 10^2) and a row of a new group: a conjugate update of both."""
    s = 40_000
    beta = np.random.default_rng(5).normal(250, 10, s)
    values = {names.INTERCEPT: beta, names.SIGMA: 15, names.sd("Subject"): [20.0]}
    post = make.posterior("Reaction ~ 1 + (1 | Subject)", sleep, values)
    rows = pd.DataFrame({"Reaction": [280.0, 270.0], "Subject": "x"})
    mean, cov = blup(np.ones((2, 2)), [30.0, 20.0], np.diag([100.0, 400.0]), np.full(2, 225.0))
    result = condition_on(post, rows)
    found = result.ranef().iloc[0]
    assert found["mean"] == pytest.approx(mean[1], abs=4 * np.sqrt(cov[1, 1] / s))
    assert found["sd"] == pytest.approx(np.sqrt(cov[1, 1]), rel=0.02)
    total = result.coef().iloc[0]
    assert total["mean"] == pytest.approx(250 + mean.sum(), abs=4 * np.sqrt(cov.sum() / s))
    assert total["sd"] == pytest.approx(np.sqrt(cov.sum()), rel=0.02)
    intercept = result.posterior.intercept()
    assert intercept.mean() == pytest.approx(250 + mean[0], abs=5 * np.sqrt(cov[0, 0] / s))
    assert intercept.std() == pytest.approx(np.sqrt(cov[0, 0]), rel=0.02)
    # a group that was not seen learns through the intercept
    other = result.predict(pd.DataFrame({"Subject": ["y"]}), kind="mean", groups="average")
    assert other["mean"].item() == pytest.approx(intercept.mean(), rel=1e-12)
    eta = result.predict(pd.DataFrame({"Subject": ["x"]}), kind="mean")
    assert eta["mean"].item() == pytest.approx(250 + mean.sum(), abs=5 * np.sqrt(cov.sum() / s))
    assert eta["sd"].item() == pytest.approx(np.sqrt(cov.sum()), rel=0.03)


def test_crossed_rows_of_a_known_level_inform_it(make):
    """A new plate with known samples, whose effects are known by draws."""
    data = load_data("penicillin")
    s = 20_000
    rng = np.random.default_rng(2)
    samples = np.zeros((s, 6, 1))
    samples[:, 0, 0] = rng.normal(1, 0.5, s)
    values = {
        names.INTERCEPT: 23,
        names.SIGMA: 0.55,
        names.sd("plate"): [0.85],
        names.sd("sample"): [1.9],
        names.ranef("plate"): np.zeros((24, 1)),
        names.ranef("sample"): samples,
    }
    post = make.posterior("diameter ~ 1 + (1 | plate) + (1 | sample)", data, values)
    level = post.design.mu.group("sample").levels[0]
    rows = pd.DataFrame({"diameter": [25.5], "plate": ["?"], "sample": [level]})
    mean, cov = blup(np.ones((1, 2)), [1.5], np.diag([0.85**2, 0.25]), np.array([0.55**2]))
    result = condition_on(post, rows)
    found = result.ranef().iloc[0]
    assert found["mean"] == pytest.approx(mean[0], abs=0.02)
    assert found["sd"] == pytest.approx(np.sqrt(cov[0, 0]), rel=0.02)
    sample = result.posterior.ranef("sample")[:, 0, 0]
    assert sample.mean() == pytest.approx(1 + mean[1], abs=0.03)
    both = result.predict(rows.drop(columns="diameter"), kind="mean")
    assert both["mean"].item() == pytest.approx(24 + mean.sum(), abs=0.03)
    assert both["sd"].item() == pytest.approx(np.sqrt(cov.sum()), rel=0.05)


@pytest.fixture(scope="module")
def fit(sleep):
    """Draws of the posterior whose extension by three rows is known by quadrature."""
    priors = {
        "Intercept": mb.Normal(300, 250),
        "fixef": mb.Normal(0, 50),
        "sd": mb.Exponential(0.02),
        "sigma": mb.Exponential(0.02),
        "cor": mb.LKJ(2),
    }
    return mb.fit(SLOPES, sleep, priors=priors, seed=1, progress=False)


def test_partly_observed_subjects_agree_with_an_exact_refit(fit, partial, reference):
    parameters = reference("exact_sleepstudy_partial")["parameters"]
    exact = {p["variable"]: p for p in parameters}
    result = condition_on(fit.posterior, partial)
    assert result.importance.reliable
    for row in result.ranef().itertuples():
        refit = exact[f"r_Subject[{row.level},{row.term}]"]
        assert row.mean == pytest.approx(refit["mean"], abs=0.05 * refit["sd"])
        assert row.sd == pytest.approx(refit["sd"], rel=0.03)
        assert row.lower == pytest.approx(refit["q2.5"], abs=0.15 * refit["sd"])
        assert row.upper == pytest.approx(refit["q97.5"], abs=0.15 * refit["sd"])
    names_ = {"b_Intercept": result.posterior.intercept(), "b_Days": result.posterior.fixef()}
    for name, draws in names_.items():
        assert draws.mean() == pytest.approx(exact[name]["mean"], abs=0.15 * exact[name]["sd"])


def test_a_prediction_agrees_with_an_exact_refit(fit, partial, reference):
    exact = {p["variable"]: p for p in reference("exact_sleepstudy_partial")["parameters"]}
    days = np.array([0.0, 5.0, 9.0])
    new = pd.DataFrame({"Days": days, "Subject": "374"})
    found = condition_on(fit.posterior, partial).predict(new, kind="mean")
    intercept = exact["b_Intercept"]["mean"] + exact["r_Subject[374,Intercept]"]["mean"]
    slope = exact["b_Days"]["mean"] + exact["r_Subject[374,Days]"]["mean"]
    difference = found["mean"] - (intercept + slope * days)
    assert (np.abs(difference) < 0.15 * found["sd"]).all()
    unconditioned = predict(fit.posterior, new, kind="mean")
    assert (found["sd"] < unconditioned["sd"]).all()


# reliability


def test_rows_that_contradict_the_fit_are_reported(make, sleep):
    post = make.random(SLOPES, sleep, s=1000)
    rows = pd.DataFrame({"Reaction": np.arange(9.0) * 40, "Days": range(9), "Subject": "x"})
    with pytest.warns(UserWarning, match=r"above its limit.*9 row\(s\).*fit again"):
        result = condition_on(post, rows)
    assert not result.importance.reliable
    assert result.importance.pareto_k > result.importance.limit
    assert result.importance.ess < 100
    assert result.warning
    assert "above its limit" in repr(result)


def test_rows_like_the_others_are_not_reported(fit, partial):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = condition_on(fit.posterior, partial)
    assert result.warning == ""
    assert repr(result).splitlines()[0] == "Posterior given 3 row(s) of Subject 374, 373"
    assert result.importance.ess > 2000


# tables and predictions


def test_asking_twice_gives_the_same_answer_and_changes_nothing(make, sleep, partial):
    post = make.random(SLOPES, sleep, s=2000, seed=4)
    rows = partial.assign(Reaction=[4.0, 5.0, 3.0])
    before = post.idata["posterior"].to_dataset().copy(deep=True)
    one, two = condition_on(post, rows), condition_on(post, rows)
    new = pd.DataFrame({"Days": [1, 1, 2], "Subject": ["374", "308", "?"]})
    pd.testing.assert_frame_equal(one.predict(new), two.predict(new))
    xr.testing.assert_identical(one.ranef(draws=True), two.ranef(draws=True))
    assert not one.predict(new).equals(condition_on(post, rows, seed=9).predict(new))
    xr.testing.assert_identical(post.idata["posterior"].to_dataset(), before)
    own = set(ranef(post).columns) - {"ess_bulk", "rhat"}
    assert set(one.ranef().columns) == own
    assert one.coef(0.5)["lower"].gt(one.coef(0.9)["lower"]).all()


def test_statistics_in_closed_form_agree_with_the_draws(make, sleep, partial):
    result = condition_on(known(make, sleep, 4000), partial)
    asked = ["mean", "sd", "median", "prob_positive"]
    for table in (result.ranef, result.coef):
        exact, drawn = table(0.8, statistics=asked), table(0.8, statistics=[*asked, "mad"])
        assert list(drawn) == [*list(exact)[:-2], "mad", "lower", "upper"]
        unit = exact["sd"].to_numpy()[:, None]
        for name in ("mean", "median", "lower", "upper"):
            error = (exact[[name]] - drawn[[name]]).to_numpy() / unit
            assert np.abs(error).max() < 0.15
        assert (exact["prob_positive"] - drawn["prob_positive"]).abs().max() < 0.05
        shortest = table(0.8, interval="hdi")
        assert (
            (shortest["upper"] - shortest["lower"]) < 1.05 * (exact["upper"] - exact["lower"])
        ).all()
        with pytest.raises(mb.ModelError, match="mcse: effects of new levels are weighted draws"):
            table(statistics=["mean", "mcse"])


def test_a_conditioned_level_is_known_to_auto_and_a_stranger_to_new(make, sleep, partial):
    s = 4000
    post = known(make, sleep, s)
    result = condition_on(post, partial.assign(Reaction=[500.0, 500.0, 245.0]))
    new = pd.DataFrame({"Days": 0.0, "Subject": ["374", "stranger"]})
    auto = result.predict(new, kind="mean")
    assert auto["mean"].iloc[0] > 300
    assert auto["sd"].iloc[0] < 0.8 * SD[0]
    for groups in ("new", "auto"):
        found = result.predict(new, kind="mean", groups=groups).iloc[1]
        assert found["sd"] == pytest.approx(SD[0], rel=0.06)
    assert result.predict(new, kind="mean", groups="new")["sd"].iloc[0] == pytest.approx(
        SD[0], rel=0.06
    )
    by_name = result.predict(new, kind="mean", groups=["Subject"])
    pd.testing.assert_frame_equal(by_name, auto)


# errors


def test_rows_of_levels_in_the_fit_are_refused(make, sleep, partial):
    rows = pd.concat([partial, sleep.head(2)])
    message = r"2 of 5 rows belong to levels that are in the fit \(Subject: 308\).*fit again"
    with pytest.raises(DataError, match=message):
        condition_on(known(make, sleep), rows)


def test_what_cannot_be_conditioned_on_is_refused(make, sleep, partial):
    post = known(make, sleep)
    with pytest.raises(DataError, match="no rows"):
        condition_on(post, partial.head(0))
    with pytest.raises(DataError, match=r"lack 1 column.*Reaction"):
        condition_on(post, partial.drop(columns="Reaction"))
    many = pd.DataFrame({"Reaction": 250.0, "Days": 1, "Subject": [f"s{k}" for k in range(300)]})
    with pytest.raises(DataError, match="600 new effects"):
        condition_on(post, many)
    plain = make.posterior("Reaction ~ Days", sleep, {names.INTERCEPT: 0, names.FIXEF: [1]})
    with pytest.raises(ModelError, match="no group effects"):
        condition_on(plain, partial)


def with_formula_for_sigma(sleep, formula, s):
    """Known parameters, with log sigma = 3 + 0.1 Days."""
    model = mb.Model(["Reaction ~ 1 + (1 | Subject)", formula], sleep)
    values = {
        names.INTERCEPT: ((), 250.0),
        names.sd("Subject"): (("Subject_term",), [30.0]),
        names.intercept("sigma"): ((), 3.0),
        names.fixef("sigma"): (("sigma_term",), [0.1]),
    }
    draws = xr.Dataset(
        {
            name: (("chain", "draw", *dims), np.broadcast_to(value, (2, s // 2, *np.shape(value))))
            for name, (dims, value) in values.items()
        }
    )
    return Posterior(model.spec, xr.DataTree.from_dict({"posterior": draws}))


def test_rows_whose_residual_sd_has_a_formula(sleep, partial):
    s = 4000
    post = with_formula_for_sigma(sleep, "sigma ~ Days", s)
    rows = partial.assign(Subject="x")
    Z, r = np.ones((len(rows), 1)), rows["Reaction"].to_numpy() - 250
    variance = np.exp(2 * (3 + 0.1 * rows["Days"].to_numpy()))
    mean, cov = blup(Z, r, np.array([[900.0]]), variance)
    found = condition_on(post, rows).ranef().iloc[0]
    assert found["mean"] == pytest.approx(mean[0], abs=5 * np.sqrt(cov[0, 0] / s))
    assert found["sd"] == pytest.approx(np.sqrt(cov[0, 0]), rel=0.03)
