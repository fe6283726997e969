"""The rows as the compiled loop takes them; equal rows added up where that is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.families.fronts import Front, front
from mixedbayes.families.limited import limited, limited_rows
from mixedbayes.families.rows import RowDensity
from mixedbayes.terms.base import Term

# Adding up rows pays where it leaves at most this share of them.
_WORTH = 0.8


def compiled_of(family: Family) -> tuple[RowDensity, Front] | None:
    """A family's row density, and the link in front of it; None where nothing is compiled."""
    density = family.row_density
    before = None if density is None else front(family.link, density.scale)
    return None if density is None or before is None else (density, before)


@dataclass(frozen=True, eq=False)
class RowData:
    """What the loop reads of each row, and the rows of the design that it stands for."""

    y: Floats  # (m,)
    size: Floats  # (m,)
    extra: Floats  # (m,), or (m width,)
    constant: float  # the part of the log likelihood that depends on the data alone
    rows: Ints  # (m,) a row of the design with these columns
    density: RowDensity
    front: Front
    n_mean: int  # the first rows, those of the mean: all, unless the design is stacked


def row_data(design: Design, family: Family) -> RowData:
    """The response in the row density's terms; rows with equal columns are one where exact."""
    found = compiled_of(family)
    assert found is not None  # `density.obstacle` says so first
    density, before = found
    if design.limits is not None:
        return _limited(design, family, density, before)
    here = family.rows(design)
    rows: Ints = np.arange(design.n)
    alike = density.merges == "size"
    # Where further parameters have formulas, only rows with the same response are alike.
    same = alike or density.merges == "extra"
    apart = bool(design.further) and not (same and design.trials is None)
    if density.merges is not None and not apart:
        group, first = _equal_rows(design, [here.y[:, None]] if alike else [])
        if len(first) <= _WORTH * design.n:
            y = here.y[first] if alike else np.bincount(group, here.y, len(first))
            size, rows = np.bincount(group, here.size, len(first)), first
            here = replace(here, y=y, size=size, extra=_added(here.extra, group, first, density))
    here = family.merged(here)
    return RowData(
        here.y, here.size, here.extra, here.constant, rows, density, before, len(rows)
    )  # fmt: skip


def _added(extra: Floats, group: Ints, first: Ints, density: RowDensity) -> Floats:
    """`extra` of the rows that are left: of the first of each set, or the sum over it."""
    if density.merges != "extra":
        return extra[first]
    columns = extra.reshape(len(group), -1).T
    return np.stack([np.bincount(group, c, len(first)) for c in columns], axis=1).ravel()


def _limited(design: Design, family: Family, density: RowDensity, before: Front) -> RowData:
    """Rows of censored or truncated responses, each for itself."""
    here = limited_rows(family, design)
    within = limited(density, len(family.parameters))
    rows: Ints = np.arange(design.n)
    return RowData(
        here.y, here.size, here.extra, here.constant, rows, within, before, design.n
    )  # fmt: skip


def _of_pieces(term: Term) -> list[Floats | Ints]:
    return [part for refs, Z in term.pieces for part in (np.asarray(refs)[:, None], Z)]


def _equal_rows(design: Design, more: Sequence[Floats]) -> tuple[Ints, Ints]:
    """Code of each row's set of columns (and of `more` columns), and the first row of each set."""
    columns: list[Floats | Ints] = [*more]
    for p in design.predictors:
        columns.append(p.X)
        for g in p.groups:
            columns += _of_pieces(g) if g.dense is None else [g.dense]
        if p.offset is not None:
            columns.append(p.offset[:, None])
    table = pd.DataFrame(np.concatenate(columns, axis=1) if columns else np.zeros((design.n, 1)))
    if not table.shape[1]:
        return np.zeros(design.n, np.int64), np.zeros(1, np.int64)
    group = table.groupby(list(table.columns), sort=False).ngroup().to_numpy()
    first = np.unique(group, return_index=True)[1]
    return group, first
