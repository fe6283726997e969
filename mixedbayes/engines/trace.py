"""Draws of the named parameters from a trace that PyMC made of one of our models."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.engines import registry
from mixedbayes.engines.base import Chosen
from mixedbayes.errors import ModelError
from mixedbayes.model.coords import model_coords
from mixedbayes.model.spec import Spec
from mixedbayes.sample.labels import by_name
from mixedbayes.sample.tree import observed_data

_LEAD = (names.CHAIN, names.DRAW)


def from_trace(
    spec: Spec, posterior: xr.Dataset, asked: Chosen, seed: int
) -> tuple[xr.Dataset, Chosen]:
    """Draws of every named parameter, and the formulation of the model that the trace is of.

    Parameters
    ----------
    spec
        The model.
    posterior
        A trace of its pm.Model: that of any engine that can take it, the one with most variables
        first.
    asked
        The model's own choice, whose options are those of the trace where the engine is.
    seed
        Of effects that the trace lacks because they were integrated out: they are drawn from their
        exact distribution given the other parameters.

    Raises
    ------
    ModelError
        The trace lacks variables, or has other dimensions or labels than the model; it says which.
    """
    for engine in reversed([e for e in registry.ENGINES if e.obstacle(spec) is None]):
        chosen = engine.traced(spec, posterior, asked)
        needed, named = engine.reading(spec, chosen)
        if all(name in posterior for name in needed):
            break
    else:
        raise _lacking(posterior, needed)
    draws = named({n: _values(spec, posterior, n, dims) for n, dims in needed.items()}, seed)
    table = by_name(spec, draws, (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]))
    return table.assign_coords({d: posterior[d].to_numpy() for d in _LEAD}), chosen


def check_response(spec: Spec, observed: xr.Dataset) -> None:
    """Raise ModelError if a trace's observed data are not the model's response."""
    for name, (_, y) in observed_data(spec).items():
        if name in observed and not np.array_equal(observed[name].to_numpy(), y):
            raise ModelError(
                f"the trace is of other values of {name} ({observed[name].size} rows) than the "
                f"model's ({len(y)} rows): make the Model with the data that the trace is of"
            )


def _lacking(posterior: xr.Dataset, needed: Iterable[str]) -> ModelError:
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
