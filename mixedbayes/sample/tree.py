"""A model's sampling result as the DataTree of its fit."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mixedbayes import names
from mixedbayes.model.coords import dims_of, model_coords, response_name
from mixedbayes.model.data import data_of
from mixedbayes.model.free import free_variables
from mixedbayes.model.spec import Spec
from mixedbayes.sample.computed import computed
from mixedbayes.sample.idata import dataset, to_idata
from mixedbayes.sample.result import SamplingResult


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


def data_groups(spec: Spec) -> dict[str, xr.Dataset]:
    """The groups `observed_data` and `constant_data` of a fit, for draws from elsewhere."""
    groups = dict(zip(("observed_data", "constant_data"), _data(spec), strict=True))
    coords = model_coords(spec)
    return {name: dataset(variables, coords) for name, variables in groups.items() if variables}


def with_free_variables(spec: Spec, tree: xr.DataTree) -> xr.DataTree:
    """The tree, with every free variable of the model's formulations in PyMC in its posterior.

    So that `pm.sample_posterior_predictive` and `pm.compute_log_likelihood` find them. They are
    computed when read and have the attribute `derived_from`. Where only summaries of group effects
    were kept, those that follow from the effects are missing, and the posterior's attribute
    `without` says so.
    """
    posterior = tree["posterior"].to_dataset()
    free = {
        name: computed(d.dims, d.function, [posterior[of] for of in d.of])
        for name, d in free_variables(spec).items()
        if name not in posterior and all(of in posterior for of in d.of)
    }
    lost = [name for name in dims_of(spec) if name not in posterior]
    if lost:
        free_of = "PyMC would draw them again from their distribution"
        posterior.attrs["without"] = f"draws of {', '.join(lost)} were not kept; {free_of}"
    tree["posterior"].dataset = posterior.assign(free)
    return tree


def without_free_variables(tree: xr.DataTree) -> xr.DataTree:
    """The tree with the contract's variables alone, for files; the tree given stays as it is."""
    out = tree.copy()
    posterior = out["posterior"].to_dataset()
    free = [n for n, x in posterior.data_vars.items() if names.DERIVED_FROM in x.attrs]
    out["posterior"].dataset = posterior.drop_vars(free)
    return out


def _data(spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """The response; and the data of its rows, as the model in PyMC has them."""
    observed = {response_name(spec): ((names.OBS,), spec.family.reported(spec.design.y))}
    return observed, data_of(spec)
