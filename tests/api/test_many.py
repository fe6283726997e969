"""fit_many: one model in several data sets, as one posterior."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError

SETTINGS = {"seed": 3, "chains": 2, "draws": 200, "progress": False}


def frames(count=3, rows=90, *, predictors=True):
    """One data set whose x (or whose y) differs between copies where it was missing."""
    rng = np.random.default_rng(6)
    g, x = np.arange(rows) % 9, rng.normal(size=rows)
    arm = np.resize(list("ab"), rows)
    y = 1 + 0.7 * x + rng.normal(size=9)[g] * 0.5 + 0.5 * rng.normal(size=rows) + (arm == "b")
    data = pd.DataFrame({"y": y, "x": x, "g": g, "arm": arm})
    gone = rng.random(rows) < 0.3
    out = []
    for _ in range(count):
        own = data.copy()
        column = "x" if predictors else "y"
        own.loc[gone, column] = data.loc[gone, column] + rng.normal(0, 0.6, gone.sum())
        out.append(own)
    return out


@pytest.fixture(scope="module")
def pooled():
    return mb.fit_many("y ~ x + arm + (1 | g)", frames(), **SETTINGS)


@pytest.fixture(scope="module")
def of_responses():
    return mb.fit_many("y ~ x + arm + (1 | g)", frames(predictors=False), **SETTINGS)


def side_by_side(pooled, name):
    return np.concatenate([f.posterior.stacked(name) for f in pooled.fits.values()])


# ---- draws and tables ----------------------------------------------------------------------------


def test_draws_are_those_of_all_data_sets(pooled):
    for name in ("sigma", "fixef", "ranef_g"):
        np.testing.assert_array_equal(pooled.posterior.stacked(name), side_by_side(pooled, name))
    assert pooled.posterior.shape == (6, 200)
    assert isinstance(pooled, mb.Fit)


def test_mean_and_variance_follow_rubins_rules(pooled):
    """The mean of the means; the mean variance and that between the means."""
    slopes = [f.posterior.fixef()[:, 0] for f in pooled.fits.values()]
    row = pooled.fixef().set_index("term").loc["x"]
    means = [s.mean() for s in slopes]
    assert float(row["mean"]) == pytest.approx(np.mean(means))
    total = np.mean([s.var() for s in slopes]) + np.var(means)
    assert float(row["sd"]) ** 2 == pytest.approx(total, rel=1e-2)


def test_convergence_is_judged_within_each_data_set(pooled):
    table = pooled.fixef(statistics=["mean", "mcse", "ess_bulk", "rhat"]).set_index("term")
    each = [
        f.fixef(statistics=["mean", "mcse", "ess_bulk", "rhat"]).set_index("term")
        for f in pooled.fits.values()
    ]

    def of(name):
        return np.array([t[name].astype(float) for t in each])

    np.testing.assert_allclose(table["rhat"].astype(float), of("rhat").max(axis=0))
    np.testing.assert_allclose(table["ess_bulk"].astype(float), of("ess_bulk").sum(axis=0))
    expected = np.sqrt((of("mcse") ** 2).sum(axis=0)) / 3
    np.testing.assert_allclose(table["mcse"].astype(float), expected)


def test_data_sets_far_apart_are_no_failure_to_converge():
    one, two = frames(2)
    two["y"] = two["y"] + 50
    fit = mb.fit_many("y ~ x", {"low": one, "high": two}, **SETTINGS)
    table = fit.fixef()
    assert (table["rhat"].astype(float) < 1.1).all()
    assert float(table["sd"].iloc[0]) > 10
    assert fit.data_sets()["data_set"].tolist() == ["low", "high"]
    assert fit.converged == all(f.converged for f in fit.fits.values())


def test_the_report_of_convergence_names_the_data_set(pooled):
    found = pooled.diagnostics()
    assert found.chains == 6
    assert found.draws == 1200
    assert set(found.table["data_set"]) == {"1", "2", "3"}
    assert found.divergences == sum(f.diagnostics().divergences for f in pooled.fits.values())
    short = mb.fit_many("y ~ x + (1 | g)", frames(2), **{**SETTINGS, "draws": 20})
    assert short.diagnostics().messages[0].startswith("Data set ")


def test_the_summary_says_how_many_data_sets_there_are(pooled):
    said = str(pooled)
    assert "3 imputed data sets, 2 chains of 200 in each, pooled" in " ".join(said.split())


def test_shares_of_variance_are_of_the_rows_of_each_data_set(pooled):
    found = pooled.r2(draws=True)["marginal"].to_numpy().ravel()
    each = [f.r2(draws=True)["marginal"].to_numpy().ravel() for f in pooled.fits.values()]
    np.testing.assert_allclose(found, np.concatenate(each))
    found = pooled.icc(draws=True)["unadjusted"].to_numpy().ravel()
    each = [f.icc(draws=True)["unadjusted"].to_numpy().ravel() for f in pooled.fits.values()]
    np.testing.assert_allclose(found, np.concatenate(each))
    share = pooled.varcorr()["share"].astype(float)
    each = [f.varcorr()["share"].astype(float) for f in pooled.fits.values()]
    np.testing.assert_allclose(share, np.mean(each, axis=0), rtol=1e-10)


def test_estimands_average_over_the_rows_of_each_data_set(pooled):
    found = pooled.means("arm")
    each = np.concatenate([f.means("arm").sampled for f in pooled.fits.values()], axis=1)
    np.testing.assert_array_equal(found.sampled, each)
    slope = pooled.slopes("x")
    assert float(slope["mean"].iloc[0]) == pytest.approx(pooled.posterior.fixef()[:, 0].mean())
    assert len(pooled.comparisons("arm").draws["chain"]) == 6


def test_new_rows_are_predicted_by_all_draws(pooled):
    new = pd.DataFrame({"x": [0.0, 1.0], "arm": "a", "g": [1, 99]})
    found = pooled.predict(new, kind="mean", draws=True).to_numpy().reshape(-1, 2)[:, 0]
    each = [f.predict(new, kind="mean", draws=True).to_numpy().reshape(-1, 2)[:, 0]
            for f in pooled.fits.values()]  # fmt: skip
    np.testing.assert_allclose(found, np.concatenate(each))


def test_other_tables_and_statements_take_the_draws(pooled):
    assert len(pooled.ranef()) == 9
    assert len(pooled.describe(["median"])) > 3
    assert len(pooled.draws("fixef", wide=True)) == 1200
    found = pooled.hypothesis("x > 0")
    slopes = pooled.posterior.fixef()[:, 0]
    assert float(found["probability"].iloc[0]) == pytest.approx((slopes > 0).mean())


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["loo", "residuals", "pp_check", "check", "report", "log_evidence", "save", "kfold"]
)
def test_what_is_of_single_rows_is_refused(pooled, name):
    with pytest.raises(ModelError, match=rf"{name}\(\) is of the rows of one data set.*fit.fits"):
        getattr(pooled, name)()


def test_rows_are_refused_where_predictors_differ(pooled, of_responses):
    with pytest.raises(ModelError, match=r"fitted\(\) reads x in the rows"):
        pooled.fitted()
    with pytest.raises(ModelError, match="reads x in the rows"):
        pooled.draws("predictions")
    with pytest.raises(ModelError, match=r"predict\(\) without new data"):
        pooled.predict()
    found = of_responses.fitted(draws=True).to_numpy().reshape(1200, -1)
    each = [f.fitted(draws=True).to_numpy().reshape(400, -1) for f in of_responses.fits.values()]
    np.testing.assert_allclose(found, np.concatenate(each))


def test_tables_of_papers_say_that_draws_are_pooled(pooled):
    said = " ".join(str(mb.table({"pooled": pooled})).split())
    assert "6 chains of 200 draws after tuning, of 3 imputed data sets" in said
    assert "Left out: elpd" in said


def test_models_are_not_compared_by_pooled_draws(pooled):
    with pytest.raises(ModelError, match=r"fit\.fits"):
        mb.compare({"a": pooled, "b": pooled})


@pytest.mark.parametrize(
    ("change", "formula", "said"),
    [
        (lambda d: d.assign(arm=d["arm"].replace("b", "c")), "y ~ x + arm",
         r"data set second has other population columns than the first: it lacks 'arm\[b\]'"),
        (lambda d: d[d["g"] != 4], "y ~ x + (1 | g)",
         "data set second has other levels of g than the first: it lacks 4"),
        (lambda d: d.assign(x=d["x"] * 2), "y ~ scale(x)",
         r"data set second: scale\(x\) learns other numbers.*write numbers"),
        (lambda d: d.assign(x=d["x"] * 2), "y ~ s(x)",
         r"data set second: the functions of s\(x\) are others than in the first"),
        (lambda d: d.drop(columns="x"), "y ~ x", "data set second: no column 'x'"),
    ],
)  # fmt: skip
def test_data_sets_that_do_not_agree_are_named(change, formula, said):
    one, two = frames(2)
    with pytest.raises(mb.MixedBayesError, match=said):
        mb.fit_many(formula, {"first": one, "second": change(two)}, **SETTINGS)


def test_one_data_set_is_no_list():
    with pytest.raises(ModelError, match=r"takes a list of data frames.*mb.fit\(\)"):
        mb.fit_many("y ~ x", frames(1)[0])
    with pytest.raises(ModelError, match="there is 1"):
        mb.fit_many("y ~ x", frames(1))
    with pytest.raises(ModelError, match="there is 1"):
        mb.fit_many("y ~ x", (frame for frame in frames(1)))


@pytest.mark.parametrize("family", ["gaussian", {"y": "gaussian", "count": "poisson"}])
def test_several_responses_are_refused(family):
    sets = [d.assign(count=np.arange(len(d)) % 5) for d in frames(2)]
    formula = "mv(y, count, rescor=False) ~ x"
    for model in (formula, mb.Model(formula, sets[0], family=family)):
        with pytest.raises(ModelError, match=r"one response, and there are y, count.*mb\.fit\(\)"):
            mb.fit_many(model, sets, **SETTINGS)


# ---- models and imputation -----------------------------------------------------------------------


def test_a_model_gives_formula_family_and_priors():
    sets = frames(2)
    model = mb.Model("y ~ x", sets[0], priors={"fixef": mb.Normal(0, 0.01)})
    fit = mb.fit_many(model, sets, **SETTINGS)
    assert abs(float(fit.fixef()["mean"].iloc[1])) < 0.05
    with pytest.raises(ModelError, match="priors is the model's own"):
        mb.fit_many(model, sets, priors={"fixef": mb.Normal(0, 1)})
    with pytest.raises(DataError, match="data set 2"):
        mb.fit_many(model, [sets[0], sets[1].drop(columns="x")])


def test_default_priors_are_those_of_the_first_data_set():
    one, two = frames(2)
    fit = mb.fit_many("y ~ x", [one, two.assign(y=100 * two["y"])], **SETTINGS)
    first, second = (f.model.spec.priors for f in fit.fits.values())
    assert first is second


def test_a_cache_knows_whose_default_priors_a_data_set_has(tmp_path):
    """The second data set's draws are by the priors of the first, which is part of the question."""
    one, two = frames(2)
    two, how = two.assign(y=100 * two["y"]), {**SETTINGS, "cache": tmp_path}
    alone = mb.fit("y ~ x", two, **how | {"seed": SETTINGS["seed"] + 1})
    pooled = mb.fit_many("y ~ x", [one, two], **how)
    assert not np.array_equal(pooled.fits["2"].posterior.fixef(), alone.posterior.fixef())
    again = mb.fit_many("y ~ x", [one, two], **how)
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(again.posterior.fixef(), pooled.posterior.fixef())
    other = mb.fit_many("y ~ x", [one.assign(y=one["y"] + 1), two], **how)
    assert not np.array_equal(other.fits["2"].posterior.fixef(), pooled.fits["2"].posterior.fixef())


