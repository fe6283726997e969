"""A Word document, by python-docx."""

from __future__ import annotations

import io
from typing import Any

from mixedbayes.errors import MissingExtraError
from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row

_THICK, _THIN = 12, 6  # eighths of a point


def write(table: Layout) -> bytes:
    """The file's bytes.

    MissingExtraError if python-docx is not installed.
    """
    try:
        from docx import Document
    except ImportError as e:
        raise MissingExtraError(
            "a table in .docx needs python-docx: pip install mixedbayes[tables]"
        ) from e
    document = Document()
    if table.title:
        document.add_paragraph(in_one_line(table.title), style="Caption")
    _fill(document, table)
    for note in table.notes:
        _small(document.add_paragraph(), in_one_line(note))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _fill(document: Any, table: Layout) -> None:
    rows = [(s.title, row) for s in table.sections for row in (None, *s.rows)]
    grid = document.add_table(rows=2 + len(rows), cols=2 * len(table.heads) + 1)
    for m, head in enumerate(table.heads):
        top = grid.cell(0, 2 * m + 1).merge(grid.cell(0, 2 * m + 2))
        _write(top, head.name, align="center")
        _edge(top, "bottom", _THIN)
        _write(grid.cell(1, 2 * m + 1), head.estimate, align="right")
        _write(grid.cell(1, 2 * m + 2), head.interval)
    for at, (title, row) in enumerate(rows, 2):
        cells = grid.rows[at].cells
        if row is None:
            _write(cells[0].merge(cells[-1]), title, italic=True)
            for cell in cells:
                _edge(cell, "top", _THIN)
        else:
            _row(cells, row)
    for cell in grid.rows[0].cells:
        _edge(cell, "top", _THICK)
    for cell in grid.rows[-1].cells:
        _edge(cell, "bottom", _THICK)


def _row(cells: Any, row: Row) -> None:
    label = cells[0] if row.cells else cells[0].merge(cells[-1])
    _write(label, row.label, indent=row.indent + 1)
    for m, cell in enumerate(row.cells):
        _write(cells[2 * m + 1], cell.estimate.replace("-", "−"), align="right")
        _write(cells[2 * m + 2], cell.interval.replace("-", "−"))


def _write(
    cell: Any, text: str, *, align: str = "left", indent: int = 0, italic: bool = False
) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.alignment = getattr(WD_ALIGN_PARAGRAPH, align.upper())
    paragraph.paragraph_format.space_after = Pt(0)
    paragraph.paragraph_format.left_indent = Pt(9 * indent)
    run = paragraph.add_run(in_one_line(text))
    run.font.size, run.italic = Pt(9), italic


def _small(paragraph: Any, text: str) -> None:
    from docx.shared import Pt

    paragraph.paragraph_format.space_after = Pt(2)
    paragraph.add_run(text).font.size = Pt(8)


def _edge(cell: Any, side: str, width: int) -> None:
    """A rule at one side of a cell."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        properties.append(borders)
    edge = borders.find(qn(f"w:{side}"))  # of cells that are one there is one
    if edge is None:
        edge = OxmlElement(f"w:{side}")
        borders.insert(0 if side == "top" else len(borders), edge)  # in the format's order
    for name, value in (("val", "single"), ("sz", str(width)), ("space", "0"), ("color", "auto")):
        edge.set(qn(f"w:{name}"), value)
