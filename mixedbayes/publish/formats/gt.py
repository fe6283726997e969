"""A table of great_tables, to be styled further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mixedbayes.errors import MissingExtraError
from mixedbayes.printable import in_one_line
from mixedbayes.publish.layout import Layout, Row

if TYPE_CHECKING:
    from great_tables import GT

_INDENT = "\u2003"


def build(table: Layout) -> GT:
    """A GT of the shown texts: columns section, row, and estimate_1, interval_1, estimate_2, ...

    MissingExtraError if great_tables is not installed.
    """
    try:
        from great_tables import GT
    except ImportError as e:
        raise MissingExtraError(
            "great_table() needs great_tables: pip install mixedbayes[tables]"
        ) from e
    models = range(1, len(table.heads) + 1)
    columns = ["section", "row", *(f"{what}_{m}" for m in models for what in _WHAT)]
    rows = [
        [in_one_line(s.title), _INDENT * row.indent + in_one_line(row.label), *_cells(row, table)]
        for s in table.sections
        for row in s.rows
    ]
    out = GT(pd.DataFrame(rows, columns=columns), rowname_col="row", groupname_col="section")
    for m, head in zip(models, table.heads, strict=True):
        estimate, interval = f"estimate_{m}", f"interval_{m}"
        # GT identifies a spanner by its label, which two models may share.
        name = in_one_line(head.name)
        out = out.tab_spanner(name, columns=[estimate, interval], id=f"model_{m}")
        out = out.cols_label({estimate: head.estimate, interval: head.interval})
        out = out.cols_align("right", estimate).cols_align("left", interval)
    if table.title:
        out = out.tab_header(in_one_line(table.title))
    for note in table.notes:
        out = out.tab_source_note(in_one_line(note))
    return out


_WHAT = ("estimate", "interval")


def _cells(row: Row, table: Layout) -> list[str]:
    if not row.cells:
        return [""] * (2 * len(table.heads))
    return [text.replace("-", "−") for c in row.cells for text in (c.estimate, c.interval)]
