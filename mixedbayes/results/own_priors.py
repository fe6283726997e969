"""Every number that has a prior of its own, with its draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from mixedbayes import names
from mixedbayes.design.types import Across, Floats, GroupDesign, LinearPredictor
from mixedbayes.distributions import Prior
from mixedbayes.priors.types import Assigned, PredictorPriors
from mixedbayes.results.posterior import Posterior
from mixedbayes.theta import simplex

AVERAGE, SHARE = "average", "share"  # kinds of quantities of monotonic effects


@dataclass(frozen=True, eq=False)
class Quantity:
    """One number with a prior.

    kind
        "intercept", "fixef", "sd", "cor" or "family"; "average" and "share" of the steps of a
        monotonic effect; "residual", a correlation of residuals.
    parameter
        Its name among the draws.
    terms
        Which element: a population effect's term, an effect's or two effects' of a factor, a label.
    draws
        (S,) of the parameter, at predictor value zero.
    placed
        (S,) of what the prior is about: perhaps the value at the predictors' means.
    assigned
        The prior as it was given or derived; of a correlation that of the matrix.
    prior
        SciPy-like distribution of `placed`; None where it is improper.
    moved
        Whether `placed` is another quantity than `draws`.
    predictor, group, index
        The parameter whose predictor it is of, the grouping factor, and its place among the terms;
        of one of the numbers behind structured correlations its place among these.
    across
        Of a correlation of effects that an id correlates across parameters, the parameters of the
        two, each once. `predictor` is then the mean's, the terms have the parameter before them,
        and the places are among the effects on all parameters.
    told
        Of what a structure of covariances has in the place of an sd for each effect and of all
        correlations: "sd" of all levels of the variable that `terms` has, "cor" or "range"; else
        empty.
    """

    kind: str
    parameter: str
    terms: tuple[str, ...]
    draws: Floats
    placed: Floats
    assigned: Assigned
    prior: Any
    moved: bool
    predictor: str = "mu"
    group: str = ""
    index: tuple[int, ...] = ()
    across: tuple[str, ...] = ()
    told: str = ""

    @property
    def given(self) -> bool:
        """Whether the user gave the prior; otherwise it is a default."""
        return self.assigned.given

    @property
    def term(self) -> str:
        return ", ".join(self.terms)

    @property
    def said(self) -> tuple[str, str]:
        """Parameter and term as tables have them: `fixef` and `x[low|middle]` of cs(x)."""
        if names.threshold_of(self.predictor) is None:
            return self.parameter, self.term
        return names.fixef(), names.label(self.predictor, self.term)

    @property
    def label(self) -> str:
        parameter, term = self.said
        return f"{parameter}[{term}]" if self.terms else parameter

    @property
    def name(self) -> str:
        """As tables have it: a population effect by its term alone."""
        return (
            names.label(self.predictor, self.term)
            if self.kind in ("fixef", AVERAGE)
            else self.label
        )


def quantities(post: Posterior) -> Iterator[Quantity]:
    """Intercepts, population effects, sds, correlations, and the family's own parameters."""
    for priors in post.priors.predictors:
        yield from _population(post, post.predictor(priors.parameter), priors)
        for g in post.predictor(priors.parameter).groups:
            yield from _group(post, g, priors)
    for across in post.design.across:
        yield from _across(post, across)
    yield from _residual(post)
    for name, a in post.priors.parameters.items():
        draws, labels = post.stacked(name), post.family.labels(name, post.design)
        if labels is None:
            yield Quantity("family", name, (), draws, draws, a, _frozen(a.prior), False)
            continue
        placed = post.priors.cuts(name, post.design).thresholds(draws, post.moving_fixef())
        moved = any(p.terms for p in post.design.moving) and not a.given
        for k, label in enumerate(labels):
            here, there = draws[:, k], placed[:, k]
            prior = _frozen(a.prior)
            yield Quantity("family", name, (label,), here, there, a, prior, moved, index=(k,))


def _residual(post: Posterior) -> Iterator[Quantity]:
    """Correlations of residuals."""
    own = post.design.residual
    if own is None:
        return
    values, margins = own.values(post.correlations()), own.margins(post.priors.correlations)
    for k, (t, prior) in enumerate(zip(own.told, margins, strict=True)):
        a, here = post.priors.residual[t.symbol], values[:, k]
        yield Quantity("residual", t.symbol, t.labels, here, here, a, prior, False, index=(k,))


