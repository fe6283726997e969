from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes.families.links import Identity
from mixedbayes.families.poisson import Poisson
from mixedbayes.plots.residuals import plot_residuals, residuals
from mixedbayes.results.posterior import Posterior


def test_gaussian_residuals_are_response_minus_expectation(sleep):
    found = residuals(sleep)
    g = sleep.group("Subject")
    fixed = np.array([sleep.intercept().mean(), sleep.fixef().mean()])
    own = fixed + sleep.ranef("Subject").mean(axis=0)
    np.testing.assert_allclose(found.fitted, (own[g.refs] * g.Z).sum(axis=1))
    np.testing.assert_allclose(found.value, sleep.design.y - found.fitted)


def test_blocks_of_rows_make_no_difference(sleep, monkeypatch):
    whole = residuals(sleep)
    monkeypatch.setattr("mixedbayes.plots.residuals._BLOCK", 7 * sleep.n_draws)
    np.testing.assert_allclose(residuals(sleep).value, whole.value)


def test_weights_scale_the_residuals(sleep):
    w = np.linspace(1, 4, sleep.design.n)
    weighted = sleep.with_design(replace(sleep.design, weights=w))
    found = residuals(weighted)
    np.testing.assert_allclose(found.value, residuals(sleep).value * np.sqrt(w))
    assert found.what == "weighted residual"


def counts(make, n=1500):
    rng = np.random.default_rng(8)
    x = rng.uniform(2, 9, n)
    d = make.design("seeds", rng.poisson(x), {"x": x}, [])
    return make.posterior(d, {}, 0.05, family=Poisson(link=Identity()))


def test_quantile_residuals_of_the_right_model_are_standard_normal(make):
    found = residuals(counts(make))
    assert found.what == "quantile residual"
    assert stats.kstest(found.value, "norm").pvalue > 0.01


def test_quantile_residuals_of_a_wrong_model_are_not(make):
    post = counts(make)
    doubled = post.with_design(replace(post.design, y=2 * post.design.y))
    assert stats.kstest(residuals(doubled).value, "norm").pvalue < 1e-6


def test_quantile_residuals_are_reproducible(make):
    post = counts(make, 60)
    np.testing.assert_array_equal(residuals(post, 3).value, residuals(post, 3).value)
    assert np.any(residuals(post, 3).value != residuals(post, 4).value)


def test_panels_and_their_texts(sleep, check_texts, by_gid):
    figure = plot_residuals(sleep, units={"Reaction": "ms"})
    left, right = figure.axes
    assert [left.get_xlabel(), left.get_ylabel()] == ["fitted Reaction (ms)", "residual (ms)"]
    assert right.get_xlabel() == "standard normal quantile"
    (points,) = by_gid(right, "residuals")
    ordered = points.get_offsets()[:, 1]
    np.testing.assert_allclose(ordered, np.sort(residuals(sleep).value))
    check_texts(figure)


def test_the_envelope_covers_a_normal_sample(make, by_gid):
    rng = np.random.default_rng(2)
    y = rng.standard_normal(400)
    post = make.posterior(make.design("y", y, {}, []), {}, 1.0)
    ax = plot_residuals(post, prob=0.99).axes[1]
    envelope = by_gid(ax, "envelope")[0].get_paths()[0]
    points = by_gid(ax, "residuals")[0].get_offsets()
    assert np.mean(envelope.contains_points(points)) > 0.9


@pytest.mark.parametrize("slope", [0.0, 3.0])
def test_the_trend_shows_a_missing_covariate(make, by_gid, slope):
    rng = np.random.default_rng(6)
    x = np.linspace(-1, 1, 300)
    y = x + slope * x**2 + 0.1 * rng.standard_normal(300)
    post = make.posterior(make.design("y", y, {"x": x}, []), {}, 0.1)
    trend = by_gid(plot_residuals(post).axes[0], "trend")[0].get_ydata()
    assert (np.ptp(trend) > 1.0) == (slope > 0)


def test_colours_by_group_follow_the_rows_through_both_panels(sleep, by_gid):
    left, right = plot_residuals(sleep, by="Subject").axes
    dots = [by_gid(ax, "residuals")[0] for ax in (left, right)]
    refs = sleep.group("Subject").refs
    colours = dots[0].get_facecolors()
    assert len(np.unique(colours, axis=0)) == 18
    for j in range(18):
        assert len(np.unique(colours[refs == j], axis=0)) == 1
    order = np.argsort(residuals(sleep).value, kind="stable")
    np.testing.assert_allclose(dots[1].get_facecolors(), colours[order])
    texts = [t.get_text() for t in left.figure.legends[0].get_texts()]
    assert texts[0] == "one row, coloured by Subject"


def test_few_groups_are_in_the_legend_and_columns_will_do(by_gid):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=30), "arm of": list("abc") * 10, "x": range(30)})
    model = mb.Model("y ~ x + `arm of`", data)
    values = {
        "Intercept": (("chain", "draw"), rng.normal(size=(2, 20))),
        "fixef": (("chain", "draw", "term"), rng.normal(size=(2, 20, 3))),
        "sigma": (("chain", "draw"), np.ones((2, 20))),
    }
    post = Posterior(model.spec, xr.DataTree.from_dict({"posterior": xr.Dataset(values)}))
    figure = plot_residuals(post, by="arm of")
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    assert texts[:3] == ["arm of a", "arm of b", "arm of c"]
    for backend in ("plotly", "bokeh"):
        plot_residuals(post, by="arm of", backend=backend)
    with pytest.raises(mb.ModelError, match="by='x' has 30 different numbers"):
        plot_residuals(post, by="x")
    with pytest.raises(mb.ModelError, match="nor a predictor; choose from x, arm of"):
        plot_residuals(post, by="z")


def test_rows_written_out_keep_their_group(make):
    post = counts(make, 30)
    d = replace(post.design, weights=np.full(30, 3.0))
    mu = replace(d.mu, counts=np.full(30, 3.0))
    found = residuals(post.with_design(replace(d, predictors=(mu,))))
    assert found.design.n == len(found.value)
