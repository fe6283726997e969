"""Rows that count several times, written out as rows of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from mixedbayes.checks.leave_out import take
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family


def written_out(design: Design, family: Family, most: int) -> Design:
    """The design with each row as often as its weight says, where weights repeat rows.

    A replicate of a row of weight 400 is one response, and 400 of the rows written out: only these
    vary as the data do. Of more than `most` rows as many are taken, evenly spread; a weight that is
    no whole number is rounded, up or down by its share.
    """
    repeats = None if design.weights is None else design.repeats
    rows = spread(np.ones(design.n) if repeats is None else repeats, most)
    if repeats is None:
        return design if len(rows) == design.n else take(design, rows)
    out = replace(take(design, rows), weights=None, index=pd.RangeIndex(len(rows)))
    return family.counted(out)


def spread(counts: Floats, most: int) -> Ints:
    """Positions of rows, the i-th `counts[i]` times; at most `most`, evenly spread over them."""
    ends = np.cumsum(counts)
    m = min(max(int(np.round(ends[-1])), len(counts)), most)
    at = (np.arange(m) + 0.5) * (ends[-1] / m)
    return np.minimum(np.searchsorted(ends, at, side="right"), len(counts) - 1)
