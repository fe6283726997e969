"""Design, family and priors become a pm.Model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes.model.coords import model_coords
from mixedbayes.model.data import data_of
from mixedbayes.model.formulations import Chosen, with_effects
from mixedbayes.model.parameters import family_parameters
from mixedbayes.model.predictor import linear_predictor
from mixedbayes.model.response import response
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import Reusable


def build(spec: Spec, chosen: Chosen, *, reusable: bool = False) -> pm.Model:
    """The model in PyMC, with labelled dimensions and the observed variable named by the response.

    A normal pm.Model: `pm.sample`, `pm.sample_prior_predictive`, `pm.find_MAP`, `pm.do` work, and
    `pm.set_data` on what `data_of` names. With `reusable` it is one for the sampler alone, see
    `Reusable`.
    """
    if chosen.marginal:
        from mixedbayes.marginal.setup import set_up
        from mixedbayes.model.marginal import build_marginal

        return build_marginal(spec, set_up(spec.design, spec.priors, chosen.max_dense))
    groups = with_effects(chosen, spec).groups
    kind_of_model = Reusable if reusable else pm.Model
    with kind_of_model(coords=model_coords(spec)) as model:
        for name, (dims, values) in data_of(spec).items():
            pm.Data(name, values, dims=dims)
        eta = linear_predictor(spec.design.mu, spec.priors.mu, groups)
        parameters = family_parameters(spec, groups)
        given = {k: model[k] for k in ("weights", "trials") if k in model.named_vars}
        kind, args = spec.family.pymc(eta, parameters, replace(spec.design, **given), pt)
        response(spec, kind, args)
    return model


def graph(model: pm.Model) -> Any:
    """Graphviz picture of a model."""
    return pm.model_to_graphviz(model)
