"""Design, family and priors become a pm.Model."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.model.formulations import Chosen
from mixedbayes.model.predictor import coords, linear_predictor
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


def model_coords(spec: Spec) -> dict[str, Any]:
    """All coordinates: rows by the user's labels where these are unique, terms and levels."""
    design = spec.design
    index = design.index
    usable = index.is_unique and index.nlevels == 1
    out: dict[str, Any] = {names.OBS: index.to_numpy() if usable else design.rows}
    for predictor in (design.mu, *design.others.values()):
        out |= coords(predictor)
    return out


def response_name(spec: Spec) -> str:
    """Name of the observed variable: the response's, kept apart from parameters and factors."""
    design = spec.design
    groups = (g for p in (design.mu, *design.others.values()) for g in p.groups)
    taken = {*spec.family.parameters, *(names.group_dim(g.name) for g in groups)}
    return names.response(design.response, frozenset(taken))
