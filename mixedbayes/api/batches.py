"""Data that are read in batches, as a table of the rows that stand for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.batches.passes import CELLS, collapse
from mixedbayes.design import table, used_columns
from mixedbayes.design.functions import registry
from mixedbayes.design.table import Table
from mixedbayes.design.types import Design
from mixedbayes.engines.base import Chosen
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.formula import Formula
from mixedbayes.printable import printable
from mixedbayes.results.standing import ROWS
from mixedbayes.sources import Source, is_source
from mixedbayes.sources import open as opened
from mixedbayes.sources.base import SIZE


@dataclass(frozen=True)
class Batchwise:
    """Data that a model reads in batches, and how; see `source`."""

    of: Source
    cells: int
    size: int | None
    on: Any
    progress: bool

    def __repr__(self) -> str:
        return printable(f"Source of {self.of.describe()}: {', '.join(self.of.names)}")


def source(
    data: Any,
    *,
    cells: int = CELLS,
    size: int | None = None,
    on: Any = None,
    progress: bool = True,
) -> Batchwise:
    """Data that are read in batches, for `Model` and `fit`, which take such data without it, too.

    Of a gaussian model with identity link the rows of each cell are added up, a cell being a
    combination of levels of grouping factors and categories that occurs; numbers in the formula
    cost no memory but the products of their columns in each cell. Of three and more crossed
    factors, where combinations of all may be many, there are cells of each factor and of each two.
    Of models of other families equal rows become one with their number, as `weights()` says it. The
    sums do not depend on batches, on the order of rows or files, or on how many processes read
    them.

    Parameters
    ----------
    data
        A path, a list of paths, a folder or a glob of Parquet, CSV or Arrow files; a
        `pyarrow.dataset`, a DuckDB relation or (connection, query), a Polars LazyFrame, an Ibis
        table, a Dask DataFrame; a data frame in memory.
    cells
        The most cells of one kind, or distinct rows, that are kept, 2 million by default; a model
        of data with more raises DataError. A cell of two factors with intercepts takes some 250
        bytes in all, one with several numbers as many times more as these have products.
    size
        Rows of a batch; by default some hundred thousand.
    on
        Where batches are read: None, in threads of this process; an executor of
        `concurrent.futures`; a `dask.distributed.Client`.
    progress
        Whether to show how many rows have been read.

    Returns
    -------
    What stands for the data in ``mb.Model`` and ``mb.fit``; no row is read before.

    Raises
    ------
    DataError
        The data cannot be opened, or cells or size are not positive.

    See Also
    --------
    fit : Takes such data without it, too.
    load_data : Small data that are shipped.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.source(mb.load_data("sleepstudy"))
    >>> sleep
    Source of a table of 180 rows x 3 columns: Reaction, Days, Subject
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.fixef()[["term", "mean", "sd"]]
            term  mean    sd
    0  Intercept 251.4 8.234
    1       Days 10.42 1.624
    """
    for name, given in (("cells", cells), ("size", SIZE if size is None else size)):
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise DataError(f"{name}={given!r} is not a whole number from 1")
    return Batchwise(opened(data), cells, size, on, progress)


def quiet(data: Any) -> Any:
    """The same data, whose rows are read without a display of their own where in batches."""
    return source(data, progress=False) if is_source(data) else data


def read(
    data: Any,
    formula: Formula,
    family: Family,
    functions: Mapping[str, Callable[..., Any]] | None,
    missing: str,
) -> Table:
    """The used columns of a data frame; of a source the rows that stand for its rows.

    Raises
    ------
    ModelError
        The model needs all rows of a source at once.
    DataError
        Whatever is wrong with the data.
    """
    if not isinstance(data, Batchwise):
        if isinstance(data, Table) or not is_source(data):
            return table(data, used_columns(formula).columns)
        data = source(data)
    if not family.closed_form and not family.repeats_rows:
        raise ModelError(
            f"weights of the {family.name} family divide its variance, so that equal rows do not "
            "become one row with their number, and the data are read in batches; read the columns "
            f"{', '.join(used_columns(formula).columns)} into a data frame"
        )
    return collapse(
        formula, data.of, functions=registry(functions), own=functions or {},
        sums=family.closed_form, cells=data.cells, size=data.size, on=data.on,
        progress=data.progress, missing=missing,
    )  # fmt: skip


def rows_of(model: Any) -> pd.DataFrame:
    """All rows of the data, in the columns that the formula uses.

    Of data that were read in batches the distinct rows, with their number in a column "(rows)";
    ModelError where only sums of rows are left.
    """
    design: Design = model.design
    standing = design.standing
    if standing is None:
        return design.whole
    design.need_rows("model.data")
    return design.whole.assign(**{ROWS: standing.counts.astype(np.int64)})


def check_in_memory(data: Any, what: str) -> None:
    """DataError of a path or of `source`, where something takes a data frame."""
    if isinstance(data, Batchwise | str | PathLike):
        of = data.of if isinstance(data, Batchwise) else opened(data)
        raise DataError(
            f"{what} takes rows of a data frame in memory, and the data, {of.describe()}, are read "
            "in batches; read the columns that are needed into a data frame, or make a file of "
            "each unit and call fit() for it"
        )


@contextmanager
def of_the_data(table: Table) -> Iterator[None]:
    """Messages about rows say of which rows they are where these are not those of the data."""
    try:
        yield
    except DataError as error:
        said = str(error) if table.standing is None else table.standing.of_the_data(str(error))
        if said == str(error):
            raise
        raise type(error)(said) from error


def check_read(design: Design, chosen: Chosen) -> None:
    """ModelError where an engine would look at single rows, of which there are sums only."""
    standing = design.standing
    if standing is None or not standing.moments:
        return
    related = next((g.entangled for g in design.mu.groups if g.entangled), "")
    if chosen.engine.sums and not related:
        return
    why = related or chosen.reason
    remedy = (
        "give levels effects that are unrelated"
        if related
        else ("use formulation='auto', with normal effects and normal priors of them")
    )
    said = standing.refusal(f"{chosen} ({why})", design.whole.columns)
    raise ModelError(f"{said}; or {remedy}")
