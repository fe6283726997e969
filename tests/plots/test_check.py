import numpy as np
import pytest
from matplotlib.colors import to_hex

import mixedbayes as mb
from mixedbayes.checks.residual import residuals
from mixedbayes.plots import style
from mixedbayes.plots.check import plot_check


@pytest.fixture(scope="module")
def fit():
    model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    return model.fit(200, chains=2, seed=1, progress=False)


def test_panels_of_residuals_and_of_every_term(fit):
    axes = [ax for ax in fit.plot_check().axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in axes] == [
        "Residuals against fitted",
        "Scale against fitted",
        "Quantiles of residuals",
        "Subject: Intercept",
        "Subject: Days",
    ]
    for ax in axes:
        gids = {c.get_gid() for c in ax.collections}
        assert {"band", "data"} <= gids


def test_dots_are_the_numbers_of_the_check_and_stand_out_outside(fit):
    ax = plot_check(fit.posterior, seed=1).axes[1]
    found = residuals(fit.posterior, 1)
    beside, bins = found.scale()
    table = beside.table()
    (dots,) = (c for c in ax.collections if c.get_gid() == "data")
    np.testing.assert_allclose(dots.get_offsets(), np.c_[bins.at, table["data"]])
    colors = [to_hex(c) for c in dots.get_facecolors()]
    assert table["outside"].any()
    assert [c == style.ORANGE for c in colors] == list(table["outside"])
