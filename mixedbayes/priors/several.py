"""Priors of several responses: each has those of its own model, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design import several, several_terms
from mixedbayes.design.types import Design, LinearPredictor
from mixedbayes.priors.placement import Placement
from mixedbayes.priors.types import Assigned, PredictorPriors


def side_by_side(
    design: Design, parameter: str, own: Sequence[tuple[int, LinearPredictor, PredictorPriors]]
) -> PredictorPriors:
    """Priors of one predictor of the design of all responses, from those of each response.

    `own` has the place, the predictor and the priors of each that has the parameter. Intercepts are
    among the coefficients, and as in the model of one response their default priors are about the
    value at the columns' means.
    """
    assert design.several is not None
    predictor = design.predictor(parameter)
    members = [(k, design.several.names[k], p) for k, p, _ in own]
    priors = {design.several.names[k]: prior for k, _, prior in own}
    fixef: list[Assigned] = []
    for _, _, prior in own:
        fixef += [] if prior.intercept is None else [prior.intercept]
        fixef += prior.fixef
    sd: dict[str, Any] = {}
    cor: dict[str, Any] = {}
    placed: dict[str, Any] = {}
    laws: dict[str, Any] = {}
    for _, name, p in members:
        for h in p.groups:
            term, prior = several_terms.called(name, h), priors[name]
            if several_terms.shared(h):
                continue
            sd[term] = prior.sd[h.name]
            for every, of in ((cor, prior.cor), (placed, prior.placed), (laws, prior.laws)):
                if h.name in of:
                    every[term] = of[h.name]
    for a in several_terms.joined(members):
        g = predictor.group(a.name)
        sd[a.name] = tuple(s for name, _ in a.members for s in priors[name].sd[a.name])
        if g.correlated:
            cor[a.name] = Assigned(*g.covariance.default())
        parts = [(priors[n].placed.get(a.name), len(h.terms)) for n, h in a.members]
        placement = Placement.joint(parts)
        if placement is not None:
            placed[a.name] = placement
    stepped = (m for _, _, prior in own for m in prior.monotonic)
    monotonic = tuple(
        replace(m, effect=e) for m, e in zip(stepped, predictor.monotonic, strict=True)
    )
    population = Placement.joint([(_population(p, prior), _count(p)) for _, p, prior in own])
    return PredictorPriors(
        parameter=parameter,
        intercept=None,
        intercept_at_means=True,
        terms=predictor.terms,
        fixef=tuple(fixef),
        group_terms={g.name: g.sd_terms for g in predictor.groups},
        sd=sd,
        cor=cor,
        placed=placed,
        population=population,
        laws=laws,
        covariances={g.name: g.covariance for g in predictor.groups},
        monotonic=monotonic,
    )


def _count(p: LinearPredictor) -> int:
    return len(p.terms) + p.intercept


def _population(p: LinearPredictor, prior: PredictorPriors) -> Placement | None:
    """Which coefficients a response's priors are about, the intercept among them."""
    T = np.eye(len(p.terms)) if prior.population is None else prior.population.T
    if not p.intercept:
        return prior.population
    whole = np.eye(_count(p))
    whole[0, 1:] = -p.means @ T
    whole[1:, 1:] = T
    return None if np.array_equal(whole, np.eye(len(whole))) else Placement(whole)


def of_part(
    design: Design, k: int, whole: PredictorPriors, p: LinearPredictor, own: PredictorPriors
) -> PredictorPriors:
    """Priors of a predictor of one response by itself, as they are in `whole`.

    `own` are its defaults, `p` its predictor.
    """
    assert design.several is not None
    name = design.several.names[k]
    place = {term: at for at, term in enumerate(whole.terms)}
    fixef = [whole.fixef[place[term]] for term in several.labels(name, p)]
    first = p.intercept
    intercept = fixef[0] if first else None
    sd, cor, laws = {}, {}, {}
    for g in p.groups:
        term = several_terms.called(name, g)
        given = dict(zip(whole.group_terms[term], whole.sd[term], strict=True))
        its = names.label(name, "") if several_terms.shared(g) else ""
        sd[g.name] = tuple(given[its + t] for t in g.sd_terms)
        if g.name in own.cor:
            cor[g.name] = whole.cor[term]
        if term in whole.laws:
            laws[g.name] = whole.laws[term]
    stepped = {m.name: m for m in whole.monotonic}
    monotonic = tuple(
        replace(m, average=all_of.average, shares=all_of.shares)
        for m in own.monotonic
        for all_of in (stepped[names.label(name, m.name)],)
    )
    return replace(
        own, intercept=intercept, fixef=tuple(fixef[first:]), sd=sd, cor=cor, laws=laws,
        monotonic=monotonic,
    )  # fmt: skip
