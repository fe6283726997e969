"""Formulas for further parameters: their predictors, priors, density, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.formula import parse_all

FORMULAS = ["Reaction ~ Days + (1 | Subject)", "sigma ~ Days + (1 | Subject)"]


@pytest.fixture(scope="module")
def model():
    return mb.Model(FORMULAS, mb.load_data("sleepstudy"))


def test_each_parameter_has_a_predictor(model):
    sigma = model.design.predictor("sigma")
    assert sigma.parameter == "sigma"
    assert sigma.terms == ("Days",)
    assert [g.name for g in sigma.groups] == ["Subject"]
    np.testing.assert_array_equal(sigma.X, model.design.mu.X)
    partly = mb.PartiallyCentered()
    assert model.formulation.groups == {"Subject": partly, "sigma_Subject": partly}


def test_priors_are_on_the_parameters_link_scale(model):
    table = model.priors.set_index(["parameter", "term"])["prior"]
    log_sd = np.log(model.design.y.std(ddof=1))
    assert table["sigma_Intercept"].iloc[0] == f"Normal({log_sd:.4g}, 2.5)"
    assert "sigma" not in table.index.get_level_values(0)
    given = mb.Model(
        FORMULAS, mb.load_data("sleepstudy"), priors={"sigma": {"fixef": mb.Normal(0, 0.3)}}
    )
    assert given.spec.priors.predictor("sigma").fixef[0].prior == mb.Normal(0, 0.3)


def test_density_of_the_rows_uses_each_rows_own_parameter(model):
    pymc = model.build(mb.NonCentered())
    rng, design = np.random.default_rng(1), model.design
    u, v = rng.normal(size=(2, 18))
    point = {
        "fixef": np.array([8.0]),
        "Intercept_at_means": np.array(290.0),
        "sd_Subject_log__": np.log([20.0]),
        "u_ranef_Subject": u[:, None],
        "sigma_fixef": np.array([0.1]),
        "sigma_Intercept_at_means": np.array(3.0),
        "sd_sigma_Subject_log__": np.log([0.4]),
        "u_ranef_sigma_Subject": v[:, None],
    }
    rows = pymc.logp(vars=pymc.observed_RVs, sum=True)
    found = pymc.compile_fn(rows, mode="FAST_COMPILE", on_unused_input="ignore")(point)
    centred = design.mu.X[:, 0] - design.mu.X.mean()
    refs = design.mu.groups[0].refs
    mu = 290 + 8 * centred + 20 * u[refs]
    sigma = np.exp(3 + 0.1 * centred + 0.4 * v[refs])
    assert float(found) == pytest.approx(stats.norm.logpdf(design.y, mu, sigma).sum(), rel=1e-10)


def test_prior_predictive_spreads_with_its_own_sigma():
    data = mb.load_data("sleepstudy")
    priors = {
        "fixef": mb.Normal(0, 1e-6),
        "Intercept": mb.Normal(0, 1e-6),
        "sigma": {"Intercept": mb.Normal(0, 1e-6), "fixef": mb.Normal(0.5, 1e-6)},
    }
    model = mb.Model(["Reaction ~ Days", "sigma ~ Days"], data, priors=priors)
    y = model.prior_predictive(4000, seed=1)["prior_predictive"]["Reaction"].to_numpy()[0]
    expected = np.exp(0.5 * data.Days.to_numpy())
    np.testing.assert_allclose(y.std(axis=0), expected, rtol=0.06)


@pytest.mark.parametrize(
    ("formulas", "message"),
    [
        (["y ~ x", "log(sigma) ~ x"], "the name of a parameter"),
        (["y ~ x", "sigma ~ x", "sigma ~ z"], "sigma has two formulas"),
        ([], "no formula"),
    ],
)
def test_what_a_list_of_formulas_may_be(formulas, message):
    with pytest.raises(mb.FormulaError, match=message):
        parse_all(formulas)


def test_a_column_that_is_missing_is_shown_in_its_own_formula():
    with pytest.raises(mb.DataError, match="no column 'Dayz'") as raised:
        mb.Model(["Reaction ~ Days", "sigma ~ 1 + Dayz"], mb.load_data("sleepstudy"))
    said = str(raised.value)
    assert "sigma ~ 1 + Dayz" in said
    assert "^^^^" in said
    assert "did you mean Days?" in said


def test_effects_of_two_parameters_have_two_names():
    data = mb.load_data("sleepstudy").assign(sigma_Subject=lambda d: d.Subject)
    with pytest.raises(mb.DataError, match=r"would both be called 'ranef_sigma_Subject'.*rename"):
        mb.Model(["Reaction ~ 1 + (1 | sigma_Subject)", "sigma ~ 1 + (1 | Subject)"], data)


@pytest.mark.parametrize(
    ("family", "parameter", "can"),
    [("gaussian", "shape", "sigma"), ("poisson", "sigma", "none"), ("gamma", "phi", "shape")],
)
def test_the_family_must_have_the_parameter(family, parameter, can):
    with pytest.raises(mb.ModelError, match=rf"'{parameter}' has a formula.*: {can}"):
        mb.Model(
            ["Reaction ~ Days", f"{parameter} ~ Days"], mb.load_data("sleepstudy"), family=family
        )


def test_rows_with_a_missing_value_in_any_formula_are_left_out():
    data = mb.load_data("sleepstudy").assign(z=1.0)
    data.loc[3, "z"] = np.nan
    data.loc[4, "z"] = 2.0
    assert mb.Model(["Reaction ~ Days", "sigma ~ z"], data).design.n == 179


# ---- recovery -----------------------------------------------------------------------------------


def gaussian(rng):
    """y ~ N(1 + 0.5 x + b_g, exp(-0.3 + 0.4 x + s_g)); b, s of sds 0.8, 0.4, correlation 0.7."""
    g = np.repeat(np.arange(40), 15)
    x = rng.normal(size=g.size)
    both = rng.multivariate_normal([0, 0], [[0.64, 0.224], [0.224, 0.16]], 40)
    b, s = both[g].T
    y = rng.normal(1 + 0.5 * x + b, np.exp(-0.3 + 0.4 * x + s))
    truth = {"Intercept": 1, "x": 0.5, "sigma_Intercept": -0.3, "sigma_x": 0.4}
    return pd.DataFrame({"y": y, "x": x, "g": g}), truth, {"Intercept": 0.8, "sigma_Intercept": 0.4}


def counts(rng):
    """Negative binomial with mean exp(1 + 0.5 x + b_g) and shape exp(0.5 + 0.6 x)."""
    g = np.repeat(np.arange(40), 15)
    x = rng.normal(size=g.size)
    mean = np.exp(1 + 0.5 * x + rng.normal(0, 0.6, 40)[g])
    shape = np.exp(0.5 + 0.6 * x)
    y = rng.poisson(mean * rng.gamma(shape, 1 / shape))
    truth = {"Intercept": 1, "x": 0.5, "shape_Intercept": 0.5, "shape_x": 0.6}
    return pd.DataFrame({"y": y, "x": x, "g": g}), truth, {"Intercept": 0.6}


RECOVERED = {
    "gaussian": (gaussian, ["y ~ x + (1 | p | g)", "sigma ~ x + (1 | p | g)"]),
    "negative_binomial": (counts, ["y ~ x + (1 | g)", "shape ~ x"]),
}


@pytest.fixture(scope="module", params=RECOVERED)
def recovered(request):
    simulate, formulas = RECOVERED[request.param]
    data, truth, sds = simulate(np.random.default_rng(21))
    fit = mb.fit(formulas, data, family=request.param, seed=1, progress=False)
    return fit, truth, sds


def test_what_was_simulated_is_recovered_by_healthy_chains(recovered):
    """Truths within 3 posterior sds of the mean: 1 in 400 each by chance."""
    fit, truth, sds = recovered
    report = fit.diagnostics()
    assert fit.converged, report.messages
    assert report.table["rhat"].max() < 1.01
    assert report.table["ess_bulk"].min() > 1000
    table = fit.fixef().set_index("term")
    for name, value in truth.items():
        assert abs(table.loc[name, "mean"] - value) < 3 * table.loc[name, "sd"]
    table = fit.varcorr().query("kind == 'sd'").set_index("term")
    for name, value in sds.items():
        assert abs(table.loc[name, "mean"] - value) < 3 * table.loc[name, "sd"]
    for row in fit.varcorr().query("kind == 'cor'").itertuples():
        assert (row.parameter, row.term, row.term2) == (
            "mu, sigma", "Intercept", "sigma_Intercept",
        )  # fmt: skip
        assert abs(row.mean - 0.7) < 3 * row.sd
        assert row.lower > 0


def test_tables_say_whose_effects_these_are(recovered):
    fit, truth, _ = recovered
    own = fit.model.design.further[0]
    table = fit.fixef()
    assert list(table["parameter"]) == ["mu", "mu", own, own]
    assert list(table["term"]) == list(truth)
    for found in (fit.varcorr(), fit.ranef(), fit.coef()):
        prefixed = found["term"].str.startswith(f"{own}_")
        one = found["parameter"] != f"mu, {own}"  # of which the first effect is the mean's
        assert (prefixed == (found["parameter"] == own))[one].all()
    assert f"Population effects on {own}, log scale" in str(fit.summary())


def test_log_likelihood_of_the_fit_is_scipys(recovered):
    fit, *_ = recovered
    d, post = fit.model.design, fit.posterior
    own = d.further[0]
    at = np.s_[::400]  # some draws
    mu = post.intercept()[at, None] + post.fixef()[at] @ d.mu.X.T
    mu = mu + post.ranef("g")[at, :, 0][:, d.mu.groups[0].refs]
    log_own = post.intercept(own)[at, None] + post.fixef(own)[at] @ d.predictor(own).X.T
    for g in d.predictor(own).groups:
        log_own = log_own + post.ranef("g", own)[at, :, 0][:, g.refs]
    a = np.exp(log_own)
    if own == "sigma":
        expected = stats.norm.logpdf(d.y, mu, a)
    else:
        expected = stats.nbinom.logpmf(d.y, a, a / (a + np.exp(mu)))
    found = fit.log_likelihood()["y"].to_numpy().reshape(-1, d.n)[at]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_a_file_and_a_cache_bring_everything_back(recovered, tmp_path):
    fit, *_ = recovered
    new = pd.DataFrame({"x": [0.0, 1.0], "g": [0, 999]})
    back = mb.load(fit.save(tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(back.predict(new), fit.predict(new))
    pd.testing.assert_frame_equal(back.fixef(), fit.fixef())
    again = [fit.model.fit(50, seed=2, cache=tmp_path, progress=False) for _ in range(2)]
    pd.testing.assert_frame_equal(*(f.fixef() for f in again))
    other = mb.Model(fit.model.formula.text, fit.model.data, family=fit.model.family)
    assert "parameter" not in other.fit(50, seed=2, cache=tmp_path, progress=False).fixef()


def test_fitted_residuals_and_loo_use_each_rows_own_parameter(recovered):
    """Pearson residuals have sd 1 at small and at large x; the constant parameter loses elpd."""
    fit, *_ = recovered
    x = fit.model.design.mu.X[:, 0]
    z = fit.residuals(kind="pearson")["mean"].to_numpy()
    for part in (x < -0.5, x > 0.5):
        assert z[part].std() == pytest.approx(1, abs=0.2)
    plain = mb.fit(
        fit.model.formula.text, fit.model.data, family=fit.model.family, seed=1, draws=500,
        progress=False,
    )  # fmt: skip
    table = mb.compare({"own": fit, "one": plain})
    assert table.index[0] == "own"
    assert table.loc["one", "dse"] < abs(table["elpd"].diff().iloc[1])


@pytest.mark.slow
def test_the_other_formulations_find_the_same_posterior(recovered):
    fit, *_ = recovered
    other = fit.model.fit(
        500, 500, seed=3, progress=False, formulation=mb.NonCentered(), sampler="nutpie"
    )
    a, b = (f.fixef().set_index("term") for f in (fit, other))
    error = np.hypot(a["sd"] / np.sqrt(a["ess_bulk"]), b["sd"] / np.sqrt(b["ess_bulk"]))
    assert (np.abs(a["mean"] - b["mean"]) < 4.5 * error).all()
