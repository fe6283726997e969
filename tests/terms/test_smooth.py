"""The term of a smooth: its operator, engines, PyMC's density, prior and words."""

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.checks.group_density import by_group
from mixedbayes.engines.choose import choose_engine
from mixedbayes.errors import ModelError
from mixedbayes.interop.code import code
from mixedbayes.model.build import build
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.report.equations import model_equations
from mixedbayes.report.smooths import smooth_figures
from mixedbayes.report.source import Source
from mixedbayes.results.described import describe_model
from mixedbayes.results.posterior import Posterior

rng = np.random.default_rng(6)
DATA = pd.DataFrame({"x": np.sort(rng.uniform(0, 10, 50)), "g": np.arange(50) % 5})
DATA["y"] = np.sin(DATA["x"]) * 3 + rng.normal(0, 0.5, 50)


@pytest.fixture(scope="module")
def model():
    return mb.Model("y ~ s(x, k=6) + (1 | g)", DATA)


def test_every_row_lies_in_all_functions(model):
    (term,) = model.design.mu.smooths
    assert (term.name, term.n_levels, term.grouping) == ("s(x)", 4, False)
    b = rng.normal(size=(3, 4, 1))
    eta = np.zeros((50, 3))
    term.add(eta, b)
    np.testing.assert_allclose(eta, term.dense @ b[..., 0].T)
    np.testing.assert_allclose(term.operator().toarray(), term.dense)
    by_piece = sum(Z[:, 0] * b[0, refs[0], 0] for refs, Z in term.pieces)
    np.testing.assert_allclose(by_piece, eta[:, 0])
    np.testing.assert_array_equal(term.take(np.array([4, 1])).dense, term.dense[[4, 1]])


def test_the_graph_has_the_density_of_the_sum(model):
    spec = model.spec
    built = build(spec, choose_engine(mb.NonCentered(), spec).groups)
    (term,) = spec.design.mu.smooths
    u, v = rng.normal(size=(4, 1)), rng.normal(size=(5, 1))
    point = {
        "u_ranef_s_x": u, "u_ranef_g": v, "sd_s_x_log__": np.log([1.3]),
        "sd_g_log__": np.log([0.4]), "sigma_log__": np.log(0.6), "fixef": np.array([0.2]),
        "Intercept_at_means": np.array(0.1),
    }  # fmt: skip
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        found = built.compile_logp(built.observed_RVs, jacobian=False)(point)
    eta = 0.1 + 0.2 * spec.design.mu.X[:, 0] + 1.3 * term.dense @ u[:, 0]
    eta += 0.4 * v[DATA["g"], 0]
    assert found == pytest.approx(stats.norm(eta, 0.6).logpdf(DATA["y"]).sum())


def test_prior_curves_bend_as_far_as_their_sd_says(model):
    prior = prior_predictive(model.spec, 2000, 3)["prior"]
    b = prior["ranef_s_x"].to_numpy()[0, :, :, 0] / prior["sd_s_x"].to_numpy()[0]
    (term,) = model.design.mu.smooths
    assert np.mean((b @ term.dense.T) ** 2) == pytest.approx(1, rel=0.05)


def test_the_prior_is_said_in_words(model):
    text = str(describe_model(model.spec, choose_engine("auto", model.spec)))
    assert "sd of s(x)" in text
    assert "how far s(x) bends, root mean square over the rows" in " ".join(text.split())
    assert "smooths   s(x): 4 functions" in text


def test_the_equation_has_the_curve(model):
    found = model_equations(model.spec)
    assert r"\sum_k Z^{" in found
    assert r"\quad k = 1, \dots, 4" in found


@pytest.fixture(scope="module")
def post(model):
    """Draws from the prior as a posterior."""
    tree = prior_predictive(model.spec, 30, 4)
    return Posterior(model.spec, xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}))


def test_groups_are_left_out_given_the_curve(post):
    """Effects of a level are integrated out, and the curve is as it was drawn."""
    found = by_group(post, post.design.mu.factors[0])
    mu, g = post.design.mu, DATA["g"].to_numpy()
    curve = mu.eta(post.intercept(), post.fixef(), lambda t: post.ranef(t.name) * (not t.grouping))
    for s in range(30):
        for level in range(5):
            r = g == level
            cov = post.residual_scale[s] ** 2 * np.eye(r.sum()) + post.sd("g")[s, 0] ** 2
            expected = stats.multivariate_normal(curve[r, s], cov).logpdf(post.design.y[r])
            assert found[s, level] == pytest.approx(expected)


def test_the_report_has_the_curves(post):
    (own,) = smooth_figures(Source(post, None, 0.9))
    assert own.title == "s(x)"
    assert "90 % interval" in own.says


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("lme4", r"'mgcv'\) has the same ones"),
        ("brms", "other units"),
        ("bambi", "no s"),
        ("pymc", "writes no smooths"),
    ],
)
def test_code_of_other_packages_is_refused_with_the_reason(model, target, reason):
    with pytest.raises(ModelError, match=reason):
        code(model.spec, target)


@pytest.mark.parametrize("mean", ["s(x, k=6)", "s(x, g, bs='fs', k=6)"])
def test_a_smooth_of_the_mean_and_one_of_sigma_have_functions_of_their_own(mean):
    spec = mb.Model([f"y ~ {mean}", f"sigma ~ {mean.replace('6', '4')}"], DATA).spec
    built = build(spec, choose_engine(mb.NonCentered(), spec).groups)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        assert all(np.isfinite(v) for v in built.point_logps().values())
    start = built.initial_point()
    drawn = prior_predictive(spec, 2, 1)["prior"].to_dataset()
    for p in spec.design.predictors:
        for term in p.groups:
            u = start[names.spherical(term.name, p.parameter)]
            assert u.shape == (term.n_levels, len(term.terms))
            assert drawn[names.ranef(term.name, p.parameter)].shape == (1, 2, *u.shape)
