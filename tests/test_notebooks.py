"""The notebooks as saved: run in order, clean, of no particular machine, and fit to teach with."""

import ast
import builtins
import importlib.util
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<>-])(?:/[\w.-]+){2,}|\b[A-Z]:\\")
TAGS = {"check", "exercise", "answer", "varies", "remove-cell", "hide-cell"}


def script(name):
    """A script beside the notebooks, as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # compare imports execute
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scripts():
    before = set(sys.modules)
    yield {name: script(name) for name in ("execute", "compare", "student")}
    for name in {"execute", "compare", "student"} - before:
        sys.modules.pop(name, None)


def code(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook, [c for c in notebook["cells"] if c["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def test_there_are_notebooks():
    assert [p.name for p in NOTEBOOKS][:1] == ["01_sleepstudy.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_was_run_in_order(path):
    _, cells = code(path)
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    assert any("assert" in source(c) for c in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_clean(path):
    notebook, cells = code(path)
    assert set(notebook["metadata"]) == {"kernelspec", "lang", "language_info"}
    assert notebook["metadata"]["lang"] == "en"
    for cell in cells:
        for output in cell["outputs"]:
            assert output["output_type"] in {"execute_result", "display_data", "stream"}
            assert output.get("name") != "stderr", output["text"]
            data = output.get("data", {"text/plain": output.get("text", "")})
            assert not any("widget" in kind for kind in data)
            for kind, text in data.items():
                if kind.startswith("text/"):
                    text = "".join(text)
                    assert "<progress" not in text
                    assert not ABSOLUTE_PATH.search(text), ABSOLUTE_PATH.search(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_pictures_have_words(path):
    for cell in code(path)[1]:
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                words = output["metadata"]["image/png"]["alt"]
                assert len(words.split()) >= 5, source(cell)
                assert cell["metadata"]["mystnb"]["image"]["alt"] == words


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_opening_says_how_long_and_what_comes_before(path):
    text = "".join(source(c) for c in json.loads(path.read_text(encoding="utf-8"))["cells"][:3])
    assert "**Time:**" in text
    assert "**Before" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_checks_are_tagged_and_alone(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert tags(cell) <= TAGS
        assert ("remove-cell" in tags(cell)) == ("check" in tags(cell))
        if cell["cell_type"] == "code":
            nodes = list(ast.walk(ast.parse(source(cell))))
            asserts = any(isinstance(node, ast.Assert) for node in nodes)
            assert not asserts or "check" in tags(cell), source(cell)
            assert "check" not in tags(cell) or not cell["outputs"], source(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_students_get_no_checks_exercises_first_and_all_that_the_rest_needs(path, scripts):
    whole = nbformat.read(path, as_version=4)
    exercises = [c.source for c in whole.cells if "exercise" in c.metadata.get("tags", [])]
    copy = scripts["student"].student(whole)
    left = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert "assert" not in "".join(cell.source for cell in left)
    assert ("## Exercises, first" in copy.cells[1].source) == bool(exercises)
    for text in exercises:
        assert text.splitlines()[-1] in copy.cells[1].source
    known = set(dir(builtins))
    for cell in left:
        names = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)]
        known |= _defined(cell.source)
        assert {n.id for n in names if isinstance(n.ctx, ast.Load)} <= known, cell.source
    for cell in copy.cells:
        if "answer" in cell.metadata.get("tags", []):
            folded = cell.source.startswith("<details>") or cell.metadata.jupyter.source_hidden
            assert folded


def _defined(text):
    """Every name that a cell binds, in whatever scope."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {a.asname or a.name.partition(".")[0] for a in node.names}
    return found


def test_the_students_folder_is_not_the_lectures_own(scripts):
    with pytest.raises(SystemExit, match="name another folder"):
        scripts["student"].main([str(FOLDER)])
    with pytest.raises(SystemExit, match="usage"):
        scripts["student"].main([])


def test_the_students_folder_is_written(scripts, tmp_path):
    scripts["student"].main([str(tmp_path / "new"), str(NOTEBOOKS[0])])
    copy = nbformat.read(tmp_path / "new" / NOTEBOOKS[0].name, as_version=4)
    assert not any("check" in c.metadata.get("tags", []) for c in copy.cells)


