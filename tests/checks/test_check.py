import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.checks.check import collinearity, levels, sensitivity, variance_inflation
from mixedbayes.checks.log_likelihood import TOTAL
from mixedbayes.checks.report import p_said
from mixedbayes.checks.sensitivity import (
    CONFLICT,
    DRIVEN,
    ROBUST,
    log_prior,
    overlap,
    total_log_likelihood,
)
from mixedbayes.priors.types import Assigned
from mixedbayes.results.own_priors import Quantity, quantities
from mixedbayes.results.posterior import Posterior


@pytest.fixture(scope="module")
def report(fit_of):
    return fit_of("sleepstudy_days_subject").check()


def test_every_check_has_a_sentence_and_numbers(report):
    titles = [f.title for f in report.findings]
    assert titles == [
        "Convergence",
        "Residuals against fitted",
        "Quantiles of residuals",
        "Scale against fitted",
        "Autocorrelation",
        "Effects of Subject: Intercept",
        "Effects of Subject: Days",
        "Collinearity",
        "Levels",
        "Sds and correlations",
        "Prior sensitivity",
        "Influential observations",
        "Influential levels of Subject",
    ]
    for f in report.findings:
        assert f.said.endswith((".", "?"))
        assert len(report.tables[f.title])


def test_what_is_known_of_sleepstudy(report):
    said = {f.title: f for f in report.findings}
    assert not said["Convergence"].look
    assert not said["Residuals against fitted"].look
    assert "heavier tails" in said["Quantiles of residuals"].said
    influential = said["Influential levels of Subject"].said
    assert influential.startswith("Pareto k of Subject 332 is ")
    assert "weights cannot tell reliably what the posterior is without it" in influential
    assert "loo('Subject', refit=True) fits without it" in influential
    assert "cor_Subject[Intercept, Days]" in said["Sds and correlations"].said
    assert not report.ok
    assert "want a look: Quantiles of residuals" in report.verdict


def test_text_and_html(report):
    text = str(report)
    assert all(len(line) <= 100 for line in text.splitlines()[1:])
    assert "! Quantiles of residuals" in text
    html = report._repr_html_()
    assert html.count("<details>") == len(report.findings)
    assert "Subject: Intercept" in html


def test_asking_twice_gives_the_same_and_changes_nothing(fit_of, report):
    fit = fit_of("sleepstudy_days_subject")
    before = {name: node.to_dataset().copy(deep=True) for name, node in fit.idata.children.items()}
    again = fit.check()
    assert str(again) == str(report)
    assert set(before) == set(fit.idata.children)
    for name, dataset in before.items():
        assert dataset.identical(fit.idata[name].to_dataset())


def test_an_order_is_taken_through(fit_of, report):
    """The default is along Days, which looks like time."""
    fit = fit_of("sleepstudy_days_subject")
    days = mb.load_data("sleepstudy")["Days"]
    assert str(fit.check(order=days)) == str(fit.check(order="Days")) == str(report)
    backwards = fit.check(order=-days.rename("countdown"))
    assert any("along countdown" in f.said for f in backwards.findings)
    with pytest.raises(mb.ModelError, match="order"):
        fit.check(order="day")


def test_eight_schools_know_little_of_their_spread(fit_of):
    fit = fit_of("eight_schools")
    table = fit.prior_sensitivity().set_index("parameter")
    assert table.loc["sd_school", "says"] == DRIVEN
    assert table.loc["sd_school", "overlap"] > 0.7
    said = {f.title: f.said for f in fit.check().findings}
    assert "say little about sd_school[Intercept]" in said["Sds and correlations"]
    assert "driven by the prior: sd_school[Intercept]" in said["Prior sensitivity"]


def test_a_prior_against_the_data_is_seen():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": 5 + rng.normal(size=30), "g": np.arange(30) % 6})
    priors = {"Intercept": mb.Normal(0, 1), "sigma": mb.Exponential(1)}
    # Without groups, whose sd would take the conflict up: sensitivities are then far from limits.
    fit = mb.fit("y ~ 1", data, priors=priors, seed=2, progress=False)
    assert fit.prior_sensitivity().set_index("parameter").loc["Intercept", "says"] == CONFLICT
    vague = {"Intercept": mb.Normal(0, 100), "sigma": mb.Flat(), "sd": mb.Exponential(0.1)}
    fit = mb.fit("y ~ 1 + (1 | g)", data, priors=vague, seed=1, progress=False)
    table = fit.prior_sensitivity().set_index("parameter")
    assert table.loc["Intercept", "says"] == ROBUST
    assert np.isnan(table.loc["sigma", "overlap"])


