"""How many digits a number deserves: those that its uncertainty and the chains can bear.

The last digit of a number stands for a unit, 10^-places. A number has the digits that give its
posterior standard deviation two significant ones (`digits`), and the cells of a row that are on one
scale share the fewest decimals among them, as long as each keeps a significant digit of its
standard deviation. But where that unit is smaller than the Monte Carlo standard error of estimate
or interval, the next run of the chains would change the digit, and it is not shown. The place of
the sd's first digit is the exception: it is shown while the error is at most 1.5 units of it; four
chains of a hundred effective draws each are enough for that, whatever the digit. And an interval
whose ends differ is never shown as one number.

The uncertainty of a ratio is in proportion to it: estimate and ends of its interval share their
decimals unless they differ by more than one, and rows do not.

Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), doi:10.1214/20-BA1221, for Monte Carlo errors
of means and quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.interrupts import later
from mixedbayes.results.tables import Description, Interval
from mixedbayes.sample import health

stats = later("scipy.stats")

_ONE_SD = special.ndtr([-1.0, 1.0])
_CLEAR = 1.5  # units of the sd's first digit that the error may be, for it to be shown
_SAME = 1e-12  # sd over estimate below which a number is one, but for rounding
_MOST_PLACES = 6
_LARGE = 1e9


@dataclass(frozen=True)
class Numbers:
    """Estimate, spread and interval of one quantity, and the Monte Carlo errors of the three.

    Of a ratio the estimate is the median, and sd and errors are those of its logarithm.
    """

    estimate: float
    sd: float
    lower: float
    upper: float
    errors: tuple[float, float, float]  # of estimate, lower, upper
    ratio: bool = False


@dataclass(frozen=True)
class Asked:
    """Which numbers a table shows of a quantity."""

    prob: float = 0.95
    interval: Interval = "eti"
    estimate: Literal["mean", "median"] = "mean"
    moments: bool = True  # whether there are any; else the median, and 1.48 mad for the sd

    @property
    def said(self) -> str:
        """The interval in words."""
        kind = "equal-tailed" if self.interval == "eti" else "highest-density"
        return f"{100 * self.prob:.6g} % {kind} interval"


def numbers(draws: Floats, asked: Asked, *, ratio: bool = False) -> list[Numbers]:
    """Numbers of K quantities.

    Parameters
    ----------
    draws
        (C, D, K): chains, draws per chain, quantities.
    asked
        Estimate and interval.
    ratio
        Whether the quantities are logarithms of what is wanted: then the estimate is the median of
        exp() of them.

    Returns
    -------
    K numbers. The errors of the ends of a highest-density interval are those of the quantiles at
    which they are.
    """
    x = np.moveaxis(draws, 2, 0)
    if not len(x):
        return []
    flat = x.reshape(len(x), -1)
    how = Description(asked.prob, asked.interval, ("mean", "sd", "median", "mad"))
    found = how.plain(flat)
    if not asked.moments:
        found |= {"mean": found["median"], "sd": 1.4826 * found["mad"]}
    lower, upper = how.ends(flat)
    if ratio and asked.interval == "hdi":
        lower, upper = map(np.log, how.ends(np.exp(flat)))
    estimate = "median" if ratio or not asked.moments else asked.estimate
    errors = [
        health.mcse_mean(x) if estimate == "mean" else mcse_at(x, found["median"]),
        mcse_at(x, lower),
        mcse_at(x, upper),
    ]
    wanted = [found[estimate], lower, upper]
    value, lower, upper = map(np.exp, wanted) if ratio else wanted
    columns = [value, found["sd"], lower, upper]
    return [
        Numbers(mid, sd, low, high, (of_value, of_lower, of_upper), ratio)
        for (mid, sd, low, high), (of_value, of_lower, of_upper) in zip(
            np.transpose(columns).tolist(), np.transpose(errors).tolist(), strict=True
        )
    ]


def mcse_at(x: Floats, values: Floats) -> Floats:
    """(K,) Monte Carlo standard errors of the quantiles of (K, C, D) draws that are these values.

    Half the distance between the order statistics that lie one standard error from it; NaN where
    a draw is not finite or a chain has under four draws.
    """
    k, chains, n = x.shape
    total = chains * n
    if n < health.MIN_DRAWS or not k:
        return np.full(k, np.nan)
    flat = np.sort(x.reshape(k, total), axis=1)
    finite = np.isfinite(flat).all(axis=1)
    below = np.where(finite[:, None, None], x, 0.0) <= values[:, None, None]
    size = health.effective_size(health.split(below.astype(float)))
    p = below.mean(axis=(1, 2))
    at = stats.beta.ppf(_ONE_SD[:, None], size * p + 1, size * (1 - p) + 1) * total
    first = np.clip(np.floor(at[0]), 1, total).astype(int) - 1
    last = np.clip(np.ceil(at[1]), 1, total).astype(int) - 1
    rows = np.arange(k)
    return np.where(finite, (flat[rows, last] - flat[rows, first]) / 2, np.nan)


# ---- decimals ----------------------------------------------------------------------------------


def places(sd: float, error: float, digits: int = 2) -> int | None:
    """Decimals of a number; below zero where even tens are uncertain.

    None where there is no spread to go by. Where the Monte Carlo error is not known, for want of
    draws, the sd has one significant digit.
    """
    by_sd = _by_sd(sd, digits if math.isfinite(error) else 1)
    if by_sd is None or not math.isfinite(error):
        return by_sd
    if error <= 0:
        return by_sd
    kept = min(by_sd, math.floor(-math.log10(error)))
    first = by_sd - digits + 1
    return max(kept, first) if error <= _CLEAR * 10.0**-first else kept


def _by_sd(sd: float, digits: int) -> int | None:
    if not math.isfinite(sd) or sd <= 0:
        return None
    return digits - 1 - math.floor(math.log10(sd))


def of_row(cells: Sequence[Numbers], scales: Sequence[object], digits: int = 2) -> list[int | None]:
    """Decimals of every cell of a row; None of ratios, and where there is no spread to go by.

    Cells of equal `scales` share those of the cell with the largest sd, but each has what gives its
    own sd one significant digit; and none has more than its Monte Carlo error bears.
    """
    least: dict[object, int] = {}
    for cell, scale in zip(cells, scales, strict=True):
        mine = None if cell.ratio else _by_sd(cell.sd, digits)
        if mine is not None:
            least[scale] = min(mine, least.get(scale, mine))
    out: list[int | None] = []
    for cell, scale in zip(cells, scales, strict=True):
        known = [e for e in cell.errors if math.isfinite(e)]
        bearable = places(cell.sd, max(known) if known else math.nan, digits)
        one = _by_sd(cell.sd, 1)
        constant = cell.sd <= _SAME * abs(cell.estimate)
        if cell.ratio or bearable is None or one is None or constant:
            out.append(None)
        else:
            out.append(min(bearable, max(least[scale], one)))
    return out


def shown(cell: Numbers, decimals: int | None, digits: int = 2) -> tuple[str, ...]:
    """Estimate, lower and upper as text."""
    values = (cell.estimate, cell.lower, cell.upper)
    each = [decimals] * 3
    if cell.ratio:
        each = [
            places(abs(v) * cell.sd, abs(v) * error, digits)
            for v, error in zip(values, cell.errors, strict=True)
        ]
        known = [p for p in each if p is not None]
        if len(known) == 3 and max(known) - min(known) == 1:
            each = [min(known)] * 3
    return tuple(number(v, p) for v, p in zip(values, _telling(values, each), strict=True))


def _telling(values: Sequence[float], decimals: Sequence[int | None]) -> list[int | None]:
    """Decimals with which no number but 0 is shown as 0, nor an estimate outside its interval.

    Nor are the ends of an interval one number, unless they are.
    """
    each = list(decimals)
    for k, (value, p) in enumerate(zip(values, each, strict=True)):
        if p is not None and math.isfinite(value) and value != 0 and round(value, p) == 0:
            each[k] = -math.floor(math.log10(abs(value)))
    for _ in range(_MOST_PLACES):
        shown = [v if p is None else round(v, p) for v, p in zip(values, each, strict=True)]
        inside = not values[1] <= values[0] <= values[2] or shown[1] <= shown[0] <= shown[2]
        if inside and (shown[1] != shown[2] or values[1] == values[2]):
            break
        each = [None if p is None else p + 1 for p in each]
    return each


def number(value: float, decimals: int | None) -> str:
    """A number with so many decimals; with a minus as `-`, and none before zero."""
    if math.isnan(value):
        return ""
    if not math.isfinite(value):
        return "inf" if value > 0 else "-inf"
    if decimals is None:
        return f"{value:.4g}"
    if decimals > _MOST_PLACES or abs(value) >= _LARGE:
        kept = max(0, decimals + math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{min(kept, 15)}e}"
    rounded = round(value, decimals) + 0.0  # no minus zero
    return f"{rounded:.{max(decimals, 0)}f}"
