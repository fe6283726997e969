"""Raw data: every row is there, groups are lines or panels, and what is left out is said."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedbayes as mb
from mixedbayes.data import load_data
from mixedbayes.plots.data import plot_data

SLEEP = "Reaction ~ Days | Subject"


@pytest.fixture(scope="module")
def sleep_data():
    return load_data("sleepstudy")


def titles(figure):
    return [ax.get_title("left") for ax in figure.axes]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_panel_for_each_group_has_its_rows(sleep_data, by_gid, check_texts):
    figure = plot_data(SLEEP, sleep_data)
    assert titles(figure) == [f"Subject {level}" for level in sleep_data["Subject"].cat.categories]
    own = sleep_data[sleep_data["Subject"] == "309"]
    (dots,), (line,) = (by_gid(figure.axes[1], gid) for gid in ("data", "line"))
    np.testing.assert_allclose(dots.get_offsets(), own[["Days", "Reaction"]])
    np.testing.assert_allclose(line.get_ydata(), own["Reaction"])
    assert figure.get_supylabel() == "Reaction (ms)"
    check_texts(figure)


def test_some_groups_are_in_bold(sleep_data, by_gid):
    figure = plot_data(SLEEP, sleep_data, highlight=["335", "308"])
    (ax,) = figure.axes
    assert legend(figure) == ["Subject 335", "Subject 308", "other levels of Subject"]
    line, dots = by_gid(ax, "Subject 335")
    np.testing.assert_allclose(
        line.get_ydata()[:10], sleep_data.query("Subject == '335'")["Reaction"]
    )
    faint = next(m for m in by_gid(ax, "groups") if hasattr(m, "get_ydata"))
    assert faint.get_linewidth() < line.get_linewidth()
    assert np.isnan(faint.get_ydata()).sum() == 16
    assert len(dots.get_offsets()) == 10


def test_a_number_of_groups_spans_their_means(sleep_data):
    means = sleep_data.groupby("Subject", observed=True)["Reaction"].mean()
    found = legend(plot_data(SLEEP, sleep_data, highlight=3))
    assert found[0] == f"Subject {means.idxmin()}"
    assert found[2] == f"Subject {means.idxmax()}"
    many = legend(plot_data(SLEEP, sleep_data, highlight=15))  # too many to name
    assert many == ["other levels of Subject"]
    assert not plot_data(SLEEP, sleep_data, highlight=99).legends
    assert legend(plot_data(SLEEP, sleep_data, kind="lines")) == ["each Subject"]


def test_the_order_of_rows_and_repeated_places_make_no_zigzag(by_gid):
    data = pd.DataFrame({"x": [2, 1, 2, 3], "y": [4.0, 1.0, 6.0, 0.0], "g": "a"})
    (line,) = by_gid(plot_data("y ~ x | g", data).axes[0], "line")
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == [1, 5, 0]


def test_of_many_groups_there_are_lines_or_some_panels():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": np.tile(range(3), 2000), "g": np.repeat(range(2000), 3)})
    data["y"] = data["g"] + rng.normal(size=len(data))
    figure = plot_data("y ~ x | g", data)
    assert len(figure.axes) == 1
    assert "lines of 1,000 of 2,000 levels" in figure.axes[0].get_xlabel()
    panels = plot_data("y ~ x | g", data, kind="panels", max_levels=6)
    assert len(panels.axes) == 6
    assert "6 of 2,000 levels, evenly spaced in rank of their mean" in panels.get_supxlabel()
    assert titles(plot_data("y ~ x | g", data, levels=[7, 3])) == ["g 7", "g 3"]


def test_without_groups_it_is_a_scatter_plot(sleep_data, by_gid):
    (ax,) = plot_data("Reaction ~ Days", sleep_data).axes
    assert len(by_gid(ax, "data")[0].get_offsets()) == 180
    data = pd.DataFrame({"y": [1.0, 3.0, 5.0], "arm of": ["b", "a", "a"]})
    (ax,) = plot_data("y ~ `arm of`", data).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]
    np.testing.assert_allclose(by_gid(ax, "mean")[0].get_offsets(), [[0, 4], [1, 1]])
    assert plot_data("y ~ 1", data).axes[0].get_xlabel() == "row"


def test_expressions_missing_values_and_other_libraries(by_gid):
    data = pl.DataFrame({"n": [1, 2, None, 4], "of": [2, 4, 4, 4], "g": ["a", "a", "b", "b"]})
    figure = plot_data("n / of ~ 1 | g", data)
    assert figure.get_supxlabel().splitlines() == [
        "row within g", "1 of 4 rows left out: missing n in 1",
    ]  # fmt: skip
    assert by_gid(figure.axes[0], "data")[0].get_offsets().tolist() == [[1, 0.5], [2, 0.5]]
    assert figure.get_supylabel() == "n/of"
    own = plot_data("twice(n) ~ 1", data, functions={"twice": lambda x: 2 * x})
    assert by_gid(own.axes[0], "data")[0].get_offsets()[:, 1].tolist() == [2, 4, 8]


def test_categories_upwards_have_ticks_and_no_line(by_gid):
    data = pd.DataFrame({"x": [1, 2, 3, 4], "g": list("aabb")})
    data["y"] = pd.Categorical(["lo", "hi", "hi", "lo"], ["lo", "hi"], ordered=True)
    figure = plot_data("y ~ x | g", data)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["lo", "hi"]
    assert not by_gid(figure.axes[0], "line")
    with pytest.raises(mb.ModelError, match="y is categories, whose means"):
        plot_data("y ~ x | g", data, highlight=1)
    assert len(plot_data("g ~ x", data).axes) == 1


def test_combined_groups_have_their_labels():
    data = load_data("pastes")
    figure = plot_data("strength ~ 1 | batch:cask", data, max_levels=4, kind="panels")
    assert all(title.startswith("batch:cask ") for title in titles(figure))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "bars"}, "kind='bars'"),
        ({"highlight": ["400"]}, "highlight: 400 is not among the 18 of Subject"),
        ({"highlight": "308"}, "highlight='308' is no list of levels"),
        ({"highlight": 0}, "at least one group"),
        ({"highlight": True}, "highlight=True is no list"),
        ({"highlight": 2, "kind": "panels"}, "groups are in bold among lines"),
        ({"levels": []}, "levels: nothing is not among"),
        ({"max_levels": 0}, "max_levels must be at least 1"),
        ({"backend": "gnuplot"}, "backend must be one of"),
    ],
)
def test_what_is_not_understood_is_refused(sleep_data, asked, said):
    with pytest.raises(mb.ModelError, match=said):
        plot_data(SLEEP, sleep_data, **asked)


@pytest.mark.parametrize(
    ("formula", "error", "said"),
    [
        ("Reaction ~ Days + (Days | Subject)", mb.FormulaError, "belong to models"),
        ("Reaction ~ Days + Subject", mb.FormulaError, "this is several"),
        ("Reaction ~ Days | Subject + 1", mb.FormulaError, "a group is a column"),
        ("Reaction", mb.FormulaError, "something upwards and something along"),
        ("Reaction ~ 2", mb.FormulaError, "nothing to draw along"),
        (3, mb.FormulaError, "not int"),
        ("Reaction ~ days | Subject", mb.DataError, "days"),
        ("log(Days) ~ Reaction", mb.DataError, "log"),
    ],
)
def test_wrong_formulas_say_what_is_right(sleep_data, formula, error, said):
    with pytest.raises(error, match=said):
        plot_data(formula, sleep_data)


def test_groups_and_rows_have_to_be_there(sleep_data):
    with pytest.raises(mb.ModelError, match=r"highlight= is about groups.*Days \| group"):
        plot_data("Reaction ~ Days", sleep_data, highlight=2)
    with pytest.raises(mb.DataError, match="no rows"):
        plot_data(SLEEP, sleep_data.head(0))
    with pytest.raises(mb.DataError, match="none of the 180 rows is complete"):
        plot_data(SLEEP, sleep_data.assign(Reaction=np.nan))
    with pytest.raises(mb.DataError, match="not a data frame"):
        plot_data(SLEEP, [1, 2])


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
def test_other_backends_draw_them(sleep_data, backend):
    pytest.importorskip(backend)
    plot_data(SLEEP, sleep_data, backend=backend)
    plot_data(SLEEP, sleep_data, highlight=2, backend=backend)
    assert mb.plot_data("Reaction ~ Days", sleep_data, backend=backend) is not None