@pytest.mark.parametrize(
    ("given", "prior", "look", "said"),
    [
        (False, 0.07, False, "Default priors count a little for x[a] (sensitivity up to 0.07"),
        (True, 0.07, True, "pulled apart by prior and data: x[a]. Are these priors meant?"),
        (False, 0.2, True, "pulled apart by prior and data: x[a]"),
        (True, 0.01, False, "No parameter is sensitive"),
    ],
)
def test_default_priors_may_count_a_little(monkeypatch, given, prior, look, said):
    says = CONFLICT if prior > 0.05 else ROBUST
    row = {"parameter": "x", "term": "a", "prior": prior, "likelihood": 0.3, "says": says}
    where = "mixedbayes.checks.check"
    one = quantity(np.ones(3), None, given)
    monkeypatch.setattr(f"{where}.prior_sensitivity", lambda *_: pd.DataFrame([row]))
    monkeypatch.setattr(f"{where}.quantities", lambda *_: [one])
    found = sensitivity(None)
    assert found.look == look
    assert said in found.said


def test_which_priors_were_given():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(3, 60), "x": rng.normal(size=60), "g": np.arange(60) % 6})
    formula, settings = "y ~ x + (x | g)", {"draws": 20, "chains": 1, "tune": 50, "progress": False}
    model = mb.Model(formula, data, family="negative_binomial", priors={"sd": mb.Exponential(1)})
    fit = model.fit(**settings, seed=1)
    given = {q.label: q.given for q in quantities(fit.posterior)}
    assert {k for k, v in given.items() if v} == {"sd_g[Intercept]", "sd_g[x]"}
    assert {"Intercept", "fixef[x]", "cor_g[Intercept, x]", "shape"} < set(given)


def test_log_prior_is_that_of_the_sampled_model(fit_of):
    """Every prior of the model at its own place, summed by hand."""
    fit = fit_of("sleepstudy_days_subject")
    post = fit.posterior
    sd, rho = post.sd("Subject"), post.cor("Subject")[:, 0, 1]
    expected = (
        stats.norm.logpdf(post.intercept(), 300, 250)
        + stats.norm.logpdf(post.fixef()[:, 0], 0, 50)
        + stats.expon.logpdf(sd, scale=50).sum(axis=1)
        + stats.expon.logpdf(post.stacked("sigma"), scale=50)
        + stats.beta.logpdf(rho, 2, 2, loc=-1, scale=2)
    )
    np.testing.assert_allclose(log_prior(post), expected)


def test_the_intercepts_prior_is_where_it_was_placed(fit_of):
    fit = mb.Model("Reaction ~ Days + (1 | Subject)", mb.load_data("sleepstudy")).fit(
        50, tune=50, chains=1, seed=1, progress=False
    )
    (q,) = (q for q in quantities(fit.posterior) if q.kind == "intercept")
    np.testing.assert_allclose(q.placed, q.draws + 4.5 * fit.posterior.fixef()[:, 0])


def quantity(draws, prior, given=True):
    assigned = Assigned(mb.Exponential(1), "given" if given else "of the data")
    return Quantity("sd", "sd", (), draws, draws, assigned, prior, False)


def test_overlap_of_prior_and_posterior():
    rng = np.random.default_rng(1)
    prior = stats.norm(0, 1)
    assert overlap(quantity(rng.normal(size=20_000), prior)) == pytest.approx(1, abs=0.02)
    assert overlap(quantity(rng.normal(20, 1, 1000), prior)) <= 0.05
    shifted = rng.normal(1, 1, 20_000)
    assert overlap(quantity(shifted, prior)) == pytest.approx(2 * stats.norm.cdf(-0.5), abs=0.02)
    assert np.isnan(overlap(quantity(shifted, None)))


def test_collinear_columns_are_named():
    rng = np.random.default_rng(1)
    a, c = rng.normal(size=(2, 50))
    data = pd.DataFrame({"a": a, "b": a + 0.1 * c, "c": rng.normal(size=50)})
    data["y"] = rng.normal(size=50)
    said = collinearity(mb.Model("y ~ a + b + c", data).design)
    assert said.look
    assert "c (" not in said.said
    X = data[["a", "b", "c"]].to_numpy()
    r2 = [
        1 - np.var(x - np.c_[np.ones(50), rest] @ np.linalg.lstsq(np.c_[np.ones(50), rest], x)[0])
        / np.var(x)
        for x, rest in ((X[:, k], np.delete(X, k, axis=1)) for k in range(3))
    ]  # fmt: skip
    np.testing.assert_allclose(variance_inflation(X), 1 / (1 - np.array(r2)), rtol=1e-6)
    assert not collinearity(mb.Model("y ~ a + c", data).design).look


def test_few_levels_are_pointed_out():
    data = pd.DataFrame({"y": np.arange(12.0) ** 2, "g": [0] * 6 + [1] * 4 + [2] * 2})
    said = levels(mb.Model("y ~ 1 + (1 | g)", data).design)
    assert said.look
    assert "g has 3 levels of 2 to 6 rows" in said.said


