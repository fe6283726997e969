"""Formulas for further parameters: their predictors, priors, density, and what is refused."""

import numpy as np
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.formula import parse_all

FORMULAS = ["Reaction ~ Days + (1 | Subject)", "sigma ~ Days + (1 | Subject)"]


@pytest.fixture(scope="module")
def model():
    return mb.Model(FORMULAS, mb.load_data("sleepstudy"))


def test_each_parameter_has_a_predictor(model):
    sigma = model.design.others["sigma"]
    assert sigma.parameter == "sigma"
    assert sigma.terms == ("Days",)
    assert [g.name for g in sigma.groups] == ["Subject"]
    np.testing.assert_array_equal(sigma.X, model.design.mu.X)
    assert model.formulation.groups == {"Subject": mb.Centered(), "sigma_Subject": mb.NonCentered()}


def test_priors_are_on_the_parameters_link_scale(model):
    table = model.priors.set_index(["parameter", "term"])["prior"]
    log_sd = np.log(model.design.y.std(ddof=1))
    assert table["sigma_Intercept"].iloc[0] == f"Normal({log_sd:.4g}, 2.5)"
    assert "sigma" not in table.index.get_level_values(0)
    given = mb.Model(
        FORMULAS, mb.load_data("sleepstudy"), priors={"sigma": {"fixef": mb.Normal(0, 0.3)}}
    )
    assert given.spec.priors.others["sigma"].fixef[0].prior == mb.Normal(0, 0.3)


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