def _population(
    post: Posterior, predictor: LinearPredictor, priors: PredictorPriors
) -> Iterator[Quantity]:
    p = predictor.parameter
    beta = post.fixef(p)
    if priors.intercept is not None:
        draws, name, a = post.intercept(p), names.intercept(p), priors.intercept
        there = priors.centre(predictor).intercept(draws, beta)
        moved = priors.intercept_at_means and bool(predictor.terms)
        yield Quantity("intercept", name, (), draws, there, a, _frozen(a.prior), moved, p)
    placed, name = priors.fixef_placed(beta), names.fixef(p)
    first = {m.effect.columns[0]: m for m in priors.monotonic}
    for k in sorted((*priors.plain, *first)):
        a, there = priors.fixef[k], placed[:, k]
        moved = priors.population is not None and priors.population.moves(k)
        if k in first:
            of, prior = (first[k].name,), _frozen(a.prior)
            yield Quantity(AVERAGE, name, of, there, there, a, prior, False, p, "", (k,))
        else:
            here, of = beta[:, k], (predictor.terms[k],)
            yield Quantity("fixef", name, of, here, there, a, _frozen(a.prior), moved, p, "", (k,))
    for m in priors.monotonic:
        own = list(m.effect.columns)
        zeta, name = simplex.divided(beta[:, own])[1], names.simplex(m.name, p)
        for k, step in enumerate(m.effect.steps):
            here, at, prior = zeta[:, k], (own[0], k), m.dirichlet.margins[k]
            yield Quantity(SHARE, name, (step,), here, here, m.shares, prior, False, p, "", at)


def _group(post: Posterior, g: GroupDesign, priors: PredictorPriors) -> Iterator[Quantity]:
    p, placement = priors.parameter, priors.placed.get(g.name)
    sd = post.sd(g.name, p)
    told = bool(g.cor_terms) and placement is None and post.design.joined(g.name) is None
    placed_sd = sd if told else post.placed(g.name, priors)[0]
    places = [g.sd_places.index(k) for k in range(len(g.sd_terms))]
    for k, term, a in zip(places, g.sd_terms, priors.sd[g.name], strict=True):
        moved = placement is not None and placement.moves(k)
        here, there, prior = sd[:, k], placed_sd[:, k], _frozen(a.prior)
        name = names.sd(g.name, p)
        found = Quantity("sd", name, (term,), here, there, a, prior, moved, p, g.name, (k,))
        yield replace(found, told="sd" if g.sd_places.count(g.sd_places[k]) > 1 else "")
    if g.name in priors.cor:
        a, moved = priors.cor[g.name], placement is not None
        if told:
            yield from _numbers(g, post.cor_numbers(g.name, p), a, p)
            return
        both = post.cor(g.name, p), post.placed(g.name, priors)[1]
        yield from _correlations(g, *both, a, p, moved=moved)


def _across(post: Posterior, a: Across) -> Iterator[Quantity]:
    """Correlations of all effects over a factor, on every parameter."""
    both = post.stacked(names.cor(a.name)), post.placed_across(a)[1]
    moved = post.priors.placement(a) is not None
    owner = [p for p, g in a.members for _ in g.terms]
    for q in _correlations(a.effects, *both, post.priors.across[a.name], "mu", moved=moved):
        yield replace(q, across=tuple(dict.fromkeys(owner[k] for k in q.index)))


def _correlations(
    g: GroupDesign, cor: Floats, placed: Floats, a: Assigned, p: str, *, moved: bool
) -> Iterator[Quantity]:
    if g.cor_terms:
        yield from _numbers(g, g.told_cor(cor), a, p)
        return
    for block in g.blocks:
        for i, j in combinations(sorted(block), 2):
            terms = g.terms[i], g.terms[j]
            prior = g.covariance.margin(len(block), a.prior).distribution()
            here, there, name = cor[:, i, j], placed[:, i, j], names.cor(g.name, p)
            yield Quantity("cor", name, terms, here, there, a, prior, moved, p, g.name, (i, j))


def _numbers(g: GroupDesign, told: Floats, a: Assigned, p: str) -> Iterator[Quantity]:
    """The numbers (S, m) that draws have of correlations."""
    name = names.cor(g.name, p)
    margins = g.covariance.margins(max(map(len, g.blocks)), a.prior)
    for k, (terms, prior) in enumerate(zip(g.cor_terms, margins, strict=True)):
        own = told[:, k]
        found = Quantity("cor", name, terms, own, own, a, prior, False, p, g.name, (k,))
        yield replace(found, told=g.covariance.kind)


def _frozen(prior: Prior) -> Any:
    return prior.frozen() if prior.proper else None
