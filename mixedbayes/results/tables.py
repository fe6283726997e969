"""From draws to the columns that all tables share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.sample.health import health, mcse_mean, tail_size

Interval = Literal["eti", "hdi"]
Statistics = str | Sequence[str] | None


class Asked(TypedDict):
    """Arguments that all tables share, from one to another."""

    prob: float
    statistics: Statistics
    interval: Interval


ENDS = ("lower", "upper")
ESTIMATE = ("mean", "sd", *ENDS)
EFFECT = (*ESTIMATE, "prob_positive")
# What a table can say of a quantity; `health` is of sampled quantities, beside the rest.
STATISTICS = (
    "mean", "sd", "median", "mad", *ENDS, "prob_positive", "mcse", "ess_bulk", "ess_tail", "rhat",
)  # fmt: skip
OF_CHAINS = ("mcse", "ess_bulk", "ess_tail", "rhat")
HEALTH = ("ess_bulk", "rhat")

_BLOCK = 2**22  # numbers handled at a time, to bound memory


class Chains(int):
    """A number of chains, `sets` of them of each data set: those of one are to agree alone."""

    sets: int = 1

    @classmethod
    def of(cls, chains: int, sets: int) -> Chains:
        found = cls(chains)
        found.sets = sets
        return found


class Chained(np.ndarray):
    """Draws (C, D, ...) that know of how many data sets the chains are."""

    sets: int = 1

    def __array_finalize__(self, other: Any) -> None:
        self.sets = getattr(other, "sets", 1)


def check_prob(prob: float) -> float:
    """The interval's probability, or ModelError if it is not between 0 and 1."""
    if isinstance(prob, bool) or not isinstance(prob, int | float) or not 0 < prob < 1:
        hint = "; a grouping factor is named by group=" if isinstance(prob, str) else ""
        raise ModelError(
            f"prob={prob!r} is not a probability between 0 and 1; 0.95 is the default{hint}"
        )
    return float(prob)


def tails(prob: float) -> tuple[float, float]:
    """Probabilities below the two ends of the equal-tailed interval: 0.025 and 0.975."""
    check_prob(prob)
    return (1 - prob) / 2, (1 + prob) / 2


# ---- what a table says of each quantity ---------------------------------------------------------


