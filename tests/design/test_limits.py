"""Censored and truncated responses, read from the data."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.design.limits import INTERVAL, LEFT, NONE, RIGHT
from mixedbayes.design.replay import replay
from mixedbayes.errors import DataError

DATA = pd.DataFrame(
    {
        "y": [1.0, 2.0, 3.0, 4.0, 5.0],
        "kind": ["none", "left", "right", "interval", "none"],
        "y 2": [np.nan, np.nan, np.nan, 6.0, np.nan],
        "x": [0.1, 0.4, 0.2, 0.9, 0.3],
        "cap": [9.0, 9.0, 8.0, 7.0, 9.0],
    }
)
CODES = [NONE, LEFT, RIGHT, INTERVAL, NONE]
FORMULA = "y | cens(kind, `y 2`) ~ x"


@pytest.mark.parametrize("make", [lambda d: d, pl.from_pandas], ids=["pandas", "polars"])
def test_text_and_numbers_are_one_coding(make):
    by_text = build_design(FORMULA, make(DATA)).limits
    by_number = build_design(FORMULA, make(DATA.assign(kind=CODES))).limits
    for found in (by_text, by_number):
        np.testing.assert_array_equal(found.censoring, CODES)
        np.testing.assert_array_equal(found.upper, [np.nan, np.nan, np.nan, 6.0, np.nan])
    a, b = by_text.range(DATA["y"].to_numpy())
    np.testing.assert_array_equal(a, [1, -np.inf, 3, 4, 5])
    np.testing.assert_array_equal(b, [1, 2, np.inf, 6, 5])


@pytest.mark.parametrize(
    "censored",
    [
        [True, False, True, False, False],
        [1, 0, 1, 0, 0],
        ["right", "none", "right", "none", "none"],
    ],
    ids=["bool", "int", "text"],
)
def test_true_is_right_censored(censored):
    found = build_design("y | cens(c) ~ x", DATA.assign(c=censored)).limits
    np.testing.assert_array_equal(found.censoring, [RIGHT, NONE, RIGHT, NONE, NONE])
    kept = pd.Categorical(censored) if isinstance(censored[0], str) else censored
    again = build_design("y | cens(c) ~ x", DATA.assign(c=kept)).limits
    np.testing.assert_array_equal(again.censoring, found.censoring)


def test_an_expression_says_it_too():
    found = build_design("y | cens(y >= 4) ~ x", DATA).limits
    np.testing.assert_array_equal(found.censoring, [NONE, NONE, NONE, RIGHT, RIGHT])


def test_rows_are_dropped_where_what_is_needed_is_missing_alone():
    data = DATA.assign(**{"y 2": np.nan})
    design = build_design(FORMULA, data)
    assert design.n == 4
    assert dict(design.dropped) == {"y 2": 1}
    assert INTERVAL not in design.limits.censoring
    data = DATA.assign(cap=[9.0, np.nan, 8.0, 7.0, 9.0])
    design = build_design("y | trunc(0, cap) ~ x", data)
    assert design.n == 4
    np.testing.assert_array_equal(design.limits.highest, [9.0, 8.0, 7.0, 9.0])
    np.testing.assert_array_equal(design.limits.lowest, np.zeros(4))


def test_infinite_bounds_and_ends_are_none():
    found = build_design("y | cens(kind, `y 2`) ~ x", DATA.assign(**{"y 2": np.inf})).limits
    np.testing.assert_array_equal(found.censoring, [NONE, LEFT, RIGHT, RIGHT, NONE])
    assert found.upper is None
    data = DATA.assign(cap=[9.0, np.inf, 8.0, 7.0, 9.0], floor=[0.0, -np.inf, 0.0, 0.0, 0.0])
    found = build_design("y | trunc(floor, cap) ~ x", data).limits
    assert (found.lowest[1], found.highest[1]) == (-np.inf, np.inf)
    with pytest.raises(DataError, match="not below the upper"):
        build_design("y | trunc(floor, cap) ~ x", data.assign(floor=np.inf))


def test_rows_without_a_response_need_no_code():
    data = DATA.assign(y=[1.0, np.nan, 3.0, 4.0, 5.0], c=[0, np.nan, 1, 0, 0])
    assert build_design("y | cens(c) ~ x", data).n == 4


def test_an_upper_end_that_is_a_predictor_too_is_needed_in_all_rows():
    assert build_design("y | cens(kind, cap) ~ x + cap", DATA).n == 5
    data = DATA.assign(cap=[9.0, np.nan, 8.0, 7.0, 9.0])
    assert build_design("y | cens(kind, cap) ~ x + cap", data).n == 4
    assert build_design("y | cens(kind, cap) ~ x", data).n == 5


REFUSED = {
    ("y | cens(kind) ~ x", "intervals"): {},
    ("y | cens(kind, `y 2`) ~ x", "not above y"): {"y 2": 4.0},
    ("y | cens(c) ~ x", "'nein' (first in row 1)"): {"c": ["none", "nein", "left", "left", "left"]},
    ("y | cens(c) ~ x", "codes that are not known, 3"): {"c": [0, 1, 3, 0, 0]},
    ("y | cens(c) ~ x", "all 5 rows are censored"): {"c": 1},
    ("y | cens(c) ~ x", "missing in 2 of 5 rows that have one (first in row 1)"): {
        "c": [0, np.nan, 1, None, 0]
    },
    ("y | trunc(2, 9) ~ x", "1 of 5 values are outside trunc(lower=2, upper=9)"): {},
    ("y | trunc(9, 2) ~ x", "not below the upper"): {},
    ("y | cens(c) + trunc(upper=5) ~ x", "lies outside trunc(upper=5)"): {"c": [0, 0, 0, 0, 1]},
}


@pytest.mark.parametrize("case", REFUSED, ids="{0[0]}: {0[1]}".format)
def test_impossible_combinations_are_refused(case):
    formula, said = case
    with pytest.raises(DataError) as error:
        build_design(formula, DATA.assign(**REFUSED[case]))
    assert said in str(error.value)


def test_new_rows_may_be_censored_in_other_ways():
    design = build_design("y | cens(kind, `y 2`) + trunc(0, cap) ~ x", DATA)
    new = replay(design, DATA.iloc[:2].drop(columns=["y", "kind", "y 2"]))
    assert new.limits.censoring is None
    np.testing.assert_array_equal(new.limits.highest, [9.0, 9.0])
    assert replay(design, DATA[["x"]]).limits is None
    own = replay(design, DATA.iloc[[1, 2]], response=True)
    np.testing.assert_array_equal(own.limits.censoring, [LEFT, RIGHT])


def test_a_time_that_is_known_to_be_above_0_alone_is_to_be_taken_out():
    data = DATA.assign(y=[1.0, 0.0, 3.0, 4.0, 5.0], c=[0, 1, 0, 0, 0])
    with pytest.raises(
        DataError, match=r"is 0 in row 1 .*take the row out where that says nothing"
    ):
        mb.Model("y | cens(c) ~ x", data, family="weibull")


@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_families_without_tails_are_refused(family):
    data = DATA.assign(b=[0, 1, 1, 0, 1], c=[0, 0, 1, 0, 0])
    with pytest.raises(DataError, match="not offered for the"):
        mb.Model("b | cens(c) ~ x", data, family=family)


@pytest.mark.parametrize("make", [lambda d: d, pl.from_pandas], ids=["pandas", "polars"])
def test_intervals_from_minus_infinity_are_left_censored(make):
    data = DATA.assign(kind=[2, 2, 0, 0, 1], y=[-np.inf, 1.0, 3.0, 4.0, 5.0], b=[2.5] * 5)
    design = build_design("y | cens(kind, b) ~ x", make(data))
    np.testing.assert_array_equal(design.limits.censoring, [LEFT, INTERVAL, NONE, NONE, RIGHT])
    np.testing.assert_array_equal(design.y, [2.5, 1, 3, 4, 5])
    a, b = design.limits.range(design.y)
    np.testing.assert_array_equal(a, [-np.inf, 1, 3, 4, 5])
    np.testing.assert_array_equal(b, [2.5, 2.5, 3, 4, np.inf])
    again = replay(design, make(data), response=True)
    np.testing.assert_array_equal(again.limits.censoring, design.limits.censoring)
    np.testing.assert_array_equal(again.y, design.y)
    with pytest.raises(DataError, match=r"y is not finite in 1 of 5 rows, first in row 0 \(-inf\)"):
        build_design("y | cens(kind, b) ~ x", make(data.assign(kind=[-1, 2, 0, 0, 1])))
    with pytest.raises(DataError, match=r"intervals from -inf and are not finite: such a row says"):
        build_design("y | cens(kind, b) ~ x", make(data.assign(b=np.inf)))
