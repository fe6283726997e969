"""From a transformed response back to its column."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design
from mixedbayes.design.original import is_transformed, original, scale_note
from mixedbayes.errors import ModelError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    y = rng.uniform(0.1, 0.9, 40)
    return pd.DataFrame({"y": y, "odd name": y + 2, "n": y + 5, "x": rng.normal(size=40)})


WAYS = (
    "log(y)", "log2(y)", "log10(y)", "log1p(y)", "exp(y)", "exp2(y)", "expm1(y)", "sqrt(y)",
    "cbrt(y)", "arcsinh(y)", "sinh(y)", "tanh(y)", "arctanh(y)", "negative(y)", "I(y)", "I(-y)",
    "log(y + 1)", "log(1 + y)", "log(y * 2.5)", "I(y / 1000)", "I(3 - y)", "I((y - 0.2) * 4)",
    "I(y**0.5)", "I(y**3)", "I(2**y)", "center(y)", "scale(y)", "scale(log(y))",
    "log(sqrt(y) + 1)", "center(log(y))", "log(`odd name` - 1)", "exp(-log(y))",
)  # fmt: skip


@pytest.mark.parametrize("text", WAYS)
def test_the_way_back_ends_at_the_column(data, text):
    design = build_design(f"{text} ~ x", data)
    way = original(design)
    np.testing.assert_allclose(way.back(design.y), data[way.column], rtol=1e-9)
    assert is_transformed(design)
    assert design.response in scale_note(design)
    assert f"gives {way.column}" in scale_note(design)
    assert f"of {way.column}, of which {design.response}" in scale_note(design, way)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("log(y / n)", "y/n in log"), ("I(y**2)", r"y\*\*2 in I"), ("abs(y)", "abs"),
        ("I(1 / y)", "1/y in"), ("sin(y)", "sin"), ("I(y * 0 + y)", "undone"),
        ("I(y > 0.5)", "undone"), ("I(log(y) + log(n))", "undone"),
    ],
)  # fmt: skip
def test_what_has_no_inverse_is_named(data, text, fault):
    design = build_design(f"{text} ~ x", data)
    with pytest.raises(ModelError, match=fault):
        original(design)
    assert "original" not in scale_note(design)
    assert design.response in scale_note(design)


def test_a_function_of_the_users_own_hides_ours(data):
    design = build_design("log(y) ~ x", data, functions={"log": lambda x: x + 1})
    with pytest.raises(ModelError, match="log is a function of your own"):
        original(design)


def test_a_column_as_it_is_needs_no_way(data):
    design = build_design("`odd name` ~ x", data)
    assert not is_transformed(design)
    assert scale_note(design) == ""
    values = np.array([1.0, 2.0])
    assert original(design).column == "odd name"
    assert (original(design).back(values) == values).all()


@pytest.mark.parametrize("text", ["sqrt(y)", "I(y**0.5)"])
def test_beyond_the_range_counts_as_its_end(data, text):
    assert original(build_design(f"{text} ~ x", data)).back(np.array([-1.0, -0.1]))[0] == 0


@pytest.mark.parametrize("text", ["exp(y)", "expm1(y)", "tanh(y)", "I(2**y)"])
def test_the_end_of_the_range_is_a_number(data, text):
    back = original(build_design(f"{text} ~ x", data)).back(np.array([-3.0, 0.5]))
    assert np.isfinite(back).all()
