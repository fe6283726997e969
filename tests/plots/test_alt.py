"""A picture in words, for those who do not see it."""

import numpy as np
import pytest

from mixedbayes.plots.alt import alt_text
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.ranef import plot_ranef
from mixedbayes.plots.scene import Dots, Key, Panel, Sheet, Ticks

AT = np.arange(2.0)


def panel(**parts):
    return Panel([Dots(AT, AT, "black")], **parts)


def test_one_panel_has_its_title_axes_legend_and_note():
    sheet = Sheet(
        [[panel(title="Grades\nof all", xlabel="hours (h)", ylabel="gpa")]], 4, 3,
        keys=[Key("data", "black"), Key("95 % band", "blue")], note="10 of 20 rows",
    )  # fmt: skip
    assert alt_text(sheet) == (
        "Diagram: Grades of all. Horizontal axis: hours (h). Vertical axis: gpa. "
        "Shown: data; 95 % band. 10 of 20 rows"
    )


def test_many_panels_are_counted_and_some_named():
    rows = [[panel(title=f"Subject {i}") for i in range(9)]]
    assert alt_text(Sheet(rows, 9, 3, xlabel="Days")).startswith(
        "9 diagrams: Subject 0; Subject 1; Subject 2; Subject 3; Subject 4; Subject 5; and 3 more. "
        "Horizontal axis: Days."
    )


def test_names_along_an_axis_are_said_and_numbers_are_not():
    named = panel(yticks=Ticks(AT, ["Days", "sex[female]"]), xticks=Ticks(AT, ["0.5", "−1,000"]))
    text = alt_text(Sheet([[named, None]], 4, 3))
    assert "Days; sex[female]." in text
    assert "0.5" not in text
    assert "1,000" not in text


@pytest.mark.parametrize("draw", [plot_fitted, plot_ranef])
def test_a_picture_takes_its_words_into_a_notebook(sleep, draw):
    figure = draw(sleep)
    _, known = figure._repr_png_()
    assert known["alt"] == figure.alt
    assert "Subject" in figure.alt


def test_an_empty_picture_says_nothing_of_itself():
    from mixedbayes.plots import style

    assert set(style.picture(2, 2)._repr_png_()[1]) == {"width", "height"}


@pytest.mark.parametrize("inline", [False, True])
def test_the_words_stay_where_pyplot_draws_figures_its_own_way(sleep, inline):
    from matplotlib.figure import Figure

    core = pytest.importorskip("IPython.core.formatters")
    formatter = core.DisplayFormatter()
    if inline:  # as the inline backend does when pyplot is imported
        formatter.formatters["image/png"].for_type(Figure, lambda figure: b"png")
    figure = plot_ranef(sleep)
    formats, known = formatter.format(figure)
    assert (formats["image/png"] == b"png") is inline
    assert known["image/png"]["alt"] == figure.alt
