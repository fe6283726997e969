"""A data frame comes back exactly as it was, whatever its types."""

import datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.errors import FileError
from mixedbayes.results.frame import decode_frame, encode_frame, unkept

DAYS = pd.to_datetime(["2026-01-01 12:30", None, "1969-12-31 00:00"])
COLUMNS = {
    "int64": pd.Series([1, -2, 2**62]),
    "int8": pd.Series([1, -2, 3], dtype="int8"),
    "uint64": pd.Series([1, 2**64 - 1, 3], dtype="uint64"),
    "float64": pd.Series([0.1, np.nan, -np.inf]),
    "float32": pd.Series([0.1, np.nan, 3], dtype="float32"),
    "float16": pd.Series([0.1, np.nan, 3], dtype="float16"),
    "bool": pd.Series([True, False, True]),
    "Int32": pd.Series([1, None, 3], dtype="Int32"),
    "Float64": pd.Series([0.5, None, 3], dtype="Float64"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "str": pd.Series(["a", None, "b\0 ü \U0001f600 \n"]),
    "string": pd.Series(["", pd.NA, "a"], dtype="string"),
    "python strings": pd.Series(["x", None, "y"], dtype=pd.StringDtype("python")),
    "object": pd.Series(["x", None, "y"], dtype=object),
    "mixed": pd.Series([1, "1", True], dtype=object),
    "missing": pd.Series([pd.NA, None, 1.5], dtype=object),
    "arrow": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "category": pd.Series(pd.Categorical(["b", None, "a"], categories=["c", "b", "a"])),
    "ordered": pd.Series(pd.Categorical([2, 1, 2], categories=[2, 1], ordered=True)),
    "object categories": pd.Series(
        pd.Categorical.from_codes([1, 0, 1], pd.Index(["b", "a"], dtype=object))
    ),
    "decimals": pd.Series([Decimal("0.10"), None, Decimal("1e40")], dtype=object),
    "tuples": pd.Series([(1, "a"), None, (2, (Decimal(1), pd.NA))], dtype=object),
    "times": pd.Series([datetime.time(3, 4, 5, 6), None, datetime.time(0)], dtype=object),
    "bytes": pd.Series([b"\x00\xff", None, b""], dtype=object),
    "uuids": pd.Series([UUID(int=7), None, UUID(int=2**100)], dtype=object),
    "binned": pd.Series(pd.cut([1.0, 2.0, 9.0], [0, 1.5, 10])),
    "datetime": pd.Series(DAYS),
    "seconds": pd.Series(DAYS.astype("datetime64[s]")),
    "zone": pd.Series(DAYS.tz_localize("Europe/Berlin")),
    "offset": pd.Series(DAYS.tz_localize(datetime.timezone(datetime.timedelta(hours=-5)))),
    "duration": pd.Series(pd.to_timedelta(["1 day", None, "3 h"])),
    "period": pd.Series(pd.PeriodIndex(["2020-01", "2020-02", "2021-12"], freq="M")),
}


def assert_same(frame):
    back = decode_frame(encode_frame(frame))
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_freq=False)
    assert list(back.dtypes) == list(frame.dtypes)
    assert type(back.index) is type(frame.index)


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_type_comes_back(kind):
    frame = pd.DataFrame({"a b|c": COLUMNS[kind]})
    assert_same(frame)
    back = decode_frame(encode_frame(frame))["a b|c"]
    assert [type(v) for v in back] == [type(v) for v in frame["a b|c"]]


def test_all_together():
    assert_same(pd.DataFrame(COLUMNS))


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 11, 2, name="row"),
        pd.Index([3, 1, 3]),
        pd.Index(["x", "y", None], name="id"),
        pd.Index(["x", "y", "z"], dtype=object),
        pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"]),
        pd.MultiIndex.from_arrays([["a", "a", "b"], [1, 2, 1]], names=["g", None]),
        pd.CategoricalIndex(["p", "q", "p"]),
    ],
)
def test_the_index_comes_back(index):
    assert_same(pd.DataFrame({"y": [1.0, 2.0, 3.0]}, index=index))


def test_an_object_column_of_other_things_is_refused_by_name():
    frame = pd.DataFrame({"when": pd.Series([datetime.date(2020, 1, 1)], dtype=object)})
    with pytest.raises(FileError, match=r"column 'when' holds Python objects \(date\)"):
        encode_frame(frame)


def test_a_type_without_encoding_is_refused_by_name():
    frame = pd.DataFrame({"z": pd.Series([1 + 2j])})
    with pytest.raises(FileError, match=r"column 'z' has type complex128"):
        encode_frame(frame)


values = st.one_of(
    st.lists(st.text(), min_size=3, max_size=3).map(lambda v: pd.Series(v, dtype="str")),
    st.lists(st.floats(width=64), min_size=3, max_size=3).map(pd.Series),
    st.lists(
        st.one_of(st.none(), st.text(), st.integers(), st.booleans()), min_size=3, max_size=3
    ).map(lambda v: pd.Series(v, dtype=object)),
)


@given(st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=4))
def test_any_plain_frame_comes_back(columns):
    assert_same(pd.DataFrame(columns))


def test_what_cannot_be_kept_is_known_beforehand():
    kept = pd.DataFrame(COLUMNS)
    assert unkept(kept) == []
    odd = kept.assign(odd=[1, frozenset([1]), "a"], z=np.ones(3) * 1j)
    first, second = unkept(odd)
    assert "neither saved nor cached: column 'odd' holds Python objects (frozenset)" in first
    assert "column 'z' has type complex128" in second
    with pytest.raises(FileError):
        encode_frame(odd)
    (note,) = unkept(kept.set_index(pd.Index([frozenset([k]) for k in range(3)])))
    assert "neither saved nor cached: the index holds Python objects (frozenset)" in note
