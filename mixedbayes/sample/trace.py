"""Draws of the named parameters from a trace that PyMC made of one of our models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.marginal.setup import set_up
from mixedbayes.model.coords import dims_of, model_coords, response_name
from mixedbayes.model.formulations import (
    Centered,
    Chosen,
    Formulation,
    Marginal,
    NonCentered,
    marginal_obstacle,
)
from mixedbayes.model.marginal import constrained_of, variables
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import one_blas_thread
from mixedbayes.sample.labels import by_name

_LEAD = (names.CHAIN, names.DRAW)


def from_trace(
    spec: Spec, posterior: xr.Dataset, max_dense: int, seed: int
) -> tuple[xr.Dataset, Chosen]:
    """Draws of every named parameter, and the formulation of the model that the trace is of.

    Parameters
    ----------
    spec
        The model.
    posterior
        A trace of its pm.Model, with group effects or of the marginal density.
    max_dense
        Of `Marginal`, for a trace of that.
    seed
        Of effects that the trace lacks because they were integrated out: they are drawn from their
        exact distribution given the other parameters.

    Raises
    ------
    ModelError
        The trace lacks variables, or has other dimensions or labels than the model; it says which.
    """
    wanted = dims_of(spec)
    draws: Mapping[str, Floats]
    if all(name in posterior for name in wanted):
        draws = {name: _values(spec, posterior, name, dims) for name, dims in wanted.items()}
        chosen = Chosen(_formulations(spec, posterior), False, "as in the trace")
    else:
        draws = _effects_drawn(spec, posterior, max_dense, seed)
        chosen = Chosen(
            dict.fromkeys([g.name for g in spec.design.mu.groups], Marginal(max_dense)),
            True,
            "as in the trace",
            max_dense,
        )
    table = by_name(spec, draws, (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]))
    return table.assign_coords({d: posterior[d].to_numpy() for d in _LEAD}), chosen


def check_response(spec: Spec, observed: xr.Dataset) -> None:
    """Raise ModelError if a trace's observed data are not the model's response."""
    name = response_name(spec)
    y = spec.family.reported(spec.design.y)
    if name in observed and not np.array_equal(observed[name].to_numpy(), y):
        raise ModelError(
            f"the trace is of other values of {name} ({observed[name].size} rows) than the model's "
            f"({len(y)} rows): make the Model with the data that the trace is of"
        )


def _effects_drawn(
    spec: Spec, posterior: xr.Dataset, max_dense: int, seed: int
) -> Mapping[str, Floats]:
    obstacle = marginal_obstacle(spec)
    if obstacle is not None:
        raise _lacking(posterior, list(dims_of(spec)))
    setup = set_up(spec.design, spec.priors, max_dense)
    needed, dims = variables(setup), dims_of(spec)
    if not all(name in posterior for name in needed):
        raise _lacking(posterior, needed)
    dims = dims | {names.spherical(g.name): dims[names.ranef(g.name)] for g in setup.sampled}
    draws = {name: _values(spec, posterior, name, dims.get(name, ())) for name in needed}
    with one_blas_thread():
        return setup.parameters(constrained_of(setup, draws), np.random.default_rng(seed))


def _lacking(posterior: xr.Dataset, needed: Sequence[str]) -> ModelError:
    lacking = ", ".join(name for name in needed if name not in posterior)
    return ModelError(
        f"the trace lacks {lacking}; it has {', '.join(map(str, posterior.data_vars))}. Sample the "
        "pm.Model of this model, without var_names=: pm.sample(model=model.pymc)"
    )


def _values(spec: Spec, posterior: xr.Dataset, name: str, dims: tuple[str, ...]) -> Floats:
    """(S, ...) draws of one variable, after a look at its dimensions and labels."""
    x = posterior[name]
    if set(x.dims) != {*_LEAD, *dims}:
        raise ModelError(
            f"{name} has the dimensions {', '.join(map(str, x.dims))} in the trace, and "
            f"{', '.join((*_LEAD, *dims))} in the model"
        )
    coords = model_coords(spec)
    for d in dims:
        theirs, ours = (np.asarray(a, dtype=object) for a in (x[d].to_numpy(), coords[d]))
        if not np.array_equal(theirs, ours):
            raise ModelError(
                f"{name} has other labels of {d} in the trace ({len(theirs)}) than in the model "
                f"({len(ours)}): make the Model with the data that the trace is of"
            )
    values = np.asarray(x.transpose(*_LEAD, *dims).to_numpy(), float)
    return values.reshape(-1, *values.shape[2:])


def _formulations(spec: Spec, posterior: xr.Dataset) -> dict[str, Formulation]:
    return {
        names.prefix(p.parameter) + g.name: NonCentered()
        if names.spherical(g.name, p.parameter) in posterior
        else Centered()
        for p in spec.design.predictors
        for g in p.groups
    }
