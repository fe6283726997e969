"""Data that are read in batches, as a table of the rows that stand for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mixedbayes.batches.passes import CELLS, collapse
from mixedbayes.design import table, used_columns
from mixedbayes.design.functions import registry
from mixedbayes.design.table import Table
from mixedbayes.design.types import Design
from mixedbayes.engines.base import Chosen
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.formula import Formula
from mixedbayes.sources import is_source
from mixedbayes.sources import open as opened


def read(
    data: Any,
    formula: Formula,
    family: Family,
    functions: Mapping[str, Callable[..., Any]] | None,
    missing: str,
    cells: int | None,
) -> Table:
    """The used columns of a data frame; of a source the rows that stand for its rows.

    Raises
    ------
    ModelError
        The model needs all rows of a source at once.
    DataError
        Whatever is wrong with the data.
    """
    if not is_source(data):
        return table(data, used_columns(formula).columns)
    if not family.closed_form and not family.repeats_rows:
        raise ModelError(
            f"weights of the {family.name} family divide its variance, so that equal rows do not "
            "become one row with their number, and the data are read in batches; read the columns "
            f"{', '.join(used_columns(formula).columns)} into a data frame"
        )
    return collapse(
        formula, opened(data), functions=registry(functions), own=functions or {},
        sums=family.closed_form, cells=CELLS if cells is None else cells, missing=missing,
    )  # fmt: skip


def check_read(design: Design, chosen: Chosen) -> None:
    """ModelError where an engine would look at single rows, of which there are sums only."""
    standing = design.standing
    if standing is None or not standing.moments:
        return
    related = next((g.entangled for g in design.mu.groups if g.entangled), "")
    if chosen.engine.sums and not related:
        return
    why = related or chosen.reason
    raise ModelError(
        standing.refusal(f"{chosen} ({why})", design.whole.columns)
        + "; or use formulation='auto', with normal effects and normal priors of them"
    )
