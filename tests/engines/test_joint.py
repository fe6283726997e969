"""Default fits of shipped data: healthy chains, and the estimates of glmmTMB."""

import arviz as az
import numpy as np
import pandas as pd
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
    "ordered": (
        "resp ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "cumulative",
        "clmm_verbagg_cumulative",
    ),
}  # fmt: skip


def healthy(fit):
    stats, draws = fit.idata["sample_stats"], fit.idata["posterior"].to_dataset()
    draws = draws.drop_vars([v for v in draws if v.startswith("cor_")])
    assert int(stats["diverging"].sum()) == 0
    assert max(float(v.max()) for v in az.rhat(draws).data_vars.values()) < 1.01
    assert min(float(v.min()) for v in az.ess(draws).data_vars.values()) > 400


def thresholds(expected):
    """Estimates and standard errors, none for families without thresholds."""
    own = expected.get("thresholds", {"estimate": (), "se": ()})
    return own["estimate"], own["se"]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "name",
    [
        "cbpp",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("grouseticks", "verbagg", "ordered")),
    ],
)
def test_defaults_just_work_and_agree_with_maximum_likelihood(name, seed, reference):
    """Means within 0.6 standard errors of the estimates; sds of groups within 1.5 of their own.

    The posterior mean of a group sd lies above its maximum-likelihood estimate, the more so the
    fewer the levels, and drags coefficients away from zero with it on non-linear links.
    """
    formula, family, file = CASES[name]
    data = mb.load_data("verbagg" if name == "ordered" else name)
    fit = mb.fit(formula, data, family=family, seed=seed, progress=False)
    healthy(fit)
    assert fit.converged
    expected = reference(file)
    table = fit.fixef().set_index("term")["mean"]
    estimate, se = (np.array(expected["fixed"][k]) for k in ("estimate", "se"))
    assert np.max(np.abs(table.to_numpy() - estimate) / se) < 0.6
    for k, (cut, error) in enumerate(zip(*thresholds(expected), strict=True)):
        found = float(fit.idata["posterior"]["thresholds"][..., k].mean())
        assert abs(found - cut) < 0.6 * error
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


def responses(family, rng):
    """y, x, g: 25 groups of 12, effects of a size that the family's link can bear."""
    g, x = np.repeat(np.arange(25), 12), rng.normal(size=300)
    z, link = rng.normal(size=25)[g], family.link.name
    eta = {
        "log": 1 + 0.3 * x + 0.4 * z,
        "inverse": 0.5 + 0.05 * x + 0.05 * z,
        "identity": 12 + 0.8 * x + 1.2 * z,
    }.get(link, -0.2 + 0.4 * x + 0.5 * z)
    mu = family.inverse(eta[None], np)
    parameters = {"sigma": 0.3, "nu": 4.0, "shape": 5.0, "phi": 8.0}
    y = family.simulate(mu, {k: np.array([v]) for k, v in parameters.items()}, rng)[0]
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})


LINKED = [
    mb.Gaussian(link=mb.Log()),
    mb.Gaussian(link=mb.Inverse()),
    mb.StudentTFamily(link=mb.Log()),
    mb.StudentTFamily(link=mb.Inverse()),
    mb.GammaFamily(link=mb.Inverse()),
    mb.GammaFamily(link=mb.Identity()),
    mb.Beta(link=mb.Probit()),
    mb.Beta(link=mb.Cloglog()),
    mb.Poisson(link=mb.Identity()),
    mb.NegativeBinomial(link=mb.Identity()),
]


