import matplotlib as mpl
import pytest

from mixedbayes.plots import style
from mixedbayes.plots.ranef import plot_ranef


def test_pictures_leave_global_settings_and_pyplot_alone(sleep):
    import matplotlib.pyplot as plt

    before, open_figures = dict(mpl.rcParams), plt.get_fignums()
    figure = plot_ranef(sleep)
    figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_figures


def test_a_picture_keeps_its_look_under_other_settings(sleep):
    figure = plot_ranef(sleep)
    with mpl.rc_context({"xtick.labelsize": 30, "axes.spines.top": True}):
        figure.canvas.draw()
    sizes = {t.get_size() for ax in figure.axes for t in ax.get_xticklabels()}
    assert sizes == {style.SMALL}


def test_a_picture_shows_itself_as_png(sleep):
    figure = plot_ranef(sleep)
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size["width"] == pytest.approx(96 * figure.get_size_inches()[0])


def test_ipython_displays_a_picture_once_without_pyplot(sleep):
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    formats, _ = formatter.format(plot_ranef(sleep))
    assert isinstance(formats["image/png"], bytes | str)


def test_percent():
    assert [style.percent(p) for p in (0.95, 0.5, 0.999)] == ["95 %", "50 %", "99.9 %"]


def test_a_notebook_that_becomes_interactive_within_stays_so():
    before = mpl.is_interactive()
    try:
        mpl.interactive(False)
        with style.look():
            mpl.interactive(True)  # as the first figure of a notebook does
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)


def test_drawings_of_lectures_have_a_style_by_name():
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        plt.style.use("mixedbayes.plots.lecture")
        assert not mpl.rcParams["axes.spines.right"]
        assert mpl.rcParams["axes.titlelocation"] == "left"
