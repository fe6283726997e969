"""Fits of censored and truncated responses, and what follows from them."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.families.limited import log_density

KIDNEY = "time | cens(censored) ~ age + sex + disease + (1 | patient)"


@pytest.fixture(scope="module")
def kidney():
    return mb.fit(
        KIDNEY,
        mb.load_data("kidney"),
        family="weibull",
        chains=2,
        draws=200,
        seed=1,
        progress=False,
    )


def test_predictions_say_that_they_are_before_censoring(kidney):
    new = mb.load_data("kidney").head(3).drop(columns=["time", "censored"])
    found = kidney.predict(new)
    assert "before censoring, cens(censored)" in found.attrs["note"]
    draws = kidney.predict(new, draws=True)
    assert float(draws.max()) > 562  # beyond all that was seen


def test_residuals_of_censored_rows_are_of_what_they_may_have_been(kidney):
    design = kidney.model.design
    draws = kidney.residuals(draws=True).to_numpy().reshape(-1, design.n)
    y = draws + kidney.fitted(draws=True).to_numpy().reshape(-1, design.n)
    censored = design.limits.censored(design.n)
    assert (y[:, censored] > design.y[censored]).all()
    np.testing.assert_allclose(y[:, ~censored], np.tile(design.y[~censored], (len(y), 1)))


def test_log_likelihoods_are_of_what_is_known(kidney):
    design = kidney.model.design
    found = kidney.log_likelihood()["time"].to_numpy().reshape(-1, design.n)
    mu = kidney.fitted(draws=True).to_numpy().reshape(-1, design.n)
    shape = kidney.idata["posterior"]["shape"].to_numpy().reshape(-1, 1)
    from scipy import special, stats

    law = stats.weibull_min(shape, scale=mu / special.gamma(1 + 1 / shape))
    expected = np.where(design.limits.censored(design.n), law.logsf(design.y), law.logpdf(design.y))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_pictures_and_words(kidney, tmp_path):
    kidney.pp_check()
    kidney.pp_check("survival", by="patient", max_levels=3)
    with pytest.raises(ModelError, match="18 of 76 are censored"):
        kidney.pp_check("density")
    assert "18 right-censored responses" in kidney.methods()
    assert "time | cens(censored) ~ 1 + age" in kidney.model.code("brms")
    with pytest.raises(ModelError, match=r"code\('brms'\) has"):
        kidney.model.code("bambi")
    kidney.save(tmp_path / "fit")
    again = mb.load(tmp_path / "fit").model.design.limits
    np.testing.assert_array_equal(again.censoring, kidney.model.design.limits.censoring)


def test_new_rows_may_be_censored(kidney):
    new = mb.load_data("kidney").head(2).assign(patient="new")
    known = kidney.condition_on(new).ranef()["mean"].to_numpy()[0]
    more = kidney.condition_on(new.assign(censored=1)).ranef()["mean"].to_numpy()[0]
    assert more > known  # a time that is only known to be longer


def test_simulated_data_fit_the_formula_again(kidney):
    data = kidney.simulate(seed=1)
    assert not data["censored"].any()
    assert mb.Model(KIDNEY, data, family="weibull").design.limits.censored(76).sum() == 0


def data(n=40):
    rng = np.random.default_rng(3)
    g = np.arange(n) % 8
    y = rng.normal(2 + 0.3 * rng.normal(size=8)[g], 1.0)
    frame = pd.DataFrame({"y": y, "g": g, "w": np.arange(n) % 2 + 1.0, "top": y.max() + 0.5})
    return frame.assign(kind=np.arange(n) % 4 - 1, y2=y + 0.4)


MODELS = {
    "gaussian": ("y | cens(kind, y2) + weights(w) ~ 1 + (1 | g)", data()),
    "truncated": ("y | trunc(upper=top) ~ 1 + (1 | g)", data()),
    "known errors": ("y | se(w, sigma=True) + cens(kind, y2) ~ 1 + (1 | g)", data()),
    "poisson": (
        "y | cens(kind, y2) + trunc(1, top) + weights(w) ~ 1 + (1 | g)",
        data().assign(y=lambda d: np.ceil(np.exp(d.y / 2)), y2=lambda d: d.y + 2, top=99),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_pymc_has_the_same_rows(name):
    formula, frame = MODELS[name]
    family = "poisson" if name == "poisson" else "gaussian"
    model = mb.Model(formula, frame, family=family)
    assert model.spec.closed_form_obstacle
    built = model.build(mb.Centered())
    point = built.initial_point(0)
    named = {}
    for rv in built.free_RVs:
        logged = built.rvs_to_transforms[rv] is not None
        value = point[built.rvs_to_values[rv].name]
        named[rv.name] = np.exp(value) if logged else value
    design = model.design
    eta = (
        named.get("Intercept", named.get("Intercept_at_means"))
        + named["ranef_g"][design.mu.groups[0].refs, 0]
    )
    own = {p: np.atleast_1d(named[p]) for p in model.family.parameters}
    mu = model.family.inverse(eta[None], np)
    expected = log_density(
        model.family, design.y, mu, own, weights=design.weights, limits=design.limits
    ).sum()
    found = built.compile_logp(vars=built.observed_RVs, mode="FAST_COMPILE")(point)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)  # PyMC's tails have 8 digits


@pytest.mark.slow
def test_the_posterior_of_kidney_times_is_that_by_quasi_monte_carlo(reference):
    found = reference("qmc_kidney_weibull")
    fit = mb.fit(
        [KIDNEY, "shape ~ 1"], mb.load_data("kidney"), family="weibull", seed=3, progress=False,
        draws=2500,
        priors={
            "Intercept": mb.Normal(0, 10), "sd": mb.Exponential(1),
            "fixef": {"age": mb.Normal(0, 0.25), **dict.fromkeys(
                ["sex[female]", "disease[GN]", "disease[AN]", "disease[PKD]"], mb.Normal(0, 2.5))},
            "shape": {"Intercept": mb.Normal(0, 1)},
        },
    )  # fmt: skip
    _compare(fit, found, "shape", "patient")


@pytest.mark.slow
def test_the_posterior_of_intervals_is_that_by_quadrature(reference):
    from pathlib import Path

    frame = pd.read_csv(Path(__file__).parents[1] / "reference" / "sim_interval.csv")
    fit = mb.fit(
        ["y | cens(cens, y2) ~ x + trt + (1 | clinic)", "sigma ~ 1"], frame, family="lognormal",
        seed=3, progress=False, draws=2500,
        priors={
            "Intercept": mb.Normal(0, 10), "sd": mb.Exponential(1), "fixef": mb.Normal(0, 2.5),
            "sigma": {"Intercept": mb.Normal(0, 1)},
        },
    )  # fmt: skip
    _compare(fit, reference("exact_interval_lognormal"), "sigma", "clinic")


def _compare(fit, found, scale, group):
    """Means within 4 Monte Carlo errors and 0.01 sd."""
    from scipy import special

    expected = {p["variable"]: p for p in found["parameters"]}
    posterior = fit.idata["posterior"].to_dataset()
    log = posterior[f"{scale}_Intercept"].to_numpy()
    intercept = posterior["Intercept"].to_numpy()
    if scale == "shape":  # survreg's location is the logarithm of the scale
        intercept = intercept - special.gammaln(1 + np.exp(-log))
        log = -log
    draws = {"b_Intercept": intercept, "b_log_scale": log}
    draws[f"sd_{group}"] = posterior[f"sd_{group}"].to_numpy()[..., 0]
    for k, term in enumerate(fit.model.design.mu.terms):
        name = "b_" + term.replace("[", "").replace("]", "")
        draws[name] = posterior["fixef"].to_numpy()[..., k]
    for name, x in draws.items():
        import arviz as az

        sd, error = expected[name]["sd"], float(az.mcse(x))
        assert abs(x.mean() - expected[name]["mean"]) < 4 * error + 0.01 * sd, name
        assert abs(x.std() / sd - 1) < 0.06, name
