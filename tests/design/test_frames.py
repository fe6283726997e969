"""polars and pyarrow frames give what the same pandas frame gives."""

import datetime as dt
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay, table
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


# one conversion


def test_values_of_every_type_are_exact():
    pl = pytest.importorskip("polars")
    large = [2**53 + 1, None, 2**53 + 3]
    data = pl.DataFrame(
        {
            "i": large,
            "u": pl.Series([2**63 + 5, None, 1], dtype=pl.UInt64),
            "wide": pl.Series([2**70, 1, 2], dtype=pl.Int128),
            "day": [dt.date(2020, 1, 1), None, dt.date(2020, 1, 3)],
            "zone": pl.Series([dt.datetime(2020, 6, 1)] * 3).dt.replace_time_zone("Asia/Tokyo"),
            "nano": pl.Series([1, 2, 3]).cast(pl.Datetime("ns")),
            "price": pl.Series([Decimal("1.50"), None, Decimal("2.25")]),
            "none": [None] * 3,
        }
    )
    found = table(data, data.columns).columns
    assert found["i"].tolist() == [2**53 + 1, pd.NA, 2**53 + 3]
    assert found["u"].tolist() == [2**63 + 5, pd.NA, 1]
    assert found["wide"].tolist() == [2**70, 1, 2]
    assert found["day"].tolist() == [pd.Timestamp("2020-01-01"), pd.NaT, pd.Timestamp("2020-01-03")]
    assert found["zone"][0] == pd.Timestamp("2020-06-01", tz="Asia/Tokyo")
    assert found["nano"].tolist() == [pd.Timestamp(k) for k in (1, 2, 3)]
    assert found["price"].dropna().tolist() == [1.5, 2.25]
    assert found["none"].isna().all()


def test_enums_have_an_order_and_categories_of_polars_none():
    pl = pytest.importorskip("polars")
    values = ["mid", "low", "high"]
    data = pl.DataFrame(
        {
            "e": pl.Series(values, dtype=pl.Enum(["low", "mid", "high"])),
            "c": pl.Series(values, dtype=pl.Categorical),
        }
    )
    found = table(data, data.columns).columns
    assert found["e"].cat.categories.tolist() == ["low", "mid", "high"]
    assert found["e"].cat.ordered
    assert pd.api.types.is_string_dtype(found["c"])


def arrow_types():
    import pyarrow as pa

    text = pa.dictionary(pa.int8(), pa.string())
    numbers = pa.DictionaryArray.from_arrays([1, 0, 1], pa.array([2013, 2012]))
    return {
        "dictionary": (pa.array(["b", "a", "b"]).cast(text), ["b", "a", "b"]),
        "dictionary of numbers": (numbers, [2012, 2013, 2012]),
        "decimal": (pa.array([Decimal("1.5"), Decimal(2), Decimal("1.5")]), [1.5, 2.0, 1.5]),
        "whole decimal": (pa.array([Decimal(2), Decimal(1), Decimal(2)]), [2, 1, 2]),
        "date": (pa.array([dt.date(2020, 1, k) for k in (2, 1, 2)]), None),
        "text": (pa.array(["b", "a", "b"]), ["b", "a", "b"]),
        "large text": (pa.array(["b", "a", "b"], pa.large_string()), ["b", "a", "b"]),
        "booleans": (pa.array([True, False, True]), [True, False, True]),
        "time": (pa.array([dt.datetime(2020, 1, k) for k in (2, 1, 2)]), None),
    }


@pytest.mark.parametrize("kind", arrow_types())
def test_types_of_arrow_are_those_of_pandas(kind):
    import pyarrow as pa

    values, expected = arrow_types()[kind]
    expected = [pd.Timestamp(2020, 1, k) for k in (2, 1, 2)] if expected is None else expected
    in_pandas = pd.DataFrame({"g": pd.array(values, dtype=pd.ArrowDtype(values.type))})
    in_pandas.index = [7, 7, 9]
    for data in (in_pandas, pa.table({"g": values})):
        found = table(data, ["g"]).columns["g"]
        assert found.tolist() == expected
        assert not isinstance(found.dtype, pd.ArrowDtype)
    if "dictionary" in kind:
        assert isinstance(found.dtype, pd.CategoricalDtype)
        data = pd.DataFrame({"y": [1.0, 2, 4], "g": in_pandas.g.array})
        assert len(build_design("y ~ g", data).mu.terms) == 1
    assert table(in_pandas, ["g"]).columns["g"].index.tolist() == [7, 7, 9]


