"""`mixedbayes.from_pymc`: a trace that PyMC made of one of our models, as a `Fit`."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mixedbayes.api import traces
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.run import Run
from mixedbayes.engines.trace import check_response, from_trace
from mixedbayes.errors import ModelError
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.tree import data_groups

_GIVE = "the DataTree that pm.sample returned"


def from_pymc(model: Model, trace: Any, *, seed: int = 0) -> Fit:
    """A trace of a model's pm.Model, with this package's tables, predictions, pictures and checks.

    Parameters
    ----------
    model
        The `Model` whose `pymc`, or `build` in any formulation, was sampled.
    trace
        What `pm.sample` (or nutpie, NumPyro, ...) returned for it: a DataTree with a group
        `posterior` of all its variables. Of `build(Marginal())` it has no effects; they are drawn
        from their exact distribution given the other parameters.
    seed
        Of effects drawn so, and of predictions; with which the trace was made is not known.

    Returns
    -------
    Fit
        `formulation` is that of the trace, and `note` says where the draws are from. What fits
        again, such as `kfold`, does so in this formulation.

    Raises
    ------
    ModelError
        If the trace lacks variables of the model, or is of other data; the message says which.

    See Also
    --------
    pymc : The model in PyMC.
    build : In another formulation.
    from_bambi : Of a fit by Bambi.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> import pymc as pm
    >>> model = mb.Model("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff"))
    >>> trace = pm.sample(model=model.pymc)  # doctest: +SKIP

    Any tree with the model's variables will do, such as that of a fit:

    >>> trace = model.fit(draws=100, seed=1).idata
    >>> fit = mb.from_pymc(model, trace)
    >>> fit.varcorr()[["group", "term", "kind"]]
          group       term kind
    0     Batch  Intercept   sd
    1  Residual        NaN   sd
    """
    if not isinstance(model, Model):
        raise ModelError(
            f"from_pymc() takes the mixedbayes Model that the pm.Model is of, got a "
            f"{type(model).__name__}; its `pymc` is the pm.Model"
        )
    posterior = traces.group(trace, "posterior", _GIVE)
    if "observed_data" in trace:
        check_response(model.spec, traces.group(trace, "observed_data", _GIVE))
    draws, chosen = from_trace(model.spec, posterior, model.formulation, seed)
    tree = {"posterior": draws.assign_attrs(posterior.attrs | {"seed": seed})}
    tree |= traces.statistics(trace) | data_groups(model.spec)
    run = Run(traces.settings(posterior), chosen, "the draws are those of a trace of PyMC")
    return Fit(model, Posterior(model.spec, xr.DataTree.from_dict(tree), run))
