"""Labels of the user's never reach a terminal as orders to it."""

import re

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.printable import in_one_line, printable

EVIL = "\x1b[31mred\x07\x9b2J\u202eabc\u2066\r\x00"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_controls_are_shown_as_they_are_written():
    assert printable("a\x1b[1m\x9b\u202e\n\tb") == r"a\x1b[1m\x9b\u202e" + "\n\tb"
    assert in_one_line("a\nb\tc") == r"a\nb\tc"
    assert printable("\ud800") == r"\ud800"


@pytest.mark.parametrize("text", ["Zürich – 東京", "👩‍👩‍👧 می‌خواهم", "a\nb", ""])
def test_words_stay(text):
    assert printable(text) == text


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(6), 8)
    # the number comes first: pandas before 3 does not tell texts apart by what follows a NUL
    data = pd.DataFrame(
        {
            "y": rng.normal(size=6)[g] + rng.normal(size=48), "x": rng.normal(size=48),
            "g": [f"{k}{EVIL}\n" for k in g], "c": np.tile(["a", f"b{EVIL}"], 24),
        }
    )  # fmt: skip
    return mb.fit("y ~ x + c + (x | g)", data, draws=50, tune=50, chains=2, seed=1, progress=False)


def test_no_text_of_a_fit_has_controls(fit):
    tables = (
        fit.fixef(),
        fit.ranef(),
        fit.coef(),
        fit.varcorr(),
        fit.icc(),
        fit.predict(),
        fit.model.priors,
        fit.posterior,
        fit.model.design,
    )
    for thing in (fit, fit.model, fit.diagnostics(), *tables):
        assert not OBEYED.search(str(thing)), repr(OBEYED.search(str(thing)))
        assert not OBEYED.search(repr(thing))


def test_no_error_has_controls(fit):
    data = fit.model.data
    for act in (
        lambda: mb.fit(f"y ~ `{EVIL}`", data),
        lambda: fit.predict(data.assign(c=EVIL)),
        lambda: mb.load(f"/nowhere/{EVIL.replace(chr(0), '')}"),
        lambda: mb.Model("y ~ x + (1 | g)", data.rename(columns={"x": EVIL})),
    ):
        with pytest.raises(mb.MixedBayesError) as caught:
            act()
        assert not OBEYED.search(str(caught.value))
