"""Default fits of shipped data: healthy chains, and the estimates of glmmTMB."""

import arviz as az
import numpy as np
import pytest

import mixedbayes as mb

CASES = {
    "cbpp": (
        "incidence | trials(size) ~ period + (1 | herd)", "binomial", "glmmTMB_cbpp_binomial",
    ),
    "grouseticks": (
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "poisson",
        "glmmTMB_grouseticks_poisson",
    ),
    "verbagg": (
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli",
        "glmmTMB_verbagg_bernoulli",
    ),
}  # fmt: skip


def healthy(fit):
    stats, draws = fit.idata["sample_stats"], fit.idata["posterior"].to_dataset()
    draws = draws.drop_vars([v for v in draws if v.startswith("cor_")])
    assert int(stats["diverging"].sum()) == 0
    assert max(float(v.max()) for v in az.rhat(draws).data_vars.values()) < 1.015
    assert min(float(v.min()) for v in az.ess(draws).data_vars.values()) > 400


@pytest.mark.parametrize(
    "name",
    ["cbpp", *(pytest.param(n, marks=pytest.mark.slow) for n in ("grouseticks", "verbagg"))],
)
def test_defaults_just_work_and_agree_with_maximum_likelihood(name, reference):
    """Means within 0.6 standard errors of the estimates; sds of groups within 1.5 of their own.

    The posterior mean of a group sd lies above its maximum-likelihood estimate, the more so the
    fewer the levels, and drags coefficients away from zero with it on non-linear links.
    """
    formula, family, file = CASES[name]
    fit = mb.fit(formula, mb.load_data(name), family=family, seed=1, progress=False)
    healthy(fit)
    expected = reference(file)
    table = fit.fixef().set_index("term")["mean"]
    estimate, se = (np.array(expected["fixed"][k]) for k in ("estimate", "se"))
    assert np.max(np.abs(table.to_numpy() - estimate) / se) < 0.6
    sds = fit.varcorr().query("kind == 'sd'").set_index("group")
    for row in expected["varcomp"]:
        found = sds.loc[row["group"]]
        assert abs(found["mean"] - row["sd"]) < 1.5 * found["sd"]


def test_no_groups_at_all():
    """Plain logistic regression against the normal approximation at its mode."""
    fit = mb.fit(
        "incidence | trials(size) ~ period", mb.load_data("cbpp"), family="binomial", seed=2,
        draws=500, progress=False, priors={"fixef": mb.Normal(0, 100)},
    )  # fmt: skip
    design = fit.model.design
    X = np.column_stack([np.ones(design.n), design.mu.X])
    beta = np.zeros(4)
    for _ in range(20):
        p = 1 / (1 + np.exp(-X @ beta))
        H = X.T @ ((design.trials * p * (1 - p))[:, None] * X)
        beta = beta + np.linalg.solve(H, X.T @ (design.y - design.trials * p))
    se = np.sqrt(np.diag(np.linalg.inv(H)))
    assert np.max(np.abs(fit.fixef()["mean"].to_numpy() - beta) / se) < 0.4


def test_the_seed_fixes_the_draws():
    draws = [
        mb.fit(
            "incidence | trials(size) ~ period + (1 | herd)", mb.load_data("cbpp"),
            family="binomial", seed=3, draws=50, chains=2, cores=cores, progress=False,
        ).idata["posterior"]["sd_herd"].to_numpy()
        for cores in (1, 2)
    ]  # fmt: skip
    np.testing.assert_array_equal(draws[0], draws[1])


def test_separated_outcomes_have_a_proper_posterior():
    """All successes in one group: the priors hold the effects."""
    data = mb.load_data("cbpp").assign(sick=lambda d: d.period.astype(str) == "1")
    fit = mb.fit("sick ~ period + (1 | herd)", data, family="bernoulli", seed=4, progress=False)
    assert np.isfinite(fit.fixef()["mean"]).all()
    assert fit.idata["sample_stats"]["diverging"].sum() == 0


def test_few_levels_that_are_known_well():
    """6 workers with 9 precise scores each: the effects are all but known given the data."""
    fit = mb.fit(
        "score ~ Machine + (Machine | Worker)", mb.load_data("machines"), family="lognormal",
        seed=1, progress=False,
    )  # fmt: skip
    healthy(fit)
