"""Effects correlated across parameters in predictions: drawn, integrated and averaged together."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import integrate, stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.checks.held_out import HeldOut
from mixedbayes.checks.log_likelihood import by_target
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.summary import summary
from mixedbayes.results.variance import _total, linear_variance, mean_predictor, over_parameters

S = 4000
SD = np.array([0.8, 0.5])
R = -0.7


def posterior(formulas, family="gaussian", s=S, r=R, positive=False):
    """s draws of one value: intercepts 0.5 and -0.4, slopes 0.3, sds 0.8 and 0.5, no effects."""
    rng, n = np.random.default_rng(2), 30
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 5})
    y = rng.normal(size=n)
    data["y"] = rng.poisson(3, n) if family == "negative_binomial" else y
    data["y"] = np.exp(y) if positive else data["y"]
    spec = mb.Model(formulas, data, family=family).spec
    coords, found = model_coords(spec), {}
    further = spec.design.further[0]
    values = {
        names.INTERCEPT: 0.5,
        names.intercept(further): -0.4,
        names.sd("g"): SD[0],
        names.sd("g", further): SD[1],
        names.cor("g"): np.array([[1, r], [r, 1]]),
        names.ranef("g"): 0.0,
        names.ranef("g", further): 0.0,
    }
    for name, dims in dims_of(spec).items():
        shape = (1, s, *(len(coords[d]) for d in dims))
        found[name] = ("chain", "draw", *dims), np.broadcast_to(values.get(name, 0.3), shape)
    used = {d for dims, _ in found.values() for d in dims}
    tree = xr.Dataset(found, {d: coords[d] for d in coords if d in used})
    return Posterior(spec, xr.DataTree.from_dict({"posterior": tree}))


ONES = ["y ~ x + (1 | p | g)", "sigma ~ 1 + (1 | p | g)"]
COUNTS = ["y ~ 1 + (1 | p | g)", "shape ~ 1 + (1 | p | g)"]
COV = np.outer(SD, SD) * np.array([[1, R], [R, 1]])


def of_population(f):
    """E f(b) for b (k, 2) ~ N(0, COV), by the trapezoidal rule on a grid."""
    z = np.linspace(-8, 8, 321)
    first, second = np.meshgrid(z, z, indexing="ij")
    u = np.stack([first.ravel(), second.ravel()], axis=1)
    w = stats.norm.pdf(u).prod(axis=1)
    return np.sum(w * f(u @ np.linalg.cholesky(COV).T)) / w.sum()


@pytest.mark.parametrize("groups", ["auto", "new"])
def test_effects_of_a_new_level_are_drawn_together(groups):
    post = posterior(ONES)
    new = pd.DataFrame({"x": [0.0], "g": ["stranger"]})
    new = new if groups == "auto" else new.drop(columns="g")
    mu, sigma = (
        predict(post, new, groups=groups, target=target, draws=True, seed=3).to_numpy().ravel()
        for target in ("linear", "sigma")
    )
    found = np.corrcoef(mu, np.log(sigma))[0, 1] if groups == "auto" else None
    if found is not None:
        assert found == pytest.approx(R, abs=4 * (1 - R**2) / np.sqrt(S))
    np.testing.assert_allclose([mu.std(), np.log(sigma).std()], SD, rtol=4 / np.sqrt(2 * S))
    # E (y - E y)^3 = 3 E[mu - E mu) sigma^2], which is 0 for effects that are not correlated
    y = predict(post, new, groups=groups, draws=True, seed=3).to_numpy().ravel()
    third = 3 * of_population(lambda b: b[:, 0] * np.exp(2 * (-0.4 + b[:, 1])))
    spread = np.std((y - 0.5) ** 3) / np.sqrt(S)
    assert np.mean((y - 0.5) ** 3) == pytest.approx(third, abs=4 * spread)
    assert abs(third) > 5 * spread


@pytest.mark.parametrize("family", ["gaussian", "negative_binomial"])
def test_the_average_over_groups_is_that_of_both_predictors(family):
    formulas = ONES if family == "gaussian" else COUNTS
    post = posterior(formulas, family, s=2)

    def below(b, y):
        mu, own = 0.5 + b[:, 0], np.exp(-0.4 + b[:, 1])
        if family == "gaussian":
            return stats.norm.cdf(y, mu, own)
        return stats.nbinom.cdf(y, own, own / (own + np.exp(mu)))

    new = pd.DataFrame({"x": [0.0]})
    y = 2.0 if family == "gaussian" else 4
    expected = of_population(lambda b: below(b, y))
    alone = posterior([f.replace("| p |", "|") for f in formulas], family, s=2)
    found, apart = (
        predict(p, new, groups="average", target=f"P(y <= {y})")["mean"].item()
        for p in (post, alone)
    )
    assert found == pytest.approx(expected, abs=2e-6)
    assert abs(apart - expected) > 1e-3
    if family == "gaussian":
        median = predict(post, new, groups="average", target="median")["mean"].item()
        assert of_population(lambda b: below(b, median)) == pytest.approx(0.5, abs=1e-6)


def test_the_way_back_to_the_original_scale_goes_with_the_sigma_that_was_drawn():
    post = posterior([ONES[0].replace("y ~", "cbrt(y) ~"), ONES[1]], positive=True)
    new = pd.DataFrame({"x": [0.0]})
    y = predict(post, new, kind="mean", groups="average", scale="original", draws=True, seed=1)
    expected = of_population(
        lambda b: (0.5 + b[:, 0]) ** 3 + 3 * (0.5 + b[:, 0]) * np.exp(2 * (-0.4 + b[:, 1]))
    )
    y = y.to_numpy().ravel()
    assert y.mean() == pytest.approx(expected, abs=4 * y.std() / np.sqrt(S))


def test_a_level_s_rows_have_their_density_with_both_effects_integrated_out():
    post = posterior(["y ~ 1 + (1 | p | g)", "sigma ~ 1 + (1 | p | g)"], s=2)
    found = by_target(post, "g")["y"].to_numpy()[0, 0]
    y = post.design.y[post.design.mu.groups[0].refs == 1]
    law = stats.multivariate_normal(cov=COV)

    def density(s, m):
        return np.exp(stats.norm.logpdf(y, 0.5 + m, np.exp(-0.4 + s)).sum() + law.logpdf([m, s]))

    exact, _ = integrate.dblquad(density, -4, 4, -2.5, 2.5, epsabs=1e-12, epsrel=1e-6)
    assert found[1] == pytest.approx(np.log(exact), abs=2e-3)
    apart = by_target(posterior([f.replace("| p |", "|") for f in ONES], s=2), "g")
    assert abs(apart["y"].to_numpy()[0, 0, 1] - np.log(exact)) > 0.01


def test_groups_that_have_effects_on_sigma_alone_are_left_out_too():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=12), "g": np.repeat(["a", "b", "c"], 4)})
    given = {"Intercept": 0.3, "sigma_Intercept": -0.4, "sd_sigma_g": 0.6}
    post = hand_made(["y ~ 1", "sigma ~ 1 + (1 | g)"], data, "gaussian", 4, rng, given)
    found = by_target(post, "g")["y"].to_numpy()[0, 0]
    y = data["y"].to_numpy()[4:8]
    b = np.linspace(-5, 5, 4001)
    rows = stats.norm.logpdf(y, 0.3, np.exp(-0.4 + b)[:, None]).sum(axis=1)
    exact = np.log(np.sum(np.exp(rows) * stats.norm.pdf(b, 0, 0.6)) * (b[1] - b[0]))
    assert found[1] == pytest.approx(exact, abs=1e-4)
    assert HeldOut.of(post.design, post.family, "group").target == "g"
    with pytest.raises(mb.ModelError, match="no group effects on the mean, so no intraclass"):
        icc(post)


def test_variance_within_groups_goes_with_the_mean():
    """E mu + E mu^2 / shape of counts, whose logarithms are normal and correlated."""
    post = posterior(COUNTS, "negative_binomial", s=2)
    _, within = _total(post, linear_variance(post))
    m, v = mean_predictor(post)[0], np.diag(COV)
    exact = np.exp(m + v[0] / 2)
    exact += np.exp(2 * m + 0.4 + 2 * v[0] + v[1] / 2 - 2 * COV[0, 1])
    np.testing.assert_allclose(within, exact, rtol=1e-4)


def test_two_parameters_that_vary_together_do_so_in_shares_of_variance():
    """E f(zi, shape) of two predictors that are correlated, at the mean and along it."""
    formulas = ["y ~ 1 + (1 | p | g)", "zi ~ 1 + (1 | p | g)", "shape ~ 1 + (1 | p | g)"]
    data = pd.DataFrame({"y": np.arange(30) % 7, "g": np.arange(30) % 5})
    spec = mb.Model(formulas, data, family="zero_inflated_negative_binomial").spec
    prior = prior_predictive(spec, 3, 1)["prior"].to_dataset()
    prior = prior.map(lambda x: 0.2 * x if str(x.name).startswith(("sd_", "zi_", "shape_")) else x)
    post = Posterior(spec, xr.DataTree.from_dict({"posterior": prior}))
    sd = np.concatenate([post.sd("g", p) for p in ("mu", "zi", "shape")], axis=1)
    C = post.stacked("cor_g") * sd[:, :, None] * sd[:, None, :]
    m = np.stack([post.intercept(p) for p in ("mu", "zi", "shape")], axis=1)

    def linear(own):
        return np.log(own["shape"]) * np.log(own["zi"] / (1 - own["zi"]))

    found = over_parameters(post, linear)
    np.testing.assert_allclose(found, m[:, 1] * m[:, 2] + C[:, 1, 2], rtol=1e-8)
    deviation = np.array([[-1.0, 0.0, 2.0]] * 3)
    found = over_parameters(post, linear, (deviation, C[:, 0, 0]))
    slope = C[:, 0, 1:] / C[:, 0, :1]
    at = m[:, 1:, None] + slope[:, :, None] * deviation[:, None, :]
    left = C[:, 1, 2] - C[:, 0, 1] * C[:, 0, 2] / C[:, 0, 0]
    np.testing.assert_allclose(found, at[:, 0] * at[:, 1] + left[:, None], rtol=1e-8)
    assert "ICC" in str(summary(post))
