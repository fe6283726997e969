"""Tables as they print."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.results.shown import Table, as_table, short, tabled


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
