"""Markdown: a pipe table, as GitHub and Pandoc read it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row

_PUNCTUATION = re.compile(r"[\\`*_{}\[\]<>|~$#&^]")
_INDENT = "\u2003"  # blanks at a cell's start are dropped


def escape(text: str) -> str:
    """Text in which no character is markup."""
    return _PUNCTUATION.sub(lambda found: f"\\{found[0]}", in_one_line(text))


def write(table: Layout) -> str:
    """The table, its title above and its notes below it."""
    heads = (text for h in table.heads for text in (h.name, h.interval))
    lines = [
        _line(["", *map(escape, heads)]),
        "|:---|" + "---:|:---|" * len(table.heads),
        *_rows(table),
    ]
    title = [f"{escape(table.title)}\n"] if table.title else []
    return "\n".join([*title, *lines, "", "\n\n".join(map(escape, table.notes)), ""])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(table: Layout) -> Iterator[str]:
    for section in table.sections:
        yield _line([f"**{escape(section.title)}**", *[""] * (2 * len(table.heads))])
        for row in section.rows:
            yield _line([_INDENT * (row.indent + 1) + escape(row.label), *_cells(row, table)])


def _cells(row: Row, table: Layout) -> list[str]:
    if not row.cells:
        return [""] * (2 * len(table.heads))
    return [text.replace("-", "−") for c in row.cells for text in (c.estimate, c.interval)]