# ---- are saved outputs those of the code? ------------------------------------------------------

HEAD = "<tr><th></th><th>mean</th><th>sd</th><th>lower</th><th>upper</th><th>ess_bulk</th></tr>"


def row(*values):
    return f"<tr><th>Days</th>{''.join(f'<td>{v}</td>' for v in values)}</tr>"


def cell(*outputs, **metadata):
    made = nbformat.v4.new_code_cell("x", metadata=metadata)
    made.outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": text})
        if text.startswith("<")
        else nbformat.v4.new_output("stream", text=text)
        for text in outputs
    ]
    return made


def page(*values):
    return f"<style>td {{top: 1}}</style><p>A fit</p><table>{HEAD}{row(*values)}</table>"


SAVED = page("10.42", "1.62", "7.20", "13.61", "4,059")


@pytest.mark.parametrize(
    ("fresh", "said"),
    [
        (page("10.42", "1.62", "7.20", "13.61", "4,059"), None),
        (page("10.55", "1.70", "6.90", "13.90", "2,100"), None),  # another run
        (page("10.75", "1.62", "7.20", "13.61", "4,059"), "'mean': saved 10.42, fresh 10.75"),
        (page("10.42", "1.95", "7.20", "13.61", "4,059"), "'sd': saved 1.62, fresh 1.95"),
        (page("10.42", "1.62", "6.40", "13.61", "4,059"), "'lower': saved 7.20, fresh 6.40"),
        (page("10.42", "1.62", "7.20", "13.61", "900"), "'ess_bulk': saved 4,059, fresh 900"),
        (page("nan", "1.62", "7.20", "13.61", "4,059"), "'mean': saved words '#', fresh 'nan'"),
        (page("10.42", "1.62", "7.20", "13.61", "4,059").replace("Days", "Hours"), "'Hours'"),
        (page("10.42", "1.62", "7.20", "13.61", "4,059").replace("mean", "median"), "columns"),
        (f"{SAVED}{SAVED}", "saved 1 tables, fresh 2"),
    ],
)
def test_a_table_may_differ_by_monte_carlo_error(scripts, fresh, said):
    found = list(scripts["compare"].differences(cell(SAVED), cell(fresh)))
    assert bool(found) == (said is not None), found
    assert said is None or any(said in each for each in found), found


def test_fewer_effective_draws_allow_more(scripts):
    few = page("10.42", "1.62", "7.20", "13.61", "400")
    moved = page("10.75", "1.62", "7.20", "13.61", "400")
    assert not list(scripts["compare"].differences(cell(few), cell(moved)))


@pytest.mark.parametrize(
    ("saved", "fresh", "same"),
    [
        ("7 of 18 subjects", "7 of 18 subjects", True),
        ("7 of 18 subjects", "7 of 19 subjects", True),  # within a tenth
        ("7 of 18 subjects", "7 of 25 subjects", False),
        ("rms error 0.238", "rms error 0.245", True),
        ("rms error 0.238", "rms error 0.275", False),
        ("no trend (p = 0.48, limit 0.025)", "no trend (p = 0.36, limit 0.025)", True),
        ("no trend (p = 0.48, limit 0.025)", "no trend (p = 0.01, limit 0.025)", False),
        ("no trend (p < 0.0025, limit 0.025)", "no trend (p = 0.005, limit 0.025)", True),
        ("no trend", "a trend", False),
        ("off by 1.3e-16", "off by 4.4e-16", True),
        ("off by 1.3e-16", "off by 0.0e+00", True),
        ("off by 1.3e-16", "off by 0.5", False),
        ("rhat 1.002, smallest ess_bulk 3,518", "rhat 1.009, smallest ess_bulk 1,400", True),
        ("rhat 1.002, smallest ess_bulk 3,518", "rhat 1.090, smallest ess_bulk 1,400", False),
        ("rhat 1.002, smallest ess_bulk 3,518", "rhat 1.002, smallest ess_bulk 1,100", False),
        ("nutpie 0.16.11 at 0x7fa4", "nutpie 0.16.12 at 0x7bb8", True),
    ],
)  # fmt: skip
def test_a_sentence_may_differ_by_a_tenth_in_numbers_alone(scripts, saved, fresh, same):
    found = list(scripts["compare"].differences(cell(saved), cell(fresh)))
    assert bool(found) != same, found


