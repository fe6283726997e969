import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.plots import plot_predictive
from mixedbayes.predict.prior import prior_predictive

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
    return plot_predictive(replicated, model.design, model.family, **arguments)


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


def test_ranks_of_few_distinct_values_are_uniform_where_the_model_is_right():
    """Without Pareto tails, which the few values 0, 1, 2 do not have."""
    rng = np.random.default_rng(1)
    p = rng.beta(2, 4, 1440)
    model = mb.Model("y ~ 1", pd.DataFrame({"y": rng.binomial(2, p)}), family="poisson")
    replicated = xr.DataArray(
        rng.binomial(2, p, (4, 250, 1440)).astype(float), dims=("chain", "draw", "obs")
    )
    found = plot_predictive(replicated, model.design, model.family, kind="pit")
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
