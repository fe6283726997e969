"""Tables as they print."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.results.text import Table, as_table, short, tabled


@pytest.fixture(autouse=True)
def narrow():
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        yield


@pytest.fixture
def estimates():
    rng = np.random.default_rng(1)
    columns = ("mean", "sd", "lower", "upper", "ess_bulk", "rhat")
    numbers = pd.DataFrame(rng.normal(size=(3, 6)) * [250, 7, 250, 250, 800, 1], columns=columns)
    labels = {"group": "Subject", "level": ["308", "309", "310"], "term": "Intercept", "n": 10}
    return pd.DataFrame(labels).join(numbers)


def test_no_column_is_hidden_and_lines_keep_the_width(estimates):
    assert "..." in repr(estimates)
    printed = repr(Table(estimates))
    assert "..." not in printed
    assert all(name in printed for name in estimates)
    assert max(map(len, printed.splitlines())) <= 80
    assert len(printed.splitlines()) == 4


def test_what_is_too_wide_goes_on_below(estimates):
    wide = Table(estimates.assign(**{f"another{k}": 1.5 for k in range(6)}))
    lines = repr(wide).splitlines()
    assert max(map(len, lines)) <= 80
    assert "..." not in repr(wide)
    assert len(lines) > 8


def test_parts_of_a_table_are_tables_and_columns_are_series(estimates):
    table = Table(estimates)
    for part in (
        table.head(2),
        table[["term", "mean"]],
        table.query("mean > 0"),
        table.assign(a=1),
    ):
        assert type(part) is Table
    assert type(table["mean"]) is pd.Series
    pd.testing.assert_frame_equal(pd.DataFrame(table), estimates)


def test_a_format_of_your_own_comes_first(estimates):
    with pd.option_context("display.float_format", "{:.1f}".format):
        assert f"{estimates['mean'][0]:.1f} " in repr(Table(estimates))


def test_notebooks_have_the_same_digits(estimates):
    html = Table(estimates)._repr_html_()
    assert f"<td>{short(estimates['mean'][0])}</td>" in html
    assert "<td>...</td>" not in html


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (251.22163, "251.2"), (0.000123456, "0.0001235"), (12345.6, "12346"), (1e18, "1e+18"),
        (np.nan, "nan"), (-np.inf, "-inf"), (-8.0, "-8.000"),
        (999.99, "1000"), (10.4, "10.40"), (0.0, "0.000"),
    ],
)  # fmt: skip
def test_short_numbers(x, text):
    assert short(x) == text


def test_draws_stay_as_they_are():
    draws = np.arange(3)
    assert as_table(draws) is draws
    assert tabled(lambda: draws)() is draws


@pytest.mark.parametrize("places", range(6))
def test_rounded_numbers_have_the_digits_that_are_left(estimates, places):
    printed = repr(Table(estimates).round(places))
    value = f"{round(estimates['mean'][0], places):.{places}f}"
    assert value in printed.split()
    assert f"{value}0" not in printed


def test_whole_numbers_have_no_decimals():
    table = Table({"id": [1.0, 2.0, np.nan], "Days": [0.0, 10.0, 5.0], "x": [0.25, 1 / 3, 2.0]})
    lines = [line.split() for line in repr(table).splitlines()]
    assert lines[1:] == [
        ["0", "1", "0", "0.2500"], ["1", "2", "10", "0.3333"], ["2", "NaN", "5", "2.000"]
    ]  # fmt: skip
    assert "<td>10</td>" in table._repr_html_()
    assert "1.000" not in table._repr_html_()


def test_no_minus_before_zero_and_no_endless_numbers():
    assert "-0" not in repr(Table({"x": [-0.0, 1.0]}))
    assert "1e+18" in repr(Table({"x": [1e18, 1.0]}))
    assert "inf" in repr(Table({"x": [np.inf, 1.0]}))
    assert "NaN" in repr(Table({"x": [np.nan, np.nan]}))
    repr(Table({"x": []}))
    repr(Table(index=[1, 2]))
    assert "1.500" not in repr(Table([[1.5, "a"]], columns=["x", "x"]))  # a name twice


def test_long_tables_are_cut_as_by_pandas(estimates):
    long = Table({"x": np.linspace(0, 1, 1000)})
    assert len(repr(long).splitlines()) == len(repr(pd.DataFrame(long)).splitlines())
    assert long._repr_html_().count("<tr") == pd.DataFrame(long)._repr_html_().count("<tr")
    assert "1000 rows" in long._repr_html_()


def test_a_note_stands_below(estimates):
    noted = pd.DataFrame(estimates)
    noted.attrs["note"] = "On the scale of <log(y)>."
    table = as_table(noted)
    assert repr(table).splitlines()[-1] == "On the scale of <log(y)>."
    assert "<small>On the scale of &lt;log(y)&gt;.</small>" in table._repr_html_()
    assert repr(table.head(1)).splitlines()[-1] == "On the scale of <log(y)>."
    assert "scale" not in repr(as_table(estimates))
