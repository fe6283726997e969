"""Pictures of models with smooths, memberships and arms: what a level's lines are made of."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.errors import ModelError
from mixedbayes.plots import along
from mixedbayes.plots.along import curve_parts
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.predictions import plot_predictions
from mixedbayes.predict.predict import predict
from mixedbayes.report.pictures import pooling_figures
from mixedbayes.report.source import Source

RNG = np.random.default_rng(3)
N = 60
DATA = pd.DataFrame(
    {
        "g": np.repeat(list("abcdef"), 10), "h": RNG.choice(list("pqrs"), N),
        "i": RNG.choice(list("pqrs"), N), "x": RNG.uniform(0, 4, N), "z": RNG.normal(size=N),
    }
)  # fmt: skip
DATA["arm"] = np.where(DATA["g"] < "d", "new", "old")
DATA["y"] = np.sin(DATA["x"]) + RNG.normal(0, 0.3, N)
DATA["n"] = RNG.poisson(2, N)


def post(formula, family="gaussian"):
    return hand_made(formula, DATA, family, 40, np.random.default_rng(0))


def at_mean(found, name, x):
    """Rows like those of one level, along x."""
    own = DATA[DATA["g"] == name]
    new = pd.DataFrame({"x": x, "z": own["z"].mean(), "g": name})
    return predict(found, new, groups=["g"], kind="mean", draws=True).to_numpy()


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("n ~ s(x, k=5) + (1 | g)", "poisson"),
        ("y ~ s(x, k=5) + (1 | g)", "gaussian"),
        ("y ~ x + z + s(x, k=5) + (1 | mm(h, i)) + (1 | g)", "gaussian"),
        ('y ~ x + z + s(x, h, bs="fs", k=4) + (1 | g)', "gaussian"),
    ],
)
def test_lines_of_levels_have_the_curve_of_everybody(formula, family):
    found = post(formula, family)
    figures = pooling_figures(Source(found, None, 0.9))
    figure = next(f for f in figures if f.title == "g, along x")
    level = next(v for v in figure.extra["levels"] if v["name"] == "b")
    expected = at_mean(found, "b", figure.extra["x"]).mean(axis=(0, 1))
    np.testing.assert_allclose(level["lines"]["partial"][0], expected)
    assert set(level["lines"]) == {"typical", "partial"}
    assert "No and complete pooling are least squares, which do not exist" in figure.says


def test_no_lines_by_least_squares_where_variances_differ_by_arm():
    (figure,) = pooling_figures(Source(post("y ~ x + (x | gr(g, by=arm))"), None, 0.9))
    assert set(figure.extra["levels"][0]["lines"]) == {"typical", "partial"}
    assert "where the effects over g differ by arm" in figure.says
    for level in figure.extra["levels"]:
        assert ("Intercept:armnew" in level["hover"]) == (level["name"] < "d")
        assert ("x:armold" in level["hover"]) == (level["name"] >= "d")


def test_levels_that_share_rows_have_no_lines():
    with pytest.raises(ModelError, match=r"rows lie in several levels of mm\(h, i\), and no level"):
        pooling_figures(Source(post("y ~ x + (1 | mm(h, i))"), None, 0.9))


@pytest.mark.parametrize(("response", "family"), [("y", "gaussian"), ("n", "poisson")])
def test_curves_of_each_level_have_one_line_of_all_their_parts(response, family):
    found = post(f'{response} ~ s(x, k=5) + s(x, h, bs="fs", k=4)', family)
    (figure,) = pooling_figures(Source(found, None, 0.9))
    assert figure.title == "h, along x"
    level = next(v for v in figure.extra["levels"] if v["name"] == "q")
    new = pd.DataFrame({"x": figure.extra["x"], "h": "q"})
    expected = predict(found, new, kind="mean", draws=True).to_numpy().mean(axis=(0, 1))
    np.testing.assert_allclose(level["lines"]["partial"][0], expected)
    parts = [g.name for g in found.design.mu.factors]
    lines = along.expected(found, found.design.mu.factors[1], new, "own", 0.9)["mean"]
    np.testing.assert_allclose(lines, expected)
    assert parts == curve_parts(found, found.design.mu.factors[1])


def test_legends_name_the_column_that_has_the_curves():
    found = post('y ~ s(x, k=5) + s(x, h, bs="fs", k=4)')
    figure = plot_predictions(found, "x")
    texts = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    assert "conditional: each h" in texts
    labels = Labels.of(found)
    assert labels.coefficient("bend") == labels.coefficient("linear") == "y"
