"""Pictures of means, comparisons and slopes: numbers of the table, places, names, limits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.api.accessors import Accessors
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.means import comparisons, means, slopes
from mixedbayes.plots.estimands import plot_comparisons, plot_means, plot_slopes
from mixedbayes.plots.estimates import plot_estimates, sheet
from mixedbayes.plots.estimates_layout import layout
from mixedbayes.plots.scene import Band, Dots, Line, Rule, Segments

QUIET = {"progress": False}


def frame(groups=6, n=120):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "age": rng.uniform(20, 60, n),
            "sex": rng.choice(["f", "m"], n),
            "arm": pd.Categorical(rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"]),
            "ward no.": np.arange(n) % groups,
            "y": rng.normal(50, 5, n),
            "count": rng.poisson(3, n),
            "yes": rng.integers(0, 2, n),
            "pain": pd.Categorical.from_codes(np.arange(n) % 3, ["none", "some", "much"], True),
        }
    )
    data.attrs["units"] = {"age": "years", "y": "ms"}
    return data


def posterior(left="y", family="gaussian", groups=6, n=120):
    formula = f"{left} ~ age * sex + arm + (1 | `ward no.`)"
    data, rng = frame(groups, n), np.random.default_rng(2)
    small = {"fixef": rng.normal(0, 0.02, (1, 30, 5)), "thresholds": np.array([-0.5, 0.5])}
    return hand_made(formula, data, family, 30, rng, small)


@pytest.fixture(scope="module")
def gaussian():
    return posterior()


@pytest.fixture(scope="module")
def counts():
    return posterior("count", "poisson")


@pytest.fixture(scope="module")
def binary():
    return posterior("yes", "bernoulli")


def marks(panel, kind, gid=None):
    return [m for m in panel.marks if isinstance(m, kind) and (gid is None or m.gid == gid)]


def test_a_line_and_band_are_the_table(gaussian):
    found = means(gaussian, {"age": [20, 30, 60]}, by="sex", prob=0.8, **QUIET)
    (panel,) = sheet(found).panels
    for line, band, sex in zip(marks(panel, Line), marks(panel, Band), ["f", "m"], strict=True):
        part = found.frame[found.frame["sex"] == sex]
        np.testing.assert_allclose(line.x, [20, 30, 60])
        np.testing.assert_allclose(line.y, part["mean"])
        np.testing.assert_allclose([band.lower, band.upper], part[["lower", "upper"]].T)


def test_levels_are_points_with_both_intervals(gaussian):
    found = means(gaussian, "arm", interval="hdi", **QUIET)
    (panel,) = sheet(found).panels
    (dots,), (outer,) = marks(panel, Dots, "mean"), marks(panel, Segments, "outer")
    (inner,) = marks(panel, Segments, "inner")
    np.testing.assert_allclose(dots.y, found["mean"])
    np.testing.assert_allclose(outer.start[:, 1], found["lower"])
    np.testing.assert_allclose(outer.end[:, 1], found["upper"])
    half = found.describe(interval="hdi", prob=0.5)
    np.testing.assert_allclose(inner.end[:, 1], half["upper"])
    assert panel.xticks.texts == ["low", "mid", "high"]
    assert any("95 % HDI" in key.text for key in sheet(found).keys)


def test_two_columns_have_colours_and_the_third_has_panels(gaussian, check_texts):
    found = means(gaussian, ["arm", "sex"], at={"age": [20.0, 60.0]}, **QUIET)
    plan = layout(found)
    assert (plan.along, plan.color, plan.panels) == (("arm",), "sex", ("age",))
    figure = plot_estimates(found)
    assert [ax.get_title("left") for ax in figure.axes] == ["age = 20", "age = 60"]
    check_texts(figure)


@pytest.mark.parametrize("how", ["ratio", "odds_ratio"])
def test_ratios_are_on_a_logarithmic_axis_around_one(binary, how):
    found = comparisons(binary, {"arm": "pairwise"}, how=how, **QUIET)
    (panel,) = sheet(found).panels
    drawn = np.concatenate([m.x for m in marks(panel, Dots, "mean")])
    np.testing.assert_allclose(np.sort(drawn), np.sort(np.log(np.median(found.sampled, axis=1))))
    assert [rule.at for rule in marks(panel, Rule)] == [0.0]
    np.testing.assert_allclose(panel.xticks.at, np.log([float(t) for t in panel.xticks.texts]))
    assert "logarithmic axis" in panel.xlabel


def test_infinite_ratios_run_out_of_the_picture(binary):
    found = comparisons(binary, "sex", how="ratio", **QUIET)
    found.sampled[0, :20] = np.inf
    (panel,) = sheet(found).panels
    assert np.all(np.isfinite(panel.xlim))


@pytest.mark.parametrize("name", ["binary", "pain"])
def test_probabilities_stay_between_0_and_1(request, name):
    post = posterior("pain", "cumulative") if name == "pain" else request.getfixturevalue(name)
    found = means(post, "age", **QUIET)
    found.sampled[:] = np.random.default_rng(1).choice([0.0, 1.0], found.sampled.shape)
    (panel,) = sheet(found).panels
    assert panel.ylim[0] >= -0.025
    assert panel.ylim[1] <= 1.025
    assert np.all(marks(panel, Band)[0].upper <= 1)


def test_ordered_categories_have_the_colours():
    found = means(posterior("pain", "cumulative"), "age", by="sex", **QUIET)
    assert (layout(found).color, layout(found).panels) == ("category", ("sex",))
    assert [key.text for key in sheet(found).keys][:3] == ["none", "some", "much"]


def test_comparisons_are_rows_and_their_constant_stands_above(gaussian):
    each = comparisons(gaussian, {"arm": "pairwise"}, by="sex", **QUIET)
    assert (layout(each).along, layout(each).color) == (("arm",), "sex")
    (panel,) = sheet(each).panels
    assert list(panel.yticks.texts)[::-1] == ["mid - low", "high - low", "high - mid"]
    one = comparisons(gaussian, "sex", by="ward no.", **QUIET)
    assert [p.title for p in sheet(one).panels] == ["sex: m - f"]


def test_slopes_along_a_number_are_a_line_over_zero(gaussian):
    found = slopes(gaussian, "age", at={"age": [20, 30, 40, 50, 60]}, by="sex", **QUIET)
    (panel,) = sheet(found).panels
    assert len(marks(panel, Line)) == 2
    assert [(rule.at, rule.upright) for rule in marks(panel, Rule)] == [(0.0, False)]


def test_three_hundred_groups_are_sorted_and_their_names_do_not_meet(check_texts):
    found = means(posterior(groups=300, n=600), "ward no.", **QUIET)
    (panel,) = sheet(found).panels
    (dots,) = marks(panel, Dots, "mean")
    assert np.all(np.diff(dots.x[np.argsort(dots.y)]) >= 0)
    assert "of 300 named" in panel.ylabel
    check_texts(plot_estimates(found))


def test_integers_that_are_groups_are_no_line(gaussian):
    assert layout(means(gaussian, "ward no.", **QUIET)).kind == "points"


def test_too_many_panels_are_refused():
    found = means(posterior(groups=40), ["age", "sex"], by="ward no.", **QUIET)
    with pytest.raises(ModelError, match=r"40 combinations of ward no\. are too many panels"):
        plot_estimates(found)


def test_axes_have_units_and_scales(gaussian, counts, binary):
    def axis(found, **options):
        panel = sheet(found, **options).panels[0]
        return panel.xlabel if layout(found).kind == "rows" else panel.ylabel

    assert axis(means(gaussian, "age", **QUIET)) == "expected y (ms)"
    assert axis(means(gaussian, "age", **QUIET), units={"y": "s"}) == "expected y (s)"
    assert axis(slopes(gaussian, "age", **QUIET)) == "slope of expected y by age (ms/years)"
    assert axis(comparisons(gaussian, "sex", **QUIET)) == "difference in expected y (ms)"
    assert axis(comparisons(gaussian, "sex", how="lift", **QUIET)) == (
        "relative difference of expected y"
    )
    assert axis(means(counts, "arm", **QUIET)) == "expected count, response scale"
    assert axis(means(counts, "arm", kind="linear", **QUIET)) == (
        "linear predictor of count, log scale"
    )
    assert axis(means(binary, "arm", **QUIET)) == "probability of yes"
    assert axis(means(gaussian, "arm", target="P(y > 50)", **QUIET)) == "P(y > 50)"


def test_the_question_stands_below(gaussian):
    found = means(gaussian, "arm", at={"sex": "f"}, groups="typical", **QUIET)
    drawn = sheet(found)
    assert drawn.note.replace("\n", " ") == found.question
    assert "sex = f" in drawn.note


def test_a_number_without_values_has_forty_places_and_data(gaussian, by_gid):
    (ax,) = plot_means(gaussian, "age", by="sex", **QUIET).axes
    assert [len(line.get_xdata()) for line in by_gid(ax, "mean")] == [40, 40]
    assert sum(len(dots.get_offsets()) for dots in by_gid(ax, "data")) == 120
    for options in ({"kind": "linear"}, {"target": "P(y > 50)"}, {"data": False}):
        assert not by_gid(plot_means(gaussian, "age", **options, **QUIET).axes[0], "data")
    assert not by_gid(plot_means(gaussian, ["age", "arm"], **QUIET).axes[0], "data")


def test_zeros_and_ones_stand_behind_a_line_alone(binary, by_gid):
    assert by_gid(plot_means(binary, "age", **QUIET).axes[0], "data")
    assert not by_gid(plot_means(binary, "arm", **QUIET).axes[0], "data")


def test_wrong_names_are_refused(gaussian):
    with pytest.raises(DataError, match="did you mean 'age'"):
        plot_means(gaussian, "agee", **QUIET)
    with pytest.raises(ModelError, match="is a category and has no slope"):
        plot_slopes(gaussian, "arm", **QUIET)
    with pytest.raises(ModelError, match="backend must be one of"):
        plot_comparisons(gaussian, "arm", backend="gnuplot")


def test_long_names_of_levels_do_not_meet(check_texts):
    data = frame()
    names = [f"a very long name of a treatment, number {k} (second wave)" for k in range(3)]
    data["a long name of a column"] = np.array(names)[np.arange(len(data)) % 3]
    formula = "y ~ `a long name of a column` * sex + (1 | `ward no.`)"
    post = hand_made(formula, data, "gaussian", 20, np.random.default_rng(1))
    check_texts(plot_means(post, "a long name of a column", **QUIET))
    pairs = {"a long name of a column": "pairwise"}
    check_texts(plot_comparisons(post, pairs, by="sex", **QUIET))


@pytest.mark.parametrize("backend", ["matplotlib", "plotly", "bokeh"])
def test_what_a_fit_hands_out_plots_itself_and_so_do_its_contrasts(counts, backend):
    pytest.importorskip(backend)

    class Holder(Accessors):
        posterior = counts

    found = Holder().comparisons("sex", by="arm", how="ratio", **QUIET)
    for each in (found, found.contrast(how="ratio"), found.describe(prob=0.5)):
        assert type(each.plot(backend=backend)).__module__.split(".")[0] in (backend, "mixedbayes")
    one = found.contrast({"low": -1, "high": 1})
    assert sheet(one).panels[0].xlabel.startswith("weighted sum of ratio of expected count")


def test_an_average_of_models_has_pictures_too(counts):
    import mixedbayes.api.average as api
    from mixedbayes.estimands.mixture import Mixture

    mixture = Mixture.of({"a": counts, "b": counts}, {"a": 0.5, "b": 0.5})
    found = api.Average(mixture, pd.DataFrame(), "by hand").means("arm", **QUIET)
    assert "weight 0.5" in sheet(found).note
    assert found.plot().axes[0].get_ylabel() == "expected count, response scale"


def test_a_note_stands_below_the_question(gaussian):
    found = replace(means(gaussian, "arm", **QUIET), note="A word of warning.")
    assert sheet(found).note.endswith("\nA word of warning.")