def test_names_are_told_apart_as_text():
    one, two = frames(2)
    with pytest.raises(ModelError, match="of 2 names 1 differ as such: 1, '1'"):
        mb.fit_many("y ~ x", {1: one, "1": two}, **SETTINGS)


def test_data_sets_of_other_numbers_of_rows():
    """Draws, shares of variance and averages are those of each data set's own rows, as a union."""
    one, two = frames(2)
    fit = mb.fit_many("y ~ x + arm + (1 | g)", [one, two.drop(index=range(9, 40))], **SETTINGS)
    assert fit.data_sets()["rows"].tolist() == [90, 59]
    np.testing.assert_array_equal(fit.posterior.stacked("sigma"), side_by_side(fit, "sigma"))
    each = [f.icc(draws=True)["adjusted"].to_numpy().ravel() for f in fit.fits.values()]
    found = fit.icc(draws=True)["adjusted"].to_numpy().ravel()
    np.testing.assert_allclose(found, np.concatenate(each))
    each = np.concatenate([f.means("arm").sampled for f in fit.fits.values()], axis=1)
    np.testing.assert_array_equal(fit.means("arm").sampled, each)
    for ask in (fit.fitted, fit.loo):
        with pytest.raises(ModelError, match=r"fit\.fits"):
            ask()


