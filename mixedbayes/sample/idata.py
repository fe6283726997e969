"""Draws, data and provenance as one DataTree in ArviZ's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes.sample.result import SamplingResult

Variables = Mapping[str, tuple[Sequence[str], NDArray[Any]]]


def to_idata(
    result: SamplingResult,
    *,
    observed: Variables,
    constant: Variables,
    coords: Mapping[str, Any],
    seconds: float | None = None,
) -> xr.DataTree:
    """The tree that every ArviZ function takes.

    Parameters
    ----------
    result
        Draws and statistics.
    observed, constant
        Groups `observed_data` and `constant_data`: name -> (dims, values). An empty group is
        left out.
    coords
        Labels of dimensions; only those that a group uses are put there.
    seconds
        Wall-clock time of the whole fit, kept as `sampling_time`; by default that of the sampler.

    Returns
    -------
    DataTree with posterior, sample_stats, observed_data and constant_data. The attributes of the
    first two say what made them, with which seed and versions.
    """
    attrs = _attributes(result, seconds)
    groups = {
        "posterior": result.posterior.assign_attrs(attrs),
        "sample_stats": result.sample_stats.assign_attrs(attrs),
    }
    for name, variables in (("observed_data", observed), ("constant_data", constant)):
        if variables:
            groups[name] = dataset(variables, coords)
    return xr.DataTree.from_dict(groups)


def dataset(variables: Variables, coords: Mapping[str, Any]) -> xr.Dataset:
    """Variables with the coordinates of the dimensions that they use."""
    used = {d for dims, _ in variables.values() for d in dims}
    data = {name: (tuple(dims), values) for name, (dims, values) in variables.items()}
    return xr.Dataset(data, {d: np.asarray(coords[d]) for d in coords if d in used})


def _attributes(result: SamplingResult, seconds: float | None) -> dict[str, str | int | float]:
    """Provenance in types that NetCDF can keep."""
    settings = result.settings
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "creation_library": "mixedbayes",
        "creation_library_version": version("mixedbayes"),
        "inference_library": result.sampler,
        "inference_library_version": result.version,
        "numpy_version": version("numpy"),
        "sampling_time": result.timings.total if seconds is None else seconds,
        "compile_time": result.timings.compile,
        "tuning_time": result.timings.tune,
        "tuning_steps": int(settings.tune or 0),
        "seed": result.seed,
        "target_accept": float(settings.target_accept or 0.0),
        "max_treedepth": settings.max_treedepth,
        "interrupted": int(result.interrupted),
    }
