"""Fits with correlated residuals: beside exact posteriors, nlme, and their known limits."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb

SEED = 1


@pytest.fixture(scope="module")
def sleep():
    return mb.load_data("sleepstudy")


def fitted(formula, data, residual=None, **how):
    return mb.fit(formula, data, residual=residual, seed=SEED, progress=False, **how)


def described(fit):
    table = fit.describe(["mean", "sd", "mcse"]).set_index("quantity")
    return table["mean"], table["sd"], table["mcse"]


@pytest.fixture(scope="module")
def ar1(reference):
    exact = reference("exact_sim_ar1")
    priors = exact["priors_numeric"]
    spread = mb.Exponential(priors["every_sd"]["rate"])
    given = {
        "rho": mb.Uniform(-1, 1),
        "Intercept": mb.Normal(priors["Intercept"]["mean"], priors["Intercept"]["sd"]),
        "fixef": mb.Normal(0, priors["x"]["sd"]),
        "sd": spread,
        "sigma": spread,
    }
    return fitted("y ~ x + (1 | id)", pd.DataFrame(exact["data"]), "ar1(time | id)", priors=given)


def test_an_autoregression_beside_effects_is_the_exact_posterior(ar1, reference):
    mean, sd, mcse = described(ar1)
    ours = {"b_Intercept": "Intercept", "b_x": "x", "sd_id": "sd_id[Intercept]", "rho": "rho",
            "sigma": "sigma"}  # fmt: skip
    rows = {r["variable"]: r for r in reference("exact_sim_ar1")["parameters"]}
    for theirs, name in ours.items():
        row = rows[theirs]
        assert abs(mean[name] - row["mean"]) < 4 * mcse[name] + 0.01 * row["sd"], name
        assert sd[name] == pytest.approx(row["sd"], rel=0.08), name
    effects = ar1.ranef().set_index("level")["mean"]
    for level in ("u1", "u5"):
        row = rows[f"r_id[{level}]"]
        assert abs(effects[level] - row["mean"]) < 0.1 * row["sd"]


def test_the_evidence_is_that_of_quadrature(ar1, reference):
    found = ar1.log_evidence()
    assert found.log == pytest.approx(
        reference("exact_sim_ar1")["log_marginal_likelihood"], abs=0.1
    )


def near(fit, reml, names):
    """Posterior means are within half a posterior sd of what nlme's REML says, in this order."""
    mean, sd, _ = described(fit)
    values = [*reml["variance_parameters"].values()][-len(names[0]) :]
    values += reml["fixed"].values()
    for name, value in zip((*names[0], *names[1]), values, strict=True):
        assert abs(mean[name] - value) < 0.5 * sd[name], name


def test_autoregression_near_nlme(sleep, reference):
    fit = fitted("Reaction ~ Days", sleep, "ar1(Days | Subject)")
    reml = reference("nlme_residuals")["sleepstudy_ar1"]["REML"]
    near(fit, reml, (["sigma", "rho"], ["Intercept", "Days"]))


def test_one_correlation_is_a_random_intercept(sleep, reference):
    cosy = fitted("Reaction ~ Days", sleep, "cosy(Subject)")
    reml = reference("nlme_residuals")["sleepstudy_compsymm"]["REML"]
    near(cosy, reml, (["sigma", "rho"], ["Intercept", "Days"]))
    plain = fitted("Reaction ~ Days + (1 | Subject)", sleep)
    (mean, sd, _), (theirs, spread, _) = described(cosy), described(plain)
    for name in ("Intercept", "Days"):
        assert abs(mean[name] - theirs[name]) < 0.1 * spread[name]
        assert sd[name] == pytest.approx(spread[name], rel=0.1)
    new = pd.DataFrame({"Days": [0.0, 5.0, 9.0], "Subject": "new"})
    a, b = (f.predict(new, groups="typical", kind="mean") for f in (cosy, plain))
    np.testing.assert_allclose(a["mean"], b["mean"], atol=1.0)


