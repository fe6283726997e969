"""Parts of a `Fit` from draws that another package made."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.sample.settings import SAMPLERS, Settings


def group(trace: Any, name: str, give: str) -> xr.Dataset:
    """A group of a DataTree; ModelError says what to `give` if it has none."""
    try:
        found = trace[name]
    except (KeyError, TypeError, IndexError, ValueError) as e:
        raise ModelError(f"idata has no group {name!r}: give {give}") from e
    found = found.to_dataset() if isinstance(found, xr.DataTree) else found
    if not isinstance(found, xr.Dataset):
        raise ModelError(f"{name!r} of what was given is no group of a DataTree: give {give}")
    return found


def statistics(trace: Any) -> dict[str, xr.Dataset]:
    """The sampler's statistics, as a group, where there are any; those that files can keep."""
    if "sample_stats" not in trace:
        return {}
    stats = group(trace, "sample_stats", "its DataTree")
    return {"sample_stats": stats[[v for v in stats if stats[v].dtype != object]]}


def settings(draws: xr.Dataset) -> Settings:
    """What the draws and their attributes say of how they were made."""
    tune = int(draws.attrs.get("tuning_steps", 0))
    library = str(draws.attrs.get("inference_library", ""))
    return Settings(
        draws=draws.sizes[names.DRAW],
        tune=tune if tune >= 20 else None,
        chains=draws.sizes[names.CHAIN],
        sampler=library if library in SAMPLERS else "pymc",  # type: ignore[arg-type]
        progress=False,
    )