def test_imputing_responses_and_pooling_gives_the_posterior_of_the_observed_rows():
    data = frames(1)[0]
    data.loc[data["x"] > 0.6, "y"] = np.nan
    fit = mb.fit("y | mi() ~ x + arm", data, seed=1, chains=2, draws=1000, progress=False)
    again = mb.fit_many("y ~ x + arm", fit.imputed(40), **{**SETTINGS, "draws": 100})
    own, pool = (f.fixef().set_index("term").astype(float) for f in (fit, again))
    np.testing.assert_allclose(pool["mean"], own["mean"], atol=0.35 * own["sd"].max())
    np.testing.assert_allclose(pool["sd"], own["sd"], rtol=0.25)


# ---- correlated residuals ------------------------------------------------------------------------


def visits():
    """Data sets of eight visits of each patient."""
    patient = np.arange(80) // 8
    arm = np.where(patient % 2, "b", "a")
    return [
        d.assign(patient=patient, visit=np.arange(80) % 8, arm=arm)
        for d in frames(2, 80, predictors=False)
    ]


def test_correlations_of_residuals_are_pooled():
    data = visits()
    fit = mb.fit_many("y ~ x", data, residual="ar1(visit | patient, by=arm)", **SETTINGS)
    np.testing.assert_array_equal(fit.posterior.stacked("rho"), side_by_side(fit, "rho"))
    assert (fit.varcorr()["kind"] == "cor").sum() == 2
    of_model = mb.Model("y ~ x", data[0], residual="ar1(visit | patient, by=arm)")
    again = mb.fit_many(of_model, data, **SETTINGS)
    np.testing.assert_array_equal(fit.posterior.stacked("rho"), again.posterior.stacked("rho"))


def test_other_visits_are_refused():
    first, second = visits()
    second = second[second["visit"] < 7]
    with pytest.raises(DataError, match=r"data set 2 has other values of visit .* it lacks 7"):
        mb.fit_many("y ~ x", [first, second], residual="ar1(visit | patient)", **SETTINGS)
