"""Tables in the library of the data: nothing lost on the way, nothing of the user's overwritten."""

import datetime as dt

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedbayes.design.table import LIBRARIES
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.results.library import answer, beside, check_library
from mixedbayes.results.text import Table


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "level": pd.Series(["a", None, "c"], dtype="str"),
            "mixed": pd.Series([1, "b", None], dtype=object),
            "n": np.array([1, 2, 3], np.int32),
            "some": pd.array([1, None, 3], dtype="Int64"),
            "yes": [True, False, True],
            "mean": [0.5, np.nan, np.inf],
            "category": pd.Categorical(["lo", "hi", "lo"], ["lo", "hi"], ordered=True),
            "kind": pd.Categorical(["p", "q", None]),
            "step": pd.Categorical([1, 2, 1], ordered=True),
            "day": pd.to_datetime(["2020-01-01", None, "2020-01-03T12:00"], format="ISO8601"),
            "zoned": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"),
            "wait": pd.to_timedelta([1, 2, None], unit="h"),
        }
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_values_types_and_what_is_missing_are_kept(table, library):
    found = nw.from_native(answer(table, library), eager_only=True)
    assert found.implementation.value == library
    assert found.columns == list(table)
    rows = found.to_dict(as_series=False)
    assert rows["level"] == ["a", None, "c"]
    assert rows["mixed"] == ["1", "b", None]
    assert rows["mean"] == [0.5, None, np.inf]
    assert rows["some"] == [1, None, 3]
    assert rows["step"] == [1, 2, 1]
    assert [str(v) for v in rows["category"]] == ["lo", "hi", "lo"]
    assert rows["kind"] == ["p", "q", None]
    assert rows["day"] == [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 3, 12)]
    assert rows["zoned"][1] == table["zoned"][1]
    assert rows["wait"][:2] == [dt.timedelta(hours=1), dt.timedelta(hours=2)]
    assert rows["wait"][2] is None
    schema = found.schema
    assert schema["n"] == nw.Int32
    assert schema["yes"] == nw.Boolean
    assert schema["mean"] == nw.Float64
    if library == "polars":
        assert schema["category"] == nw.Enum(["lo", "hi"])


def test_in_pandas_it_is_a_table_that_keeps_its_note(table):
    table.attrs["note"] = "of y"
    found = answer(table, "pandas")
    assert type(found) is Table
    assert found.attrs["note"] == "of y"
    draws = object()
    assert answer(draws, "polars") is draws


def test_results_with_methods_of_their_own_stay_what_they_are(table):
    class Own(Table):
        pass

    own = Own(table)
    assert answer(own, "polars") is own


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (pd.RangeIndex(3), {}),
        (pd.Index([0, 1, 2]), {}),
        (pd.Index([4, 6, 7]), {"row": [4, 6, 7]}),
        (pd.Index(["x", "y", "z"], name="who"), {"who": ["x", "y", "z"]}),
        (pd.Index(["x", "y", "z"], name="mean"), {"mean_label": ["x", "y", "z"]}),
        (
            pd.MultiIndex.from_arrays([[1, 1, 2], ["p", "q", "p"]], names=["g", None]),
            {"g": [1, 1, 2], "row_1": ["p", "q", "p"]},
        ),
    ],
)
def test_row_labels_that_say_something_become_columns(index, columns):
    found = answer(pd.DataFrame({"mean": [1.0, 2.0, 3.0]}, index=index), "polars")
    assert found.to_dict(as_series=False) == {**columns, "mean": [1.0, 2.0, 3.0]}


def test_an_empty_table_keeps_its_columns():
    empty = pd.DataFrame({"term": pd.Series([], dtype="str"), "mean": pd.Series([], dtype=float)})
    for library in ("polars", "pyarrow"):
        found = nw.from_native(answer(empty, library), eager_only=True)
        assert found.columns == ["term", "mean"]
        assert len(found) == 0


def test_a_library_that_is_not_there_is_named(table):
    with pytest.raises(MissingExtraError, match=r"pip install cudf.*fit\.library = "):
        answer(table[["n"]], "cudf")
    with pytest.raises(ModelError, match="tables can be in pandas, polars, pyarrow"):
        check_library("R")
    assert [check_library(name) for name in LIBRARIES] == list(LIBRARIES)


# ---- beside the columns of new data --------------------------------------------------------------


ESTIMATES = pd.DataFrame({"mean": [1.0, 2.0], "new": pd.Series(["", "g"], dtype="str")})
NEW = {"g": ["p", "q"], "mean": [7, 8], "mean_value": [0, 0], "new": [None, "x"]}


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table, "narwhals"])
def test_columns_of_the_same_name_stand_beside_each_other(kind):
    given = nw.from_native(pl.DataFrame(NEW)) if kind == "narwhals" else kind(NEW)
    seen = given if isinstance(given, pd.DataFrame) else nw.from_native(given, eager_only=True)
    found = beside(seen, ESTIMATES)
    assert isinstance(
        found, pl.DataFrame if kind == "narwhals" else kind if kind is not pa.table else pa.Table
    )
    columns = nw.from_native(found).to_dict(as_series=False)
    assert list(columns) == ["g", "mean_value_value", "mean_value", "new_value", "mean", "new"]
    assert columns["mean_value_value"] == [7, 8]
    assert columns["mean"] == [1.0, 2.0]
    assert columns["new"] == ["", "g"]
    assert list(nw.from_native(given).columns) == list(NEW)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_rows_are_repeated_for_their_categories(kind):
    new = kind({"g": ["p", "q"]})
    seen = new if kind is pd.DataFrame else nw.from_native(new)
    table = pd.DataFrame(
        {"category": list("abab"), "mean": [0.1, 0.9, 0.2, 0.8]}, index=[0, 0, 1, 1]
    )
    found = beside(seen, table, 2)
    assert list(found["g"]) == ["p", "p", "q", "q"]
    assert list(found["mean"]) == [0.1, 0.9, 0.2, 0.8]


def test_row_labels_types_and_attributes_of_pandas_are_kept():
    new = pd.DataFrame(
        {0: [1, 2], "d": pd.Categorical(["a", "b"])}, index=pd.Index([5, 5], name="i")
    )
    new.attrs["units"] = {"d": "m"}
    table = ESTIMATES.set_index(pd.Index([0, 1]))
    table.attrs["note"] = "of y"
    found = beside(new, table)
    assert list(found) == [0, "d", "mean", "new"]
    pd.testing.assert_index_equal(found.index, new.index)
    assert found["d"].dtype == new["d"].dtype
    assert found.attrs == {"units": {"d": "m"}, "note": "of y"}
    repeated = pd.DataFrame([[1, 2], [3, 4]], columns=["x", "x"])
    assert list(beside(repeated, ESTIMATES)) == ["x", "x", "mean", "new"]
