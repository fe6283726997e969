"""Levels of new data are those of the fit where their values are equal, or it is an error."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError

HOURS = pd.to_datetime(["2020-01-01 00:00", "2020-01-01 05:00", "2020-03-01 00:00"])
ZONE = HOURS.tz_localize("UTC")


def design(levels, formula="y ~ 1 + (1 | g)"):
    g = pd.Series(levels).repeat(2).reset_index(drop=True)
    return build_design(formula, pd.DataFrame({"y": np.arange(len(g)) * 1.0, "g": g, "k": 1}))


def codes(fitted, values):
    return replay(fitted, pd.DataFrame({"g": values})).groups["g"].refs.tolist()


# levels of the fit; the same ones otherwise written
SAME = {
    "booleans as numbers": ([False, True], [0, 1]),
    "booleans as doubles": ([False, True], [0.0, 1.0]),
    "numbers as booleans": ([0, 1], [False, True]),
    "doubles as booleans": ([0.0, 1.0], [False, True]),
    "nullable": ([False, True], pd.array([0, 1], dtype="Int64")),
    "objects": ([False, True], np.array([0, 1], dtype=object)),
    "category of booleans": ([False, True], pd.Categorical([False, True])),
    "numbers and a category of them": ([2012, 2013], pd.Categorical([2012, 2013])),
    "a category and its numbers": (pd.Categorical([2012, 2013]), [2012, 2013]),
    "single precision": (np.array([0.1, 0.7]), np.array([0.1, 0.7], dtype=np.float32)),
    "to single precision": (np.array([0.1, 0.7], dtype=np.float32), np.array([0.1, 0.7])),
    "large": ([2**53, 2**53 + 1], np.array([2**53, 2**53 + 1], dtype=np.uint64)),
    "decimals": ([1, 2], [Decimal("1.00"), Decimal("2")]),
    "to decimals": ([Decimal("0.1"), Decimal("0.25")], [0.1, 0.25]),
    "zones": (ZONE, ZONE.tz_convert("Asia/Tokyo")),
    "units": (HOURS.as_unit("s"), HOURS.as_unit("ns")),
    "dates": ([dt.date(2020, 1, 1), dt.date(2020, 3, 1)], HOURS[[0, 2]]),
    "text of two types": (["a", "b"], pd.array(["a", "b"], dtype="string")),
}  # fmt: skip


@pytest.mark.parametrize(("fitted", "new"), SAME.values(), ids=SAME)
def test_equal_values_are_one_level(fitted, new):
    assert codes(design(fitted), new) == list(range(len(fitted)))


def test_large_numbers_are_told_apart():
    fitted = design([2**53, 2**53 + 1])
    assert codes(fitted, [float(2**53), 7.0]) == [0, -1]
    assert codes(fitted, [2**53 + 1, 2**53 + 2]) == [1, -1]


NEW = {
    "text for a number": ([1, 2], ["someone"]),
    "another number": ([1, 2], [2.5]),
    "another text": (["a", "b"], ["A"]),
    "another day": (HOURS, pd.to_datetime(["2021-01-01"])),
    "not a boolean": ([False, True], [2]),
}


@pytest.mark.parametrize(("fitted", "new"), NEW.values(), ids=NEW)
def test_other_values_are_new_levels(fitted, new):
    assert codes(design(fitted), new) == [-1]


OTHER_KINDS = {
    "text and booleans": ([False, True], ["True"], "g was numbers.*is text.*True is a known level"),
    "booleans of a text file": (["true", "false"], [True], "g was text .* is numbers here"),
    "numbers in text": ([1, 2], ["1.0"], "g was numbers.*'1.0'; 1 is a known level"),
    "zone": (ZONE, HOURS[:1], "g was times with a zone.*is times without a zone here"),
    "no zone": (HOURS, ZONE[:1], "g was times without a zone.*is times with a zone here"),
    "times in text": (HOURS, ["2020-01-01"], "g was times without a zone.*is text here"),
    "numbers and times": ([1, 2], HOURS, "g was numbers .* is times without a zone here"),
    "durations": ([1, 2], pd.to_timedelta([1], "D"), "g was numbers .* is durations here"),
    "lists": ([1, 2], [[1]], r"g holds values that cannot be levels \(unhashable"),
}


@pytest.mark.parametrize(("fitted", "new", "message"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_values_of_another_kind_are_refused(fitted, new, message):
    with pytest.raises(DataError, match=message):
        codes(design(fitted), new)


def test_in_combinations_too():
    data = pd.DataFrame({"y": [1.0, 2, 3, 4], "g": [True, False] * 2, "k": [1, 1, 2, 2]})
    fitted = build_design("y ~ 1 + (1 | g:k)", data)
    new = pd.DataFrame({"g": [1, 0], "k": [True, 2.0]})
    found = replay(fitted, new).groups["g:k"]
    assert fitted.mu.groups[0].levels[found.refs].tolist() == ["True:1", "False:2"]


def test_a_predictor_that_is_a_category_of_numbers():
    data = pd.DataFrame({"y": [1.0, 2, 3, 5], "year": pd.Categorical([2012, 2013, 2012, 2014])})
    fitted = build_design("y ~ year", data)
    for values in ([2014, 2012], [2014.0, 2012.0], pd.Categorical([2014, 2012])):
        rows = replay(fitted, pd.DataFrame({"year": values}))
        assert rows.X.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    with pytest.raises(DataError, match="year was numbers in the fitted data and is text here"):
        replay(fitted, pd.DataFrame({"year": ["2012"]}))
    with pytest.raises(DataError, match=r"do not have: 2020; known are 2012, 2013, 2014"):
        replay(fitted, pd.DataFrame({"year": [2020]}))