def test_a_cell_may_state_its_own_tolerance_or_vary(scripts):
    differences = scripts["compare"].differences
    assert list(differences(cell("found 24"), cell("found 33")))
    assert not list(differences(cell("found 24", tolerance=0.4), cell("found 33")))
    assert not list(differences(cell("2.1 s", tags=["varies"]), cell("9.9 s")))
    assert list(differences(cell("2.1 s", tags=["varies"]), cell("9.9 minutes")))


def test_details_of_a_report_are_its_headings(scripts):
    inside = "<summary>Fine</summary><table><tr><td>1</td></tr></table>"
    saved = f"<p>13 checks</p><details>{inside}</details>"
    fresh = saved.replace("<td>1</td>", "<td>9</td>")
    pages = [f"{text}<table><tr><td>a</td></tr></table>" for text in (saved, fresh)]
    differences = scripts["compare"].differences
    assert not list(differences(cell(pages[0]), cell(pages[1])))
    assert list(differences(cell(pages[0]), cell(pages[1].replace("Fine", "Not fine"))))


def test_outputs_that_came_or_went_are_seen(scripts):
    differences = scripts["compare"].differences
    assert list(differences(cell("a"), cell()))
    assert not list(differences(cell("a ", "b"), cell("a b")))  # printed in pieces


def test_headings_in_several_rows_are_one_name(scripts):
    compare = scripts["compare"]
    text = (
        "<table><tr><th></th><th colspan='2'>mean</th><th colspan='2'>sd</th></tr>"
        "<tr><th></th><th>A</th><th>B</th><th>A</th><th>B</th></tr>"
        "<tr><th>x</th><td>1.00</td><td>2.00</td><td>0.10</td><td>9.00</td></tr></table>"
    )
    moved = text.replace("2.00", "4.00")  # far for A's sd, near for B's
    assert not list(compare.differences(cell(text), cell(moved)))
    assert list(compare.differences(cell(text), cell(text.replace("1.00", "1.40"))))


def test_a_stale_number_fails_the_whole(scripts, tmp_path, monkeypatch):
    """A kernel runs the code, and the saved number is not its result.

    Nor is the missing picture, which a kernel shows where the caller has no windows, too.
    """
    monkeypatch.setenv("MPLBACKEND", "Agg")
    notebook = nbformat.v4.new_notebook(cells=[cell("found 24"), cell()])
    notebook.cells[0].source = "print('found', 42)"
    notebook.cells[1].source = "import matplotlib.pyplot as plt\n_ = plt.subplots(figsize=(1, 1))"
    path = tmp_path / "stale.ipynb"
    nbformat.write(notebook, path)
    assert scripts["compare"].stale(path) == [
        "stale.ipynb, cell 0: saved 24, fresh 42 (after 'found')",
        "stale.ipynb, cell 1: saved outputs [], fresh ['picture']",
    ]


@pytest.mark.parametrize(("k", "same"), [("0.01", True), ("0.75", False)])
def test_a_pareto_k_is_of_the_draws(scripts, k, same):
    saved, fresh = (cell(f"after weighting; Pareto k = {each}") for each in ("0.10", k))
    assert bool(list(scripts["compare"].differences(saved, fresh))) != same


def compared(difference, weight, said):
    names = ("", "elpd_diff", "dse", "weight", "diag_elpd")
    cells = ("", difference, "2.00", weight, said)
    heads = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><tr>{heads}</tr><tr>{''.join(f'<td>{c}</td>' for c in cells)}</tr></table>"


@pytest.mark.parametrize(
    ("difference", "weight", "same"),
    [("-0.60", "0.62", True), ("-1.20", "0.48", False), ("-0.20", "0.90", False)],
)
def test_comparisons_of_models_differ_by_parts_of_their_errors(scripts, difference, weight, same):
    saved = compared("-0.20", "0.48", "")
    fresh = compared(difference, weight, "1 above 0.7")
    assert bool(list(scripts["compare"].differences(cell(saved), cell(fresh)))) != same
