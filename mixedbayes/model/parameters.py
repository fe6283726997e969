"""The family's own parameters in PyMC: numbers, vectors, or predictors of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.model.formulations import EachFactor
from mixedbayes.model.predictor import cuts_of, linear_predictor
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import ordered, scalar, vector


def family_parameters(spec: Spec, formulations: Mapping[str, EachFactor]) -> dict[str, Any]:
    """Every parameter by name, inside a model context; (n,) where it has a formula of its own."""
    design, family = spec.design, spec.family
    out: dict[str, Any] = {}
    for name in design.further:
        eta = linear_predictor(design.predictor(name), spec.priors.predictor(name), formulations)
        out[name] = family.parameter_link(name).inverse(eta, pt)
    for name in family.estimated(design):
        if name in family.vectors:
            out[name] = thresholds(name, spec)
        else:
            prior, positive = spec.priors.parameters[name].prior, not family.parameter(name).real
            out[name] = scalar(name, prior, positive=positive)
    return out


def thresholds(name: str, spec: Spec) -> Any:
    """Thresholds; with the default prior the sampler moves in those at the columns' means.

    The prior of ordered ones is that of independent draws put in order.
    """
    design, assigned = spec.design, spec.priors.parameters[name]
    dim, labels = names.vector_dim(name), spec.family.labels(name, design) or ()
    moving = [p for p in design.moving if p.terms]

    def made(called: str) -> Any:
        if spec.family.parameter(name).ordered:
            return ordered(called, assigned.prior, len(labels), dim)
        return vector(called, [assigned.prior] * len(labels), labels, dim)

    if assigned.given or not moving:
        return made(name)
    at_means, data = made(names.at_means(name)), pm.modelcontext(None)
    beta = pt.concatenate([data[names.fixef(p.parameter)] for p in moving])
    at_zero = cuts_of(design, name).thresholds_at_zero(at_means, beta)
    return pm.Deterministic(name, at_zero, dims=dim)
