"""Design, family and priors become a pm.Model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Design
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.model.formulations import Chosen, by_information
from mixedbayes.model.parameters import family_parameters
from mixedbayes.model.predictor import linear_predictor
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import Reusable


def build(spec: Spec, chosen: Chosen, *, reusable: bool = False) -> pm.Model:
    """The model in PyMC, with labelled dimensions and the observed variable named by the response.

    A normal pm.Model: `pm.sample`, `pm.sample_prior_predictive`, `pm.find_MAP` and `pm.do` work.
    With `reusable` it is one for the sampler alone, see `Reusable`.
    """
    if chosen.marginal:
        from mixedbayes.marginal.setup import set_up
        from mixedbayes.model.marginal import build_marginal

        return build_marginal(spec, set_up(spec.design, spec.priors, chosen.max_dense))
    design, family = spec.design, spec.family
    groups = by_information(spec) if chosen.joint else chosen.groups
    kind_of_model = Reusable if reusable else pm.Model
    with kind_of_model(coords=model_coords(spec)) as model:
        rows = _row_data(design)
        eta = linear_predictor(design.mu, spec.priors.mu, groups)
        parameters = family_parameters(spec, groups)
        kind, args = family.pymc(eta, parameters, replace(design, **rows), pt)
        name = response_name(spec)
        y = design.y.astype(np.int64) if family.discrete else design.y
        observed = pm.Data(f"{name}_data", y, dims=names.OBS)
        response = getattr(pm, kind)(name, **args, observed=observed, dims=names.OBS)
        if design.weights is not None and family.repeats_rows:
            repeats = rows["weights"] - 1
            pm.Potential("weighted_rows", (repeats * pm.logp(response, observed)).sum())
    return model


def _row_data(design: Design) -> dict[str, Any]:
    """Weights and trials of the rows, where there are any, as data of the model."""
    given = {"weights": design.weights, "trials": design.trials}
    return {k: pm.Data(k, v, dims=names.OBS) for k, v in given.items() if v is not None}


def graph(model: pm.Model) -> Any:
    """Graphviz picture of a model."""
    return pm.model_to_graphviz(model)
