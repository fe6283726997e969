"""Grouping factors as integer codes over the levels, or combinations of levels, that occur."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from mixedbayes.design.table import Table
from mixedbayes.design.types import Ints
from mixedbayes.design.values import Codes, encode, label, labels, lookup
from mixedbayes.errors import DataError


@dataclass(frozen=True, eq=False)
class Grouping:
    """A grouping factor as fitted: enough to find new rows' levels.

    Combinations are built one factor at a time: step k codes (combination so far, level of factor
    k) as `so far * levels + level`, and keeps the sorted codes that occur.
    """

    factors: tuple[str, ...]
    own: tuple[pd.Index, ...]  # levels of each factor by itself
    keys: tuple[Ints, ...]  # codes that occur, after the second factor, the third, ...
    levels: pd.Index  # (J,)
    parts: pd.DataFrame  # (J, len(factors))


def group(table: Table, factors: tuple[str, ...]) -> tuple[Grouping, Codes]:
    """Levels of a grouping factor in the data, and the code of each row: (n,).

    Levels keep labels and dtype; their order is that of the categories, otherwise sorted.
    Combinations are ordered by their factors in turn and labelled "A:a".
    """
    coded = [encode(table.columns[name], name) for name in factors]
    own = tuple(levels for _, levels in coded)
    refs, keys = coded[0][0], []
    for codes, levels in coded[1:]:
        wide = refs.astype(np.int64) * len(levels) + codes
        found, occur = pd.factorize(wide, sort=True)
        refs = found.astype(np.int32)
        keys.append(occur)
    positions = _positions(own, keys)
    parts = pd.DataFrame(
        {name: levels.take(p) for name, levels, p in zip(factors, own, positions, strict=True)}
    )
    levels = own[0] if len(factors) == 1 else _combined(parts)
    if len(factors) > 1 and not levels.is_unique:
        twice = levels[levels.duplicated()][0]
        raise DataError(
            f"{':'.join(factors)}: two combinations of levels are both written {twice!r}; "
            "take the `:` out of the labels"
        )
    return Grouping(factors, own, tuple(keys), levels, parts), refs


def find(grouping: Grouping, table: Table) -> tuple[Codes, pd.Index, pd.DataFrame]:
    """Codes of new rows' levels, -1 where not seen; their labels; each factor's labels."""
    columns = [table.columns[name] for name in grouping.factors]
    coded = [
        lookup(column, levels, name)
        for column, levels, name in zip(columns, grouping.own, grouping.factors, strict=True)
    ]
    refs = coded[0].astype(np.int64)
    for codes, levels, keys in zip(coded[1:], grouping.own[1:], grouping.keys, strict=True):
        wide = refs * len(levels) + codes
        at = np.minimum(np.searchsorted(keys, wide), len(keys) - 1)
        seen = (refs >= 0) & (codes >= 0) & (keys[at] == wide)
        refs = np.where(seen, at, -1)
    parts = pd.DataFrame(
        {name: labels(c).array for name, c in zip(grouping.factors, columns, strict=True)}
    )
    own = pd.Index(parts.iloc[:, 0]) if len(columns) == 1 else _combined(parts)
    return refs.astype(np.int32), own, parts


def _positions(own: tuple[pd.Index, ...], keys: list[Ints]) -> list[Ints]:
    """Position of each combination's levels within every factor's own levels, (J,) each."""
    if not keys:
        return [np.arange(len(own[0]))]
    positions: list[Ints] = []
    so_far: Ints = np.arange(len(keys[-1]))
    for levels, occur in zip(reversed(own[1:]), reversed(keys), strict=True):
        code = occur[so_far]
        positions.append(code % len(levels))
        so_far = code // len(levels)
    return [so_far, *reversed(positions)]


def _combined(parts: pd.DataFrame) -> pd.Index:
    """Labels of combinations, "A:a"; each factor's distinct labels are written once."""
    names = []
    for name in parts.columns:
        codes, distinct = pd.factorize(parts[name])
        names.append(np.array([label(level) for level in distinct], dtype=object)[codes])
    return pd.Index(reduce(lambda left, right: left + ":" + right, names))
