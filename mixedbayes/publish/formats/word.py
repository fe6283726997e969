"""A Word document, by python-docx."""

from __future__ import annotations

import io
from typing import Any

from mixedbayes.errors import MissingExtraError
from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row

_THICK, _THIN = 12, 6  # rules, in eighths of a point
_SIZE, _SMALLEST = 9.0, 5.0  # of letters, in points
_PADDING = 11.0  # left and right of a cell's text, in points
_EMU = 12_700  # of Word's units in a point
_LONGEST = 40  # letters of a label that stay on one line


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
    size = _set_widths(document, grid, table)
    style = _style(document, size)
    for k in (0, 1):
        _write(grid.cell(k, 0), "", style)
    for m, head in enumerate(table.heads):
        top = grid.cell(0, 2 * m + 1).merge(grid.cell(0, 2 * m + 2))
        _write(top, head.name, style, align="center")
        _edge(top, "bottom", _THIN)
        _write(grid.cell(1, 2 * m + 1), head.estimate, style, align="right")
        _write(grid.cell(1, 2 * m + 2), head.interval, style)
    for at, (title, row) in enumerate(rows, 2):
        cells = grid.rows[at].cells
        if row is None:
            _write(cells[0].merge(cells[-1]), title, style, italic=True)
            for cell in cells:
                _edge(cell, "top", _THIN)
        else:
            _row(cells, row, style)
    for cell in grid.rows[0].cells:
        _edge(cell, "top", _THICK)
    for cell in grid.rows[-1].cells:
        _edge(cell, "bottom", _THICK)


def _set_widths(document: Any, grid: Any, table: Layout) -> float:
    """Columns as wide as their texts, on a page turned where they need it; the size of letters."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Pt

    rows = [row for s in table.sections for row in s.rows]
    label = max((len(r.label) + 2 * r.indent + 2 for r in rows if r.cells), default=0)
    letters = [min(label, _LONGEST)]
    for m, head in enumerate(table.heads):
        cells = [row.cells[m] for row in rows if row.cells]
        letters.append(max(len(head.estimate), *(len(c.estimate) for c in cells), 1))
        letters.append(max(len(head.interval), *(len(c.interval) for c in cells), 1))
    needed = sum(_width(n, _SIZE) for n in letters)
    page = document.sections[0]
    if needed > _room(page):
        page.orientation = WD_ORIENT.LANDSCAPE
        page.page_width, page.page_height = page.page_height, page.page_width
    size = _SIZE
    while size > _SMALLEST and sum(_width(n, size) for n in letters) > _room(page):
        size -= 0.5
    grid.autofit = False
    widths = [Pt(_width(n, size)) for n in letters]
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width
    for line in grid._tbl.tr_lst:
        for cell, width in zip(line.tc_lst, widths, strict=True):
            cell.width = width
    return size


def _width(letters: int, size: float) -> float:
    """Points of a column with so many letters of a size."""
    return 0.6 * size * letters + _PADDING


def _room(page: Any) -> float:
    """Points between the margins."""
    return float(page.page_width - page.left_margin - page.right_margin) / _EMU


def _style(document: Any, size: float) -> Any:
    """The style of the cells' paragraphs, by which Word's user can change them all."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.shared import Pt

    style = document.styles.add_style("Table Text", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Normal"]
    style.font.size = Pt(size)
    style.paragraph_format.space_after = Pt(0)
    style.paragraph_format.line_spacing = 1.0
    return style


def _row(cells: Any, row: Row, style: Any) -> None:
    label = cells[0] if row.cells else cells[0].merge(cells[-1])
    _write(label, row.label, style, indent=row.indent + 1)
    for m, cell in enumerate(row.cells):
        _write(cells[2 * m + 1], cell.estimate.replace("-", "−"), style, align="right")
        _write(cells[2 * m + 2], cell.interval.replace("-", "−"), style)


def _write(
    cell: Any, text: str, style: Any, *, align: str = "left", indent: int = 0, italic: bool = False
) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.style = style
    paragraph.alignment = getattr(WD_ALIGN_PARAGRAPH, align.upper())
    if indent:
        paragraph.paragraph_format.left_indent = Pt(9 * indent)
    paragraph.add_run(in_one_line(text)).italic = italic or None


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
