"""Names, dimensions and coordinates of a model's variables: one place for all formulations."""

from __future__ import annotations

from typing import Any

from mixedbayes import names
from mixedbayes.design.types import LinearPredictor
from mixedbayes.model.spec import Spec


def predictors(spec: Spec) -> tuple[LinearPredictor, ...]:
    """The predictor of the mean, then those of further parameters."""
    return (spec.design.mu, *spec.design.others.values())


def model_coords(spec: Spec) -> dict[str, Any]:
    """All coordinates: rows by the user's labels where these are unique, terms and levels."""
    index = spec.design.index
    usable = index.is_unique and index.nlevels == 1
    out: dict[str, Any] = {names.OBS: index.to_numpy() if usable else spec.design.rows}
    for name in spec.family.parameters:
        labels = spec.family.labels(name, spec.design)
        if labels is not None:
            out[names.vector_dim(name)] = list(labels)
    for predictor in predictors(spec):
        p = predictor.parameter
        if predictor.terms:
            out[names.term_dim(p)] = list(predictor.terms)
        for g in predictor.groups:
            out[names.group_dim(g.name)] = g.levels.to_numpy()
            out[names.group_term_dim(g.name, p)] = list(g.terms)
            if g.correlated:
                out[names.group_term_bis_dim(g.name, p)] = list(g.terms)
    return out


def dims_of(spec: Spec) -> dict[str, tuple[str, ...]]:
    """Dimensions of every parameter of the contract, besides chain and draw."""
    out: dict[str, tuple[str, ...]] = {
        name: () if spec.family.labels(name, spec.design) is None else (names.vector_dim(name),)
        for name in spec.family.parameters
        if name not in spec.design.others
    }
    for predictor in predictors(spec):
        p = predictor.parameter
        if predictor.intercept:
            out[names.intercept(p)] = ()
        if predictor.terms:
            out[names.fixef(p)] = (names.term_dim(p),)
        for g in predictor.groups:
            term = names.group_term_dim(g.name, p)
            out[names.sd(g.name, p)] = (term,)
            if g.correlated:
                out[names.cor(g.name, p)] = (term, names.group_term_bis_dim(g.name, p))
            out[names.ranef(g.name, p)] = (names.group_dim(g.name), term)
    return out


def response_name(spec: Spec) -> str:
    """Name of the observed variable: the response's, kept apart from parameters and factors."""
    taken = {*spec.family.parameters}
    taken |= {names.group_dim(g.name) for p in predictors(spec) for g in p.groups}
    return names.response(spec.design.response, frozenset(taken))
