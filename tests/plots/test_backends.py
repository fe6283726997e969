"""Every method that draws a picture, in every backend."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import mixedbayes as mb

BACKENDS = ("matplotlib", "plotly", "bokeh")

METHODS = {
    "plot_fixef": {},
    "plot_ranef": {},
    "plot_ranef, density": {"kind": "density"},
    "plot_shrinkage": {},
    "plot_shrinkage, one term": {"terms": ("Days",)},
    "plot_pooling_factor": {},
    "plot_pooling": {"max_levels": 5},
    "plot_fitted": {"max_levels": 5},
    "plot_predictions": {},
    "plot_means": {"focal": "Days", "progress": False},
    "plot_comparisons": {"focal": "Days", "progress": False},
    "plot_slopes": {"focal": "Days", "by": "Subject", "progress": False},
    "plot_simpson": {},
    "plot_smooths": {"residuals": True},
    "plot_varcorr": {},
    "plot_icc": {},
    "plot_residuals": {},
    "plot_priors": {},
    "plot_check": {},
    "pp_check, density": {},
    "pp_check, ecdf": {"kind": "ecdf"},
    "pp_check, pit": {"kind": "pit"},
    "pp_check, intervals": {"kind": "intervals"},
    "pp_check, stat": {"kind": "stat"},
}


@pytest.fixture(scope="module")
def fit():
    model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    return model.fit(100, chains=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def bent():
    model = mb.Model("Reaction ~ s(Days, k=4) + (1 | Subject)", mb.load_data("sleepstudy"))
    return model.fit(100, chains=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def draw(fit, bent):
    def call(name, backend):
        method = name.split(",")[0]
        of = bent if method == "plot_smooths" else fit
        return getattr(of, method)(backend=backend, **METHODS[name])

    return call


def kind_of(picture):
    """The library that a picture is of."""
    figure = picture.get_viz("figure") if hasattr(picture, "get_viz") else picture
    return "matplotlib" if isinstance(figure, Figure) else type(figure).__module__.split(".")[0]


def test_no_method_is_forgotten():
    drawing = {name for name in dir(mb.Fit) if name.startswith("plot_")} | {"pp_check"}
    assert {name.split(",")[0] for name in METHODS} == drawing


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", METHODS)
def test_every_picture_is_drawn_in_every_backend(draw, name, backend):
    pytest.importorskip(backend)
    assert kind_of(draw(name, backend)) == backend
    plt.close("all")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_funnel_is_drawn_in_every_backend(fit, backend):
    pytest.importorskip(backend)
    picture = mb.plot_funnel({"marginal": fit}, backend=backend)
    assert kind_of(picture) == backend


@pytest.mark.parametrize("name", METHODS)
def test_another_backend_is_refused(draw, name):
    with pytest.raises(mb.ModelError, match="matplotlib, plotly, bokeh; got 'gnuplot'"):
        draw(name, "gnuplot")


@pytest.mark.parametrize("name", sorted({name.split(",")[0] for name in METHODS}))
def test_every_method_says_its_backends(name):
    for backend in BACKENDS:
        assert f'"{backend}"' in getattr(mb.Fit, name).__doc__
