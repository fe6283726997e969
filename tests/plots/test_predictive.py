import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.plots.predictive import histogram, plot_predictive
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.posterior import Posterior

RNG = np.random.default_rng(2)
N = 40
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "count": RNG.poisson(3, N),
        "yes": RNG.integers(0, 2, N),
        "g": np.repeat(np.arange(5), [4, 6, 8, 10, 12]),
    }
)
FAMILIES = {"y": "gaussian", "count": "poisson", "yes": "bernoulli"}


def drawn(response, **arguments):
    """A picture of replicates from the prior, which need no sampling."""
    model = mb.Model(f"{response} ~ 1 + (1 | g)", DATA, family=FAMILIES[response])
    replicated = prior_predictive(model.spec, 60, 1)["prior_predictive"][response]
    return plot_predictive(Posterior(model.spec, xr.DataTree()), replicated, **arguments)


def titles(collection):
    """Names of the panels."""
    return list(collection.viz["plot"].data_vars)


@pytest.mark.parametrize("backend", ["matplotlib", "plotly"])
@pytest.mark.parametrize("kind", ["density", "ecdf", "pit", "intervals", "stat"])
def test_every_kind_is_drawn(kind, backend):
    pytest.importorskip(backend)
    found = drawn("y", kind=kind, backend=backend)
    (title,) = titles(found)
    assert title.startswith("y")


@pytest.mark.parametrize("kind", ["density", "ecdf", "intervals", "stat"])
def test_a_panel_for_each_level_of_any_size(kind):
    found = titles(drawn("y", kind=kind, by="g"))
    assert [t.split(",")[0] for t in found] == [f"g {j}" for j in range(5)]
    assert len(titles(drawn("y", kind=kind, by="g", max_levels=2))) == 2


def test_counts_have_a_rootogram():
    found = drawn("count", kind="density")
    assert "observed_markers" in found.viz.children
    assert len(titles(drawn("count", kind="density", by="g"))) == 5


def replicates(y, draws, by=None, family="poisson", **arguments):
    """A picture of data y beside replicates (draws, n)."""
    table = pd.DataFrame({"y": y, "g": np.arange(len(y)) % 3})
    model = mb.Model("y ~ 1 + (1 | g)", table, family=family)
    shown = xr.DataArray(np.array(draws, float)[None], dims=("chain", "draw", "obs"))
    return plot_predictive(Posterior(model.spec, xr.DataTree()), shown, by=by, **arguments)


@pytest.mark.parametrize(("mean", "by"), [(3, None), (500, "g"), (4e6, None)])
def test_counts_of_any_size_have_at_most_some_forty_steps(mean, by):
    rng = np.random.default_rng(1)
    rate = mean * rng.gamma(3, 1 / 3, 240)
    found = replicates(rng.poisson(rate), rng.poisson(rate, (100, 240)), by)
    for title in titles(found):
        dots = found.viz["predictive_markers"][title].item().get_offsets()
        assert len(dots) <= 82
        assert dots[:, 1].sum() == pytest.approx(240 if by is None else 80, rel=0.01)
        label = found.viz["plot"][title].item().get_xlabel()
        assert ("in steps of" in label) is (mean > 3)


def test_outliers_of_replicates_make_no_steps():
    rng = np.random.default_rng(1)
    draws = rng.poisson(3, (100, 60))
    draws[5, 7] = 10**9
    found = replicates(rng.poisson(3, 60), draws)
    assert len(found.viz["predictive_markers"]["y"].item().get_offsets()) < 40
    assert "and more together" in found.viz["plot"]["y"].item().get_xlabel()


@pytest.mark.parametrize("by", [None, "g"])
@pytest.mark.parametrize("y", [np.tile([0, 4, 9, 5, 2, 7], 3), np.full(18, 10**6)])
@pytest.mark.parametrize("backend", ["matplotlib", "plotly", "bokeh"])
def test_frequencies_that_are_all_the_same(backend, y, by):
    pytest.importorskip(backend)
    found = replicates(y, [y] * 20, by, backend=backend)
    assert len(titles(found)) == (1 if by is None else 3)


def test_a_rootogram_of_plotly_has_roots_where_frequencies_differ():
    pytest.importorskip("plotly")
    y = np.repeat([1, 2], [3, 9])
    figure = replicates(y, [y] * 20, backend="plotly").viz["figure"].item()
    heights = np.concatenate([np.asarray(trace.y, float) for trace in figure.data])
    np.testing.assert_allclose(np.unique(heights[np.isfinite(heights)]), [3**0.5, 3])


