"""The lowest effective sample sizes of a posterior, the same for every tool."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import arviz_stats as azs
import numpy as np
import xarray as xr

MOST = 2_000  # quantities of one variable; of more, this many spread evenly over it


def lowest(posterior: xr.Dataset, variables: Iterable[str]) -> dict[str, Any]:
    """Lowest bulk and tail ESS over all entries of some variables, and where they occur."""
    out: dict[str, Any] = {}
    for method, prob in (("bulk", None), ("tail", (0.05, 0.95))):
        best, where = np.inf, ""
        for name in variables:
            values = _entries(posterior[name])
            ess = azs.ess(values, method=method, prob=prob, chain_axis=1, draw_axis=2)
            if np.nanmin(ess) < best:
                best, where = float(np.nanmin(ess)), name
        out[method] = round(best, 1) if np.isfinite(best) else None
        out[f"{method}_of"] = where
    return out


def quality(
    posterior: xr.Dataset, stats: xr.Dataset, effects: Collection[str], seconds: float
) -> dict[str, Any]:
    """Effective sample sizes of population-level parameters and of group effects, and health.

    effects: names of the variables that are group effects.
    """
    population = lowest(posterior, [str(n) for n in posterior.data_vars if n not in effects])
    return {
        "ess": population,
        "ess_effects": lowest(posterior, effects) if effects else None,
        "ess_per_second": min(population["bulk"], population["tail"]) / seconds,
        "draws": int(np.prod(list(stats["diverging"].sizes.values()))),
        "divergences": int(stats["diverging"].sum()),
        "steps_per_draw": float(stats["n_steps"].mean()) if "n_steps" in stats else 1.0,
    }


def _entries(values: xr.DataArray) -> np.ndarray:
    """(entries, chain, draw), constants such as a correlation matrix's diagonal left out."""
    x = values.transpose(..., "chain", "draw").to_numpy().reshape(-1, *_sizes(values))
    if len(x) > MOST:
        x = x[np.linspace(0, len(x) - 1, MOST).astype(int)]
    varies = np.ptp(x, axis=(1, 2)) > 1e-12
    return np.ascontiguousarray(x[varies], float)


def _sizes(values: xr.DataArray) -> tuple[int, int]:
    return values.sizes["chain"], values.sizes["draw"]
