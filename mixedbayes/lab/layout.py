"""Rows of a study that does not exist yet, made of those of one that does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from mixedbayes.design.types import Ints
from mixedbayes.errors import DataError
from mixedbayes.simulation.simulate import within


def resampled(
    frame: pd.DataFrame,
    factors: Sequence[str],
    n: Mapping[str, int],
    rows: int | None,
    rng: np.random.Generator,
    covariates: Collection[str] = (),
) -> pd.DataFrame:
    """Other numbers of levels, each with the rows of a level of the data.

    Every level is taken as often as every other, as far as the numbers allow; which ones once more
    is drawn, evenly over the values of predictors that a level has in all its rows, such as arms.
    What is taken has new labels, of the factors in `n` and of those nested in them; others keep
    theirs, by which relations between levels and memberships in several know them, and a nested
    factor that is a predictor too keeps what it holds.

    Parameters
    ----------
    frame
        The data.
    factors
        Columns that rows are grouped by.
    n
        How many levels of which factors; others keep theirs.
    rows
        How many rows each combination of levels has, taken in turn; None: as many as in the data.
    rng
        Chooses levels.
    covariates
        Columns that predictors read.
    """
    out = frame.reset_index(drop=True)
    inner = [f for f in factors if f not in covariates]
    nested = {f: [o for o in inner if o != f and _is_nested(out, f, o)] for f in n}
    for factor, wanted in n.items():
        codes, levels = pd.factorize(out[factor])
        taken = _evenly(_of_levels(out, codes, covariates), wanted, rng)
        at = [np.flatnonzero(codes == k) for k in range(len(levels))]
        new = np.repeat(np.arange(wanted), [len(at[k]) for k in taken])
        out = out.loc[np.concatenate([at[k] for k in taken])].reset_index(drop=True)
        label = pd.Series(new + 1).map("new {}".format)
        for own in nested[factor]:
            out[own] = _categories(label + "/" + out[own].astype(str))
        out[factor] = _categories(label)
    return out if rows is None else _with_rows(out, factors, rows)


def _categories(labels: pd.Series) -> pd.Categorical:
    return pd.Categorical(labels, dict.fromkeys(labels))


def _is_nested(frame: pd.DataFrame, outer: str, inner: str) -> bool:
    """Whether each level of `inner` is in one level of `outer`."""
    return bool((frame.groupby(inner, observed=True)[outer].nunique() <= 1).all())


def _evenly(levels: pd.DataFrame, wanted: int, rng: np.random.Generator) -> Ints:
    """Positions of levels, each as often as the others; of those once more a systematic sample.

    A systematic sample of the levels, which are sorted by what they have, takes each with the same
    probability, and of every arm as large a share as of all.
    """
    times, rest = divmod(wanted, len(levels))
    keys = [levels[name] for name in reversed(levels.columns)]
    order = np.lexsort((rng.random(len(levels)), *keys))
    at = np.floor((rng.random() + np.arange(rest)) * (len(levels) / max(rest, 1))).astype(int)
    return np.concatenate([np.tile(np.arange(len(levels)), times), np.sort(order[at])])


def _of_levels(frame: pd.DataFrame, codes: Ints, covariates: Collection[str]) -> pd.DataFrame:
    """What is the same in all rows of each level, as ranks: (levels, such covariates).

    Those of few values, such as arms, come first.
    """
    ranks = {c: pd.factorize(frame[c], sort=True)[0] for c in sorted(covariates)}
    by = pd.DataFrame(ranks, index=frame.index).groupby(codes)
    first, last = by.min(), by.max()
    values = first.loc[:, (first == last).all()].nunique()
    return first[values[values > 1].sort_values(kind="stable").index]


def _with_rows(frame: pd.DataFrame, factors: Sequence[str], rows: int) -> pd.DataFrame:
    cell, _ = within(frame, factors)
    at = pd.Series(np.arange(len(frame))).groupby(cell, sort=False)
    kept = np.concatenate([np.resize(of.to_numpy(), rows) for _, of in at])
    return frame.iloc[kept].reset_index(drop=True)


def with_dropout(
    frame: pd.DataFrame, share: Mapping[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Without the later rows of some levels.

    A level leaves with the probability `share`; those that leave have their first rows, in the
    frame's order, between one and all but one, each number as likely as every other.
    """
    keep = np.ones(len(frame), bool)
    for factor, p in share.items():
        level, row = within(frame, [factor])
        size = np.bincount(level)
        if p and (size < 2).all():
            raise DataError(f"dropout: every level of {factor} has one row, and none can leave")
        last = np.where(
            (rng.random(len(size)) < p) & (size > 1),
            1 + np.floor(rng.random(len(size)) * np.maximum(size - 1, 1)),
            size,
        )
        keep &= row < last[level]
    return frame[keep].reset_index(drop=True)
