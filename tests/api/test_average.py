"""Averages of fits: weights, what they print, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hand_made import hand_made

import mixedbayes as mb


def fit(formula, data, seed):
    rng = np.random.default_rng(seed)
    given = {
        "Intercept": rng.normal(280, 5, (1, 200)),
        "sigma": rng.gamma(100, 0.4, (1, 200)),
        "sd_Subject": 30.0,
    }
    return mb.Fit(mb.Model(formula, data), hand_made(formula, data, "gaussian", 200, rng, given))


@pytest.fixture(scope="module")
def fits():
    sleep = mb.load_data("sleepstudy")
    return {
        "lines": fit("Reaction ~ Days + (1 | Subject)", sleep, 1),
        "flat": fit("Reaction ~ 1 + (1 | Subject)", sleep, 2),
    }


def test_weights_are_those_of_compare(fits):
    for method in ("stacking", "pseudo-BMA"):
        found = mb.average(fits, method=method, progress=False)
        compared = mb.compare(fits, method=method, progress=False)
        assert list(found.weights["model"]) == ["lines", "flat"]
        for name in ("weight", "elpd", "se"):
            expected = compared.loc[["lines", "flat"], name].to_numpy(float)
            np.testing.assert_allclose(found.weights[name], expected, atol=1e-6)
        np.testing.assert_allclose(found.weights["draws"] / 200, found.weights["weight"], atol=5e-3)
    assert "by pseudo-BMA of the elpd of leaving one" in repr(found)
    assert "lines  Reaction ~ Days + (1 | Subject), gaussian family" in repr(found)


def test_weights_for_new_levels():
    data = mb.load_data("sleepstudy")
    fits = {
        "lines": fit("Reaction ~ Days + (1 | Subject)", pl.from_pandas(data), 1),
        "flat": fit("Reaction ~ 1 + (1 | Subject)", pl.from_pandas(data), 2),
    }
    found = mb.average(fits, target="group", progress=False)
    assert isinstance(found.weights, pl.DataFrame)
    assert found.weights["weight"].sum() == pytest.approx(1)
    assert "leaving one level of Subject" in " ".join(repr(found).split())


def test_weights_given_by_name_in_order_or_as_a_column(fits):
    ways = [{"flat": 0.25, "lines": 0.75}, [0.75, 0.25], pd.Series({"lines": 0.75, "flat": 0.25})]
    for weights in ways:
        found = mb.average(fits, weights)
        assert list(found.weights["weight"]) == [0.75, 0.25]
        assert list(found.weights["draws"]) == [150, 50]
    assert repr(found).startswith(
        "Average of 2 models of Reaction (180 rows), weights as given\n\n   model weight  draws\n"
    )
    assert "Average of 2 models" in found._repr_html_()
    rounded = mb.average(fits, [0.6667, 0.3334])
    assert rounded.weights["weight"].sum() == pytest.approx(1, abs=1e-15)


def test_an_average_answers_as_a_fit_does(fits):
    both = mb.average(fits, [0.5, 0.5])
    found = both.comparisons({"Days": (0, 9)})
    own = fits["lines"].comparisons({"Days": (0, 9)})
    assert list(found.table) == list(own.table)
    assert "Average of lines (weight 0.5) and flat (weight 0.5)" in repr(found)
    assert found["prob_positive"].item() == pytest.approx(own["prob_positive"].item() / 2, abs=0.05)
    table = both.predict(mb.load_data("sleepstudy").head(2), kind="mean", groups="typical")
    assert list(table["Subject"]) == ["308", "308"]
    assert len(both.predict(kind="mean")) == 180
    assert "Of an average of models" in both.means.__doc__
    assert "The posterior.\n" not in both.means.__doc__
    assert "The mixture.\n" not in both.means.__doc__


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"lines": 1}, "weights are of lines, and the models are lines, flat"),
        ([1], "give a weight for each of the 2 models"),
        (0.5, "give a weight for each of the 2 models"),
        ("ab", "give a weight for each of the 2 models"),
        ([0.5, "x"], "weights are numbers from 0"),
        ([1.5, -0.5], "weights are numbers from 0"),
        ([np.nan, 1], "weights are numbers from 0"),
        ([1, 1], "weights sum to 2, not to 1"),
    ],
)
def test_weights_that_are_none(fits, weights, message):
    with pytest.raises(mb.ModelError, match=message):
        mb.average(fits, weights)


def test_models_of_other_data_are_refused(fits):
    sleep = mb.load_data("sleepstudy")
    fewer = fit("Reaction ~ Days + (1 | Subject)", sleep.head(90), 1)
    logs = fit("log(Reaction) ~ Days + (1 | Subject)", sleep, 1)
    for other, message in ((fewer, "the rows differ"), (logs, "the responses differ")):
        with pytest.raises(mb.ModelError, match=message):
            mb.average({"a": fits["lines"], "b": other}, [0.5, 0.5])
        with pytest.raises(mb.ModelError, match=message):
            mb.average({"a": fits["lines"], "b": other}, progress=False)
    with pytest.raises(mb.ModelError, match="takes fits by name"):
        mb.average([fits["lines"]])
    with pytest.raises(mb.ModelError, match="takes fits by name"):
        mb.average({"a": 3})
