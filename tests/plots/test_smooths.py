import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.estimands.means import means
from mixedbayes.plots.estimands import plot_means
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.predictions import plot_predictions
from mixedbayes.plots.smooths import plot_smooths
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.smooths import smooths

rng = np.random.default_rng(1)
DATA = pd.DataFrame(
    {"x": rng.uniform(0, 10, 60), "z": rng.normal(size=60), "f": np.resize(["a", "b"], 60)}
)
DATA["y"] = np.sin(DATA["x"]) + rng.normal(0, 0.3, 60)


def of_prior(right, **more):
    """Draws from the prior as a posterior."""
    spec = mb.Model(f"y ~ {right}", DATA, **more).spec
    tree = prior_predictive(spec, 40, 2)
    return Posterior(spec, xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}))


@pytest.fixture(scope="module")
def two():
    return of_prior("f + s(x, by=f, k=5) + s(z, k=4)")


def test_a_panel_for_each_curve(two, check_texts):
    figure = plot_smooths(two, units={"x": "m"})
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == ["s(x):f[a]", "s(x):f[b]", "s(z)"]
    assert figure.axes[0].get_xlabel() == "x (m)"
    table = smooths(two, "s(x):f[b]", n=120)
    line = next(line for line in figure.axes[1].lines if len(line.get_xdata()) == 120)
    np.testing.assert_allclose(line.get_data(), [table["x"], table["mean"]])
    check_texts(figure)


def test_partial_residuals_are_what_the_rest_leaves(two):
    figure = plot_smooths(two, "s(z)", residuals=True)
    points = max(figure.axes[0].collections, key=lambda c: len(c.get_offsets())).get_offsets()
    assert len(points) == 60
    eta = two.design.mu.eta(two.intercept(), two.fixef(), lambda g: two.ranef(g.name)).mean(axis=1)
    term = two.design.mu.group("s(z)")
    curve = two.ranef("s(z)")[..., 0] @ term.dense.T
    column = two.design.mu.terms.index("s(z)[linear]")
    curve += two.fixef()[:, [column]] * two.design.mu.X[:, column]
    np.testing.assert_allclose(points[:, 1], DATA["y"] - eta + curve.mean(axis=0))


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
def test_other_backends(two, backend):
    plot_smooths(two, residuals=True, backend=backend)


def test_a_surface_is_shown_by_cuts(check_texts):
    figure = plot_smooths(of_prior("s(x, z, k=8)"))
    (ax,) = figure.axes
    assert sum(len(line.get_xdata()) == 120 for line in ax.lines) == 3
    assert len(figure.legends[0].get_texts()) == 3
    check_texts(figure)


def test_what_is_refused():
    counts = DATA.assign(y=rng.poisson(3, 60))
    spec = mb.Model("y ~ s(x, k=4)", counts, family="poisson").spec
    tree = prior_predictive(spec, 5, 2)
    post = Posterior(spec, xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}))
    with pytest.raises(mb.ModelError, match="partial residuals are of models with the identity"):
        plot_smooths(post, residuals=True)
    with pytest.raises(mb.ModelError, match="is of 3 variables"):
        plot_smooths(of_prior("t2(x, z, I(x*z), k=3)"))


def test_curves_of_all_levels_are_in_one_panel(check_texts):
    post = of_prior('s(x, f, bs="fs", k=5) + s(z, k=4)')
    figure = plot_smooths(post)
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == ["s(x, f)", "s(z)"]
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 60]
    table = smooths(post, "s(x, f)[b]", n=60)
    np.testing.assert_allclose(lines[1].get_data(), [table["x"], table["mean"]])
    (one,) = plot_smooths(post, "s(x, f)[a]").axes
    assert one.get_title("left") == "s(x, f)[a]"
    check_texts(figure)


def test_the_population_of_a_fit_has_the_curve(by_gid):
    post = of_prior("s(x, k=6) + (1 | f)")
    mean = linear_predictor(post, slice(None), without=["f"]).mean(axis=1)
    for k, ax in enumerate(plot_fitted(post).axes):
        rows = np.flatnonzero(post.group("f").refs == k)
        rows = rows[np.argsort(DATA["x"].to_numpy()[rows])]
        (line,) = by_gid(ax, "population")
        np.testing.assert_allclose(line.get_data(), [DATA["x"].iloc[rows], mean[rows]])


def test_a_fit_with_curves_of_each_level_is_drawn_along_their_variable(by_gid, check_texts):
    figure = plot_fitted(of_prior('s(x, f, bs="fs", k=5)'))
    assert [ax.get_title("left") for ax in figure.axes] == ["f a", "f b"]
    assert figure.get_supxlabel() == "x"
    assert all(by_gid(ax, "population") for ax in figure.axes)
    assert "f, 95 % band" in [t.get_text() for t in figure.legends[0].get_texts()]
    check_texts(figure)


def test_lines_of_means_and_predictions_follow_a_curve(two):
    assert len(plot_means(two, "x").axes[0].lines[0].get_xdata()) == 120
    figure = plot_predictions(two, "x")
    assert max(len(line.get_xdata()) for line in figure.axes[0].lines) == 120
    straight = of_prior("x + s(z, k=4)")
    assert len(plot_means(straight, "x").axes[0].lines[0].get_xdata()) == 40


def test_questions_about_curves_of_each_level_name_them_once():
    curves = of_prior("s(x, f, bs='fs', k=4)")
    said = means(curves, "x").question
    assert said == "Expected y by x; population of s(x, f) averaged over."
    one = predict(curves, DATA[:3], groups=["s(x, f)"], kind="linear")
    np.testing.assert_allclose(one["mean"], predict(curves, DATA[:3], kind="linear")["mean"])
    part = predict(curves, DATA[:3], groups=["s(x, f)[level]"], kind="linear")
    assert (abs(part["mean"] - one["mean"]) > 1e-9).all()
