"""Every shipped data set with a numeric response, fitted with default priors and settings."""

import numpy as np
import pytest

import mixedbayes as mb

MODELS = {
    "cake": "angle ~ recipe * temp + (1 | recipe:replicate)",
    "dyestuff": "Yield ~ 1 + (1 | Batch)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "ex33": "PCV ~ time + (0 + time | animal_id)",
    "gpa": "gpa ~ occasion + sex + (occasion | student)",
    "machines": "score ~ Machine + (Machine | Worker)",
    "mcycle": "accel ~ s(times, k=20)",
    "ovary": "follicles ~ s(Time) + (1 | Mare)",
    "pastes": "strength ~ 1 + (1 | batch/cask)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "radon": "log_radon ~ floor + log_uranium + (floor | county)",
    "sim_multimember": "y ~ x + (1 | mm(school1, school2, school3, weights=(w1, w2, w3)))",
    "sim_seed002": "y ~ x + (1 | groups)",
    "sim_seed003_intercepts": "y ~ x + (1 | clus)",
    "sim_seed003_marginal": "y ~ x + (x | clus)",
    "sim_seed003_slopes": "y ~ x + (x | clus)",
    "simpson": "V2 ~ V1 + (1 | Group)",
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "sleepstudy_partial": "Reaction ~ Days + (Days | Subject)",
}
SLOW = {"insteval": "y ~ service + (1 | s) + (1 | d) + (1 | dept)"}


def check(data, formula, **settings):
    fit = mb.fit(formula, mb.load_data(data), seed=1, progress=False, **settings)
    report = fit.diagnostics()
    assert fit.formulation.engine.name == "marginal"
    assert report.divergences == 0
    assert report.table["rhat"].max() < 1.01
    assert fit.converged, report.messages


@pytest.mark.parametrize("data", MODELS)
def test_default_fits_converge(data):
    check(data, MODELS[data])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_radon_agrees_with_lme4_whatever_the_seed(seed, reference):
    """Means within half a standard error of REML's: these sds, of 85 counties with few rows, have
    skewed posteriors, so that the means lie above the estimates by up to their own sd."""
    fit = mb.fit(MODELS["radon"], mb.load_data("radon"), seed=seed, progress=False)
    report = fit.diagnostics()
    assert report.table["rhat"].max() < 1.01
    assert report.table[["ess_bulk", "ess_tail"]].min().min() > 400
    reml = reference("lme4_radon_slope")["REML"]
    estimate, se = (np.array(reml["fixed"][k]) for k in ("estimate", "se"))
    assert np.max(np.abs(fit.fixef()["mean"].to_numpy() - estimate) / se) < 0.5
    sds = fit.varcorr().query("kind == 'sd' and group == 'county'")
    assert (np.abs(sds["mean"].to_numpy() - reml["varcomp"][0]["sd"]) < sds["sd"].to_numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("data", SLOW)
def test_default_fits_of_large_data_converge(data):
    check(data, SLOW[data])


def test_all_data_sets_with_a_normal_response_are_here():
    numeric = {n for n in mb.list_data()["name"] if not n.endswith("_truth")}
    others = {"cbpp", "grouseticks", "verbagg", "owls", "kidney", "wine"}  # no measurements
    known_errors = {"eight_schools"}  # among the exact posteriors
    assert numeric - others - known_errors == {*MODELS, *SLOW}
