"""Tables for the terminal and the notebook, with numbers rounded by their uncertainty."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.io.formats.format import get_dataframe_repr_params

from mixedbayes.printable import escaped, in_one_line, printable

WIDTH = 100  # characters in the terminal
_MOST_DECIMALS = 6
_LARGE_SD = 1e7  # from here on numbers have a power of ten
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
    return tuple(_number(v, sd) for v in values)


def _number(value: float, sd: float) -> str:
    if math.isnan(value):
        return ""
    places = decimals(sd)
    if places is None:
        return f"{value:.4g}"
    if places > _MOST_DECIMALS or sd >= _LARGE_SD:
        digits = max(2, _power(value or sd) - _power(sd) + 1)
        return f"{value:.{digits}e}"
    text = f"{value:.{places}f}"
    return text[1:] if text.startswith("-") and float(text) == 0 else text


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value))) if math.isfinite(value) else 0


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


def _label(text: str, width: int) -> str:
    """The label of a row; of two names, of which a correlation is, both lose their ends."""
    first, comma, second = text.partition(", ")
    if len(text) <= width or not comma:
        return shortened(text, width)
    room = width - len(comma)
    own = min(len(first), max(room // 2, room - len(second)))
    pairs = (first, own), (second, room - own)
    return comma.join(t if len(t) <= w else f"{t[: w - 1]}…" for t, w in pairs)


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
        title = shortened(section.title, left if n == 0 else WIDTH)
        lines.append((title.ljust(left) + head if n == 0 else title).rstrip())
        filled = 0
        for row in section.rows:
            label = "  " * row.indent + _label(row.label, left - 2 * row.indent)
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


# ---- tables that show themselves ---------------------------------------------------------------


_NOTE = 100  # characters in a line of a note
_MOST = 6  # decimals of numbers that count as rounded
_LARGE = 1e15
_SEEN = 200  # rows at each end of a table, by which its columns are judged


class Table(pd.DataFrame):
    """A data frame in every way but one: printed, it has four digits and hides no column.

    In a terminal of 80 columns pandas leaves out the columns in the middle of a table of estimates,
    the estimate itself among them. Here numbers are short, and what is still too wide goes on
    below. A column of whole numbers has no decimals, and one that was rounded has those that are
    left. `attrs["note"]`, which says what the numbers are of where that is not plain, stands below
    the table. A format of your own (`pd.options.display.float_format`) has precedence. The numbers
    in the table have all their digits.
    """

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table

    def __repr__(self) -> str:
        with _look():
            if self._info_repr():
                return super().__repr__()
            text = self.to_string(**get_dataframe_repr_params(), formatters=_formats(self))
        note = self.attrs.get("note", "")
        return printable("\n".join(filter(None, (text, textwrap.fill(note, _NOTE)))))

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        with _look():
            if self._info_repr():
                return super()._repr_html_()
            most, fewest = (pd.get_option(f"display.{end}_rows") for end in ("max", "min"))
            long = most and len(self) > most
            html = self.to_html(
                max_rows=min(fewest or most, most) if long else None,
                show_dimensions=bool(long),
                notebook=True,
                formatters=_formats(self),
            )
        html, note = printable(html), self.attrs.get("note", "")
        return f"{html}<p><small>{escaped(note)}</small></p>" if note else html


def as_table(found: Any) -> Any:
    """A data frame as a Table; anything else, such as draws, as it is."""
    if not isinstance(found, pd.DataFrame):
        return found
    table = Table(found)
    table.attrs.update(found.attrs)
    return table


def tabled[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """A method whose data frames are Tables."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return as_table(method(*args, **kwargs))

    return call


def short(x: float) -> str:
    """A number in four digits, or all those before the point."""
    if not np.isfinite(x) or abs(x) < 1000:
        return f"{x:#.4g}".removesuffix(".")
    return f"{x:.0f}" if abs(x) < 1e15 else f"{x:.4g}"


def decimals_of(values: NDArray[np.float64]) -> int | None:
    """Decimals that all the numbers have at most; None where they have more than some."""
    finite = values[np.isfinite(values)]
    if not len(finite) or np.abs(finite).max() >= _LARGE:
        return None
    return next((k for k in range(_MOST + 1) if (np.round(finite, k) == finite).all()), None)


def _formats(table: pd.DataFrame) -> list[Callable[[float], str] | None] | None:
    """How each column's numbers are printed; None where pandas does it."""
    if pd.get_option("display.float_format") is not short:
        return None
    return [_format(table.iloc[:, k]) for k in range(table.shape[1])]


def _format(column: pd.Series) -> Callable[[float], str] | None:
    if column.dtype != np.float64:
        return None
    ends = column if len(column) <= 2 * _SEEN else pd.concat([column[:_SEEN], column[-_SEEN:]])
    places = decimals_of(ends.to_numpy())

    def text(x: float) -> str:
        if np.isnan(x):
            return "NaN"
        return short(x) if places is None or not np.isfinite(x) else f"{x + 0.0:.{places}f}"

    return text


def _look() -> AbstractContextManager[None]:
    own = pd.get_option("display.float_format")
    return pd.option_context(
        "display.float_format", own or short, "display.max_columns", None,
        "display.expand_frame_repr", True,
    )  # fmt: skip
