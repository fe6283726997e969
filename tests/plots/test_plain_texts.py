"""The user's names and labels stand in pictures letter by letter, in every backend."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.fixef import plot_fixef
from mixedbayes.plots.icc import plot_icc
from mixedbayes.plots.pooling import plot_pooling
from mixedbayes.plots.predictions import plot_predictions
from mixedbayes.plots.ranef import plot_ranef
from mixedbayes.plots.residuals import plot_residuals
from mixedbayes.plots.shrinkage import plot_shrinkage
from mixedbayes.plots.simpson import plot_simpson
from mixedbayes.plots.varcorr import plot_varcorr

NASTY = ("$\\frac{$", "$x$ and $y$", "$$a^2$$", "_low", "\\[b\\]", "<b>&amp;</b>", "50 % #1 {a}~^_")
BACKENDS = ("matplotlib", "plotly", "bokeh")
PICTURES = {
    "ranef": lambda post, data, **k: plot_ranef(post, **k),
    "ranef density": lambda post, data, **k: plot_ranef(post, kind="density", **k),
    "fixef": lambda post, data, **k: plot_fixef(post, **k),
    "shrinkage": lambda post, data, **k: plot_shrinkage(post, **k),
    "fitted": lambda post, data, **k: plot_fitted(post, **k),
    "predictions": lambda post, data, **k: plot_predictions(post, **k),
    "simpson": lambda post, data, **k: plot_simpson(post, **k),
    "pooling": lambda post, data, **k: plot_pooling(post, **k),
    "varcorr": lambda post, data, **k: plot_varcorr(post, **k),
    "icc": lambda post, data, **k: plot_icc(post, **k),
    "residuals": lambda post, data, **k: plot_residuals(post, **k),
}


@pytest.fixture(scope="module")
def nasty(numbers_from):
    """Every name and label has signs with a meaning somewhere."""
    rng = np.random.default_rng(2)
    n = 63
    data = pd.DataFrame({"$g^{$": np.array(NASTY)[np.arange(n) % 7], "$x_{$": rng.normal(size=n)})
    data["$y$ $"] = rng.normal(size=n)
    data["$z\\frac"] = np.array(NASTY[:3])[rng.integers(0, 3, n)]
    formula = "`$y$ $` ~ `$x_{$` + `$z\\frac` + (`$x_{$` | `$g^{$`)"
    return numbers_from(formula, data), data


def figure_of(picture):
    if hasattr(picture, "viz"):
        return picture.viz["figure"].item()
    return picture


@pytest.mark.parametrize("name", PICTURES)
def test_matplotlib_draws_them(nasty, name, tmp_path):
    figure = figure_of(PICTURES[name](*nasty))
    figure.savefig(tmp_path / "picture.png", dpi=50)
    texts = [t for t in figure.findobj(Text) if t.get_text()]
    assert any("$" in t.get_text() for t in texts)
    assert not any(t.get_parse_math() for t in texts if "$" in t.get_text())


def test_all_labels_stand_in_the_legend_and_at_the_ticks(nasty):
    post, _ = nasty
    figure = plot_simpson(post)
    found = [t.get_text() for t in figure.legends[0].get_texts()]
    assert [t for t in found if t.startswith("$g^{$ ")] == [f"$g^{{$ {v}" for v in sorted(NASTY)]
    figure = plot_ranef(post)
    figure.canvas.draw()
    shown = {t.get_text() for ax in figure.axes for t in ax.get_yticklabels()}
    assert set(NASTY) <= shown


def test_the_users_own_settings_do_not_turn_them_into_formulas(nasty, tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": True, "text.usetex": True}):
        plot_fixef(nasty[0]).savefig(tmp_path / "picture.png", dpi=50)
    assert mpl.rcParams["text.parse_math"]


@pytest.mark.parametrize("name", PICTURES)
def test_plotly_reads_no_markup_and_no_formulas(nasty, name):
    figure = figure_of(PICTURES[name](*nasty, backend="plotly"))
    figure = getattr(figure, "figure", figure)
    text = figure.to_json()
    assert "&#36;" in text
    assert "$" not in text
    assert "<b>&amp;</b>" not in text


@pytest.mark.parametrize("name", PICTURES)
def test_bokeh_reads_no_formulas(nasty, name):
    from bokeh.models import Div
    from bokeh.models.text import PlainText

    figure = figure_of(PICTURES[name](*nasty, backend="bokeh"))
    for model in figure.references():
        if isinstance(model, Div):
            assert model.disable_math or "$" not in model.text
            continue
        texts = [getattr(model, p, None) for p in ("text", "axis_label", "title")]
        texts += list(getattr(model, "major_label_overrides", {}).values())
        if isinstance(model, PlainText):
            continue
        for text in texts:
            if isinstance(text, str):
                assert "$$" not in text
                assert "\\[" not in text


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_says_what_its_marks_are(nasty, name, backend):
    """A legend, or for densities a line above them."""
    from matplotlib.figure import Figure

    picture = PICTURES[name](*nasty, backend=backend)
    figure = figure_of(picture)
    if name in ("varcorr", "icc"):
        said = "mean (dot), 95 % interval (line)"
        if isinstance(figure, Figure):
            assert said in figure.get_suptitle()
        elif backend == "plotly":
            assert said in getattr(figure, "figure", figure).to_json()
        else:
            assert any(said in str(getattr(m, "text", "")) for m in figure.references())
    elif isinstance(figure, Figure):
        assert len(figure.legends[0].get_texts()) >= 2
    elif backend == "plotly":
        assert sum(trace.showlegend is not False for trace in figure.data) >= 2
