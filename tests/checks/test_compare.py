import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(8), 6)
    x = rng.normal(size=48)
    y = np.exp(0.3 * rng.normal(size=8)[g] + 0.2 * x + 0.1 * rng.normal(size=48))
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": g // 2})


@pytest.fixture(scope="module")
def fit(data):
    def make(formula, rows=slice(None), **changes):
        return mb.fit(formula, data.iloc[rows].assign(**changes), seed=1, progress=False)

    return make


@pytest.fixture(scope="module")
def slope(fit):
    return fit("y ~ x + (1 | g)")


def test_the_model_with_the_predictor_wins(fit, slope):
    table = mb.compare({"none": fit("y ~ 1 + (1 | g)"), "slope": slope})
    assert list(table.index) == ["slope", "none"]
    expected = slope.loo()
    assert table.loc["slope", "elpd"] == pytest.approx(expected.elpd)
    assert table.loc["slope", "se"] == pytest.approx(expected.se)
    by_group = mb.compare({"none": fit("y ~ 1 + (1 | g)"), "slope": slope}, target="group")
    assert by_group.loc["slope", "elpd"] == pytest.approx(slope.loo("g").elpd)


def test_different_responses_are_refused(fit, slope):
    with pytest.raises(mb.ModelError, match=r"responses differ: y and log\(y\)"):
        mb.compare({"a": slope, "b": fit("log(y) ~ x + (1 | g)")})
    y = slope.model.data["y"].copy()
    y.iloc[3] += 1
    with pytest.raises(mb.ModelError, match="values of y differ in 1 of 48 rows"):
        mb.compare({"a": slope, "b": fit("y ~ x + (1 | g)", y=y)})


def test_different_rows_are_refused(fit, slope):
    with pytest.raises(mb.ModelError, match="48 and 40 rows, of which 8 and 0 are in one alone"):
        mb.compare({"a": slope, "b": fit("y ~ x + (1 | g)", rows=slice(40))})
    with pytest.raises(mb.ModelError, match="in another order"):
        mb.compare({"a": slope, "b": fit("y ~ x + (1 | g)", rows=slice(None, None, -1))})


def test_different_targets_are_refused(fit, slope):
    with pytest.raises(mb.ModelError, match="targets differ: g and h"):
        mb.compare({"a": slope.loo("g"), "b": fit("y ~ x + (1 | h)").loo("h")})
    moved = slope.model.data["g"].copy()
    moved.iloc[0] = 5
    with pytest.raises(mb.ModelError, match="levels of g have other rows"):
        mb.compare({"a": slope, "b": fit("y ~ x + (1 | g)", g=moved)}, target="g")


def test_different_ways_are_refused(slope):
    with pytest.raises(mb.ModelError, match="by leaving one out, the other by folds"):
        mb.compare({"a": slope.loo(), "b": slope.kfold(2)})
    with pytest.raises(mb.ModelError, match="the folds differ"):
        mb.compare({"a": slope.kfold(2, seed=1), "b": slope.kfold(2, seed=2)})


def test_fits_are_given_by_name(slope):
    with pytest.raises(mb.ModelError, match="by name"):
        mb.compare([slope, slope])
    with pytest.raises(mb.ModelError, match="at least two models"):
        mb.compare({"a": slope})
