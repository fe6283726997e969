"""Group effects kept as summaries only, where levels x draws would not fit in memory.

The DataTree then has no `ranef_<group>` among its draws, and a group `ranef_summary` instead. For
each factor it holds, per level and term, the mean, the sd and a grid of quantiles of the deviation:
`ranef_<group>_mean`, `_sd`, `_quantile`. Where population + deviation was summarised as well, the
same is there under `coef_<group>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.marginal.summaries import QUANTILES, EffectsSummary
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import ENDS, Description, tails


def to_dataset(
    groups: Mapping[str, tuple[GroupDesign, EffectsSummary, EffectsSummary | None]],
    parameter: str = "mu",
) -> xr.Dataset:
    """The `ranef_summary` group: per factor its design, deviations and, if known, coefficients."""
    variables: dict[str, tuple[tuple[str, ...], Floats]] = {}
    coords: dict[str, object] = {names.QUANTILE: np.asarray(QUANTILES)}
    for name, (g, deviation, total) in groups.items():
        dims = g.level_dim(parameter), names.group_term_dim(name, parameter)
        coords |= {dims[0]: g.levels.to_numpy(), dims[1]: list(g.terms)}
        stored = {names.ranef(name, parameter): deviation, names.coef(name, parameter): total}
        for variable, s in stored.items():
            if s is not None:
                variables[f"{variable}_mean"] = dims, s.mean
                variables[f"{variable}_sd"] = dims, s.sd
                variables[f"{variable}_quantile"] = (names.QUANTILE, *dims), s.quantiles
    return xr.Dataset(variables, coords=coords)


@dataclass(frozen=True, eq=False)
class StoredSummary:
    """A summary read back, with the probabilities of its quantiles."""

    summary: EffectsSummary
    probabilities: Floats  # (k,)


def has_summaries(post: Posterior) -> bool:
    """Whether group effects of this fit were kept as summaries instead of draws."""
    return names.RANEF_SUMMARY in post.idata.children


def read(post: Posterior, variable: str) -> StoredSummary:
    """The summary kept under a variable's name, `ranef_<group>` or `coef_<group>`.

    Raises
    ------
    ModelError
        If it was not stored.
    """
    tree = post.idata.children.get(names.RANEF_SUMMARY)
    stored = xr.Dataset() if tree is None else tree.to_dataset()
    if f"{variable}_mean" not in stored:
        had = "; ranef() works from what was kept" if len(stored.data_vars) else ""
        raise ModelError(
            f"neither draws nor summaries of {variable} were kept{had}. Fit again with fewer draws "
            'or with effects="draws"'
        )
    parts = (stored[f"{variable}_{what}"].to_numpy() for what in ("mean", "sd", "quantile"))
    return StoredSummary(EffectsSummary(*parts), stored[names.QUANTILE].to_numpy())


def columns(stored: StoredSummary, how: Description) -> dict[str, Floats]:
    """The columns that are asked for, each (J q,), from a summary.

    Raises
    ------
    ModelError
        For those that follow from draws alone, and the interval of highest density.
    """
    low, high = tails(how.prob)
    known: dict[str, Callable[[], Floats]] = {
        "mean": lambda: stored.summary.mean,
        "sd": lambda: stored.summary.sd,
        "median": lambda: quantile_at(stored, 0.5),
        "lower": lambda: quantile_at(stored, low),
        "upper": lambda: quantile_at(stored, high),
        "prob_positive": lambda: share_positive(stored),
    }
    lost = [name for name in how.columns if name not in known]
    if how.interval == "hdi" and how.needs(*ENDS):
        lost.append('interval="hdi"')
    if lost:
        raise ModelError(
            f"{', '.join(lost)} of group effects follow from their draws, and only summaries of "
            f"these were kept, which have {', '.join(known)} with equal-tailed intervals: ask for "
            'those, or fit again with effects="draws"'
        )
    return {name: known[name]().ravel() for name in how.columns}


def quantile_at(stored: StoredSummary, p: float) -> Floats:
    """Quantile p from the grid, exact at its points, between them linear in the normal score."""
    grid = stored.probabilities
    low, high = float(grid[0]), float(grid[-1])
    if not low - 1e-12 <= p <= high + 1e-12:
        raise ModelError(
            f"only summaries of the group effects were kept, with quantiles from {low:g} to "
            f"{high:g}, and the quantile {p:.4g} is not among them: use prob={high - low:.2g} or "
            "less, or fit again with the group effects kept as draws"
        )
    at, z = special.ndtri(grid), special.ndtri(p)
    i = int(np.clip(np.searchsorted(at, z) - 1, 0, len(at) - 2))
    w = np.clip((z - at[i]) / (at[i + 1] - at[i]), 0.0, 1.0)
    q = stored.summary.quantiles
    return (1 - w) * q[i] + w * q[i + 1]


def share_positive(stored: StoredSummary) -> Floats:
    """Probability above zero from the grid, linear in the normal score between its quantiles.

    Beyond the outermost quantiles the line between the last two goes on, as a normal tail.
    """
    at, q = special.ndtri(stored.probabilities), stored.summary.quantiles
    i = np.clip((q <= 0).sum(axis=0) - 1, 0, len(at) - 2)
    low, high = (np.take_along_axis(q, k[None], axis=0)[0] for k in (i, i + 1))
    step = high - low
    z = at[i] - low * (at[i + 1] - at[i]) / np.where(step > 0, step, 1.0)
    return np.where(step > 0, special.ndtr(-z), (low > 0) * 1.0)
