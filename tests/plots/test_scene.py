"""Scenes, and what the backends make of the same one."""

import numpy as np
import pytest

from mixedbayes.errors import MissingExtraError
from mixedbayes.plots import scene as drawing
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Key,
    Line,
    MaxTicks,
    Oval,
    Panel,
    Rule,
    Segments,
    Sheet,
    Text,
    Ticks,
    draw,
    extent,
    in_rows,
)

X = np.array([0.0, 1.0, 4.0])
BLUE = "#0072b2"
DOTS = Dots(X, X**2, BLUE, names=["a", "b<c", "d"], gid="own")
MARKS = [
    DOTS,
    Dots(X, -X, BLUE, marker="X"),
    Dots(X, -X, BLUE, marker="|"),
    Line(X, X, BLUE, dash=True, gid="line"),
    Segments(np.c_[X, X], np.c_[X, 3 * X], BLUE, heads=True),
    Band(X, X - 1, X + 1, BLUE),
    Oval((1.0, 2.0), 4.0, 2.0, 90.0, fill=BLUE, edge=BLUE),
    Rule(1.0, True, BLUE, dash=True),
    Rule(1.0, False, BLUE),
    Text(0.1, 0.9, "inside", BLUE, inside=True),
    Text(1.0, 2.0, "beside", BLUE, (3.0, 4.0)),
]


def sheet(**more):
    left = Panel(MARKS, "one & two", "x", "y", xticks=MaxTicks(3), yticks=Ticks(X, ["p", "q", "r"]))
    right = Panel([DOTS], small=True, y_line=False)
    keys = [Key(k, BLUE, k) for k in ("line", "dash", "dot", "ring", "cross", "patch")]
    return Sheet([[left, right], [right, None]], 6.0, 5.0, keys=keys, xlabel="below", **more)


@pytest.mark.parametrize("backend", drawing.BACKENDS)
@pytest.mark.parametrize("share", ["all", "aligned", "none"])
def test_every_mark_is_drawn(backend, share):
    pytest.importorskip(backend)
    assert draw(sheet(share_x=share, share_y=share, keys_above=share == "all"), backend) is not None


def test_dots_stand_at_the_same_places_in_all_backends():
    plotly = draw(sheet(), "plotly")
    (trace,) = [t for t in plotly.data if t.name == "own" and t.xaxis == "x"]
    bokeh = draw(sheet(), "bokeh")
    own = next(iter(bokeh.select({"name": "own"}))).data_source.data
    matplotlib = draw(sheet(), "matplotlib")
    at = next(c for c in matplotlib.axes[0].collections if c.get_gid() == "own").get_offsets()
    for x, y in ((trace.x, trace.y), (own["x"], own["y"]), at.T):
        np.testing.assert_array_equal(x, DOTS.x)
        np.testing.assert_array_equal(y, DOTS.y)


def test_the_pointer_finds_names():
    (trace,) = [t for t in draw(sheet(), "plotly").data if t.name == "own" and t.xaxis == "x"]
    assert list(trace.text) == ["a", "b&lt;c", "d"]
    assert "%{text}" in trace.hovertemplate
    own = next(iter(draw(sheet(), "bokeh").select({"name": "own"}))).data_source.data
    assert list(own["name"]) == ["a", "b<c", "d"]


def test_a_sheet_has_its_size_in_all_backends():
    plotly = draw(sheet(), "plotly")
    assert (plotly.layout.width, plotly.layout.height) == (576, 480)
    np.testing.assert_array_equal(draw(sheet(), "matplotlib").get_size_inches(), [6, 5])


def test_legends_are_the_keys():
    (legend,) = draw(sheet(), "matplotlib").legends
    shown = [t.name for t in draw(sheet(), "plotly").data if t.showlegend is None]
    texts = ["line", "dash", "dot", "ring", "cross", "patch"]
    assert [t.get_text() for t in legend.get_texts()] == texts == shown


def test_limits_go_around_the_marks_of_all_that_share_them():
    a, b = (Panel([Line(X + k, X, BLUE)]) for k in (0, 10))
    row = [[a, b]]
    alone = Sheet(row, 1, 1)
    assert alone.limits(0, 0, "x") == pytest.approx((-0.2, 4.2))
    assert alone.limits(0, 1, "x") == pytest.approx((9.8, 14.2))
    assert Sheet(row, 1, 1, share_x="all").limits(0, 0, "x") == pytest.approx((-0.7, 14.7))
    assert Sheet(row, 1, 1, share_x="aligned").limits(0, 1, "x") == pytest.approx((9.8, 14.2))
    assert Sheet(row, 1, 1, share_y="aligned").limits(0, 1, "y") == pytest.approx((-0.2, 4.2))
    given = Sheet([[Panel([Line(X, X, BLUE)], xlim=(0, 3)), b]], 1, 1, share_x="all")
    assert given.limits(0, 1, "x") == (0, 3)


def test_the_extent_of_an_oval_is_that_of_its_outline():
    oval = Oval((1.0, 2.0), 4.0, 2.0, 90.0)
    assert extent(oval, "x") == pytest.approx([0.0, 2.0])
    assert extent(oval, "y") == pytest.approx([0.0, 4.0])
    assert extent(Rule(1.0, True, BLUE), "x") == []


def test_rows_are_filled_up():
    a, b, c = (Panel([]) for _ in range(3))
    assert in_rows([a, b, c], 2) == [[a, b], [c, None]]


def test_a_backend_that_is_not_installed_names_the_extra(monkeypatch):
    def absent(name):
        raise ImportError(name=name)

    monkeypatch.setattr(drawing, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install mixedbayes\[bokeh\]"):
        drawing.check_backend("bokeh")
