"""For the terminal: models that do not fit beside one another stand below one another."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row
from mixedbayes.results.text import WIDTH, aligned, shortened

_GAP = 2
_LONGEST = 44  # letters of a label


def write(table: Layout) -> str:
    """The table in letters of one width, at most 100 in a line where a model fits into that."""
    rows = [row for section in table.sections for row in section.rows]
    left = max((len(shortened(_label(row), _LONGEST)) for row in rows), default=0)
    columns = [_model(table, rows, m) for m in range(len(table.heads))]
    parts = [_block(table, left, block) for block in _blocks(columns, WIDTH - left)]
    notes = [textwrap.fill(in_one_line(note), WIDTH) for note in table.notes]
    title = [in_one_line(table.title)] if table.title else []
    return "\n\n".join([*title, *parts, "\n".join(notes)])


def _label(row: Row) -> str:
    return "  " * (row.indent + 1) + in_one_line(row.label)


def _model(table: Layout, rows: list[Row], m: int) -> list[str]:
    """A model's lines: its name, its heads, and a cell for every row; headings are empty."""
    head = table.heads[m]
    cells = [row.cells[m] if row.cells else None for row in rows]
    estimates = aligned(["" if c is None else c.estimate for c in cells])
    intervals = ["" if c is None else c.interval for c in cells]
    wide = max(len(head.estimate), *(len(e) for e in estimates), 0)
    far = max(len(head.interval), *(len(i) for i in intervals), 0)
    width = wide + _GAP + far
    name = shortened(in_one_line(head.name), width)
    lines = [name.center(width), f"{head.estimate:>{wide}}{' ' * _GAP}{head.interval:<{far}}"]
    body = zip(estimates, intervals, strict=True)
    return lines + [f"{e:>{wide}}{' ' * _GAP}{i:<{far}}" for e, i in body]


def _blocks(columns: list[list[str]], room: int) -> Iterator[list[list[str]]]:
    """Models that stand beside one another."""
    block: list[list[str]] = []
    used = 0
    for column in columns:
        width = len(column[0]) + 2 * _GAP
        if block and used + width > room:
            yield block
            block, used = [], 0
        block.append(column)
        used += width
    yield block


def _block(table: Layout, left: int, columns: list[list[str]]) -> str:
    gap = " " * (2 * _GAP)

    def line(label: str, at: int | None) -> str:
        cells = "" if at is None else "".join(gap + column[at] for column in columns)
        return (label.ljust(left) + cells).rstrip()

    lines, at = [line("", 0), line("", 1)], 2
    for section in table.sections:
        lines.append(textwrap.fill(in_one_line(section.title), WIDTH, subsequent_indent="  "))
        for row in section.rows:
            lines.append(line(shortened(_label(row), _LONGEST), at if row.cells else None))
            at += 1
        lines.append("")
    return "\n".join(lines[:-1])
