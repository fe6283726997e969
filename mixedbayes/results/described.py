"""A model in words, before it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from mixedbayes import names
from mixedbayes.design.types import Design
from mixedbayes.distributions import Dirichlet, Prior
from mixedbayes.engines.base import Chosen
from mixedbayes.families.base import Family
from mixedbayes.model.spec import Spec
from mixedbayes.results.text import (
    html_columns,
    html_facts,
    plural,
    text_columns,
    text_facts,
)
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.unstructured import UNSTRUCTURED

_PROB = 0.95


@dataclass(frozen=True)
class ModelDescription:
    """What a model is, with text and HTML forms.

    Attributes
    ----------
    facts
        (name, what is said about it): formula, family, rows, groups, formulation, notes.
    priors
        One row per parameter: what it is, its prior, where 95 % of the prior lies, where it comes
        from. The first row has the heads.
    """

    facts: tuple[tuple[str, str], ...]
    priors: tuple[tuple[str, str, str, str], ...]

    def __str__(self) -> str:
        return f"{text_facts(self.facts)}\n\n{text_columns(self.priors)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{html_facts(self.facts)}{html_columns(self.priors)}</div>"


def describe_model(spec: Spec, formulation: Chosen) -> ModelDescription:
    """Formula, family, data, groups, every prior in words, and how it will be sampled and why."""
    facts = [*design_facts(spec.design, spec.family)]
    facts.append(("sampling", f"{formulation}: {formulation.reason}"))
    plan = formulation.engine.plan(spec, formulation)
    if plan:
        facts.append(("plan", plan))
    heads = ("parameter", "prior", f"{100 * _PROB:g} % of it", "from")
    return ModelDescription(tuple(facts), (heads, *_priors(spec)))


def design_facts(design: Design, family: Family) -> Iterator[tuple[str, str]]:
    """Formula, family, rows and groups, in words, and what the design has to note."""
    for k, text in enumerate(design.formula.texts):
        yield "" if k else "formula", text
    yield "family", family.described
    if design.residual is not None:
        own = design.residual
        if design.several is None:
            yield "residual", f"{own.text}: {plural(len(own.levels), 'level')} of {own.name}"
        else:
            own_of = " and ".join(design.several.names)
            yield "residual", f"{own_of} correlated in a row: {plural(len(own.levels), 'row')}"
    if design.several is None:
        yield "rows", f"{design.used:,} used"
        if design.standing is not None:
            kept = "sums of these" if design.standing.moments else "distinct rows"
            yield "source", f"{design.standing.source}, of which {kept} are in memory"
    else:
        yield "rows", f"{design.several.m:,} used, with {design.n:,} responses"
    predictors = design.predictors
    groups = {g.name: g.n_levels for p in predictors for g in p.factors}
    if groups:
        yield "groups", ", ".join(f"{name}: {plural(n, 'level')}" for name, n in groups.items())
    curves = [(p.parameter, g) for p in predictors for g in p.smooths]
    if curves:
        sizes = (f"{names.label(p, g.name)}: {g.n_levels} functions" for p, g in curves)
        yield "smooths", ", ".join(sizes)
    for note in design.notes:  # rows left out among them
        yield "note", note


def _priors(spec: Spec) -> Iterator[tuple[str, str, str, str]]:
    labels: dict[str, Callable[[str], str]] = {}  # of a term
    correlations: dict[str, tuple[int, Covariance]] = {}
    for predictor in spec.design.predictors:
        p = predictor.parameter
        labels[names.fixef(p)] = partial(names.label, p)
        for m in predictor.monotonic:
            shares = f"shares of the steps of {names.label(p, m.name)}"
            labels[names.simplex(m.name, p)] = shares.__add__
        for g in predictor.groups:
            said = _sd_label if g.grouping else _bend_label
            labels[names.sd(g.name, p)] = partial(said, g.name, p)
            whose = "" if p == "mu" else f", {p}"
            about = g.covariance.about + (f" of {g.covariance.of}" if g.cor_terms else "")
            labels[names.cor(g.name, p)] = f"{about} over {g.name}{whose}".__add__
            correlations[names.cor(g.name, p)] = max(map(len, g.blocks)), g.covariance
    for a in spec.design.across:
        of = ", ".join(p for p, _ in a.members)
        labels[names.cor(a.name)] = f"correlations over {a.name}, {of}".__add__
        correlations[names.cor(a.name)] = max(map(len, a.blocks)), a.effects.covariance
    if (own := spec.design.residual) is not None:
        for symbol in own.symbols:
            correlations[symbol] = own.n_positions, own.structure
            whose = f"{symbol} of residuals, {own.text}"
            if spec.design.several is not None:
                whose = "correlations of residuals"
            labels[symbol] = whose.__add__
    for parameter, term, assigned in spec.priors.rows():
        what, origin = parameter, assigned.origin
        if parameter in labels:
            what = labels[parameter](term)
        elif term:  # an intercept, and where the prior is on it
            origin = f"{term}: {origin}"
        where = reach(assigned.prior, *correlations.get(parameter, ()))
        yield what, str(assigned.prior), where, origin


def _bend_label(smooth: str, parameter: str, term: str) -> str:
    return f"sd of {names.label(parameter, smooth)}"


def _sd_label(group: str, parameter: str, term: str) -> str:
    return f"sd over {group}, {names.label(parameter, term)}"


def reach(prior: Prior, k: int = 0, covariance: Covariance = UNSTRUCTURED) -> str:
    """Where the central 95 % of a prior lies; of one of k effects' correlations, each of these."""
    if not prior.proper:
        return "anywhere"
    ends = [(1 - _PROB) / 2, (1 + _PROB) / 2]
    if k:
        low, high = covariance.margin(k, prior).distribution().ppf(ends)
        return f"{low:.2f} to {high:.2f}"
    if isinstance(prior, Dirichlet):  # each share
        margins = [margin.ppf(ends) for margin in prior.margins]
        low, high = min(m[0] for m in margins), max(m[1] for m in margins)
        return f"{low:.2f} to {high:.2f}"
    low, high = prior.frozen().ppf(ends)
    return f"{low:.3g} to {high:.3g}"
