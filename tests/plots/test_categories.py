"""Pictures of ordered categories: the probability of each."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.plots.categories import colors

LABELS = ["none", "mild", "moderate", "severe"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    clinic, week = np.repeat(np.arange(6), 20), np.tile(np.arange(20.0), 6) / 2
    latent = 0.35 * (week - 5) + rng.normal(size=6)[clinic] + rng.logistic(size=120)
    pain = pd.Categorical.from_codes(np.digitize(latent, [-1.5, 0, 1.5]), LABELS, ordered=True)
    arm = np.tile(["control", "drug"], 60)
    return pd.DataFrame({"pain": pain, "week": week, "arm": arm, "clinic": clinic})


@pytest.fixture(scope="module")
def fit(data):
    formula = "pain ~ week + (1 | clinic)"
    return mb.fit(formula, data, family="cumulative", draws=100, chains=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def by_arm(data):
    formula = "pain ~ arm + (1 | clinic)"
    return mb.fit(formula, data, family="cumulative", draws=50, chains=2, seed=1, progress=False)


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def legend(figure):
    return [t.get_text() for t in figure.legends[0].get_texts()]


def test_a_line_and_a_band_for_each_category(fit, check_texts, by_gid):
    figure = fit.plot_predictions(prob=0.9)
    (ax,) = figure.axes
    assert ax.get_ylabel() == "probability of each category of pain"
    assert legend(figure) == [
        *LABELS, "effects 0, 90 % band", "mean over the population", "share in the data",
    ]  # fmt: skip
    typical, average = lines(ax, "typical"), lines(ax, "average")
    assert [line.get_color() for line in typical] == colors(4)
    new = pd.DataFrame({"week": typical[0].get_xdata()})
    for groups, drawn in (("typical", typical), ("average", average)):
        table = fit.predict(new, groups=groups, kind="mean", prob=0.9)
        for label, line in zip(LABELS, drawn, strict=True):
            one = table[table["category"] == label]
            np.testing.assert_allclose(line.get_ydata(), one["mean"])
    for label, band in zip(LABELS, by_gid(ax, "band"), strict=True):
        table = fit.predict(new, groups="typical", kind="mean", prob=0.9)
        one = table[table["category"] == label]
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == pytest.approx(one["lower"].min())
        assert corners.max() == pytest.approx(one["upper"].max())
    np.testing.assert_allclose(sum(line.get_ydata() for line in typical), 1)
    check_texts(figure)


def test_rings_are_shares_of_the_data(fit, by_arm, data, by_gid):
    (ax,) = fit.plot_predictions().axes
    total = sum(dots.get_offsets()[:, 1] for dots in by_gid(ax, "share"))
    np.testing.assert_allclose(total, 1)
    assert len(total) == 10
    (ax,) = by_arm.plot_predictions().axes
    for label, dots in zip(LABELS, by_gid(ax, "share"), strict=True):
        shares = (data["pain"] == label).groupby(data["arm"]).mean()
        np.testing.assert_allclose(dots.get_offsets()[:, 1], shares)


def test_levels_on_request(fit):
    figure = fit.plot_predictions(levels=[0, 3])
    own = lines(figure.axes[0], "conditional")
    assert len(own) == 8
    assert "each clinic" in legend(figure)
    new = pd.DataFrame({"week": own[0].get_xdata(), "clinic": 3})
    table = fit.predict(new, kind="mean").query("category == 'none'")
    np.testing.assert_allclose(own[1].get_ydata(), table["mean"])


def test_categories_stand_side_by_side_along_an_axis_of_categories(by_arm, by_gid, check_texts):
    figure = by_arm.plot_predictions()
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["control", "drug"]
    places = [dots.get_offsets()[:, 0] for dots in by_gid(ax, "typical")]
    assert np.all(np.diff(places, axis=0) > 0)
    assert np.all(np.round(places) == [0, 1])
    check_texts(figure)
    check_texts(by_arm.plot_fitted())


def test_each_level_has_its_own_probabilities_and_data(fit, data, by_gid, check_texts):
    figure = fit.plot_fitted(levels=[4, 2])
    assert [ax.get_title("left") for ax in figure.axes] == ["clinic 4", "clinic 2"]
    assert legend(figure) == [*LABELS, "95 % band", "data, at what was observed"]
    ax, rows = figure.axes[0], data["clinic"] == 4
    fitted = fit.fitted()
    for label, line in zip(LABELS, lines(ax, "fit"), strict=True):
        own = fitted[(fitted["category"] == label).to_numpy()]["mean"].to_numpy()[rows]
        week = data["week"][rows]
        drawn = np.interp(week, line.get_xdata(), line.get_ydata())
        np.testing.assert_allclose(drawn, own, atol=0.01)
    (dots,) = by_gid(ax, "data")
    chosen = (fitted["category"].to_numpy() == np.repeat(data["pain"].to_numpy(), 4)).nonzero()[0]
    at_observed = fitted["mean"].to_numpy()[chosen][rows]
    np.testing.assert_allclose(dots.get_offsets()[:, 1], at_observed)
    check_texts(figure)


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
@pytest.mark.parametrize("name", ["plot_predictions", "plot_fitted"])
def test_in_every_backend(fit, by_arm, name, backend):
    pytest.importorskip(backend)
    for one in (fit, by_arm):
        picture = getattr(one, name)(backend=backend)
        assert type(picture).__module__.startswith(backend)


def test_colours_are_as_many_as_categories():
    for count in (3, 7, 11):
        assert len(set(colors(count))) == count
