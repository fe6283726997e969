"""From draws to the columns that all tables share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.sample.health import health

_BLOCK = 2**22  # numbers handled at a time, to bound memory


def check_prob(prob: float) -> float:
    """The interval's probability, or ModelError if it is not between 0 and 1."""
    if isinstance(prob, bool) or not isinstance(prob, int | float) or not 0 < prob < 1:
        raise ModelError(f"prob={prob!r} is not a probability between 0 and 1; 0.95 is the default")
    return float(prob)


def tails(prob: float) -> tuple[float, float]:
    """Probabilities below the two ends of the equal-tailed interval: 0.025 and 0.975."""
    check_prob(prob)
    return (1 - prob) / 2, (1 + prob) / 2


def describe(draws: Floats, prob: float = 0.95) -> dict[str, Floats]:
    """Mean, sd, equal-tailed interval, bulk ESS and R-hat of every quantity.

    Parameters
    ----------
    draws
        (C, D, ...): chains, draws per chain, then any dimensions, K quantities in all.
    prob
        Probability of the interval.

    Returns
    -------
    Columns mean, sd, lower, upper, ess_bulk, rhat, each (K,), the last dimension fastest.
    """
    chains, n = draws.shape[:2]
    k = int(np.prod(draws.shape[2:]))
    x = np.moveaxis(draws.reshape(chains, n, k), 2, 0)  # (K, C, D)
    ess, rhat = health(x)
    return describe_plain(x.reshape(k, chains * n), prob) | {"ess_bulk": ess, "rhat": rhat}


def describe_plain(draws: Floats, prob: float) -> dict[str, Floats]:
    """Mean, sd and equal-tailed interval over the last axis of (K, S) draws.

    The sd of a single draw is NaN.
    """
    low, high = tails(prob)
    k, s = draws.shape
    lower, upper = np.empty(k), np.empty(k)
    step = max(1, _BLOCK // s)
    for start in range(0, k, step):
        part = slice(start, start + step)
        lower[part], upper[part] = np.quantile(draws[part], [low, high], axis=1)
    sd = draws.std(axis=1, ddof=1) if s > 1 else np.full(k, np.nan)
    return {"mean": draws.mean(axis=1), "sd": sd, "lower": lower, "upper": upper}


def chained(draws: Floats, chains: int) -> Floats:
    """(S, ...) draws, chains one after the other, as (C, D, ...)."""
    return draws.reshape(chains, len(draws) // chains, *draws.shape[1:])


def labelled(
    draws: Floats, chains: int, dims: Sequence[str], coords: dict[str, Any], name: str
) -> xr.DataArray:
    """(S, ...) draws as a DataArray with dimensions chain, draw and `dims`."""
    values = chained(draws, chains)
    sampled = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(values.shape[1])}
    return xr.DataArray(
        values, dims=(names.CHAIN, names.DRAW, *dims), coords=sampled | coords, name=name
    )


def apart(name: str, taken: Collection[str], kind: str) -> str:
    """A user's name beside columns of ours: `mean` becomes `mean_value` where kind is "value"."""
    while name in taken:
        name = f"{name}_{kind}"
    return name


def category_rows(index: pd.Index, categories: Sequence[Any]) -> pd.DataFrame:
    """A row for each row and category: the column `category`, under the index repeated."""
    codes = np.tile(np.arange(len(categories)), len(index))
    column = pd.Categorical.from_codes(codes, categories=list(categories), ordered=True)
    return pd.DataFrame({names.CATEGORY: column}, index=index.repeat(len(categories)))


def stack(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Tables one below the other; the empty table with these columns if there is none.

    Whole numbers that some tables lack, such as the parts of a nested level, stay whole.
    """
    if not tables:
        return pd.DataFrame(columns=list(columns))
    if len(tables) == 1:
        return tables[0]
    shared = set.intersection(*(set(table.columns) for table in tables))
    return pd.concat([_nullable(table, shared) for table in tables], ignore_index=True)


def _nullable(table: pd.DataFrame, shared: Collection[str]) -> pd.DataFrame:
    """Whole numbers in columns that are not shared, of a type that can be missing."""
    whole = [c for c in table if c not in shared and table[c].dtype.kind in "iub"]
    return table.assign(**{c: table[c].convert_dtypes() for c in whole})
