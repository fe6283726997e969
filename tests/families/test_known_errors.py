"""Responses with known standard errors: `y | se(s)` and `y | se(s, sigma=True)`."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import integrate, stats

import mixedbayes as mb
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate

N = 24
BOTH = ["y | se(s) ~ x + (1 | g)", "y | se(s, sigma=True) ~ x + (1 | g)"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    s, g, x = rng.uniform(0.3, 2, N), np.arange(N) // 3, rng.normal(size=N)
    y = 1 + 0.5 * x + rng.normal(0, 0.7, 8)[g] + rng.normal(size=N) * np.sqrt(s**2 + 0.25)
    return pd.DataFrame({"y": y, "s": s, "x": x, "g": [f"g{k}" for k in g]})


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
@pytest.mark.parametrize("formula", BOTH)
def test_the_density_is_around_the_errors(data, family, formula):
    """The compiled rows, their derivatives, the log density and PyMC's are one function."""
    model = mb.Model(formula, data, family=family)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    theta, e = np.random.default_rng(1).normal(0, 0.3, density.ndim), 1e-6 * np.eye(density.ndim)
    gradient = density.logp_grad(theta)[1]
    by_steps = [(density.logp_grad(theta + h)[0] - density.logp_grad(theta - h)[0]) / 2e-6
                for h in e]  # fmt: skip
    np.testing.assert_allclose(gradient, by_steps, rtol=1e-5, atol=1e-6)
    named = density.layout.named(theta[None], density.coordinates)
    (g,) = model.design.mu.groups
    eta = named["Intercept"][0] + data["x"] * named["fixef"][0, 0] + named["ranef_g"][0, g.refs, 0]
    sigma = named["sigma"][0] if "sigma" in named else 0.0
    sd = np.sqrt(sigma**2 + data["s"] ** 2)
    law = stats.t(named["nu"][0], eta, sd) if family == "student_t" else stats.norm(eta, sd)
    expected = law.logpdf(data["y"])
    found = model.family.log_density(
        data["y"].to_numpy(), eta.to_numpy()[None], named, weights=model.design.weights
    )
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    kind, args = model.family.pymc(
        pt.as_tensor(eta.to_numpy()), {k: v[0] for k, v in named.items()}, model.design, pt
    )
    theirs = pm.logp(getattr(pm, kind).dist(**args), data["y"].to_numpy()).eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(theirs, expected, rtol=1e-12)


def test_one_mean_beside_known_errors_is_the_weighted_one(data):
    """Under a flat prior the posterior is normal, with the inverse variances as weights."""
    fit = mb.fit("y | se(s) ~ 1", data, priors={"Intercept": mb.Flat()}, seed=1, progress=False)
    w = data["s"] ** -2.0
    row = fit.fixef().iloc[0]
    sd = w.sum() ** -0.5
    assert row["mean"] == pytest.approx((w * data["y"]).sum() / w.sum(), abs=0.06 * sd)
    assert row["sd"] == pytest.approx(sd, rel=0.06)


def test_no_pooling_knows_the_errors_too(data):
    """Every study by itself, as in the textbooks' forest plots: y +- 1.96 s."""
    fit = mb.fit("y | se(s) ~ 1 + (1 | study)", data.assign(study=[f"s{i}" for i in range(N)]),
                 draws=100, seed=1, progress=False)  # fmt: skip
    table = fit.pooling()
    alone = table[table["kind"] == "none"].set_index("level").loc[[f"s{i}" for i in range(N)]]
    np.testing.assert_allclose(alone["sd"], data["s"], rtol=1e-10)
    np.testing.assert_allclose(alone["upper"], data["y"] + stats.norm.ppf(0.975) * data["s"])
    whole = table[table["kind"] == "complete"].iloc[0]
    assert whole["sd"] == pytest.approx((data["s"] ** -2.0).sum() ** -0.5)


@pytest.fixture(scope="module")
def added(data):
    return mb.fit("y | se(s, sigma=True) ~ 1", data, seed=1, progress=False,
                  priors={"Intercept": mb.Flat(), "sigma": mb.HalfNormal(2)})  # fmt: skip


