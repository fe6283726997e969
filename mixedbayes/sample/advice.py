"""What a failed convergence check means and what to do about it, in words.

Every parameter is held to each limit. Of a thousand group effects some cross a limit by chance,
however well the chains mix: as long as these are at most `BY_CHANCE` of all effects, and none goes
as far as the `FAR` limits, that is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

RHAT = 1.01
ESS_PER_CHAIN = 100
BY_CHANCE = 0.01  # share of the group effects that may cross a limit
FAR_RHAT = 1.05
FAR_ESS_PER_CHAIN = 50
BFMI = 0.3
# A few long trajectories cost time but do no harm; more of them say that steps are too small.
SATURATED = 0.01
_NAMED = 3


@dataclass(frozen=True, eq=False)
class Findings:
    """What was measured."""

    table: pd.DataFrame  # rhat, ess_bulk, ess_tail by quantity
    effects: Bools  # which of them are group effects
    chains: int
    draws: int  # per chain
    divergences: int
    saturated: int
    bfmi: NDArray[np.float64]  # (chains,)
    max_treedepth: int
    tune: int  # per chain

    @property
    def total(self) -> int:
        return self.chains * self.draws

    @property
    def size(self) -> NDArray[np.float64]:
        """Effective draws of each quantity, bulk or tail."""
        return self.table[["ess_bulk", "ess_tail"]].min(axis=1).to_numpy(float)

    @property
    def high(self) -> Bools:
        """Quantities whose chains do not agree."""
        rhat = self.table["rhat"].to_numpy(float)
        return _beyond(rhat >= RHAT, rhat >= FAR_RHAT, self.effects)

    @property
    def low(self) -> Bools:
        """Quantities with few effective draws."""
        size, each = self.size, self.chains
        return _beyond(size < ESS_PER_CHAIN * each, size < FAR_ESS_PER_CHAIN * each, self.effects)

    @property
    def by_chance(self) -> int:
        """Group effects that cross a limit as some do by chance."""
        crossed = self.table["rhat"].to_numpy(float) >= RHAT
        crossed |= self.size < ESS_PER_CHAIN * self.chains
        return int((crossed & ~self.high & ~self.low).sum())


def _beyond(crossed: Bools, far: Bools, effects: Bools) -> Bools:
    """What crosses a limit, without group effects as few and as near as chance has them."""
    by_chance = (crossed & effects).sum() <= BY_CHANCE * effects.sum()
    return crossed & ~effects if by_chance and not (far & effects).any() else crossed


def messages(found: Findings) -> tuple[str, ...]:
    """One message for each failed check, the gravest first."""
    checks: tuple[Callable[[Findings], str], ...] = (
        _undefined,
        _divergences,
        _rhat,
        _one_chain,
        _effective_size,
        _energy,
        _treedepth,
    )
    return tuple(text for check in checks if (text := check(found)))


def _undefined(found: Findings) -> str:
    if found.draws < 4:
        return (
            f"{found.draws} draws per chain are too few to check convergence. Remedy: draws=1000."
        )
    bad = found.table[found.table["ess_bulk"].isna()]
    if bad.empty:
        return ""
    return (
        f"{_of(bad, found)} took values that are not finite (for example {_listed(bad)}). Remedy: "
        "check the data for infinite values, and use proper priors."
    )


def _divergences(found: Findings) -> str:
    n = found.divergences
    if n == 0:
        return ""
    return (
        f"{n:,} of {found.total:,} draws diverged: the sampler met a region it cannot follow, so "
        "tails may be missing. Remedy: target_accept=0.95 or 0.99, NonCentered() for the groups "
        "with few rows, or tighter sd priors."
    )


def _rhat(found: Findings) -> str:
    high = found.table[found.high].sort_values("rhat", ascending=False)
    if high.empty:
        return ""
    return (
        f"rhat is {RHAT} or more for {_of(high, found)} (worst: {_listed(high, 'rhat', '.2f')}): "
        "the chains do not agree about them, so their estimates depend on where a chain began. "
        f"Remedy: {_longer_tuning(found)}; if it stays, the data may not tell these quantities "
        f"apart: draws={_more(found, 4.0)}, tighter priors, or fewer random effects."
    )


def _one_chain(found: Findings) -> str:
    if found.chains > 1:
        return ""
    return (
        "There is only one chain: rhat compares chains and needs several, so a chain that is "
        "stuck in one place would go unnoticed. Remedy: chains=4."
    )


def _effective_size(found: Findings) -> str:
    needed = ESS_PER_CHAIN * found.chains
    low = found.table.assign(ess=found.size)[found.low].sort_values("ess")
    if low.empty:
        return ""
    factor = 1.2 * needed / max(float(low["ess"].iloc[0]), 1.0)
    if factor <= 2.5:
        remedy = f"draws={_more(found, factor)}"
    elif factor <= 20:
        remedy = f"{_longer_tuning(found)}; if it stays, draws={_more(found, factor)}"
    else:
        remedy = (
            f"{_longer_tuning(found)}; if it stays, more draws alone would take too many: another "
            "formulation than this one (auto, NonCentered(), Centered()), or tighter priors"
        )
    return (
        f"The effective sample size is under {needed:,} ({ESS_PER_CHAIN} per chain) for "
        f"{_of(low, found)} (worst: {_listed(low, 'ess', ',.0f')}): their means and intervals, and "
        f"rhat itself, are not precise yet. Remedy: {remedy}."
    )


def _energy(found: Findings) -> str:
    low = np.flatnonzero(found.bfmi < BFMI)
    if low.size == 0:
        return ""
    values = ", ".join(f"{found.bfmi[c]:.2f} in chain {c}" for c in low[:_NAMED])
    return (
        f"E-BFMI is under {BFMI} in {low.size} of {found.chains} chains ({values}): the sampler "
        "moves too slowly between levels of the density, often because of a heavy tail or a narrow "
        f"neck. Remedy: {_longer_tuning(found)}, NonCentered() for the groups with few rows, or "
        "tighter sd priors."
    )


def _treedepth(found: Findings) -> str:
    if found.saturated <= SATURATED * found.total:
        return ""
    return (
        f"{found.saturated:,} of {found.total:,} draws reached "
        f"max_treedepth={found.max_treedepth}: trajectories were cut short, which is slow but not "
        f"biased. Remedy: centre and scale the predictors, tune={_longer(found)}, or "
        f"max_treedepth={found.max_treedepth + 2}."
    )


def _of(rows: pd.DataFrame, found: Findings) -> str:
    return f"{len(rows):,} of {len(found.table):,} quantities"


def _listed(rows: pd.DataFrame, column: str | None = None, spec: str = "") -> str:
    shown = rows.head(_NAMED)
    if column is None:
        return ", ".join(map(str, shown.index))
    return ", ".join(
        f"{name} {value:{spec}}" for name, value in zip(shown.index, shown[column], strict=True)
    )


def _longer(found: Findings) -> int:
    """Tuning draws per chain that are worth a try."""
    return max(1000, 2 * found.tune)


def _longer_tuning(found: Findings) -> str:
    return f"tune={_longer(found)}, target_accept=0.95"


def _more(found: Findings, factor: float) -> int:
    """Draws per chain times a factor, rounded up to a figure one would type."""
    return math.ceil(found.draws * factor / 500) * 500
