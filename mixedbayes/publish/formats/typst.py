"""Typst: all text stands in string literals, where markup has no meaning."""

from __future__ import annotations

from collections.abc import Iterator

from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row


def literal(text: str) -> str:
    """A string literal."""
    said = in_one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{said}"'


def write(table: Layout) -> str:
    """A figure with a table, and notes below it."""
    n = len(table.heads)
    span = 2 * n + 1
    names = "".join(
        f", table.cell(colspan: 2, align: center, {literal(h.name)})" for h in table.heads
    )
    rules = " ".join(
        f"table.hline(start: {2 * m + 1}, end: {2 * m + 3}, stroke: 0.4pt)," for m in range(n)
    )
    heads = "".join(f", {literal(h.estimate)}, {literal(h.interval)}" for h in table.heads)
    title = f"figure.caption(position: top, {literal(table.title)})"
    caption = [f"  caption: {title},"] if table.title else []
    return "\n".join(
        [
            "#figure(",
            *caption,
            "  kind: table,",
            "  table(",
            f"    columns: {span},",
            f"    align: (left{', right, left' * n}),",
            "    stroke: none,",
            "    table.hline(stroke: 1pt),",
            f"    table.header([]{names},",
            f"      {rules}",
            f"      []{heads}),",
            *(f"    {line}" for line in _sections(table, span)),
            "    table.hline(stroke: 1pt),",
            "  ),",
            ")",
            *(f"#par(text(size: 0.85em, {literal(note)}))" for note in table.notes),
            "",
        ]
    )


def _sections(table: Layout, span: int) -> Iterator[str]:
    for section in table.sections:
        yield "table.hline(stroke: 0.6pt),"
        yield f"table.cell(colspan: {span}, emph({literal(section.title)})),"
        for row in section.rows:
            yield _row(row, span)


def _row(row: Row, span: int) -> str:
    label = f"h({row.indent + 1}em) + {literal(row.label)}"
    if not row.cells:
        return f"table.cell(colspan: {span}, {label}),"
    cells = (
        literal(text.replace("-", "−")) for c in row.cells for text in (c.estimate, c.interval)
    )
    return f"{', '.join([label, *cells])},"