def test_without_correlation_it_is_the_independent_model(sleep):
    none = {"rho": mb.Uniform(-1e-4, 1e-4)}
    fit = fitted("Reaction ~ Days", sleep, "ar1(Days | Subject)", priors=none)
    plain = fitted("Reaction ~ Days", sleep)
    (mean, sd, mcse), (theirs, spread, error) = described(fit), described(plain)
    for name in ("Intercept", "Days", "sigma"):
        assert abs(mean[name] - theirs[name]) < 5 * np.hypot(mcse[name], error[name])
        assert sd[name] == pytest.approx(spread[name], rel=0.08)
    assert fit.loo(refit=False).elpd == pytest.approx(plain.loo(refit=False).elpd, abs=0.3)


def test_visits_without_structure_are_the_exact_posterior(sleep):
    """Of complete visits, whose covariance would be inverse Wishart under its reference prior."""
    three = sleep[sleep.Days.isin([0, 4, 9])].assign(d=lambda d: pd.Categorical(d.Days))
    fit = fitted("Reaction ~ d", three, "unstr(d | Subject)")
    Y = three.pivot(index="Subject", columns="Days", values="Reaction").to_numpy()
    S = (Y - Y.mean(axis=0)).T @ (Y - Y.mean(axis=0))
    cov = stats.invwishart(df=len(Y) - 1, scale=S).rvs(100_000, random_state=1)
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    R = cov / sd[:, :, None] / sd[:, None, :]
    centre = np.log(three.Reaction.std())
    weights = np.linalg.det(R) ** 3 * stats.norm(centre, 2.5).pdf(np.log(sd)).prod(axis=1)  # LKJ(2)
    weights /= weights.sum()
    mean, spread, mcse = described(fit)
    expected = {f"sigma_d[{day}]": np.log(sd[:, k]) for k, day in enumerate((0, 4, 9))}
    expected |= {"rho[0, 4]": R[:, 1, 0], "rho[0, 9]": R[:, 2, 0], "rho[4, 9]": R[:, 2, 1]}
    for name, x in expected.items():
        centre = weights @ x
        assert abs(mean[name] - centre) < 4 * mcse[name] + 0.02 * spread[name], name
        assert spread[name] == pytest.approx(np.sqrt(weights @ (x - centre) ** 2), rel=0.08), name
    text = str(fit)
    assert "sigma_d[0]" in text
    assert "cor d[0], d[4]" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("structure", "names"), [("ar1", ["sigma", "rho"]), ("arma11", ["sigma", "rho", "theta"])]
)
def test_ovary_near_nlme(structure, names, reference):
    ovary = mb.load_data("ovary")
    ovary["s"], ovary["c"] = (f(2 * np.pi * ovary.Time) for f in (np.sin, np.cos))
    ovary["k"] = ovary.groupby("Mare").cumcount()
    fit = fitted("follicles ~ s + c + (1 | Mare)", ovary, f"{structure}(k | Mare)")
    reml = reference("nlme_residuals")[f"ovary_{structure}"]["REML"]
    near(fit, reml, (names, ["Intercept", "s", "c"]))


def test_data_are_recovered_by_arm():
    laid_out = {"visit": range(6), "arm": {"id": ["drug", "placebo"]}}
    rho = {"drug": 0.8, "placebo": 0.1}
    d = mb.simulate("y ~ x", {"id": 120}, 6, fixef={"Intercept": 3, "x": 1}, rho=rho, sigma=2.0,
                    residual="ar1(visit | id, by=arm)", covariates=laid_out, seed=4)  # fmt: skip
    found = mb.truth(d).compare(fitted("y ~ x", d, "ar1(visit | id, by=arm)"))
    assert set(found["quantity"]) == {"fixef", "rho"}
    assert len(found) == 6
    assert found["inside"].sum() >= 5
    error = (found["mean"] - found["truth"]).abs() / found["sd"]
    assert error.max() < 3.5


def test_files_cache_and_pymc_take_them(ar1, tmp_path):
    again = mb.load(ar1.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.posterior.stacked("rho"), ar1.posterior.stacked("rho"))
    assert again.model.design.residual.text == "ar1(time | id)"
    assert "rho" in ar1.idata["posterior"]
    free = ar1.idata["posterior"]["partial_rho"].to_numpy()[..., 0]
    np.testing.assert_allclose(2 * free - 1, ar1.idata["posterior"]["rho"])
