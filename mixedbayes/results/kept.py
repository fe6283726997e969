"""Group effects kept as summaries only, where levels x draws would not fit in memory.

The DataTree then has no `ranef_<group>` among its draws, and a group `ranef_summary` instead. For
each factor it holds, per level and term, the mean, the sd and a grid of quantiles of the deviation
(`ranef_<group>_mean`, `_sd`, `_quantile`) and of population + deviation (`coef_<group>_...`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.marginal.effects import QUANTILES
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectSummary:
    """What is kept of the draws of one factor's effects."""

    mean: Floats  # (J, q)
    sd: Floats  # (J, q)
    quantile: Floats  # (len(QUANTILES), J, q)


def summarise_effects(draws: Floats) -> EffectSummary:
    """Summary of (S, J, q) draws, for all levels or some of them."""
    return EffectSummary(
        draws.mean(axis=0), draws.std(axis=0, ddof=1), np.quantile(draws, QUANTILES, axis=0)
    )


def join(parts: list[EffectSummary]) -> EffectSummary:
    """Summaries of consecutive levels as one."""
    return EffectSummary(
        np.concatenate([p.mean for p in parts]),
        np.concatenate([p.sd for p in parts]),
        np.concatenate([p.quantile for p in parts], axis=1),
    )


def to_dataset(
    groups: Mapping[str, tuple[GroupDesign, EffectSummary, EffectSummary | None]],
    parameter: str = "mu",
) -> xr.Dataset:
    """The `ranef_summary` group: per factor its design, deviations, population + deviations."""
    variables: dict[str, tuple[tuple[str, ...], Floats]] = {}
    coords: dict[str, object] = {names.QUANTILE: np.asarray(QUANTILES)}
    for name, (g, deviation, total) in groups.items():
        dims = names.group_dim(name), names.group_term_dim(name, parameter)
        coords |= {dims[0]: g.levels.to_numpy(), dims[1]: list(g.terms)}
        for variable, s in (
            (names.ranef(name, parameter), deviation),
            (names.coef(name, parameter), total),
        ):
            if s is None:
                continue
            variables[f"{variable}_mean"] = dims, s.mean
            variables[f"{variable}_sd"] = dims, s.sd
            variables[f"{variable}_quantile"] = (names.QUANTILE, *dims), s.quantile
    return xr.Dataset(variables, coords=coords)


def read(post: Posterior, variable: str) -> EffectSummary:
    """The summary kept under a variable's name, `ranef_<group>` or `coef_<group>`."""
    kept = post.idata[names.RANEF_SUMMARY].to_dataset() if has_summaries(post) else xr.Dataset()
    if f"{variable}_mean" not in kept:
        raise ModelError(
            f"neither draws nor summaries of {variable} were kept; fit again to have them"
        )
    mean, sd, quantile = (
        kept[f"{variable}_{what}"].to_numpy() for what in ("mean", "sd", "quantile")
    )
    return EffectSummary(mean, sd, quantile)


def has_summaries(post: Posterior) -> bool:
    return names.RANEF_SUMMARY in post.idata.children


def columns(kept: EffectSummary, prob: float) -> dict[str, Floats]:
    """Columns mean, sd, lower, upper, each (J q,), from a summary."""
    lower, upper = (quantile_at(kept.quantile, p) for p in tails(prob))
    return {
        "mean": kept.mean.ravel(),
        "sd": kept.sd.ravel(),
        "lower": lower.ravel(),
        "upper": upper.ravel(),
    }


def quantile_at(quantile: Floats, p: float) -> Floats:
    """Quantile p from the grid, exact at its points, between them linear in the normal score."""
    low, high = QUANTILES[0], QUANTILES[-1]
    if not low - 1e-12 <= p <= high + 1e-12:
        raise ModelError(
            f"only summaries of the group effects were kept, with quantiles from {low} to {high}: "
            f"the quantile {p:.4g} is not among them; use prob <= {high - low:.2f}, or fit again "
            "with the group effects kept as draws"
        )
    at = special.ndtri(np.asarray(QUANTILES))
    z = np.clip(special.ndtri(p), at[0], at[-1])
    i = int(np.clip(np.searchsorted(at, z) - 1, 0, len(at) - 2))
    w = (z - at[i]) / (at[i + 1] - at[i])
    return (1 - w) * quantile[i] + w * quantile[i + 1]
