"""The marginal formulation in its rarer forms, against the exact posteriors."""

from dataclasses import replace

import arviz as az
import numpy as np
import pymc as pm
import pytest
from oracles import ORACLES, oracle_model, quantities
from scipy import stats

import mixedbayes as mb
from mixedbayes.marginal import surrogate
from mixedbayes.marginal.surrogate import fit_surrogate
from mixedbayes.sample import defaults
from mixedbayes.sample import density as density_sampling
from mixedbayes.sample.density import sample_density


def agree(fit, exact, limit=4.5):
    found = quantities(fit, exact)
    assert len(found) == len(exact["parameters"])
    for q in found:
        error = az.mcse(q.draws) + 0.01 * q.reference["sd"] / limit
        assert abs(q.draws.mean() - q.reference["mean"]) < limit * error, q.label
        spread = limit * az.mcse(q.draws, method="sd") + 0.01 * q.reference["sd"]
        assert q.draws.std() == pytest.approx(q.reference["sd"], abs=spread), q.label


@pytest.mark.parametrize("sampled", [["Intercept"], ["fixef"], ["Intercept", "fixef"]], ids=str)
def test_coefficients_without_a_normal_prior_stay_in_nuts(sampled, reference):
    name = "sleepstudy_days_subject"
    data, formula, priors = ORACLES[name]
    # A Student-t of a million degrees of freedom is a normal in all but name.
    student = {k: mb.StudentT(1e6, priors[k].mu, priors[k].sigma) for k in sampled}
    model = mb.Model(formula, mb.load_data(data), priors=priors | student)
    fit = model.fit(draws=2000, seed=2, progress=False)
    assert fit.formulation.engine.name == "marginal"
    assert fit.converged
    agree(fit, reference(f"exact_{name}"))


def test_factors_whose_dense_block_is_too_large_stay_in_nuts(reference):
    model = oracle_model("penicillin_crossed", formulation=mb.Marginal(max_dense=3))
    assert "sample: 6 levels x 1 effect sampled" in " ".join(str(model).split())
    fit = model.fit(draws=4000, seed=3, progress=False, target_accept=0.99)
    agree(fit, reference("exact_penicillin_crossed"))


@pytest.mark.parametrize(
    ("name", "trajectory"), [("gpa_intercept", "quarter_turn"), ("penicillin_crossed", "turns")]
)
def test_the_posterior_is_exact_with_a_gradient_that_is_wrong(
    name, trajectory, reference, monkeypatch
):
    def a_third_too_steep(density, cores):
        found = fit_surrogate(density, cores)
        return replace(found, coefficients=1.3 * found.coefficients)

    used = []

    def recorded(density, settings, **options):
        used.append(options["trajectory"])
        return sample_density(density, settings, **options)

    if trajectory == "turns":
        monkeypatch.setattr(defaults, "MARGINAL", defaults.Limits(quarter_turn=0.0, turns=1.0))
    monkeypatch.setattr(surrogate, "proposals_pay", lambda problem, density: False)
    monkeypatch.setattr(surrogate, "fit_surrogate", a_third_too_steep)
    monkeypatch.setattr(density_sampling, "sample_density", recorded)
    fit = oracle_model(name).fit(draws=5000, seed=6, progress=False)
    assert used == [trajectory]
    agree(fit, reference(f"exact_{name}"))


def test_the_posterior_is_exact_with_proposals_of_a_polynomial_that_is_wrong(
    reference, monkeypatch
):
    def a_seventh_too_steep(density, cores):
        found = fit_surrogate(density, cores)
        return replace(found, coefficients=1.15 * found.coefficients)

    monkeypatch.setattr(surrogate, "fit_surrogate", a_seventh_too_steep)
    fit = oracle_model("sleepstudy_days_subject").fit(draws=5000, seed=6, progress=False)
    stats = fit.idata["sample_stats"]
    assert 0.75 < float(stats["acceptance_rate"].mean()) < 0.95
    assert fit.idata["posterior"].attrs["inference_method"] == "HMC by a polynomial"
    agree(fit, reference("exact_sleepstudy_days_subject"))


