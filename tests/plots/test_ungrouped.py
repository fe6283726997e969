"""Models without group effects: data, the line of the expected response, its band."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.pp_check import pp_check
from mixedbayes.plots.predictions import plot_predictions
from mixedbayes.results.fitted import expected
from mixedbayes.results.posterior import Posterior

S = 200
RNG = np.random.default_rng(3)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=40), "z": RNG.normal(size=40), "dose of": list("abcd") * 10,
        "y": RNG.normal(size=40), "count": RNG.poisson(2, 40), "yes": np.arange(40) % 2,
        "of": 5, "some": np.arange(40) % 6, "p": RNG.uniform(0.1, 0.9, 40),
        "rank": pd.Categorical(list("abcc") * 10, ordered=True),
    }
)  # fmt: skip
OWN = {"sigma": 1.0, "nu": 5.0, "shape": 2.0, "phi": 8.0}
LEFT = {
    "gaussian": "y", "student_t": "y", "lognormal": "p", "gamma": "p", "beta": "p",
    "bernoulli": "yes", "binomial": "some | trials(of)", "poisson": "count",
    "negative_binomial": "count", "cumulative": "rank",
}  # fmt: skip


def posterior(right, family="gaussian", data=DATA):
    model = mb.Model(f"{LEFT[family]} ~ {right}", data, family=family)
    mu, rng, size = model.design.mu, np.random.default_rng(1), (2, S // 2)
    values = {"fixef": (("chain", "draw", "term"), rng.normal(0, 0.3, (*size, len(mu.terms))))}
    if mu.intercept:
        values["Intercept"] = ("chain", "draw"), rng.normal(0.2, 0.2, size)
    for name in model.family.estimated(model.design):
        values[name] = ("chain", "draw"), np.full(size, OWN.get(name, 1.0))
    if family == "cumulative":
        cuts = np.sort(rng.normal(size=(*size, 2)))
        values["thresholds"] = (("chain", "draw", "threshold"), cuts)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values, attrs={"seed": 1})})
    return Posterior(model.spec, tree)


@pytest.mark.parametrize(
    ("family", "right"),
    [
        *((family, "x") for family in LEFT),
        *((family, "1") for family in ("poisson", "binomial", "cumulative")),
        *(("gaussian", right) for right in ("1", "0 + x", "`dose of`", "x + z + `dose of`")),
        ("cumulative", "`dose of`"),
    ],
)
@pytest.mark.parametrize("picture", [plot_fitted, plot_predictions], ids=lambda f: f.__name__)
def test_every_family_has_them(picture, family, right, check_texts):
    figure = picture(posterior(right, family))
    assert len(figure.axes) == 1
    check_texts(figure)


def test_the_line_is_the_expected_response_at_every_row(by_gid):
    post = posterior("x", "poisson")
    ax = plot_fitted(post, prob=0.8).axes[0]
    (line,), (band,), (data,) = (by_gid(ax, g) for g in ("fit", "band", "data"))
    mean = expected(post, slice(None))
    ends = int(np.argmin(DATA["x"])), int(np.argmax(DATA["x"]))
    np.testing.assert_allclose(line.get_ydata()[[0, -1]], mean[list(ends)].mean(axis=1))
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(
        np.quantile(mean[list(ends)], 0.9, axis=1).max()
    )
    np.testing.assert_allclose(data.get_offsets()[:, 1], DATA["count"])
    assert not by_gid(ax, "population")


def test_predictions_say_where_the_rest_is_held_and_where_a_new_one_lies(by_gid):
    post = posterior("x + z")
    ax = plot_predictions(post).axes[0]
    assert f"at z = {DATA['z'].mean():.4g}" in ax.get_xlabel()
    (line,), (band,), (wide,) = (by_gid(ax, g) for g in ("expected", "band", "new observation"))
    x = np.array(line.get_xdata())
    beta = post.fixef()
    draws = post.intercept()[:, None] + beta[:, :1] * x + beta[:, 1:] * DATA["z"].mean()
    np.testing.assert_allclose(line.get_ydata(), draws.mean(axis=0))
    spans = [np.ptp(b.get_paths()[0].vertices[:, 1]) for b in (band, wide)]
    assert spans[1] > spans[0] + 2  # sigma is 1


def test_shares_and_probabilities_have_no_band_of_observations(by_gid):
    for family in ("bernoulli", "binomial", "cumulative"):
        ax = plot_predictions(posterior("x", family)).axes[0]
        assert not by_gid(ax, "new observation")


def test_of_many_rows_some_are_predicted_and_all_are_shown(by_gid):
    data = pd.concat([DATA] * 50, ignore_index=True)
    data["x"] = np.linspace(0, 1, len(data))
    ax = plot_fitted(posterior("x + z", data=data)).axes[0]
    assert len(by_gid(ax, "data")[0].get_offsets()) == 2000
    assert len(by_gid(ax, "fit")[0].get_offsets()) <= 400


def test_the_intercept_alone_is_along_the_rows():
    ax = plot_fitted(posterior("1")).axes[0]
    assert ax.get_xlabel() == "row"
    with pytest.raises(mb.ModelError, match="no predictor to draw along: leave x out"):
        plot_predictions(posterior("1"), x="z")


def test_what_only_groups_have_is_refused():
    post = posterior("x")
    for picture in (plot_fitted, plot_predictions):
        with pytest.raises(mb.ModelError, match="no group effects to draw"):
            picture(post, group="g")
        with pytest.raises(mb.ModelError, match="levels= are those of a grouping factor"):
            picture(post, levels=["a"])
        with pytest.raises(mb.ModelError, match="x='w' is none of"):
            picture(post, x="w")
    with pytest.raises(mb.ModelError, match=r'stat="mean", or plot_residuals\(\)'):
        pp_check(posterior("x", "bernoulli"))


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
def test_other_backends_draw_them(backend):
    pytest.importorskip(backend)
    for picture in (plot_fitted, plot_predictions):
        picture(posterior("x"), backend=backend)
        picture(posterior("`dose of`"), backend=backend)