@dataclass(frozen=True)
class Description:
    """The columns of a table, and the probability and kind of its interval.

    - mean, sd, median: of the posterior;
    - mad: median of |x - median|, without a factor, as in ArviZ; 0.674 sd where x is normal;
    - lower, upper: the interval. "eti" has equal tails, quantiles (1 - prob) / 2 and
      (1 + prob) / 2; "hdi" is the shortest interval from draw to draw over floor(prob S) of the S
      steps between sorted draws, ArviZ's `hdi` of one mode;
    - prob_positive: share of draws above 0, of ratios above 1;
    - mcse: Monte Carlo standard error of the mean, sd / sqrt(ess of the mean);
    - ess_bulk, ess_tail, rhat: see `mixedbayes.sample.health`.
    """

    prob: float = 0.95
    interval: Interval = "eti"
    columns: tuple[str, ...] = ESTIMATE

    def __post_init__(self) -> None:
        check_prob(self.prob)
        if self.interval not in ("eti", "hdi"):
            raise ModelError(
                f'interval={self.interval!r}: use "eti" (equal tails) or "hdi" (highest density, '
                "the shortest)"
            )

    @classmethod
    def asked(
        cls,
        prob: float = 0.95,
        statistics: Statistics = None,
        interval: Interval = "eti",
        *,
        default: tuple[str, ...] = ESTIMATE,
    ) -> Description:
        """From a user's arguments; `default` are the columns where no statistics are named.

        The interval comes after the statistics that are named, unless it is among them.

        Raises
        ------
        ModelError
            If `prob` is no probability, or the interval or a statistic is not known.
        """
        columns = default if statistics is None else _checked(statistics)
        return cls(prob, interval, columns)

    def needs(self, *columns: str) -> bool:
        """Whether any of these columns is among those described."""
        return not set(columns).isdisjoint(self.columns)

    def plain(self, draws: Floats, chains: int = 1, *, above: float = 0.0) -> dict[str, Floats]:
        """The columns of K quantities.

        Parameters
        ----------
        draws
            (K, S), chains one after the other.
        chains
            How many they are, for what depends on it: mcse, effective sizes, rhat.
        above
            The value that prob_positive is about: 1 for ratios.

        Returns
        -------
        `columns` in their order, each (K,). The sd of a single draw is NaN, and everything of a
        quantity that has a draw that is NaN.
        """
        k, s = draws.shape
        found = {name: np.empty(k) for name in self.columns}
        step = max(1, _BLOCK // max(s, 1))
        for start in range(0, k, step):
            part = slice(start, start + step)
            for name, values in self._columns(draws[part], chains, above).items():
                found[name][part] = values
        return found

    def sampled(self, draws: Floats, *, above: float = 0.0) -> dict[str, Floats]:
        """The columns of sampled quantities, and ess_bulk and rhat.

        Parameters
        ----------
        draws
            (C, D, ...): chains, draws per chain, then any dimensions, K quantities in all.
        above
            As in `plain`.

        Returns
        -------
        Columns, each (K,), the last dimension fastest.
        """
        sets = getattr(draws, "sets", 1)
        draws = np.asarray(draws)
        chains, n = draws.shape[:2]
        k = int(np.prod(draws.shape[2:]))
        x = np.moveaxis(draws.reshape(chains, n, k), 2, 0)  # (K, C, D)
        found = self.plain(x.reshape(k, chains * n), Chains.of(chains, sets), above=above)
        more = zip(HEALTH, (health(x) if sets == 1 else _health_of_sets(x, sets)), strict=True)
        return found | {name: value for name, value in more if name not in found}

    def ends(self, draws: Floats) -> tuple[Floats, Floats]:
        """(K,) lower and upper end of the interval of (K, S) draws."""
        if self.interval == "hdi":
            return highest_density(draws, self.prob)
        lower, upper = np.quantile(draws, tails(self.prob), axis=1)
        return lower, upper

    def _columns(self, x: Floats, chains: int, above: float) -> dict[str, Floats]:
        by_chain = x.reshape(len(x), chains, -1)
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers beyond all usual scales
            lower, upper = self.ends(x) if self.needs(*ENDS) else (x[:, 0], x[:, 0])
            known = {"lower": lower, "upper": upper}
            if self.needs("prob_positive"):
                known["prob_positive"] = share_above(x, above)
            sets = getattr(chains, "sets", 1)
            return {
                n: known[n] if n in known else _statistic(n, by_chain, sets) for n in self.columns
            }


def _statistic(name: str, x: Floats, sets: int) -> Floats:
    """One statistic of draws (K, C, D); what is about chains within each data set."""
    if sets == 1 or name not in OF_CHAINS:
        return _STATISTICS[name](x)
    each = [_STATISTICS[name](own) for own in np.split(x, sets, axis=1)]
    if name == "rhat":
        return np.max(each, axis=0)
    if name == "mcse":  # of the mean of their means
        return np.sqrt(np.sum(np.square(each), axis=0)) / sets
    return np.sum(each, axis=0)


def _health_of_sets(x: Floats, sets: int) -> tuple[Floats, Floats]:
    """Bulk effective size of all data sets, and the largest R-hat among them."""
    return _statistic("ess_bulk", x, sets), _statistic("rhat", x, sets)


def _checked(statistics: str | Sequence[str]) -> tuple[str, ...]:
    """Names of statistics with the interval's ends among them; ModelError where they are none."""
    known = ", ".join(STATISTICS)
    if not isinstance(statistics, str | Sequence):
        raise ModelError(f"statistics={statistics!r}: give a list of names, of {known}")
    named = [statistics] if isinstance(statistics, str) else list(statistics)
    for name in named:
        if name not in STATISTICS:
            near = difflib.get_close_matches(str(name).lower(), STATISTICS, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(f"statistics: {name!r} is not one of {known}{meant}")
    twice = [name for name in named if named.count(name) > 1]
    if twice or not named:
        what = f"{twice[0]!r} stands there twice" if twice else "there is none"
        raise ModelError(f"statistics={statistics!r}: {what}; choose from {known}")
    return tuple(named) if set(named) & set(ENDS) else (*named, *ENDS)


def share_above(draws: Floats, value: float = 0.0) -> Floats:
    """(K,) share of (K, S) draws above a value; NaN where a draw is."""
    share = (draws > value).mean(axis=1)
    return np.where(np.isnan(draws).any(axis=1), np.nan, share)


def highest_density(draws: Floats, prob: float) -> tuple[Floats, Floats]:
    """(K,) ends of the shortest intervals from draw to draw of (K, S) draws; NaN where one is.

    Each spans floor(prob S) of the steps between its sorted draws, at most all S - 1; of several
    that are as short, the lowest. It is the interval of highest density where there is one mode.
    """
    x = np.sort(draws, axis=1)
    n = x.shape[1]
    steps = min(int(np.floor(prob * n)), n - 1)
    with np.errstate(invalid="ignore"):
        width = x[:, steps:] - x[:, : n - steps]
    first = np.argmin(np.where(np.isnan(width), np.inf, width), axis=1)
    rows = np.arange(len(x))
    odd = np.isnan(x[:, -1])  # where sorting puts them
    return np.where(odd, np.nan, x[rows, first]), np.where(odd, np.nan, x[rows, first + steps])


def _sd(x: Floats) -> Floats:
    flat = x.reshape(len(x), -1)
    return flat.std(axis=1, ddof=1) if flat.shape[1] > 1 else np.full(len(x), np.nan)


def _median(x: Floats) -> Floats:
    return np.median(x, axis=(1, 2))


def _mad(x: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # of infinite draws
        return np.median(np.abs(x - _median(x)[:, None, None]), axis=(1, 2))


# Of draws (K, C, D)
_STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda x: x.reshape(len(x), -1).mean(axis=1),
    "sd": _sd,
    "median": _median,
    "mad": _mad,
    "mcse": mcse_mean,
    "ess_bulk": lambda x: health(x)[0],
    "ess_tail": tail_size,
    "rhat": lambda x: health(x)[1],
}


def describe(draws: Floats, prob: float = 0.95) -> dict[str, Floats]:
    """Mean, sd, equal-tailed interval, bulk ESS and R-hat of draws (C, D, ...)."""
    return Description(prob).sampled(draws)


def describe_plain(draws: Floats, prob: float) -> dict[str, Floats]:
    """Mean, sd and equal-tailed interval over the last axis of (K, S) draws."""
    return Description(prob).plain(draws)


# ---- tables and labelled draws -------------------------------------------------------------------


def chained(draws: Floats, chains: int) -> Floats:
    """(S, ...) draws, chains one after the other, as (C, D, ...)."""
    found = draws.reshape(chains, len(draws) // chains, *draws.shape[1:])
    if isinstance(chains, Chains):
        own = found.view(Chained)
        own.sets = chains.sets
        return own
    return found


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


def noted(found: Any, note: str) -> Any:
    """A table or draws with a note among their attributes, where there is one."""
    if note:
        found.attrs["note"] = note
    return found