@pytest.fixture(scope="module")
def flat():
    """A fit whose priors are all improper: their powers are all the same."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=40)
    data = pd.DataFrame({"x": x, "y": x + rng.normal(size=40)})
    priors = {"Intercept": mb.Flat(), "fixef": mb.Flat(), "sigma": mb.Flat()}
    return mb.fit("y ~ x", data, priors=priors, draws=200, chains=2, seed=1, progress=False)


def test_weights_that_do_not_vary(flat):
    table = flat.prior_sensitivity()
    assert (table["prior"] == 0).all()
    assert (table["says"] == ROBUST).all()
    assert (table["likelihood"] > 0.05).all()
    said = {f.title: f.said for f in flat.check().findings}
    assert "No parameter is sensitive" in said["Prior sensitivity"]


def test_rows_that_no_draw_can_surprise():
    """Counts of 0 where the offset makes anything else impossible."""
    rng = np.random.default_rng(1)
    last = np.arange(40) % 4 == 3
    data = pd.DataFrame({"k": rng.poisson(3, 40) * ~last, "o": np.where(last, -40.0, 0.0)})
    settings = {"draws": 200, "chains": 2, "seed": 1, "progress": False}
    fit = mb.fit("k ~ 1 + offset(o)", data, family="poisson", **settings)
    found = fit.loo(refit=False)
    np.testing.assert_allclose(found.elpd_i[last], 0, atol=1e-12)
    assert (found.pareto_k[last] == -1).all()
    assert fit.check().findings


def test_what_was_computed_is_kept_and_cannot_be_changed(flat, monkeypatch):
    report, scores, table = flat.check(), flat.loo(), flat.prior_sensitivity()
    report.findings[0].table["ess_bulk"] = 0.0
    scores.replace(0, -99.0, 0.0, "refitted")
    table["likelihood"] = 0.0
    for name in ("_findings", "weighted", "prior_sensitivity"):
        monkeypatch.setattr(f"mixedbayes.checks.check.{name}", None)
    monkeypatch.setattr("mixedbayes.checks.loo._first", None)
    monkeypatch.setattr("mixedbayes.checks.sensitivity._sensitivity", None)
    assert flat.check().findings[0].table["ess_bulk"].gt(0).all()
    assert flat.loo().elpd_i[0] > -99
    assert flat.loo().how[0] == "weighted"
    assert (flat.prior_sensitivity()["likelihood"] > 0).all()


def test_the_log_likelihood_is_summed_up_once(flat):
    post = Posterior(flat.posterior.spec, flat.idata)
    alone = total_log_likelihood(post)
    flat.loo()
    np.testing.assert_allclose(flat.posterior.once(TOTAL, lambda: None), alone)


def test_tables_hide_no_column(flat):
    with pd.option_context("display.width", 80):
        sensitivity = repr(flat.prior_sensitivity())
        ranked = repr(mb.compare({"a": flat, "b": flat}))
    assert "..." not in sensitivity + ranked
    assert all(column in sensitivity for column in ("prior", "likelihood", "overlap", "says"))
    assert all(column in ranked for column in ("elpd", "weight", "dse"))
    longest = max(len(n) for n in re.findall(r"\.\d+", sensitivity + ranked))
    assert longest <= 6


def test_p_has_its_limit_and_is_never_zero():
    assert p_said(0.31, 1 / 400, 0.025) == "p = 0.31, limit 0.025"
    assert p_said(0.0, 1 / 400, 0.025) == "p < 0.0025, limit 0.025"


def test_few_draws_are_checked_as_far_as_they_go():
    data = pd.DataFrame({"y": np.arange(24.0) ** 0.5, "g": np.arange(24) % 6})
    fit = mb.fit("y ~ 1 + (1 | g)", data, draws=10, chains=2, seed=1, progress=False)
    titles = [f.title for f in fit.check().findings]
    assert "Residuals against fitted" in titles
    assert not any("Influential" in t for t in titles)
    with pytest.raises(mb.ModelError, match="fit with at least 100"):
        fit.loo()


def test_summaries_alone_are_checked_as_far_as_they_go():
    data = pd.DataFrame({"y": np.arange(24.0) ** 0.5, "g": np.arange(24) % 6})
    fit = mb.fit("y ~ 1 + (1 | g)", data, seed=1, progress=False, effects="summary")
    said = {f.title: f for f in fit.check().findings}
    assert said["Not checked"].look
    assert "Levels" in said
    assert fit.loo("g").n_data_points == 6


def test_a_model_without_groups():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=30), "x": rng.normal(size=30)})
    fit = mb.fit("y ~ x", data, seed=1, progress=False)
    assert "Levels" not in fit.check().tables
    assert fit.loo().n_data_points == 30
    assert fit.log_evidence().parameters == 1


def test_observations_are_influential_beyond_their_groups_effects(fit_of, report):
    """As in loo(): those of which the group's effects alone know too much are integrated out."""
    found = fit_of("sleepstudy_days_subject").loo(refit=False)
    first = np.flatnonzero(found.influence_pareto_k.to_numpy() > found.good_k)
    again = first[found.how[first] == "integrated"]
    assert len(again)
    (said,) = (f for f in report.findings if f.title == "Influential observations")
    assert said.look == bool(len(found.high))
    assert not set(again) & set(found.high)
