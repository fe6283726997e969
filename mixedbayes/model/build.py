"""Design, family and priors become a pm.Model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes.model.across import effects_across
from mixedbayes.model.coords import model_coords
from mixedbayes.model.data import data_of
from mixedbayes.model.formulations import EachFactor
from mixedbayes.model.parameters import family_parameters
from mixedbayes.model.predictor import linear_predictor
from mixedbayes.model.response import response, responses
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import Reusable


def build(spec: Spec, groups: Mapping[str, EachFactor], *, reusable: bool = False) -> pm.Model:
    """The model in PyMC with its group effects, in the formulation of each grouping factor.

    Dimensions are labelled, and the observed variable is named by the response; responses of
    different families are one each. A normal pm.Model:
    `pm.sample`, `pm.sample_prior_predictive`, `pm.find_MAP`, `pm.do` work, and `pm.set_data` on
    what `data_of` names. With `reusable` it is one for the sampler alone, see `Reusable`.
    """
    spec.design.need_rows("the model in PyMC")
    kind_of_model = Reusable if reusable else pm.Model
    with kind_of_model(coords=model_coords(spec)) as model:
        for name, (dims, values) in data_of(spec).items():
            pm.Data(name, values, dims=dims)
        for a in spec.design.across:
            effects_across(a, spec.priors, groups[a.name])
        eta = linear_predictor(spec.design.mu, spec.priors.mu, groups)
        parameters = family_parameters(spec, groups)
        if spec.family.by_response:
            responses(spec, eta, parameters)
            return model
        given = {k: model[k] for k in ("weights", "trials") if k in model.named_vars}
        kind, args = spec.family.pymc(eta, parameters, replace(spec.design, **given), pt)
        response(spec, kind, args, eta, parameters)
    return model


def graph(model: pm.Model) -> Any:
    """Graphviz picture of a model."""
    return pm.model_to_graphviz(model)
