"""Labels of rows: the user's where every row has its own and files keep it, otherwise positions."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design
from mixedbayes.design.types import row_labels

OWN = {
    "numbers": pd.Index([7, 3, 5]),
    "doubles": pd.Index([0.5, 1.5, 2.5]),
    "text": pd.Index(["b", "a", "c"]),
    "objects": pd.Index(["b", "a", "c"], dtype=object),
    "times": pd.date_range("2020-01-01", periods=3),
    "durations": pd.to_timedelta([1, 2, 3], "D"),
}
POSITIONS = {
    "repeated": pd.Index([7, 7, 5]),
    "repeated text": pd.Index(["a", "a", "c"]),
    "levels": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
    "one level of several": pd.MultiIndex.from_arrays([[1, 2, 3]]),
    "missing": pd.Index([1.0, np.nan, 2.0]),
    "mixed": pd.Index([1, "1", 2]),
    "booleans and text": pd.Index([True, "True", 2]),
    "zone": pd.date_range("2020-01-01", periods=3, tz="UTC"),
    "periods": pd.period_range("2020-01", periods=3, freq="M"),
    "intervals": pd.interval_range(0, 3),
    "tuples": pd.Index([(1, 2), (1, 3), (2,)], tupleize_cols=False),
}


@pytest.mark.parametrize("index", OWN.values(), ids=OWN)
def test_labels_of_the_users(index):
    assert row_labels(index).tolist() == index.to_numpy().tolist()


@pytest.mark.parametrize("index", POSITIONS.values(), ids=POSITIONS)
def test_positions(index):
    assert row_labels(index).tolist() == [0, 1, 2]
    assert row_labels(index, np.array([4, 6, 9])).tolist() == [4, 6, 9]


def test_positions_are_those_of_the_users_frame():
    data = pd.DataFrame({"y": [1.0, np.nan, 3, 4]}, index=[0, 1, 1, 1])
    assert build_design("y ~ 1", data).labels.tolist() == [0, 2, 3]
    assert build_design("y ~ 1", data.iloc[:3]).labels.tolist() == [0, 1]
