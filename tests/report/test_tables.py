"""Data frames as HTML."""

import numpy as np
import pandas as pd

from mixedbayes.plots.with_plotly import html as words
from mixedbayes.report.pictures import embedded
from mixedbayes.report.tables import cell, html_frame


def test_numbers_have_the_decimals_of_their_sd():
    table = pd.DataFrame({"level": ["a"], "mean": [12.34567], "sd": [0.0456], "lower": [12.2]})
    text = html_frame(table)
    assert '<td class="number">12.346</td><td class="number">0.046</td>' in text
    assert '<td class="number">12.200</td>' in text


def test_names_are_escaped():
    text = html_frame(pd.DataFrame({"<b>": ["<script>alert(1)</script>", "&amp;"]}))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&amp;amp;" in text
    assert "&lt;b&gt;" in text


def test_long_tables_are_cut_with_a_note_and_have_a_filter():
    table = pd.DataFrame({"x": np.arange(50)})
    text = html_frame(table, "fit.ranef()", most=20)
    assert text.count("<tr>") == 21
    assert "The first 20 of 50 rows; all of them: fit.ranef()." in text
    assert '<input type="search"' in text
    assert '<input type="search"' not in html_frame(table.head(3))


def test_cells():
    assert [cell(v) for v in (1234567, 0.000123456, None, np.nan, "a", True, 3.0, np.inf)] == [
        "1,234,567", "0.0001235", "", "", "a", "True", "3", "inf",
    ]  # fmt: skip


def test_embedded_json_cannot_end_its_element():
    text = embedded({"a": "</script><!--&\u2028", "b": [np.float64(1.23456789), np.nan, 3.0]})
    assert text == (r'{"a":"\u003c/script\u003e\u003c!--\u0026\u2028","b":[1.2346,null,3]}')


def test_labels_of_plotly_show_tags_as_text():
    assert words("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