def test_sigma_adds_to_the_errors(data, added):
    """The posterior of sigma by quadrature, the mean integrated out."""
    y, s2 = data["y"].to_numpy(), data["s"].to_numpy() ** 2

    def density(sigma):
        w = 1 / (sigma**2 + s2)
        centre = (w @ y) / w.sum()
        log = 0.5 * np.log(w).sum() - 0.5 * w @ (y - centre) ** 2 - 0.5 * np.log(w.sum())
        return np.exp(log - sigma**2 / 8)

    total = integrate.quad(density, 0, 20)[0]
    mean = integrate.quad(lambda x: x * density(x), 0, 20)[0] / total
    square = integrate.quad(lambda x: x * x * density(x), 0, 20)[0] / total
    row = added.parameters().iloc[0]
    sd = np.sqrt(square - mean**2)
    assert row["mean"] == pytest.approx(mean, abs=0.12 * sd)
    assert row["sd"] == pytest.approx(sd, rel=0.08)


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_errors_may_be_small_beside_sigma(data, family):
    """The information of a row is 1 / (sigma^2 + s^2), however small s is."""
    model = mb.Model(BOTH[1], data.assign(s=0.02 * data["s"]), family=family)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    near = approximate(density)
    plain = mb.Model("y ~ x + (1 | g)", data, family=family)
    without = approximate(JointDensity.of(plain.design, plain.family, plain.spec.priors))
    np.testing.assert_allclose(near.mode, without.mode, atol=0.05)
    np.testing.assert_allclose(near.hyper, without.hyper, rtol=0.2, atol=0.05)


def test_shares_of_variance_and_new_groups_know_the_errors(data):
    fit = mb.fit(BOTH[0], data, draws=100, chains=2, seed=1, progress=False)
    link, response = (fit.icc(scale=s)["mean"].iloc[0] for s in ("link", "response"))
    assert response == pytest.approx(link, rel=1e-6)
    with pytest.raises(mb.DataError, match=r"lack the column\(s\) of se\(s\)"):
        fit.condition_on(pd.DataFrame({"y": [1.0], "x": [0.0], "g": ["new"]}))


def test_new_observations_have_their_own_errors(added):
    new = pd.DataFrame({"s": [1e-3, 5.0]})
    drawn = added.predict(new, kind="response", draws=True).to_numpy().reshape(-1, 2)
    sigma = added.posterior.stacked("sigma")
    mean = added.posterior.stacked("Intercept").var()
    np.testing.assert_allclose(
        drawn.var(axis=0), mean + (sigma**2).mean() + np.array([1e-6, 25]), rtol=0.1
    )
    with pytest.raises(mb.DataError, match=r"depends on se\(s, sigma=True\)"):
        added.predict(new.assign(s=1.0).drop(columns="s").assign(x=0), kind="response")


def test_files_and_copies_keep_the_errors(added, tmp_path):
    again = mb.load(added.save(tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(again.fixef(), added.fixef())
    assert again.model.family == added.model.family
    plain = mb.Model("y ~ 1", added.model.data, family=added.model.family)
    assert plain.family == mb.Gaussian()


@pytest.mark.parametrize(
    ("formula", "family", "message"),
    [
        ("y | se(s) ~ 1", "lognormal", r"which the lognormal family has no place"),
        ("y | se(s - 9) ~ 1", "gaussian", r"se\(s - 9\): 24 of 24 values are not positive"),
        ("y | rate(s) ~ 1", "gaussian", r"rate\(s\) is the exposure of counts"),
        ("n | rate(s) ~ 1", mb.Poisson(link=mb.Identity()), r"rate\(s\) is the exposure of counts"),
    ],
)  # fmt: skip
def test_what_has_no_known_errors_or_exposure(data, formula, family, message):
    with pytest.raises((mb.ModelError, mb.DataError), match=message):
        mb.Model(formula, data.assign(n=np.arange(N)), family=family)


def test_a_rate_is_the_offset_of_its_exposure(data):
    counts = data.assign(n=np.arange(N) % 5)
    rate, offset = (
        mb.Model(f, counts, family="poisson") for f in ("n | rate(s) ~ x", "n ~ x + offset(log(s))")
    )
    np.testing.assert_array_equal(rate.design.mu.offset, offset.design.mu.offset)
    assert rate.priors.equals(offset.priors)
    assert "offset(log(s))" in rate.code("brms")
