"""`mixedbayes.from_bambi`: a fitted Bambi model as a `Fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import xarray as xr

from mixedbayes import names
from mixedbayes.api import traces
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import choose_engine
from mixedbayes.engines.run import Run
from mixedbayes.errors import DataError, FormulaError, ModelError
from mixedbayes.interop.from_bambi import Matched, draws, matched, priors, translated
from mixedbayes.interop.writing import check_columns
from mixedbayes.model.formulations import Centered, Formulation, NonCentered
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.tree import data_groups


def from_bambi(
    model: Any, idata: Any, *, functions: Mapping[str, Callable[..., Any]] | None = None
) -> Fit:
    """A fitted Bambi model with this package's tables, predictions, pictures and checks.

    Formula, family, links and priors are translated; the draws are taken as they are. A coefficient
    is found by its column and a level by its rows, so that nothing depends on names or on the order
    of levels. Bambi has no correlations between group effects: its ``(x | g)`` is ``(x || g)``
    here. Its intercept, whose prior it puts at the predictors' means unless told otherwise, is at
    their values of zero in its posterior as in ours.

    Parameters
    ----------
    model
        The `bambi.Model`.
    idata
        What its `fit` returned: a DataTree with a group `posterior`.
    functions
        Functions of your own that its formula uses, by name.

    Returns
    -------
    Fit
        `note` says where the draws are from. What fits again, such as `kfold`, samples our model.

    Raises
    ------
    ModelError
        If something in the Bambi model has no counterpart here, such as a Gaussian process, a
        censored response or another family; or if it codes a column in another way. The message
        names it.

    See Also
    --------
    to_bambi : The way there.
    from_pymc : Of a trace of our own model in PyMC.

    Examples
    --------
    >>> import bambi as bmb
    >>> import mixedbayes as mb
    >>> dyes = mb.load_data("dyestuff")
    >>> theirs = bmb.Model("Yield ~ 1 + (1 | Batch)", dyes)
    >>> trace = theirs.fit(random_seed=1)  # doctest: +SKIP
    >>> fit = mb.from_bambi(theirs, trace)  # doctest: +SKIP
    >>> fit.icc()  # doctest: +SKIP
    """
    said = translated(model)
    found, ours = _ours(model, said, functions)
    posterior = traces.group(idata, "posterior", "what the Bambi model's fit() returned")
    tree = {"posterior": draws(found, ours.spec, posterior)}
    tree |= traces.statistics(idata) | data_groups(ours.spec)
    made = f"the draws are those of a Bambi model (Bambi {_version(model)})"
    if any(len(g.terms) > 1 for g in ours.design.mu.factors):
        made = f"{made}; group effects are uncorrelated in Bambi, written || here"
    chosen = _formulation(model, ours, said.parameters)
    run = Run(traces.settings(tree["posterior"]), chosen, made)
    return Fit(ours, Posterior(ours.spec, xr.DataTree.from_dict(tree), run))


def _ours(
    model: Any, said: Any, functions: Mapping[str, Callable[..., Any]] | None
) -> tuple[Matched, Model]:
    """Our model with Bambi's priors, and where its parameters are in Bambi's."""
    formulas = list(said.formulas)
    make = {"family": said.family, "functions": functions}
    try:
        plain = Model(formulas, model.data, **make)
    except (FormulaError, DataError) as e:
        raise ModelError(f"Bambi's model as {formulas[0]!r} is refused here: {e}") from e
    check_columns(plain.spec, "Bambi")
    found = matched(model, said, plain.design)
    ours = Model(formulas, model.data, priors=priors(found, plain.design), **make)
    if found.centred:
        ours.spec = replace(ours.spec, priors=ours.spec.priors.at_means())
    return found, ours


def _formulation(model: Any, ours: Model, parameters: Mapping[str, str]) -> Chosen:
    """As Bambi wrote the effects: a choice for each component of its model."""
    kinds: dict[str, Formulation] = {}
    for theirs, parameter in parameters.items():
        asked = model.noncentered
        loose = asked.get(theirs, True) if isinstance(asked, dict) else asked
        groups = next((p.factors for p in ours.design.predictors if p.parameter == parameter), ())
        for g in groups:
            kinds[names.prefix(parameter) + g.name] = NonCentered() if loose else Centered()
    return replace(choose_engine(kinds, ours.spec), reason="as Bambi has them")


def _version(model: Any) -> str:
    return version(type(model).__module__.split(".")[0])
