"""HTML: a table that stands by itself in a notebook, and as a page."""

from __future__ import annotations

from collections.abc import Iterator

from mixedbayes.printable import escaped, in_one_line
from mixedbayes.publish.layout import Cell, Layout, Row

_STYLE = """
table.mixedbayes { border-collapse: collapse; font-variant-numeric: tabular-nums;
  border-top: 2px solid; border-bottom: 2px solid; }
table.mixedbayes caption { text-align: left; padding-bottom: .5em; }
table.mixedbayes th, table.mixedbayes td { padding: .15em .6em; border: 0; background: none; }
table.mixedbayes td:nth-child(even), table.mixedbayes thead th:nth-child(even) {
  text-align: right; }
table.mixedbayes td:nth-child(odd), table.mixedbayes tbody th { text-align: left; }
table.mixedbayes td, table.mixedbayes thead th { white-space: nowrap; }
table.mixedbayes tbody th { font-weight: normal; min-width: 11em; }
table.mixedbayes thead tr.models th { text-align: center; }
table.mixedbayes thead tr.models th + th { border-bottom: 1px solid; }
table.mixedbayes thead tr.heads th { font-weight: normal; }
table.mixedbayes thead tr.heads th:nth-child(odd) { text-align: left; }
table.mixedbayes tbody { border-top: 1px solid; }
table.mixedbayes tbody tr.section th { font-weight: bold; padding-top: .4em; }
div.mixedbayes-notes p { font-size: smaller; margin: .3em 0; max-width: 50em; }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: serif; margin: 2em; max-width: 60em; }}</style></head>
<body>
{table}
</body></html>
"""


def write(table: Layout) -> str:
    """The table as an element with a style of its own."""
    span = 2 * len(table.heads) + 1
    models = "".join(f'<th colspan="2" scope="colgroup">{_said(h.name)}</th>' for h in table.heads)
    heads = "".join(
        f'<th scope="col">{escaped(h.estimate)}</th><th scope="col">{escaped(h.interval)}</th>'
        for h in table.heads
    )
    caption = [f"<caption>{_said(table.title)}</caption>"] if table.title else []
    notes = "\n".join(f"<p>{_said(note)}</p>" for note in table.notes)
    return "\n".join(
        [
            f'<div><style>{_STYLE}</style><table class="mixedbayes">',
            *caption,
            f'<thead><tr class="models"><th></th>{models}</tr>',
            f'<tr class="heads"><th></th>{heads}</tr></thead>',
            *_bodies(table, span),
            f'</table>\n<div class="mixedbayes-notes">{notes}</div></div>',
        ]
    )


def page(table: Layout) -> str:
    """A whole page."""
    return _PAGE.format(title=_said(table.title or "Table"), table=write(table))


def _said(text: str) -> str:
    return escaped(in_one_line(text))


def _bodies(table: Layout, span: int) -> Iterator[str]:
    for section in table.sections:
        title = f'<tr class="section"><th colspan="{span}">{_said(section.title)}</th></tr>'
        rows = "\n".join(_row(row, span) for row in section.rows)
        yield f"<tbody>{title}\n{rows}</tbody>"


def _row(row: Row, span: int) -> str:
    style = f' style="padding-left: {1.2 * (row.indent + 1):.1f}em"'
    if not row.cells:
        return f'<tr><th colspan="{span}"{style}>{_said(row.label)}</th></tr>'
    cells = "".join(map(_cell, row.cells))
    return f'<tr><th scope="row"{style}>{_said(row.label)}</th>{cells}</tr>'


def _cell(cell: Cell) -> str:
    both = (escaped(text.replace("-", "−")) for text in (cell.estimate, cell.interval))
    return "".join(f"<td>{text}</td>" for text in both)
