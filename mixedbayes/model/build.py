"""Design, family and priors become a pm.Model."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.model.formulations import Chosen
from mixedbayes.model.predictor import linear_predictor
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import scalar


def build(spec: Spec, chosen: Chosen) -> pm.Model:
    """The model in PyMC, with labelled dimensions and the observed variable named by the response.

    A normal pm.Model: `pm.sample`, `pm.sample_prior_predictive`, `pm.find_MAP` and `pm.do` work.
    """
    if chosen.marginal:
        from mixedbayes.model.marginal import build_marginal

        return build_marginal(spec)
    design, family = spec.design, spec.family
    with pm.Model(coords=model_coords(spec)) as model:
        eta = linear_predictor(design.mu, spec.priors.mu, chosen.groups)
        parameters: dict[str, Any] = {
            name: scalar(name, a.prior, positive=True) for name, a in spec.priors.parameters.items()
        }
        kind, args = family.pymc(family.link.inverse(eta, pt), parameters, design, pt)
        name = response_name(spec)
        observed = pm.Data(f"{name}_data", design.y, dims=names.OBS)
        getattr(pm, kind)(name, **args, observed=observed, dims=names.OBS)
    return model


def graph(model: pm.Model) -> Any:
    """Graphviz picture of a model."""
    return pm.model_to_graphviz(model)