def test_categories_are_no_counts():
    codes = np.tile([1, 2, 3], 20)
    found = replicates(codes, [codes] * 50, family="cumulative")
    axis = found.viz["plot"]["y"].item()
    assert axis.get_xlabel() == "y"
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("response", "kind", "backend"),
    [
        ("y", "density", "matplotlib"),
        ("y", "intervals", "matplotlib"),
        ("y", "stat", "matplotlib"),
        ("count", "density", "matplotlib"),
        ("count", "ecdf", "matplotlib"),
        ("y", "ecdf", "plotly"),
        ("y", "intervals", "bokeh"),
        ("count", "density", "bokeh"),
    ],
)
def test_colours_are_named(response, kind, backend):
    pytest.importorskip(backend)
    found = drawn(response, kind=kind, backend=backend, by="g", max_levels=2)
    figure = found.viz["figure"].item()
    if backend == "matplotlib":
        (legend,) = figure.legends
        names = [t.get_text() for t in legend.get_texts()]
    elif backend == "plotly":
        names = [t.name for t in figure.data if t.showlegend]
    else:
        panels = list(found.viz["plot"].data_vars.values())
        names = [i.label.value for p in panels for g in p.item().legend for i in g.items]
    assert names[0] == "data"
    assert "replicates" in names[1]


def test_panels_of_intervals_are_of_the_response():
    found = drawn("y", kind="intervals", by="g")
    panels = [p.item() for p in found.viz["plot"].data_vars.values()]
    assert {p.get_ylabel() for p in panels} == {"y"}
    assert [p.get_title("left") or p.get_title() for p in panels] == [f"g {j}" for j in range(5)]


@pytest.mark.parametrize(
    ("stat", "by", "backend"),
    [
        ("min", None, "matplotlib"),
        ("zeros", "g", "matplotlib"),
        (lambda y: 1e9, None, "plotly"),
        (lambda y: -3e-9, None, "bokeh"),
    ],
)
def test_statistics_that_are_the_same_in_all_replicates(stat, by, backend):
    pytest.importorskip(backend)
    y = np.tile([0.0, 1.0, 4.0], 20)
    found = replicates(y, [y] * 50, by, kind="stat", stat=stat, backend=backend)
    assert all(t.endswith("p = 0.50") for t in titles(found))


@pytest.mark.parametrize(
    "stat", [lambda y: y, lambda y: "three", lambda y: np.nan, lambda y: y[99], lambda y: 1 / 0]
)
def test_a_function_that_gives_no_number_is_refused(stat):
    with pytest.raises(mb.ModelError, match=r"^the statistic (of|is) "):
        drawn("y", kind="stat", stat=stat)


def test_a_function_with_a_name_is_named():
    def statistic(y):
        return np.nan

    with pytest.raises(mb.ModelError, match=r"^the statistic 'statistic' is nan of some \d+ resp"):
        drawn("y", kind="stat", stat=statistic)


def test_histograms_have_all_values():
    rng = np.random.default_rng(1)
    for x in (rng.normal(size=500), rng.poisson(3, 500) * 1.0, rng.integers(0, 2, 500) * 1e6,
              np.full(9, 2.5), np.r_[np.zeros(99), 7.3]):  # fmt: skip
        height, edges = histogram(x)
        assert np.sum(height * np.diff(edges)) == pytest.approx(1)
        assert len(height) <= 40
        assert edges[0] <= x.min() <= x.max() <= edges[-1]


def test_ranks_of_few_distinct_values_are_uniform_where_the_model_is_right():
    """Without Pareto tails, which the few values 0, 1, 2 do not have."""
    rng = np.random.default_rng(1)
    p = rng.beta(2, 4, 1440)
    model = mb.Model("y ~ 1", pd.DataFrame({"y": rng.binomial(2, p)}), family="poisson")
    replicated = xr.DataArray(
        rng.binomial(2, p, (4, 250, 1440)).astype(float), dims=("chain", "draw", "obs")
    )
    found = plot_predictive(Posterior(model.spec, xr.DataTree()), replicated, kind="pit")
    (text,) = found.viz["plot"]["y"].item().texts
    assert float(text.get_text().split("=")[1].split("(")[0]) > 0.05


def test_observations_are_where_the_data_are():
    found = drawn("y", kind="intervals")
    dots = found.viz["observed_markers"]["y"].item().get_offsets()
    np.testing.assert_allclose(dots[:, 1], DATA["y"])


def test_statistics_have_their_p():
    (title,) = titles(drawn("count", kind="stat", stat="zeros"))
    assert title.startswith("count, share of zeros: p = ")
    (title,) = titles(drawn("y", kind="stat", stat=np.median))
    assert title.startswith("y, median: p = ")


@pytest.mark.parametrize("kind", ["density", "ecdf", "pit"])
def test_zeros_and_ones_have_no_density(kind):
    with pytest.raises(mb.ModelError, match='use kind="stat"'):
        drawn("yes", kind=kind)
    assert len(titles(drawn("yes", kind="stat", by="g"))) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "bars"}, "'density', 'ecdf', 'pit', 'intervals', 'stat'"),
        ({"by": "h"}, r"by='h' is not a grouping factor of this model \(g\)"),
        ({"kind": "stat", "stat": "mode"}, "'mean', 'sd', 'min', 'max', 'zeros'"),
        ({"backend": "gnuplot"}, "matplotlib, plotly, bokeh"),
    ],
)
def test_what_is_not_known_is_listed(arguments, message):
    with pytest.raises(mb.ModelError, match=message):
        drawn("y", **arguments)
