"""Columns of numbers that the formula has as categories, C(h), are drawn at their levels."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.design import category_columns
from mixedbayes.formula.parser import parse_all
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.pooling import plot_pooling
from mixedbayes.plots.predictions import plot_predictions

RNG = np.random.default_rng(3)
DATA = pd.DataFrame(
    {"y": RNG.normal(size=36), "x": RNG.normal(size=36), "h": np.tile([0.5, 1.0, 2.0], 12),
     "g": np.repeat(list("abcdef"), 6)}
)  # fmt: skip
FORMULAS = ["y ~ C(h) + (C(h) || g)", "y ~ x + C(h) + (1 | g)"]


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("y ~ C(h) + (C(k, levels=[1, 2]) | g)", ("h", "k")),
        ("y ~ x + C(x > 3) + log(z)", ()),
        ("y ~ x * C(h + 1) + a", ("h",)),
        (["y ~ x", "sigma ~ C(h)"], ("h",)),
    ],
)
def test_which_columns_are_categories_by_the_formula(formula, columns):
    assert category_columns(parse_all(formula)) == columns


@pytest.mark.parametrize("picture", [plot_predictions, plot_fitted, plot_pooling])
@pytest.mark.parametrize("formula", FORMULAS)
def test_pictures_along_a_number_that_is_a_category(formula, picture):
    post = hand_made(formula, DATA, mb.Gaussian(), 8, np.random.default_rng(1))
    shown = [
        [text.get_text() for text in axes.get_xticklabels()] for axes in picture(post, x="h").axes
    ]
    assert ["0.5", "1.0", "2.0"] in shown


def test_elsewhere_it_stands_at_a_level():
    post = hand_made(FORMULAS[1], DATA, mb.Gaussian(), 8, np.random.default_rng(1))
    assert "at h = 0.5" in plot_predictions(post, x="x").axes[0].get_xlabel()
    plot_pooling(post, x="x")


def test_categories_that_no_row_has_are_not_drawn():
    data = DATA.assign(k=pd.Categorical(DATA["h"].map(str), ["0.1", "0.5", "1.0", "1.5", "2.0"]))
    post = hand_made("y ~ k + (1 | g)", data, mb.Gaussian(), 8, np.random.default_rng(1))
    ticks = [t.get_text() for t in plot_predictions(post, x="k").axes[0].get_xticklabels()]
    assert ticks == ["0.5", "1.0", "2.0"]
