"""Users' labels in pictures and pages: no control characters, no markup, no length without end."""

import json

import numpy as np
import pytest

from mixedbayes.errors import MixedBayesError
from mixedbayes.plots.densities import plain_text
from mixedbayes.plots.labels import in_picture
from mixedbayes.plots.scene import BACKENDS, Dots, Key, Panel, Sheet, Text, Ticks, draw, with_texts
from mixedbayes.printable import escaped
from mixedbayes.results.text import Table

NASTY = ["a\x1b[31mred", "nul\x00", "\u202eright to left", "bell\x07", "\r\n", "tab\t", "\u2028"]
LONG = "w" * 500
OBEYED = set("\x00\x07\x1b\r\t\u202e\u2028")


def sheet(text):
    dots = Dots(np.arange(2.0), np.arange(2.0), "black", names=[text, text], gid="dots")
    ticks = Ticks(np.arange(2.0), [text, text])
    mark = Text(0.5, 0.5, text, "black")
    panel = Panel([dots, mark], text, text, text, xticks=ticks, yticks=ticks)
    keys = [Key(text, "black")]
    return Sheet([[panel]], 40, 30, xlabel=text, ylabel=text, keys=keys, note=text)


def all_texts(part):
    found = []
    with_texts(part, lambda text, most: found.append((text, most)) or text)
    return found


@pytest.mark.parametrize("text", [*NASTY, LONG, "line\n" * 40])
def test_texts_are_printable_and_short(text):
    shown = in_picture(text)
    assert not OBEYED & set(shown)
    assert max(map(len, shown.split("\n"))) <= 90
    assert max(map(len, in_picture(text, 60).split("\n"))) <= 60
    assert shown.count("\n") < 5


def test_every_text_of_a_sheet_is_reached():
    texts = all_texts(sheet("here"))
    assert {text for text, _ in texts} == {"here"}
    assert len(texts) == 2 + 1 + 3 + 4 + 2 + 1 + 1
    assert [most for _, most in texts].count(60) == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_backend_is_given_control_characters(backend):
    pytest.importorskip(backend)
    drawn = draw(sheet("".join(NASTY) + "<b>$x$</b>" + LONG), backend)
    if backend == "matplotlib":
        drawn.canvas.draw()  # a missing glyph is a warning, and so an error
        said = "".join(text.get_text() for text in drawn.findobj(lambda a: hasattr(a, "get_text")))
    elif backend == "plotly":
        said = "".join(_strings(json.loads(drawn.to_json())))
        assert "<b>$" not in said
    else:
        said = "".join(_strings(drawn.to_json_string() if hasattr(drawn, "to_json_string") else []))
    assert not OBEYED & set(said)
    assert LONG not in said


def _strings(value):
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [s for each in value for s in _strings(each)] if isinstance(value, list) else []


@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_by_arviz_have_the_same_texts(backend):
    try:
        shown = plain_text("".join(NASTY), backend)
    except (MixedBayesError, ImportError):
        pytest.skip("not installed")
    assert not OBEYED & set(getattr(shown, "text", shown))


def test_pages_have_no_control_characters():
    assert not OBEYED & set(escaped("".join(NASTY[:4])))
    assert escaped("<b>") == "&lt;b&gt;"
    html = Table({"level": NASTY[:4]})._repr_html_()
    assert not (OBEYED - set("\r\t")) & set(html)
