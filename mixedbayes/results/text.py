"""Tables for the terminal and the notebook, with numbers rounded by their uncertainty."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from mixedbayes.printable import escaped, in_one_line, printable

WIDTH = 100  # characters in the terminal
_MOST_DECIMALS = 6
_GAP = 2


@dataclass(frozen=True)
class Row:
    """A label and its cells; a heading has none."""

    label: str
    cells: tuple[str, ...] = ()
    indent: int = 1


@dataclass(frozen=True)
class Section:
    """Rows under a title."""

    title: str
    rows: tuple[Row, ...]


def decimals(sd: float) -> int | None:
    """Decimals at which an sd has two significant digits; None where it has no digits to go by."""
    if not math.isfinite(sd) or sd <= 0:
        return None
    return max(0, 1 - math.floor(math.log10(sd)))


def rounded(values: Sequence[float], sd: float) -> tuple[str, ...]:
    """Numbers that share an uncertainty, all with the decimals it deserves."""
    places = decimals(sd)
    return tuple(_number(v, places) for v in values)


def _number(value: float, places: int | None) -> str:
    if math.isnan(value):
        return ""
    if places is None:
        return f"{value:.4g}"
    if places > _MOST_DECIMALS:
        return f"{value:.2e}"
    text = f"{value:.{places}f}"
    return text[1:] if text.startswith("-") and float(text) == 0 else text


def count(value: float) -> str:
    """A number of draws."""
    return "" if math.isnan(value) else f"{value:,.0f}"


def aligned(cells: Sequence[str]) -> list[str]:
    """Cells of one column, padded so that decimal points stand below one another."""
    after = [len(c) - c.index(".") if "." in c else 0 for c in cells]
    most = max(after, default=0)
    padded = [c + " " * (most - a) if c else "" for c, a in zip(cells, after, strict=True)]
    width = max(map(len, padded), default=0)
    return [c.rjust(width) for c in padded]


def shortened(text: str, width: int) -> str:
    """At most `width` characters, the middle left out."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def text_table(header: Sequence[str], sections: Sequence[Section]) -> str:
    """Sections one below the other, in columns that are shared, at most WIDTH wide."""
    sections = [_one_line(s) for s in sections]
    columns = [_columns(s, len(header)) for s in sections]
    widths = [
        max(len(name), *(len(column[i][0]) if column[i] else 0 for column in columns))
        for i, name in enumerate(header)
    ]
    room = WIDTH - sum(w + _GAP for w in widths)
    longest = max(2 * r.indent + len(r.label) for s in sections for r in s.rows)
    left = min(max(longest, *(len(s.title) for s in sections)), room)
    head = "".join(name.rjust(w + _GAP) for name, w in zip(header, widths, strict=True))
    lines = []
    for n, (section, column) in enumerate(zip(sections, columns, strict=True)):
        title = shortened(section.title, left)
        lines.append((title.ljust(left) + head if n == 0 else title).rstrip())
        filled = 0
        for row in section.rows:
            label = "  " * row.indent + shortened(row.label, left - 2 * row.indent)
            if not row.cells:
                lines.append(label)
                continue
            cells = "".join(column[i][filled].rjust(w + _GAP) for i, w in enumerate(widths))
            lines.append((label.ljust(left) + cells).rstrip())
            filled += 1
        lines.append("")
    return "\n".join(lines[:-1])


def _one_line(section: Section) -> Section:
    rows = (
        Row(in_one_line(r.label), tuple(map(in_one_line, r.cells)), r.indent) for r in section.rows
    )
    return Section(in_one_line(section.title), tuple(rows))


def _columns(section: Section, n: int) -> list[list[str]]:
    rows = [r.cells for r in section.rows if r.cells]
    return [aligned([cells[i] for cells in rows]) for i in range(n)]


def html_table(header: Sequence[str], sections: Sequence[Section]) -> str:
    """The same table in HTML."""
    head = "".join(f"<th>{escaped(name)}</th>" for name in header)
    parts = ['<table style="font-variant-numeric: tabular-nums">', f"<tr><th></th>{head}</tr>"]
    for section in sections:
        span = len(header) + 1
        parts.append(
            f'<tr><th colspan="{span}" style="text-align: left">{escaped(section.title)}</th></tr>'
        )
        for row in section.rows:
            style = f"text-align: left; padding-left: {row.indent}em"
            cells = "".join(f'<td style="text-align: right">{escaped(c)}</td>' for c in row.cells)
            parts.append(f'<tr><td style="{style}">{escaped(row.label)}</td>{cells}</tr>')
    return "".join([*parts, "</table>"])


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def text_facts(facts: Sequence[tuple[str, str]]) -> str:
    """Names and what is said about them; long texts run on below themselves."""
    facts = [(in_one_line(name), printable(said)) for name, said in facts]
    left = max(len(name) for name, _ in facts) + _GAP
    return "\n".join(
        textwrap.fill(
            said,
            WIDTH,
            initial_indent=name.ljust(left),
            subsequent_indent=" " * left,
            break_on_hyphens=False,
        )
        for name, said in facts
    )


def text_columns(rows: Sequence[Sequence[str]], most: int = 34) -> str:
    """Columns of words, each at most `most` wide; the last runs on below itself."""
    rows = [[in_one_line(cell) for cell in row] for row in rows]
    *first, _ = zip(*rows, strict=True)
    widths = [min(max(map(len, column)), most) for column in first]
    lines = []
    for *cells, last in rows:
        start = "".join(shortened(c, w).ljust(w + _GAP) for c, w in zip(cells, widths, strict=True))
        said = textwrap.fill(
            last or " ", WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
        )
        lines.append((said if last else start).rstrip())
    return "\n".join(lines)


def html_columns(rows: Sequence[Sequence[str]]) -> str:
    """The same columns in HTML, the first row as heads."""
    head, *body = rows
    parts = ["<table><tr>", *(f"<th>{escaped(c)}</th>" for c in head), "</tr>"]
    for row in body:
        cells = "".join(f'<td style="text-align: left">{escaped(c)}</td>' for c in row)
        parts.append(f"<tr>{cells}</tr>")
    return "".join([*parts, "</table>"])


def html_facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td style="text-align: left">{escaped(name)}</td>'
        f'<td style="text-align: left">{escaped(said)}</td></tr>'
        for name, said in facts
    )
    return f"<table>{rows}</table>"
