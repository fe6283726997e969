"""Which values are compared, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns, shown

How = str | Callable[[Floats, Floats], Floats]

# By name: the words, what is written between two labels, and the value that means "no difference".
_HOWS: dict[str, tuple[str, str, float]] = {
    "difference": ("Difference", "{b} - {a}", 0.0),
    "ratio": ("Ratio", "{b} / {a}", 1.0),
    "lift": ("Relative difference", "({b} - {a}) / {a}", 0.0),
    "odds_ratio": ("Odds ratio", "odds({b}) / odds({a})", 1.0),
    "log_ratio": ("Log ratio", "log({b} / {a})", 0.0),
    "log_odds_ratio": ("Log odds ratio", "logit({b}) - logit({a})", 0.0),
}
ROUNDING = 1e-11  # of means of the same numbers, summed in another order
CONTRASTS = ("reference", "pairwise", "sequential", "mean")


@dataclass(frozen=True, eq=False)
class Pair:
    """From `low` to `high`, weights (V,) of the versions."""

    label: str
    high: Floats
    low: Floats


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Versions of a column, and the pairs of them that are compared."""

    versions: list[Any]
    pairs: list[Pair]


@dataclass(frozen=True)
class Shift:
    """A numeric column moved by a step, from where a row has it or from a place."""

    step: float
    relative: bool = False
    place: float | None = None

    def column(self, x: pd.Series) -> pd.Series:
        start = x.astype(float) if self.place is None else x.astype(float) * 0 + self.place
        return start * (1 + self.step) if self.relative else start + self.step


def check_how(how: How) -> None:
    if not callable(how) and how not in _HOWS:
        known = ", ".join(map(repr, _HOWS))
        raise ModelError(f"how={how!r} is not one of {known}, or a function of draws at b and at a")


def how_words(how: How) -> str:
    return "Comparison" if callable(how) else _HOWS[how][0]


def null_of(how: How) -> float:
    return 0.0 if callable(how) else _HOWS[how][2]


def how_label(b: str, a: str, how: How) -> str:
    return f"{b}, {a}" if callable(how) else _HOWS[how][1].format(a=a, b=b)


def contrasts(columns: Columns, name: str, given: Any, how: How) -> Contrasts:
    """The comparison of one column that a user names; None is the default of its type.

    Raises
    ------
    DataError, ModelError
        It is not understood, or names a level that the data do not have.
    """
    check_how(how)
    if isinstance(given, np.ndarray | pd.Series | pd.Index):
        given = tuple(given.tolist())
    if columns.is_category(name):
        return _of_levels(columns, name, given, how)
    return _of_numbers(columns, name, given, how)


def _pair(given: Any) -> bool:
    return isinstance(given, tuple | list) and len(given) == 2


def _of_levels(columns: Columns, name: str, given: Any, how: How) -> Contrasts:
    pairs: list[tuple[int | None, int]] = [(0, 1)]
    if _pair(given):
        levels = columns.values(name, list(given))
    else:
        levels = columns.levels(name)
        if given is not None and given not in CONTRASTS:
            raise ModelError(
                f"{name}: {given!r} is not {', '.join(map(repr, CONTRASTS))} or a pair of levels "
                "(a, b), from a to b"
            )
        pairs = pairs_of(given or "reference", len(levels))
    if len(levels) < 2:
        raise ModelError(f"{name} has one level, {shown(levels[0])}: there is nothing to compare")
    return Contrasts(levels, weighted_pairs([shown(v) for v in levels], pairs, how))


def pairs_of(contrast: str, n: int) -> list[tuple[int | None, int]]:
    """Positions (from, to) of each comparison; None stands for the mean of all."""
    if contrast == "pairwise":
        return [(a, b) for a, b in combinations(range(n), 2)]
    if contrast == "sequential":
        return [(k - 1, k) for k in range(1, n)]
    if contrast == "mean":
        return [(None, k) for k in range(n)]
    return [(0, k) for k in range(1, n)]


def weighted_pairs(
    labels: Sequence[str], pairs: Sequence[tuple[int | None, int]], how: How
) -> list[Pair]:
    eye, n = np.eye(len(labels)), len(labels)
    return [
        Pair(
            how_label(labels[b], "mean" if a is None else labels[a], how),
            eye[b],
            np.full(n, 1 / n) if a is None else eye[a],
        )
        for a, b in pairs
    ]


def _of_numbers(columns: Columns, name: str, given: Any, how: How) -> Contrasts:
    if _pair(given):
        low, high = columns.values(name, list(given))
    elif given in ("iqr", "minmax") and isinstance(given, str):
        share = (0.25, 0.75) if given == "iqr" else (0.0, 1.0)
        low, high = (columns.quantile(name, order) for order in share)
    else:
        step = columns.sd(name) if isinstance(given, str) and given == "sd" else given
        step = 1.0 if step is None else step
        number = isinstance(step, int | float | np.number) and not isinstance(step, bool)
        if not number or not np.isfinite(step) or step == 0:
            raise ModelError(
                f"{name} is numeric, and {given!r} is not a step from x, a pair (a, b), "
                '"sd", "iqr" or "minmax"'
            )
        by = f"+{shown(step)}" if step > 0 else f"-{shown(-step)}"
        said = by if how == "difference" else how_label(f"({name} {by})", name, how)
        pair = Pair(said, np.array([0.0, 1.0]), np.array([1.0, 0.0]))
        return Contrasts([Shift(0.0), Shift(float(step))], [pair])
    return Contrasts([low, high], weighted_pairs([shown(low), shown(high)], [(0, 1)], how))


def combine(high: Floats, low: Floats, how: How, words: str, rounding: float = ROUNDING) -> Floats:
    """Draws of a comparison from those at its ends, each (..., S); `words` are what they are.

    Ends whose difference is below `rounding`, in proportion to the larger, are equal.

    Raises
    ------
    ModelError
        Odds of what is no probability, logarithms of what is not positive, or a function that does
        not return draws.
    """
    if callable(how):
        found = np.asarray(how(high, low), float)
        if found.shape != high.shape:
            raise ModelError(
                f"how= returned an array of shape {found.shape}; it must return one of the shape "
                f"of its arguments, {high.shape}"
            )
        return found
    check_how(how)
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(high), np.abs(low))
        equal = (np.abs(high - low) <= rounding * size) & (size > 0)
    return np.where(equal, null_of(how), _combined(high, low, how, words))


def _combined(high: Floats, low: Floats, how: str, words: str) -> Floats:
    if how == "difference":
        return high - low
    if how in ("odds_ratio", "log_odds_ratio"):
        _require(
            (np.minimum(high, low) >= 0) & (np.maximum(high, low) <= 1), how, "probabilities", words
        )
        with np.errstate(divide="ignore"):
            log_odds = np.log(high) - np.log1p(-high) - np.log(low) + np.log1p(-low)
        return log_odds if how == "log_odds_ratio" else np.exp(log_odds)
    if how == "log_ratio":
        _require(np.minimum(high, low) > 0, how, "positive numbers", words)
        return np.log(high) - np.log(low)
    _require(low != 0, how, "numbers other than 0", words)
    return high / low if how == "ratio" else (high - low) / low


def _require(fine: Any, how: str, what: str, words: str) -> None:
    if not np.all(fine):
        raise ModelError(
            f'how="{how}" needs {what}, and the {words} is not always one; use how="difference"'
        )