@pytest.mark.slow
@pytest.mark.parametrize("family", LINKED, ids=lambda f: f"{f.name}, {f.link.name}")
def test_links_that_are_not_the_default(family):
    """Healthy chains, and the coefficient that was simulated."""
    fit = mb.fit(
        "y ~ x + (1 | g)", responses(family, np.random.default_rng(11)), family=family, seed=1,
        progress=False,
    )  # fmt: skip
    healthy(fit)
    assert str(fit.formulation) == "PartiallyCentered()"
    truth = {"log": 0.3, "inverse": 0.05, "identity": 0.8}.get(family.link.name, 0.4)
    row = fit.fixef().set_index("term").loc["x"]
    assert abs(row["mean"] - truth) < 3 * row["sd"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("semesters", [5, 6])
def test_a_correlation_with_a_long_tail_beside_a_formula_for_sigma(semesters, seed):
    data = mb.load_data("gpa").query("occasion < @semesters")
    formulas = ["gpa ~ occasion + (occasion | student)", "sigma ~ occasion"]
    fit = mb.fit(formulas, data, seed=seed, progress=False)
    healthy(fit)
    assert az.ess(fit.idata["posterior"]["cor_student"].to_numpy()[..., 0, 1]) > 400


def test_means_that_must_be_positive_and_counts_of_zero():
    """Rows at the boundary: draws are inside it, and the note says what to do about divergences."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    y = rng.poisson(np.maximum(2 + x, 0.2))
    data = pd.DataFrame({"y": y, "x": x, "g": np.arange(80) % 8})
    fit = mb.fit(
        "y ~ x + (1 | g)", data, family=mb.Poisson(link=mb.Identity()), seed=1, draws=200, chains=2,
        progress=False,
    )  # fmt: skip
    draws = fit.idata["posterior"].to_dataset()
    assert int(fit.idata["sample_stats"]["diverging"].sum()) > 0
    assert "Remedy: the log link" in fit.note
    for i in range(len(data)):
        effects = draws["ranef_g"].isel(g=i % 8, g_term=0)
        mean = draws["Intercept"] + draws["fixef"].isel(term=0) * x[i] + effects
        assert float(mean.min()) > 0


@pytest.mark.parametrize("link", [mb.Logit(), mb.Probit()], ids=lambda link: link.name)
def test_ordered_categories_by_default(link):
    """Five categories, one of them rare: chains agree, and hold what was simulated."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(30), 10)
    x = rng.normal(size=g.size)
    noise = rng.logistic(size=g.size) if link.name == "logit" else rng.normal(size=g.size)
    cuts = np.array([-2.0, -0.5, 0.6, 3.0])
    latent = 0.8 * x + 0.7 * rng.normal(size=30)[g] + noise
    y = (latent[:, None] > cuts).sum(axis=1) + 1
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    fit = mb.fit("y ~ x + (1 | g)", data, family=mb.Cumulative(link=link), seed=6, progress=False)
    healthy(fit)
    assert str(fit.formulation) == "PartiallyCentered()"
    draws = fit.idata["posterior"]["thresholds"]
    assert draws["threshold"].to_numpy().tolist() == ["1|2", "2|3", "3|4", "4|5"]
    values = draws.to_numpy().reshape(-1, 4)
    assert (np.diff(values, axis=1) > 0).all()
    assert (np.abs(values.mean(axis=0) - cuts) < 3 * values.std(axis=0)).all()
    p = fit.predict(data.iloc[:3], kind="mean")
    np.testing.assert_allclose(p.groupby(level=0)["mean"].sum(), 1)
    np.testing.assert_allclose(
        fit.fitted().groupby("category", observed=True)["mean"].mean(),
        np.bincount(y)[1:] / len(y), atol=0.02,
    )  # fmt: skip


def test_save_and_load_of_ordered_categories(tmp_path):
    data = pd.DataFrame({"y": np.arange(60) % 3, "x": np.arange(60.0) % 7, "g": np.arange(60) % 5})
    fit = mb.fit(
        "y ~ x + (1 | g)", data, family="cumulative", seed=6, draws=50, chains=2, progress=False
    )
    again = mb.load(fit.save(tmp_path / "fit"))
    assert str(again.summary()) == str(fit.summary())
    pd.testing.assert_frame_equal(again.predict(kind="mean"), fit.predict(kind="mean"))


def test_crossed_outcomes_by_quarter_turns():
    """Hundreds of coordinates close to N(0, I); the same posterior as by NUTS."""
    rng = np.random.default_rng(4)
    n, sizes = 4000, {"rater": 200, "item": 90, "site": 12}
    data = pd.DataFrame({name: rng.integers(0, J, n) for name, J in sizes.items()})
    eta = sum(0.7 * rng.normal(size=J)[data[name]] for name, J in sizes.items())
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    formula = "y ~ 1 + (1 | rater) + (1 | item) + (1 | site)"
    given = {"family": "bernoulli", "progress": False}
    found = mb.fit(formula, data, seed=1, **given)
    assert found.idata.posterior.attrs["inference_library"] == "mixedbayes"
    assert found.diagnostics().ok, found.diagnostics().messages
    nuts = mb.fit(formula, data, seed=2, draws=500, target_accept=0.9, **given)
    assert nuts.idata.posterior.attrs["inference_library"] == "nutpie"
    assert_said(found, nuts)
    depth = mb.fit(formula, data, seed=2, draws=20, tune=20, chains=1, max_treedepth=3, **given)
    assert depth.idata.posterior.attrs["inference_library"] == "nutpie"
    assert int(depth.idata.sample_stats["tree_depth"].max()) <= 3
    for name in ("Intercept", "sd_rater", "sd_item", "sd_site"):
        one, two = (f.idata.posterior[name].to_numpy().ravel() for f in (found, nuts))
        assert one.mean() == pytest.approx(two.mean(), abs=0.15 * two.std()), name
        assert one.std() == pytest.approx(two.std(), rel=0.15), name


def assert_said(turned, nuts):
    """How draws were made is said as it was, and what NUTS alone has of NUTS alone."""
    said, other = (str(f.methods(references=False)) for f in (turned, nuts))
    assert "Hamiltonian Monte Carlo with trajectories of a quarter turn (Shahbaba" in said
    assert "mixedbayes" in said
    assert "No-U-Turn Sampler (Hoffman" in other
    own, kept = (f.idata.posterior.attrs for f in (turned, nuts))
    assert own["inference_method"] == "HMC by quarter turns"
    assert kept["inference_method"] == "NUTS"
    for text in ("tree depth", "No-U-Turn", "target acceptance"):
        assert text not in said
        assert text in other
    for name in ("target_accept", "max_treedepth"):
        assert name not in own
        assert name in kept
    assert turned.settings.target_accept is None
    assert nuts.settings.target_accept == 0.9
    assert ", mixedbayes, seed 1" in str(turned.summary())
    assert not {"tree_depth", "reached_max_treedepth"} & set(turned.idata.sample_stats.data_vars)
