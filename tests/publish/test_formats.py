"""Every format shows the same texts, and obeys nothing that a user wrote."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import docx
import pandas as pd
import pytest
import typst
from markdown_it import MarkdownIt
from nasty import NASTY

from mixedbayes.publish.formats import latex, text
from mixedbayes.publish.table import side_by_side

MINUS = str.maketrans("-", "−")


@pytest.fixture(scope="module")
def made(posteriors):
    """Tables of one model, and of all of them, whose name and title are nasty too."""
    options = {"fit_statistics": ("rows", "levels", "icc", "r2"), "title": f"Title {NASTY}"}
    named = {f"{NASTY} {name}": post for name, post in posteriors.items()}
    return {
        "one": side_by_side({"counts": posteriors["counts"]}, **options),
        "all": side_by_side(named, **options),
    }


@pytest.fixture(params=["one", "all"])
def table(request, made):
    return made[request.param]


def expected(table):
    """The texts of a table's body, row by row, with a minus that is one."""
    for section in table.layout.sections:
        yield [section.title]
        for row in section.rows:
            cells = [t.translate(MINUS) for c in row.cells for t in (c.estimate, c.interval)]
            yield [row.label, *cells]


def heads(table):
    return [h.name for h in table.layout.heads]


class _Rows(HTMLParser):
    """Texts of a page's cells by row, of its caption and of its notes."""

    def __init__(self):
        super().__init__()
        self.rows, self.notes, self.open, self.tags = [], [], None, set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th", "p", "caption"):
            self.open = ""

    def handle_data(self, data):
        if self.open is not None:
            self.open += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append(self.open)
        if tag in ("p", "caption"):
            self.notes.append(self.open)
        if tag in ("td", "th", "p", "caption"):
            self.open = None


def html_rows(html):
    parser = _Rows()
    parser.feed(html)
    return parser


def test_html(table):
    found = html_rows(table.to_html())
    assert found.rows[0] == ["", *heads(table)]
    assert found.rows[2:] == list(expected(table))
    assert found.notes == [table.layout.title, *table.layout.notes]
    assert found.tags == {
        "div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "p",
    }  # fmt: skip
    assert table._repr_html_() == table.to_html()


def test_a_page_is_the_table_with_a_head(table, tmp_path):
    path = table.save(tmp_path / "table.html")
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert table.to_html() in page
    assert html_rows(page).tags >= {"html", "head", "meta", "title", "body"}


def test_markdown(table):
    document = MarkdownIt("commonmark").enable("table").parse(table.to_markdown())
    rows, paragraphs, inside = [], [], False
    for token in document:
        inside = {"table_open": True, "table_close": False}.get(token.type, inside)
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline":
            assert {c.type for c in token.children} <= {"text", "text_special", "strong_open",
                                                        "strong_close"}  # fmt: skip
            shown = "".join(c.content for c in token.children)
            (rows[-1] if inside else paragraphs).append(shown.strip("\u2003"))
    assert rows[0][1::2] == heads(table)
    width = 2 * len(heads(table)) + 1
    assert rows[1:] == [row + [""] * (width - len(row)) for row in expected(table)]
    assert paragraphs == [table.layout.title, *table.layout.notes]


def test_word(table, tmp_path):
    document = docx.Document(table.save(tmp_path / "table.docx"))
    (grid,) = document.tables
    rows = [[cell.text for cell in row.cells] for row in grid.rows]
    assert rows[0][1::2] == heads(table)
    for found, row in zip(rows[2:], expected(table), strict=True):
        assert found[: len(row)] == row
    assert [p.text for p in document.paragraphs] == [table.layout.title, *table.layout.notes]
    sides = {tuple(edge.tag.split("}")[1] for edge in borders)
             for borders in grid._tbl.iter() if borders.tag.endswith("}tcBorders")}  # fmt: skip
    assert sides == {("top",), ("bottom",), ("top", "bottom")}  # each once, in Word's order