def test_row_labels_of_arrow_are_those_of_pandas():
    import pyarrow as pa

    labels = pd.array(
        ["r2", "r1", "r2"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
    )
    data = pd.DataFrame({"y": [1.0, 2, 4], "k": labels})
    levels = [pd.Index(labels[:2]), data.index]
    several = pd.MultiIndex(levels=levels, codes=[[0, 1, 0], [0, 1, 2]], names=["k", None])
    for index in (data.set_index("k"), data.set_axis(several)):
        found = table(index, ["y"]).index
        assert found.equals(index.index) or found.tolist() == index.index.tolist()
        dtypes = found.dtypes if isinstance(found, pd.MultiIndex) else [found.dtype]
        assert not any(isinstance(dtype, pd.ArrowDtype) for dtype in dtypes)


def test_decimals_that_doubles_would_not_tell_apart_are_kept():
    values = [Decimal("0.1"), Decimal("0.10000000000000000001")]
    assert table(pd.DataFrame({"g": values}), ["g"]).columns["g"].tolist() == values


class Stream:
    """What offers Arrow's C stream, and nothing else."""

    def __init__(self, data):
        self.data = data

    def __arrow_c_stream__(self, requested_schema=None):
        return self.data.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("make", ["stream", "batch", "reader"])
def test_whatever_offers_the_stream_of_arrow(make):
    whole = pyarrow(frame())
    offer = {
        "stream": lambda: Stream(whole),
        "batch": lambda: whole.combine_chunks().to_batches()[0],
        "reader": lambda: whole.to_reader(),  # is read once
    }[make]
    expected, design = build_design(FORMULA, whole), build_design(FORMULA, offer())
    np.testing.assert_array_equal(design.mu.X, expected.mu.X)
    whole = pyarrow(frame().drop(index=3))
    np.testing.assert_array_equal(replay(design, offer()).X, expected.mu.X)


@pytest.mark.parametrize("method", ["compute", "df", "to_pandas", "toPandas", "collect"])
def test_a_lazy_frame_names_its_own_method(method):
    lazy = type("Lazy", (), {method: lambda self: frame()})()
    with pytest.raises(DataError, match=rf"are a Lazy, not a data frame; call its {method}\(\) "):
        build_design("y ~ x", lazy)
    assert build_design("y ~ x", getattr(lazy, method)()).n == 39


def test_a_data_frame_of_another_package_is_named_with_it():
    other = type("DataFrame", (), {"__module__": "dask.dataframe", "compute": lambda self: frame()})
    with pytest.raises(
        DataError, match=r"are a dask DataFrame, not .*; call its compute\(\) first"
    ):
        build_design("y ~ x", other())


def test_a_column_is_no_frame():
    import pyarrow as pa

    for column in (pa.chunked_array([[1.0]]), pd.Series([1.0])):
        with pytest.raises(DataError, match="not a data frame"):
            build_design("y ~ x", column)


def test_a_stream_needs_pyarrow(monkeypatch):
    whole = pyarrow(frame())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError, match=r"are a Stream, which is read by pyarrow: pip install pyarrow"
    ):
        build_design("y ~ x", Stream(whole))


def test_a_stream_that_is_no_table():
    import pyarrow as pa

    with pytest.raises(DataError, match="Stream whose Arrow stream cannot be read as a table"):
        build_design("y ~ x", Stream(pa.chunked_array([[1.0]])))


# names of columns


@pytest.mark.parametrize(
    "names",
    [["y", "x", 3, 4], ["y", "x", "z", "z"], ["y", "x", ("a", "b"), None], ["y", "x", 1, 1]],
)
def test_names_that_are_not_used_may_be_anything(names):
    values = np.random.default_rng(1).normal(size=(6, 4))
    data = pd.DataFrame(values, columns=pd.Index(names, tupleize_cols=False))
    design = build_design("y ~ x", data)
    np.testing.assert_array_equal(design.mu.X[:, 0], values[:, 1])
    np.testing.assert_array_equal(replay(design, data).X, design.mu.X)
    with pytest.raises(DataError, match="no column 'w'"):
        build_design("y ~ w", data)


def with_repeated_names(names):
    import pyarrow as pa

    values = np.random.default_rng(1).normal(size=(4, 6))
    values[1] = [1, 1, 2, 2, 3, 3]
    columns = [pa.array(values[0]), pa.array(values[1].astype(int)), *map(pa.array, values[2:])]
    table = pa.Table.from_arrays(columns, names=names)
    return {
        "table": table,
        "batch": table.to_batches()[0],
        "stream": Stream(table),
        "empty": table.slice(0, 0),
    }


@pytest.mark.parametrize("make", ["table", "batch", "stream"])
def test_names_that_stand_twice_in_arrow_are_as_in_pandas(make):
    """Refused only where they are used; the other columns are what they are without them."""
    offer = with_repeated_names(["y", "g", "z", "z"])
    expected = build_design("y ~ 1 + (1 | g)", offer["table"].select([0, 1]))
    design = build_design("y ~ 1 + (1 | g)", offer[make])
    np.testing.assert_array_equal(design.y, expected.y)
    levels, plain = (d.mu.groups[0].levels for d in (design, expected))
    assert levels.tolist() == plain.tolist()
    assert levels.dtype == plain.dtype
    refs = replay(design, offer[make]).groups["g"].refs
    np.testing.assert_array_equal(refs, expected.mu.groups[0].refs)
    with pytest.raises(DataError, match="no column 'w'"):
        build_design("y ~ w", offer[make])
    twice = with_repeated_names(["y", "x", "x", "z"])[make]
    with pytest.raises(DataError, match="1 column names more than once: 'x'"):
        build_design("y ~ x", twice)
    with pytest.raises(DataError, match="rows"):
        build_design("y ~ g", offer["empty"])
