"""A model's draws, data and provenance as one DataTree in ArviZ's schema."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.model.coords import (
    dims_of,
    model_coords,
    response_dims,
    response_name,
    response_names,
)
from mixedbayes.model.data import data_of
from mixedbayes.model.free import Derived, free_variables
from mixedbayes.model.log_prior import log_priors
from mixedbayes.model.spec import Spec
from mixedbayes.sample.labels import group_of
from mixedbayes.sample.result import NUTS, SamplingResult

# ---- variables that are computed when they are read --------------------------------------------


class Computed(BackendArray):
    """(C, D, ...) a function of other draws, each draw by itself; only draws asked for are made.

    Parameters
    ----------
    function
        From arrays (c, d, ...) of the inputs' draws to those of the result.
    inputs
        (C, D, ...) draws.
    shape
        Of the result.
    """

    def __init__(
        self, function: Callable[..., Floats], inputs: Sequence[Floats], shape: tuple[int, ...]
    ) -> None:
        self.function, self.inputs, self.shape = function, tuple(inputs), shape
        self.dtype = np.dtype(float)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Floats:
        draws = tuple(slice(k, k + 1) if isinstance(k, int | np.integer) else k for k in key[:2])
        values = self.function(*(x[draws] for x in self.inputs))
        first = tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key[:2])
        return values[(*first, *key[2:])]


def computed(
    dims: Sequence[str],
    function: Callable[..., Floats],
    inputs: Sequence[xr.DataArray],
    sizes: Mapping[Any, int],
) -> xr.Variable:
    """A variable (chain, draw, *dims) computed from others, which its attribute names.

    Of dimensions that `sizes` does not have, the size is found from the first draw.
    """
    draws = [x.transpose(names.CHAIN, names.DRAW, ...).to_numpy() for x in inputs]
    if all(dim in sizes for dim in dims):
        own = tuple(sizes[dim] for dim in dims)
    else:
        own = function(*(x[:1, :1] for x in draws)).shape[2:]
    shape = (*draws[0].shape[:2], *own)
    data = indexing.LazilyIndexedArray(Computed(function, draws, shape))
    attrs = {names.DERIVED_FROM: ", ".join(str(x.name) for x in inputs)}
    return xr.Variable((names.CHAIN, names.DRAW, *dims), data, attrs)


Variables = Mapping[str, tuple[Sequence[str], NDArray[Any]]]


# ---- a tree in ArviZ's schema ------------------------------------------------------------------


def to_tree(spec: Spec, result: SamplingResult, *, seconds: float | None = None) -> xr.DataTree:
    """Posterior, sampler statistics, response and design, labelled by the user's names.

    Parameters
    ----------
    spec
        The model.
    result
        Its draws.
    seconds
        Wall-clock time of the whole fit.
    """
    observed, constant = _data(spec)
    return to_idata(
        result, observed=observed, constant=constant, coords=model_coords(spec), seconds=seconds
    )


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
            groups[name] = group_of(variables, coords)
    return xr.DataTree.from_dict(groups)


def data_groups(spec: Spec) -> dict[str, xr.Dataset]:
    """The groups `observed_data` and `constant_data` of a fit, for draws from elsewhere."""
    groups = dict(zip(("observed_data", "constant_data"), _data(spec), strict=True))
    coords = model_coords(spec)
    return {name: group_of(variables, coords) for name, variables in groups.items() if variables}


def with_derived(spec: Spec, tree: xr.DataTree) -> xr.DataTree:
    """A copy of the tree with what PyMC and ArviZ ask for too, computed when it is read.

    Every free variable of the model's formulations in PyMC in its posterior, so that
    `pm.sample_posterior_predictive` and `pm.compute_log_likelihood` find them; and a group
    `log_prior`, see `model.log_prior`, unless it has one. They have the attribute `derived_from`.
    Where only summaries of group effects were kept, those that follow from the effects are missing,
    and the posterior's attribute `without` says so.
    """
    tree = tree.copy()
    posterior = tree["posterior"].to_dataset()
    free = _computed(
        {n: d for n, d in free_variables(spec).items() if n not in posterior}, posterior
    )
    lost = [name for name in dims_of(spec) if name not in posterior]
    if lost:
        free_of = "PyMC would draw them again from their distribution"
        posterior.attrs["without"] = f"draws of {', '.join(lost)} were not kept; {free_of}"
    if names.LOG_PRIOR not in tree.children:
        densities = _computed(log_priors(spec), posterior)
        tree[names.LOG_PRIOR] = xr.DataTree(group_of(densities, posterior.coords))
    tree["posterior"].dataset = posterior.assign(free)
    return tree


def _computed(derived: Mapping[str, Derived], posterior: xr.Dataset) -> dict[str, xr.Variable]:
    """Those of them that follow from what the posterior has."""
    return {
        name: computed(d.dims, d.function, [posterior[of] for of in d.of], posterior.sizes)
        for name, d in derived.items()
        if all(of in posterior for of in d.of)
    }


def without_derived(tree: xr.DataTree) -> xr.DataTree:
    """The tree without what is computed when read, for files; that given stays as it is."""
    out = tree.copy()
    for name, group in list(out.children.items()):
        dataset = group.to_dataset()
        derived = [n for n, x in dataset.data_vars.items() if names.DERIVED_FROM in x.attrs]
        if derived and len(derived) == len(dataset.data_vars):
            del out[name]
        else:
            group.dataset = dataset.drop_vars(derived)
    return out


def _data(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """The response; and the data of its rows, as the model in PyMC has them.

    None where single rows are not there.
    """
    if spec.design.without_rows:
        return {}, {}
    return observed_data(spec), data_of(spec)


def observed_data(spec: Spec) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Dimensions and values of the response by name; of several families of each."""
    every, family = spec.design.several, spec.family
    if every is None or not family.by_response:
        dims = (names.OBS, *family.response_labels)
        return {response_name(spec): (dims, family.reported(spec.design.y))}
    called = list(response_names(spec).values())
    return {
        name: (response_dims(spec, k, name), family.of_response(k).reported(part.y))
        for k, (name, part) in enumerate(zip(called, every.parts, strict=True))
    }


@cache
def version(package: str) -> str:
    """Of an installed package, whose metadata are read once."""
    return metadata.version(package)


def _attributes(result: SamplingResult, seconds: float | None) -> dict[str, str | int | float]:
    """Provenance in types that NetCDF can keep."""
    settings = result.settings
    of_nuts = {
        "target_accept": float(settings.target_accept or 0.0),
        "max_treedepth": settings.max_treedepth,
    }
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "creation_library": "mixedbayes",
        "creation_library_version": version("mixedbayes"),
        "inference_library": result.sampler,
        "inference_library_version": result.version,
        "inference_method": result.method,
        "numpy_version": version("numpy"),
        "pymc_version": version("pymc"),
        "arviz_version": version("arviz"),
        "python_version": platform.python_version(),
        "sampling_time": result.timings.total if seconds is None else seconds,
        "compile_time": result.timings.compile,
        "tuning_time": result.timings.tune,
        "tuning_steps": int(settings.tune or 0),
        "seed": result.seed,
        **(of_nuts if result.method == NUTS else {}),
        "interrupted": int(result.interrupted),
    }
