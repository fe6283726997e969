"""polars and pyarrow frames give what the same pandas frame gives."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError

FORMULA = "y ~ x*f + (x | g) + (1 | g:h) + (1 | c)"


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "y": rng.normal(size=40),
            "x": rng.normal(size=40),
            "f": rng.choice(["b", "a"], 40),
            "g": rng.integers(0, 5, 40),
            "h": rng.random(40) < 0.5,
            "c": pd.Categorical(rng.choice(["lo", "hi"], 40), categories=["lo", "mid", "hi"]),
            "unused": [object()] * 40,
        }
    )
    data.loc[3, "x"] = np.nan
    return data


def polars(data: pd.DataFrame):
    pl = pytest.importorskip("polars")
    columns = {
        name: pl.Series(name, data[name].tolist(), dtype=pl.Enum(["lo", "mid", "hi"]))
        if name == "c"
        else pl.Series(name, [None if pd.isna(v) else v for v in data[name].tolist()])
        for name in data.columns
        if name != "unused"
    }
    return pl.DataFrame(columns)


def pyarrow(data: pd.DataFrame):
    pa = pytest.importorskip("pyarrow")
    return pa.Table.from_pandas(data.drop(columns="unused"))


@pytest.mark.parametrize("convert", [polars, pyarrow])
def test_same_design(convert):
    data = frame()
    expected, design = build_design(FORMULA, data), build_design(FORMULA, convert(data))
    np.testing.assert_array_equal(design.y, expected.y)
    np.testing.assert_array_equal(design.mu.X, expected.mu.X)
    assert design.mu.terms == expected.mu.terms
    assert dict(design.dropped) == {"x": 1}
    for group, other in zip(design.mu.groups, expected.mu.groups, strict=True):
        assert group.levels.tolist() == other.levels.tolist()
        np.testing.assert_array_equal(group.refs, other.refs)
        np.testing.assert_array_equal(group.Z, other.Z)


@pytest.mark.parametrize("convert", [polars, pyarrow])
def test_new_rows_of_another_kind_of_frame(convert):
    data = frame().drop(index=3)
    design = build_design(FORMULA, data)
    rows = replay(design, convert(data))
    np.testing.assert_array_equal(rows.X, design.mu.X)
    for group in design.mu.groups:
        np.testing.assert_array_equal(rows.groups[group.name].refs, group.refs)


def test_missing_integers_and_booleans_of_polars():
    pl = pytest.importorskip("polars")
    data = pl.DataFrame(
        {"y": [1.0, 2, 3, 4, 6], "g": [7, 7, 2, None, 2], "b": [True, None, False, True, True]}
    )
    design = build_design("y ~ b + (1 | g)", data)
    assert design.rows.tolist() == [0, 2, 4]
    assert design.mu.X[:, 0].tolist() == [1, 0, 1]
    assert design.mu.groups[0].levels.tolist() == [2, 7]
    assert design.mu.groups[0].levels.dtype == np.int64


def test_categories_of_polars_are_sorted():
    pl = pytest.importorskip("polars")
    data = pl.DataFrame({"y": [1.0, 2, 3], "g": pl.Series(["z", "a", "z"], dtype=pl.Categorical)})
    assert build_design("y ~ 1 + (1 | g)", data).mu.groups[0].levels.tolist() == ["a", "z"]


def test_lazy_frame_is_to_be_collected():
    pl = pytest.importorskip("polars")
    with pytest.raises(DataError, match=r"LazyFrame, not a data frame; call its collect\(\)"):
        build_design("y ~ x", pl.LazyFrame({"y": [1.0], "x": [1.0]}))
