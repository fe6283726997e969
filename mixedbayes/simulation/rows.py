"""Which rows a simulation has: levels crossed or nested, and how many rows each holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Ints
from mixedbayes.distributions import LKJ, Normal, Prior
from mixedbayes.errors import DataError
from mixedbayes.predict.streams import named_stream

# A number for all, one for each, or a range from which each is drawn, all values equally likely.
type Count = int | Sequence[int] | range


def layout(groups: Mapping[str, Count], per_group: Count, rng: np.random.Generator) -> pd.DataFrame:
    """Rows with their levels, one categorical column for each factor: labels "1", "2", ...

    Parameters
    ----------
    groups
        Numbers of levels, in order. ``{"a": 3, "b": 4}`` crosses: every level of b in every level
        of a. ``{"a": 3, "a/b": 4}`` nests: 4 levels of b in each level of a, which are labelled
        anew in each. Nesting may be uneven: a number for each level of a, or a range.
    per_group
        Number of rows of each cell, a cell being a combination of levels that occurs.
    rng
        Draws the numbers that are given as ranges.
    """
    cells = pd.DataFrame(index=pd.RangeIndex(1))
    for key, count in groups.items():
        *parents, factor = _path(key)
        if factor in cells.columns:
            raise DataError(f"groups: {factor!r} is given twice, the second time as {key!r}")
        if unknown := [p for p in parents if p not in cells.columns]:
            raise DataError(
                f"groups: {key!r} is nested in {unknown[0]!r}, which must be given before it"
            )
        where = f"groups[{key!r}]"
        if parents:
            cells = _nested(cells, parents, factor, count, where, rng)
        else:
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise DataError(f"{where} must be a number of levels from 1, got {count!r}")
            cells = cells.join(_labels(factor, np.arange(count)), how="cross")
    rows = counts(per_group, len(cells), "per_group", rng, least=0)
    if rows.sum() == 0:
        raise DataError(f"per_group={per_group!r} leaves no rows in any of {len(cells)} cells")
    return cells.loc[cells.index.repeat(rows)].reset_index(drop=True)


def _path(key: object) -> list[str]:
    parts = key.split("/") if isinstance(key, str) else []
    if not parts or not all(part.strip() for part in parts):
        raise DataError(f"groups: {key!r} is not a name such as 'school' or 'school/class'")
    return [part.strip() for part in parts]


def _nested(
    cells: pd.DataFrame,
    parents: list[str],
    factor: str,
    count: Count,
    where: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    outer = cells.groupby(parents, observed=True, sort=False).ngroup().to_numpy()
    numbers = counts(count, outer.max() + 1, where, rng, least=1)[outer]
    within = np.concatenate([np.arange(k) for k in numbers])
    grown = cells.loc[cells.index.repeat(numbers)].reset_index(drop=True)
    return grown.join(_labels(factor, within))


def _labels(factor: str, codes: Ints) -> pd.DataFrame:
    categories = [str(k + 1) for k in range(codes.max() + 1)]
    return pd.DataFrame({factor: pd.Categorical.from_codes(codes, categories)})


def counts(count: Count, places: int, where: str, rng: np.random.Generator, *, least: int) -> Ints:
    """(places,) whole numbers from `least`: the same for all, as listed, or drawn from a range."""
    if isinstance(count, range):
        values = np.asarray(count, dtype=np.int64)
        drawn = rng.choice(values, places) if len(values) else values
    elif isinstance(count, int | np.integer) and not isinstance(count, bool):
        drawn = np.full(places, count, dtype=np.int64)
    else:
        drawn = np.asarray(count)
    if drawn.shape != (places,) or drawn.dtype.kind not in "iu" or (drawn < least).any():
        raise DataError(
            f"{where} must be a whole number from {least}, a list of {places} such numbers, or a "
            f"range to draw them from, got {count!r}"
        )
    return drawn.astype(np.int64)


def within(frame: pd.DataFrame, factors: Sequence[str]) -> tuple[Ints, Ints]:
    """Codes (n,) of the combinations of factors that occur, and the running row within each."""
    if not factors:
        return np.zeros(len(frame), np.int64), np.arange(len(frame))
    grouped = frame.groupby(list(factors), observed=True, sort=False)
    return grouped.ngroup().to_numpy(), grouped.cumcount().to_numpy()


type Column = Prior | Sequence[Any]
type Covariate = Column | Mapping[str, Column]


def covariates(
    frame: pd.DataFrame,
    names: Iterable[str],
    given: Mapping[str, Covariate],
    undrawn: Iterable[str],
    seed: int,
) -> pd.DataFrame:
    """The frame with a column for each name.

    Parameters
    ----------
    frame
        Rows with the columns of the grouping factors, all of them categorical.
    names
        Covariates that the formula reads.
    given
        How they come about. A distribution draws a value for each row; a list or range is laid
        out over the rows of each cell in turn. ``{"school": ...}`` does the same over the levels
        of a factor, or over the combinations ``"school/class"``, for a covariate of theirs.
        What is not given is standard normal by row.
    undrawn
        Names that must be given, because a standard normal makes no sense of them.
    seed
        Each covariate has a stream of its own.
    """
    names, factors = list(dict.fromkeys(names)), list(frame.columns)
    if unknown := [name for name in given if name not in names]:
        near = difflib.get_close_matches(str(unknown[0]), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"covariates: {unknown[0]!r} is not in the formula, which reads "
            f"{', '.join(names) or 'no covariates'}.{hint}"
        )
    if lacking := [name for name in undrawn if name not in given]:
        raise DataError(
            f"{lacking[0]!r} counts, weighs or offsets rows and cannot be drawn by default: say "
            f"what it is, for example covariates={{{lacking[0]!r}: range(1, 11)}}"
        )
    columns = {name: _column(frame, factors, name, given.get(name), seed) for name in names}
    return frame.assign(**columns)


def _column(
    frame: pd.DataFrame, factors: list[str], name: str, how: Covariate | None, seed: int
) -> Any:
    rng = named_stream(seed, f"covariate {name}")
    if how is None:
        return rng.standard_normal(len(frame))
    if not isinstance(how, Mapping):
        _, row = within(frame, factors)
        return _values(how, row, len(frame), np.arange(len(frame)), name, rng)
    if len(how) != 1:
        raise DataError(
            f"covariates: {name!r} belongs to one factor, got {', '.join(how) or 'none'}"
        )
    ((place, column),) = how.items()
    over = [part.strip() for part in str(place).replace(":", "/").split("/")]
    if unknown := [f for f in over if f not in factors]:
        raise DataError(
            f"covariates: {name!r} is to belong to {unknown[0]!r}, which is no grouping factor; "
            f"there are {', '.join(factors) or 'none'}"
        )
    level, _ = within(frame, over)
    return _values(column, level, int(level.max()) + 1, level, name, rng)


def _values(
    how: Column, turn: Ints, size: int, place: Ints, name: str, rng: np.random.Generator
) -> Any:
    """Values of the rows: `size` draws taken at `place`, or listed values at their `turn`."""
    if isinstance(how, Prior) and not isinstance(how, LKJ) and how.proper:
        return how.frozen().rvs(size=size, random_state=rng)[place]
    listed = None if isinstance(how, Prior | str) else pd.Series(list(how))
    if listed is None or listed.empty or listed.isna().any():
        raise DataError(
            f"covariates: {name!r} must be a distribution such as {Normal()}, or a list of values "
            f"without missing ones, got {how!r}"
        )
    laid_out = listed.take(turn % len(listed)).array
    is_text = not pd.api.types.is_numeric_dtype(listed.dtype)
    return pd.Categorical(laid_out, categories=list(dict.fromkeys(listed))) if is_text else laid_out
