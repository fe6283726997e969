"""Did the sampler converge? Numbers for every quantity, and each problem in words with its remedy.

Parameters are held to the thresholds one by one. Group effects are judged as many: up to one in a
hundred may cross a threshold, as some do by chance, if none reaches rhat 1.05 or has fewer than 50
effective draws per chain.

Thresholds: Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), doi:10.1214/20-BA1221, for rhat
and effective sample sizes; Betancourt (2016), arXiv:1604.00695, for E-BFMI.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.printable import in_one_line
from mixedbayes.sample import health

# Quantities checked per variable; of a larger one this many, spread evenly over it, since a problem
# of the sampler shows in many of them. As one may stand still by itself, `FAR_RHAT` is asked of all
# others too, without ranks, and at most as many of those that reach it are checked as well.
MOST_PER_VARIABLE = 250


@dataclass(frozen=True, eq=False)
class ConvergenceReport:
    """Sampler health of one fit.

    Attributes
    ----------
    table
        One row per quantity, indexed by its name: rhat, ess_bulk, ess_tail (draws), mcse_mean (the
        quantity's units). Constants, such as a correlation matrix's diagonal, are left out.
    divergences
        Trajectories after tuning that diverged, of `draws`.
    saturated
        Trajectories of NUTS that reached the largest tree depth; 0 where there are no trees.
    bfmi
        (chains,) estimated fraction of missing information; below 0.3 is too low.
    chains, draws
        Number of chains, and of draws in all of them together.
    not_checked
        Quantities left out because their variable has more than `MOST_PER_VARIABLE`: of them only
        split rhat without ranks is known, and that it is under `FAR_RHAT`.
    by_chance
        Group effects beyond a threshold that are too few, and not far enough beyond it, to count.
    messages
        One for each failed check: what was found, what it means, what to do.
    """

    table: pd.DataFrame
    divergences: int
    saturated: int
    bfmi: Floats
    chains: int
    draws: int
    not_checked: int
    by_chance: int
    messages: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not self.messages

    def __str__(self) -> str:
        t = self.table
        parts = [
            f"{self.chains} {'chain' if self.chains == 1 else 'chains'}, {self.draws:,} draws, "
            f"{self.divergences:,} divergences"
        ]
        if t["rhat"].notna().any():
            parts.append(f"largest rhat {t['rhat'].max():.3f}")
        if t["ess_bulk"].notna().any():
            parts.append(f"smallest ess_bulk {t['ess_bulk'].min():,.0f}")
            parts.append(f"smallest ess_tail {t['ess_tail'].min():,.0f}")
        left_out = f" ({self.not_checked:,} more not checked)" if self.not_checked else ""
        if self.by_chance:
            left_out += (
                f", of which {self.by_chance:,} group "
                f"{'effect is' if self.by_chance == 1 else 'effects are'} beyond a limit, as one "
                "in a hundred may be by chance"
            )
        verdict = "Converged" if self.ok else "Not converged"
        head = f"{verdict}: {', '.join(parts)}; {len(t):,} quantities{left_out}."
        return "\n".join([head, *(f"- {in_one_line(m)}" for m in self.messages)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *rest = str(self).splitlines()
        items = "".join(f"<li>{escape(line[2:])}</li>" for line in rest)
        return f"<p>{escape(first)}</p>" + (f"<ul>{items}</ul>" if items else "")


def check_convergence(
    posterior: xr.Dataset, sample_stats: xr.Dataset, *, max_treedepth: int = 10, tune: int = 0
) -> ConvergenceReport:
    """Check draws and sampler statistics.

    Parameters
    ----------
    posterior
        Variables with dimensions (chain, draw, ...).
    sample_stats
        diverging, energy and reached_max_treedepth, each (chain, draw); what is absent is not
        checked.
    max_treedepth, tune
        The settings, for the messages.
    """
    chains, draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    tables = [_variable(x) for x in posterior.data_vars.values()]
    nothing = _table([], np.empty((0, chains, draws)))
    table = pd.concat([t for t, _ in tables if len(t)] or [nothing])
    effects = [names.is_ranef(str(x)) for x in posterior.data_vars]
    sizes = [len(t) for t, _ in tables]
    bfmi = _bfmi(sample_stats)
    findings = Findings(
        table=table,
        effects=np.repeat(np.array(effects, bool), sizes),
        chains=chains,
        draws=draws,
        divergences=_count(sample_stats, "diverging"),
        saturated=_count(sample_stats, "reached_max_treedepth"),
        bfmi=bfmi,
        max_treedepth=max_treedepth,
        tune=tune,
    )
    return ConvergenceReport(
        table=table,
        divergences=findings.divergences,
        saturated=findings.saturated,
        bfmi=bfmi,
        chains=chains,
        draws=chains * draws,
        not_checked=sum(left_out for _, left_out in tables),
        by_chance=findings.by_chance,
        messages=messages(findings),
    )


def largest_rhat(draws: xr.Dataset) -> float:
    """The largest rhat of all numbers that vary; of group effects those of the values alone.

    Group effects are many, and drawn given the rest, so that chains that agree there disagree in
    their places at most, which takes no ranks to see. It is infinite where chains stand still, each
    at its own place; 1 where there are too few draws, or chains, to tell.
    """
    if draws.sizes[names.CHAIN] < 2 or draws.sizes[names.DRAW] < health.MIN_DRAWS:
        return 1.0
    found = [np.ones(1)]
    for name, x in draws.data_vars.items():
        dims = [d for d in x.dims if d not in (names.CHAIN, names.DRAW)]
        own = x.transpose(*dims, names.CHAIN, names.DRAW).to_numpy().astype(float, copy=False)
        own = own.reshape(-1, *own.shape[-2:])
        own = own[(own != own[:, :1, :1]).any(axis=(1, 2))]
        effects = names.is_ranef(str(name))
        found.append(
            health.plain_rhat(np.moveaxis(own, 0, -1)) if effects else health.health(own)[1]
        )
    return float(np.nan_to_num(np.concatenate(found), nan=np.inf).max())


def _variable(x: xr.DataArray) -> tuple[pd.DataFrame, int]:
    """Numbers of one variable, and how many of its quantities were left out."""
    dims = [str(d) for d in x.dims if d not in (names.CHAIN, names.DRAW)]
    values = x.transpose(names.CHAIN, names.DRAW, *dims).to_numpy()
    chains, draws, *shape = values.shape
    entries = _entries(tuple(shape), dims)
    flat = values.reshape(chains, draws, -1)
    chosen = entries
    if len(entries) > MOST_PER_VARIABLE:
        spread = np.linspace(0, len(entries) - 1, MOST_PER_VARIABLE).round().astype(int)
        chosen = entries[np.union1d(spread, _far(flat, entries))]
    labels = [_labels(x, d) for d in dims]
    places = np.stack(np.unravel_index(chosen, shape), axis=-1) if dims else np.zeros((1, 0), int)
    rows = [_name(str(x.name), labels, place) for place in places]
    picked = flat[:, :, chosen].astype(np.float64)
    return _table(rows, np.moveaxis(picked, -1, 0)), len(entries) - len(chosen)


def _far(flat: NDArray[Any], entries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the entries (chains, draws, entry) are far from agreement, the worst of them."""
    if flat.shape[1] < health.MIN_DRAWS:
        return np.empty(0, np.int64)
    rhat = health.plain_rhat(flat)[entries]
    unknown = np.flatnonzero(np.isnan(rhat))  # constants, and what is not finite or stands still
    moves = (flat[:, :, entries[unknown]] != flat[:1, :1, entries[unknown]]).any(axis=(0, 1))
    rhat[unknown] = np.where(moves, np.inf, 1.0)
    worst = np.argsort(-rhat, kind="stable")[:MOST_PER_VARIABLE]
    return worst[rhat[worst] >= FAR_RHAT]


def _entries(shape: tuple[int, ...], dims: list[str]) -> NDArray[np.int64]:
    """Flat positions (K,); of a symmetric matrix, dims x and x_bis, those above the diagonal."""
    entries = np.arange(math.prod(shape))
    for i, j in product(range(len(dims)), repeat=2):
        if dims[j] == f"{dims[i]}_bis":
            places = np.unravel_index(entries, shape)
            entries = entries[places[i] < places[j]]
    return entries


def _labels(x: xr.DataArray, dim: str) -> NDArray[np.object_]:
    labels = x[dim].to_numpy() if dim in x.coords else np.arange(x.sizes[dim])
    return np.asarray(labels, dtype=object)


def _name(variable: str, labels: list[NDArray[np.object_]], entry: NDArray[np.int64]) -> str:
    inside = ", ".join(str(label[i]) for label, i in zip(labels, entry, strict=True))
    return f"{variable}[{inside}]" if inside else variable


def _table(rows: list[str], draws: Floats) -> pd.DataFrame:
    """Health of (K, C, D) draws by name; constants are left out, non-finite draws kept as NaN."""
    flat = draws.reshape(len(rows), draws.shape[1] * draws.shape[2])
    keep = (flat != flat[:, :1]).any(axis=1)
    draws = draws[keep]
    found = health.Health.of(draws)
    # every chain stands still, each at its own place: as far from agreement as can be
    still = np.isnan(found.rhat) & np.isfinite(draws).all(axis=(1, 2)) & (draws.shape[1] > 1)
    still &= draws.shape[2] >= health.MIN_DRAWS
    return pd.DataFrame(
        {
            "rhat": np.where(still, np.inf, found.rhat),
            "ess_bulk": found.ess_bulk,
            "ess_tail": found.ess_tail,
            "mcse_mean": found.mcse_mean,
        },
        index=pd.Index(np.asarray(rows, dtype=object)[keep], name="quantity"),
    )


def _count(stats: xr.Dataset, name: str) -> int:
    return int(stats[name].sum()) if name in stats else 0


def _bfmi(stats: xr.Dataset) -> Floats:
    """(chains,) E-BFMI: mean squared change of the energy over its variance; NaN if constant."""
    if "energy" not in stats or stats.sizes[names.DRAW] < 2:
        return np.full(stats.sizes.get(names.CHAIN, 0), np.nan)
    energy = stats["energy"].transpose(names.CHAIN, names.DRAW).to_numpy()
    spread = energy.var(axis=1, ddof=1)
    change = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return np.divide(change, spread, out=np.full(len(energy), np.nan), where=spread > 0)


# ---- what a failed check means and what to do about it -----------------------------------------
# Every parameter is held to each limit. Of a thousand group effects some cross a limit by chance,
# however well the chains mix: as long as these are at most `BY_CHANCE` of all effects, and none
# goes as far as the `FAR` limits, that is no finding.


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
        "tails may be missing. Remedy: target_accept=0.99, NonCentered() for the groups "
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
    return f"tune={_longer(found)}, target_accept=0.99"


def _more(found: Findings, factor: float) -> int:
    """Draws per chain times a factor, rounded up to a figure one would type."""
    return math.ceil(found.draws * factor / 500) * 500
