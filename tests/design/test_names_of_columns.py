"""Columns of any name are themselves; the response is not among its own predictors."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError, FormulaError

CONSTANTS = ["True", "False", "None", "TRUE", "FALSE", "NULL"]


def frame(name):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {name: rng.uniform(1, 2, 24), "y": rng.normal(size=24), "g": np.repeat(range(4), 6)}
    )


@pytest.mark.parametrize("name", CONSTANTS)
def test_columns_with_the_name_of_a_constant(name):
    data, quoted = frame(name), f"`{name}`"
    values = data[name].to_numpy()
    for formula, expected in {
        f"y ~ {quoted}": values,
        f"y ~ log({quoted})": np.log(values),
        f"y ~ I({quoted}*2 + 1)": 2 * values + 1,
        f"y ~ center({quoted})": values - values.mean(),
        f"y ~ y2:{quoted}": values * 3,
    }.items():
        design = build_design(formula, data.assign(y2=3.0))
        np.testing.assert_allclose(design.mu.X[:, -1], expected)
        new = data.assign(y2=3.0).iloc[5:9]
        np.testing.assert_allclose(replay(design, new).X[:, -1], expected[5:9])
    (group,) = build_design(f"y ~ 1 + (0 + {quoted} | g)", data).mu.groups
    np.testing.assert_array_equal(group.Z[:, 0], values)
    (group,) = build_design(f"y ~ 1 + (1 | {quoted})", data.assign(**{name: data.g})).mu.groups
    assert group.name == name
    np.testing.assert_array_equal(build_design(f"{quoted} ~ y", data).y, values)
    np.testing.assert_array_equal(build_design(f"log({quoted}) ~ y", data).y, np.log(values))
    left = build_design(f"y | weights({quoted}) ~ 1 + offset({quoted})", data)
    np.testing.assert_array_equal(left.weights, values)
    np.testing.assert_array_equal(left.mu.offset, values)


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_where_a_column_may_be_meant(name):
    with pytest.raises(DataError, match=r"is no number.*odd name in backticks"):
        build_design(f"y ~ I({name}*2)", frame(name))


OWN = [
    "y ~ y",
    "y ~ x + y",
    "y ~ x*y",
    "y ~ x + I(y**2)",
    "y ~ x + offset(y)",
    "y ~ x + (y | g)",
    "y ~ x + (1 | y)",
    "y ~ x + (1 | g:y)",
    "log(y) ~ y",
    "y ~ log(y)",
    "y | trials(n) ~ y",
    "I(y - x) ~ I(y - x)",
    ["y ~ x", "sigma ~ y"],
    ["y ~ x", "sigma ~ (1 | y)"],
]


@pytest.mark.parametrize("formula", OWN, ids=str)
def test_the_response_is_not_its_own_predictor(formula):
    data = frame("x").assign(y=lambda d: d.y.abs() + 1, n=9)
    with pytest.raises(FormulaError, match=r"is among its own predictors; leave y.* out of the"):
        build_design(formula, data)


@pytest.mark.parametrize(
    "formula", ["I(y - x) ~ x", "y | trials(n) ~ n", "y | weights(x) ~ x", "y ~ `y `", "I(y/n) ~ n"]
)
def test_other_columns_of_the_left_side_may_be_predictors(formula):
    data = frame("x").assign(y=3, n=np.arange(24) + 4)
    data["y "] = data.x
    assert build_design(formula, data).mu.X.shape == (24, 1)