def test_a_plain_regression_is_least_squares_under_flat_priors():
    data = mb.load_data("sleepstudy")
    flat = {"Intercept": mb.Flat(), "fixef": mb.Flat(), "sigma": mb.Flat()}
    fit = mb.fit("Reaction ~ Days", data, priors=flat, draws=4000, seed=4, progress=False)
    X = np.column_stack([np.ones(180), data["Days"]])
    beta, rss, *_ = np.linalg.lstsq(X, data["Reaction"].to_numpy())
    # With sigma flat the coefficients are Student-t with n - p - 1 degrees of freedom.
    df = 180 - 2 - 1
    sd = np.sqrt(rss / df * np.diag(np.linalg.inv(X.T @ X)) * df / (df - 2))
    table = fit.fixef()
    np.testing.assert_allclose(table["mean"], beta, atol=0.05 * sd.max())
    np.testing.assert_allclose(table["sd"], sd, rtol=0.04)


def test_weights_and_offset_are_part_of_the_likelihood():
    rng = np.random.default_rng(1)
    data = mb.load_data("sleepstudy").assign(w=lambda d: rng.uniform(0.5, 2, len(d)), o=10.0)
    model = mb.Model("Reaction | weights(w) ~ Days + offset(o * Days) + (1 | Subject)", data)
    point = {"sd_Subject_log__": np.log([30.0]), "sigma_log__": np.log(25.0)}
    with model.build(mb.Marginal()) as m:
        logp = m.compile_logp(vars=m.observed_RVs, mode="FAST_COMPILE")(point)
    d, g = model.design, model.design.mu.groups[0]
    prior = model.spec.priors.mu
    x = d.mu.X[:, 0] - d.mu.X.mean()
    one = np.ones(d.n)
    cov = np.diag(25.0**2 / d.weights) + 30.0**2 * (g.refs[:, None] == g.refs)
    cov += prior.intercept.prior.sigma**2 * np.outer(one, one)
    cov += prior.fixef[0].prior.sigma ** 2 * np.outer(x, x)
    expected = stats.multivariate_normal(prior.intercept.prior.mu + d.mu.offset, cov)
    assert float(logp) == pytest.approx(expected.logpdf(d.y), rel=1e-8)


def test_without_population_effects():
    data = mb.load_data("sleepstudy").assign(r=lambda d: d["Reaction"] - d["Reaction"].mean())
    fit = mb.fit("r ~ 0 + (1 | Subject)", data, seed=5, progress=False)
    assert "Intercept" not in fit.idata["posterior"]
    assert "fixef" not in fit.idata["posterior"]
    assert fit.converged
    by_subject = data.groupby("Subject", observed=True)["r"].mean()
    assert np.corrcoef(fit.ranef()["mean"], by_subject)[0, 1] > 0.999


def test_the_effects_of_a_large_factor_can_be_kept_as_summaries():
    model = oracle_model("sleepstudy_days_subject")
    draws, summary = (
        model.fit(seed=6, progress=False, effects=keep) for keep in ("draws", "summary")
    )
    assert "ranef_Subject" not in summary.idata["posterior"]
    assert "They were kept as summaries" in str(summary)
    for a, b in ((draws.ranef(), summary.ranef()), (draws.coef(), summary.coef())):
        for term, rows in a.groupby("term"):
            same, sd = b[b["term"] == term], rows["sd"].max()
            np.testing.assert_allclose(rows["mean"], same["mean"], atol=0.1 * sd)
            np.testing.assert_allclose(rows["sd"], same["sd"], rtol=0.08)
            np.testing.assert_allclose(rows["upper"], same["upper"], atol=0.25 * sd)


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_the_seed_gives_the_draws_again(sampler):
    model = oracle_model("dyestuff")
    settings = {"draws": 50, "tune": 50, "chains": 2, "seed": 7, "sampler": sampler}
    a, b = (model.fit(progress=False, **settings) for _ in range(2))
    assert a.idata["posterior"].equals(b.idata["posterior"])


def test_pymcs_own_sampler_walks_in_the_same_posterior(reference):
    fit = oracle_model("dyestuff").fit(draws=2000, seed=8, sampler="pymc", progress=False)
    agree(fit, reference("exact_dyestuff"), limit=5)


@pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
def test_the_pm_model_draws_responses_from_the_prior():
    model = oracle_model("dyestuff")
    ours = model.prior_predictive(draws=2000, seed=9)["prior_predictive"]["Yield"]
    with model.build(mb.Marginal()):
        theirs = pm.sample_prior_predictive(
            2000, random_seed=10, compile_kwargs={"mode": "FAST_COMPILE"}
        )["prior_predictive"]["Yield"]
    for row in (0, 29):
        x, y = (v.to_numpy().reshape(-1, 30)[:, row] for v in (ours, theirs))
        assert stats.ks_2samp(x, y).pvalue > 1e-3
