"""What makes the site: examples of pages, docstrings as Markdown, tables from registries."""

import gc
import inspect
import re

import numpy as np
import performance
import pytest
from docstring_markdown import markdown
from examples import ExampleError, Page, blocks
from families_table import LEFT_SIDES, _without_example
from formulas import KINDS, elementwise, kind, running, table

from mixedbayes.design.vocabulary import WORDS
from mixedbayes.families.registry import FAMILIES


@pytest.fixture
def page():
    return Page("page")


def test_blocks_share_names_and_the_last_value_is_shown(page):
    page.run("x = 20")
    assert page.run("print('half:')\nx / 2").text == "half:\n10.0"
    assert page.run("y = x").text == ""


def test_files_of_a_page_go_with_it():
    page = Page("page")
    page.run("open('made.txt', 'w').close()")
    folder = page.folder
    assert [file.name for file in folder.iterdir()] == ["made.txt"]
    del page
    gc.collect()
    assert not folder.exists()


def test_a_block_that_fails_says_where(page):
    with pytest.raises(ExampleError, match=r"page: ZeroDivisionError.*\n1 / 0"):
        page.run("1 / 0")


def test_an_error_that_is_expected_is_shown_and_has_to_come(page):
    assert page.run("1 / 0", error=True).text == "ZeroDivisionError: division by zero"
    with pytest.raises(ExampleError, match="was to raise an error"):
        page.run("1 / 1", error=True)


def test_pictures_are_kept_in_the_place_of_their_objects(page):
    output = page.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])")
    assert output.text == ""
    assert [p[:4] for p in output.pictures] == [b"\x89PNG"]
    output = page.run("from mixedbayes.plots.style import Picture\nPicture()")
    assert output.text == ""
    assert [p[:4] for p in output.pictures] == [b"\x89PNG"]


def test_blocks_of_a_page_have_options():
    text = "A\n```{run}\n:lines: 3\n:error:\nf(x)\n```\nB\n````{run}\n'''\n```\n'''\n````\n"
    assert list(blocks(text)) == [({"lines": "3", "error": ""}, "f(x)"), ({}, "'''\n```\n'''")]


def test_every_picture_of_a_page_is_described(sources):
    for name, text in sources.items():
        for options, code in blocks(text):
            drawn = re.search(r"\.(plot_\w+|pp_check|picture)\(", code.rstrip().splitlines()[-1])
            assert not drawn or options.get("alt"), (name, code)


def test_what_to_read_next_is_a_list_and_empty_lines_are_empty():
    doc = """Sum.

    See Also
    --------
    means : Of rows,
        and of groups.
    plot_means : The picture.

    Examples
    --------
    >>> print("a\\n\\nb")  # doctest: +ESTIMATES
    a
    <BLANKLINE>
    b
    """
    made = markdown(doc)
    assert "- `means`: Of rows,\n    and of groups.\n- `plot_means`: The picture." in made
    assert '>>> print("a\\n\\nb")\na\n\nb\n```' in made


def test_a_docstring_becomes_markdown():
    doc = """First: a_b * c_d < 2, `x*y`.

    Formula

        f(x) = a * b

    - one
      goes on
    - two

    Parameters
    ----------
    x, y : array
        What *they* are.
    **kwargs
        More.

    Returns
    -------
    The table, with one row.

    Examples
    --------
    >>> f(2)  # doctest: +SKIP
    4
    """
    text = markdown(doc)
    assert r"First: a\_b \* c\_d \< 2, `x*y`." in text
    assert "```text\nf(x) = a * b\n```" in text
    assert "- one\n  goes on\n- two" in text
    assert "`x`, `y` (array)\n: What \\*they\\* are." in text
    assert "**Returns**\n\nThe table, with one row." in text
    assert "```pycon\n>>> f(2)\n4\n```" in text


def test_every_word_of_formulas_is_in_one_table_with_its_example():
    assert {kind(word) for word in WORDS} == set(KINDS)
    rows = [line for name in KINDS for line in table(name).splitlines()[2:]]
    assert len(rows) == len(WORDS) == len(set(rows))
    for word in WORDS:
        term, shown = (x.replace("|", "\\|") for x in (word.function, word.example))
        lines = table(kind(word)).splitlines()
        assert any(x.startswith(f"| `{term}` |") and shown in x for x in lines), word


def test_a_billion_rows_are_reckoned_from_what_was_measured():
    text = performance.paper()
    slope, draws = (float(x) for x in re.findall(r"(?:takes|and) ([\d.]+) s,", text))
    rows = re.findall(r"(?m)^\| 1,000,000,000 \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|", text)
    (one, ten) = ([float(cell) for cell in row] for row in rows)
    assert ten == pytest.approx([100 * slope, draws, 100 * slope + draws], abs=0.11)
    assert one == pytest.approx([1000 * slope, draws, 1000 * slope + draws], abs=0.6)
    assert 50 < performance.bytes_of_a_group() < 200


def test_functions_of_numpy_are_listed_where_they_take_numbers():
    table = elementwise()
    assert all(f"| `{name}` |" in table for name in ("log", "sqrt", "exp", "maximum", "sin"))
    assert running("isnat", np.isnat) is None
    assert "| `isnat` |" not in table


def test_no_family_has_the_heading_of_examples_without_them():
    left = {name: _without_example(inspect.getdoc(kind) or "") for name, kind in FAMILIES.items()}
    assert not [name for name, text in left.items() if "Examples" in text or ">>>" in text]


def test_every_family_has_an_example():
    assert {kind.takes for kind in FAMILIES.values()} == set(LEFT_SIDES)


def test_each_machine_is_described_once_with_all_that_was_measured_on_it():
    lines = [line for line in performance.machines().splitlines() if line]
    machines = [line for line in lines if line.startswith("- ")]
    assert len(set(machines)) == len(machines) < len(lines)
    measured = re.sub(r" \(load [\d.]+\)", "", " ".join(set(lines) - set(machines)))
    assert all(performance._named(case) in measured for case in performance.cases())


def test_models_measured_are_told_with_their_residuals_and_families():
    table = performance.comparison()
    assert "`follicles ~ rise + fall + (1 \\| Mare)`, residual `ar1(day \\| Mare)`" in table
    assert "(1 \\| herd)`, beta binomial" in table