def test_typst_compiles(table):
    source = f"#set page(width: 200cm, height: 100cm)\n{table.to_typst()}"
    (page,) = (typst.compile(source.encode(), format="svg"),)
    assert page.startswith(b"<svg")
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', source)
    shown = [s.replace('\\"', '"').replace("\\\\", "\\") for s in strings]
    wanted = [t for row in expected(table) for t in row]
    assert set(wanted) <= set(shown)


def test_latex_is_well_formed(table):
    source = table.to_latex()
    plain = re.sub(r"\\[\\{}&%$#_]", "", source)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    body = source.split("\\midrule\n", 1)[1].split("\\bottomrule")[0]
    lines = [line for line in body.splitlines() if line != "\\midrule"]
    for line, row in zip(lines, expected(table), strict=True):
        cells = re.split(r"(?<!\\)&", line.removesuffix("\\\\"))
        assert len(cells) == len(row)
        assert latex.escape(row[0]) in cells[0]
        assert [c.strip().replace("$-$", "−") for c in cells[1:]] == row[1:]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX of the system's")
def test_latex_compiles(made, tmp_path):
    for name, table in made.items():
        table.save(tmp_path / f"{name}.tex")
    lines = ["\\documentclass{article}", "\\usepackage{booktabs}", "\\begin{document}",
             "\\input{one.tex}", "\\input{all.tex}", "\\end{document}"]  # fmt: skip
    (tmp_path / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:]


def test_special_letters_in_latex():
    assert latex.escape("a_b & 50 % \\ [x] ~ β Ω ο²") == (
        r"a\_b \& 50 \% \textbackslash{} {[}x{]} $\sim$ $\beta$ $\Omega$ ο$^2$"
    )
    assert latex.escape("a--b - c") == "a-{}-{}b - c"


def test_great_tables(table):
    found = html_rows(table.great_table().as_raw_html())
    body = [row for row in found.rows if len(row) == 2 * len(heads(table)) + 1]
    wanted = [r for r in expected(table) if len(r) > 1 or r[0] in _headings(table)]
    shown = [[row[0].strip("\u2003").strip(), *row[1:]] for row in body]
    assert [r[0] for r in shown] == [r[0] for r in wanted]
    assert [r[1:] for r in shown if len(set(r)) > 2] == [r[1:] for r in wanted if len(r) > 1]


def _headings(table):
    return {r.label for s in table.layout.sections for r in s.rows if not r.cells}


def test_text(table):
    shown = text.write(table.layout)
    assert str(table) == repr(table)
    assert max(map(len, shown.splitlines())) <= 100
    for row in expected(table):
        assert row[0][:12] in shown
        assert all(cell.replace("−", "-") in shown for cell in row[1:])


def test_every_suffix_is_written(table, tmp_path):
    written = {".tex": table.to_latex(), ".typ": table.to_typst(), ".md": table.to_markdown(),
               ".txt": f"{table}\n"}  # fmt: skip
    for suffix, content in written.items():
        assert table.save(tmp_path / f"t{suffix}").read_text(encoding="utf-8") == content
    frame = pd.read_csv(table.save(tmp_path / "t.CSV"))
    assert frame["estimate"].to_numpy() == pytest.approx(table.frame["estimate"].to_numpy())


def test_control_characters_are_shown_not_obeyed(posteriors, tmp_path):
    wild = side_by_side(
        {"a\x1b[31m\nb": posteriors["line"]}, fit_statistics=[], labels={"f_1": "\x00\t\u202e"}
    )
    for content in (
        str(wild),
        wild.to_html(),
        wild.to_latex(),
        wild.to_typst(),
        wild.to_markdown(),
    ):
        assert not set(content) & {"\x1b", "\x00", "\u202e", "\t"}
    document = docx.Document(wild.save(tmp_path / "wild.docx"))
    assert document.tables[0].cell(0, 1).text == r"a\x1b[31m\nb"
    typst.compile(wild.to_typst().encode(), format="pdf")
