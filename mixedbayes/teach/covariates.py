"""Covariates of a simulation: drawn or laid out, by row or by level of a factor."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Ints
from mixedbayes.errors import DataError
from mixedbayes.priors.distributions import LKJ, Normal, Prior
from mixedbayes.teach.layout import within
from mixedbayes.teach.streams import stream

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
    rng = stream(seed, f"covariate {name}")
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
