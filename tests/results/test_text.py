"""Rounding and layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.results.text import (
    WIDTH,
    Row,
    Section,
    aligned,
    count,
    decimals,
    html_table,
    rounded,
    shortened,
    text_columns,
    text_facts,
    text_table,
)


@pytest.mark.parametrize(
    ("sd", "places"), [(6.8, 1), (0.68, 2), (12, 0), (6800, 0), (0.0123, 3), (1.0, 1), (9.99, 1)]
)
def test_an_sd_has_two_digits(sd, places):
    assert decimals(sd) == places


@pytest.mark.parametrize("sd", [0.0, float("nan"), float("inf")])
def test_without_an_sd_there_are_four_digits(sd):
    assert decimals(sd) is None
    assert rounded([251.40512, 1234567.0], sd) == ("251.4", "1.235e+06")


def test_numbers_share_the_decimals_of_their_sd():
    assert rounded([251.405, 6.825, 237.9, 264.0], 6.825) == ("251.4", "6.8", "237.9", "264.0")
    assert rounded([0.0000001234], 2e-8) == ("1.23e-07",)
    assert rounded([1000.00000123], 2e-8) == ("1.000000001230e+03",)
    assert rounded([484074945830.0, -0.0, 3e6], 111062588949) == (
        "4.84e+11",
        "-0.00e+00",
        "3.00e+06",
    )
    assert rounded([484074945830.0], 2.1e7) == ("4.84075e+11",)
    assert rounded([2e7], 9.9e6) == ("20000000",)
    assert rounded([float("nan")], 1.0) == ("",)
    assert rounded([-0.001], 1.0) == ("0.0",)
    assert count(2712.4) == "2,712"
    assert count(float("nan")) == ""


def test_points_stand_below_one_another():
    assert aligned(["1.5", "12", "", "0.25"]) == [" 1.5 ", "12   ", "     ", " 0.25"]
    assert aligned(["1", "10"]) == [" 1", "10"]


def test_long_labels_lose_their_middle():
    assert shortened("abcdefghij", 7) == "abc…hij"
    assert shortened("abc", 7) == "abc"


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(categories=["L"]), min_size=1, max_size=150), st.floats(1, 9e300)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_tables_are_never_too_wide(rows):
    cells = [Row(label, rounded([x, x, x, x], x / 7)) for label, x in rows]
    text = text_table(("mean", "sd", "lower", "upper"), [Section("Title", tuple(cells))])
    assert max(map(len, text.splitlines())) <= WIDTH


def test_columns_are_shared_by_sections():
    text = text_table(
        ("mean", "n"),
        [
            Section("One", (Row("a"), Row("b", ("1.5", "10"), indent=2))),
            Section("Two", (Row("longer", ("10", "1,000")),)),
        ],
    )
    assert text.splitlines() == [
        "One       mean      n",
        "  a",
        "    b      1.5     10",
        "",
        "Two",
        "  longer    10  1,000",
    ]


def test_titles_have_the_whole_line_and_both_names_of_a_correlation_their_heads():
    title = "Population effects on sigma, log scale"
    row = Row("cor weight_Intercept, sigma_weight_Intercept", ("0.123456789",) * 5, indent=2)
    head = ("mean", "sd", "lower", "upper", "ess_bulk")
    lines = text_table(head, [Section("Group effects", (row,)), Section(title, ())]).splitlines()
    assert lines[-1] == title
    assert "    cor weight_In…, sigma_weight_I…" in lines[1]


def test_html_escapes_the_users_names():
    html = html_table(("mean",), [Section("<b>", (Row("x<y", ("1",)),))])
    assert "<b>" not in html
    assert "x&lt;y" in html


def test_long_facts_run_on_below_themselves():
    text = text_facts([("a", "word " * 40), ("note", "short")])
    lines = text.splitlines()
    assert lines[0].startswith("a     word")
    assert lines[1].startswith("      word")
    assert lines[-1] == "note  short"
    assert max(map(len, lines)) <= WIDTH


def test_columns_of_words():
    text = text_columns([("h", "i", "j"), ("x" * 50, "yy", "word " * 30), ("z", "", "")])
    lines = text.splitlines()
    assert lines[0].split() == ["h", "i", "j"]
    assert "…" in lines[1]
    assert max(map(len, lines)) <= WIDTH
    assert lines[-1] == "z"


def test_aligned_of_nothing():
    assert aligned([]) == []
    assert np.array(aligned(["", ""])).tolist() == ["", ""]
